// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	shutdownMethod = "/plugin.GRPCController/Shutdown"
	healthMethod   = "/grpc.health.v1.Health/Check"
)

// newServer makes the server for go-plugin, with interceptors where the services that go-plugin registers itself are to
// answer in another way, and to learn of the host's first call.
func (o *options) newServer(settings []grpc.ServerOption) *grpc.Server {
	var first sync.Once
	settings = append(settings,
		grpc.UnaryInterceptor(func(ctx context.Context, request interface{}, call *grpc.UnaryServerInfo,
			next grpc.UnaryHandler) (interface{}, error) {
			first.Do(o.misbehaveWhileServing)
			if answer := o.answerInstead(call.FullMethod); answer != nil {
				return answer()
			}
			return next(ctx, request)
		}),
		grpc.StreamInterceptor(func(service interface{}, stream grpc.ServerStream, _ *grpc.StreamServerInfo,
			next grpc.StreamHandler) error {
			first.Do(o.misbehaveWhileServing)
			return next(service, stream)
		}))
	return grpc.NewServer(settings...)
}

// answerInstead returns what answers a method in place of go-plugin, or nil.
func (o *options) answerInstead(method string) func() (interface{}, error) {
	switch {
	case method == shutdownMethod && o.hangShutdown:
		return func() (interface{}, error) {
			sleepForEver()
			return nil, nil
		}
	case method == shutdownMethod && o.ignoreShutdown:
		return func() (interface{}, error) { return &emptypb.Empty{}, nil }
	case method == healthMethod && o.health == "not-serving":
		return func() (interface{}, error) {
			return &grpc_health_v1.HealthCheckResponse{
				Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING,
			}, nil
		}
	case method == healthMethod && o.health == "unimplemented":
		return func() (interface{}, error) {
			return nil, status.Error(codes.Unimplemented, "no health check here")
		}
	}
	return nil
}
