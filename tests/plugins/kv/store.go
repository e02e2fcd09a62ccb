// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gantry.test/kv/proto"
)

//go:generate protoc --go_out=. --go_opt=module=gantry.test/kv --go-grpc_out=. --go-grpc_opt=module=gantry.test/kv proto/kv.proto

// store is the service itself: values in memory, gone with the process.
type store struct {
	proto.UnimplementedKVServer
	mutex  sync.RWMutex
	values map[string][]byte
}

func newStore() *store {
	return &store{values: map[string][]byte{}}
}

func (s *store) register(server *grpc.Server) {
	proto.RegisterKVServer(server, s)
}

func (s *store) Put(_ context.Context, request *proto.PutRequest) (*proto.PutResponse, error) {
	if request.Key == "" {
		return nil, status.Error(codes.InvalidArgument, "key is empty")
	}
	s.set(request.Key, string(request.Value))
	return &proto.PutResponse{}, nil
}

func (s *store) set(key, value string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.values[key] = []byte(value)
}

func (s *store) Get(_ context.Context, request *proto.GetRequest) (*proto.GetResponse, error) {
	if request.Key == "" {
		return nil, status.Error(codes.InvalidArgument, "key is empty")
	}
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	value, ok := s.values[request.Key]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no value for key %q", request.Key)
	}
	return &proto.GetResponse{Value: value}, nil
}
