// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// tester serves gantry.Test. Its messages are google.protobuf.BytesValue, so that a test needs no compiler for them.
type tester struct{ server *grpc.Server }

type bytesMessage = wrapperspb.BytesValue

func unary(name string, handle func(*tester, context.Context, *bytesMessage) (*bytesMessage, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(service interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
			in := new(bytesMessage)
			if err := decode(in); err != nil {
				return nil, err
			}
			return handle(service.(*tester), ctx, in)
		},
	}
}

var testService = grpc.ServiceDesc{
	ServiceName: "gantry.Test",
	HandlerType: (*interface{})(nil),
	Methods: []grpc.MethodDesc{
		unary("Echo", echo),
		unary("Metadata", echoMetadata),
		unary("Fail", fail),
		unary("Never", never),
		unary("Slow", slow),
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Download", Handler: download, ServerStreams: true},
		{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true},
		{StreamName: "Upload", Handler: upload, ClientStreams: true},
		{StreamName: "Refuse", Handler: refuse, ServerStreams: true, ClientStreams: true},
		{StreamName: "Leave", Handler: leave, ServerStreams: true},
	},
}

func echo(_ *tester, _ context.Context, in *bytesMessage) (*bytesMessage, error) { return in, nil }

// echoMetadata answers with the value of x-request and sets two trailers.
func echoMetadata(_ *tester, ctx context.Context, _ *bytesMessage) (*bytesMessage, error) {
	sent, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-answer", "one", "x-answer", "two", "x-data-bin", "\x00\xff"))
	value := ""
	if values := sent.Get("x-request"); len(values) > 0 {
		value = values[0]
	}
	return &bytesMessage{Value: []byte(value)}, nil
}

// fail ends with a message of every kind of character, and details.
func fail(_ *tester, _ context.Context, _ *bytesMessage) (*bytesMessage, error) {
	failure, err := status.New(codes.FailedPrecondition, "50% done\n\u00fcber-long \u2713 ").WithDetails(durationpb.New(time.Second))
	if err != nil {
		return nil, err
	}
	return nil, failure.Err()
}

func never(_ *tester, ctx context.Context, _ *bytesMessage) (*bytesMessage, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func slow(_ *tester, _ context.Context, in *bytesMessage) (*bytesMessage, error) {
	time.Sleep(100 * time.Millisecond)
	return in, nil
}

// download sends as many messages, of such a size, as the first eight bytes say: count and size, big-endian. With a
// ninth byte the stream then stays open.
func download(_ interface{}, stream grpc.ServerStream) error {
	in := new(bytesMessage)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	count, size := binary.BigEndian.Uint32(in.Value), binary.BigEndian.Uint32(in.Value[4:])
	for i := uint32(0); i < count; i++ {
		payload := make([]byte, size)
		for at := range payload {
			payload[at] = byte(i)
		}
		if err := stream.SendMsg(&bytesMessage{Value: payload}); err != nil {
			return err
		}
	}
	if len(in.Value) > 8 {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return nil
}

func chat(_ interface{}, stream grpc.ServerStream) error {
	for {
		in := new(bytesMessage)
		if err := stream.RecvMsg(in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}

// upload answers with the number of bytes it got, in eight bytes.
func upload(_ interface{}, stream grpc.ServerStream) error {
	total := uint64(0)
	for {
		in := new(bytesMessage)
		if err := stream.RecvMsg(in); err == io.EOF {
			out := make([]byte, 8)
			binary.BigEndian.PutUint64(out, total)
			return stream.SendMsg(&bytesMessage{Value: out})
		} else if err != nil {
			return err
		}
		total += uint64(len(in.Value))
	}
}

// refuse ends at once, while the client still has its side of the stream open.
func refuse(_ interface{}, _ grpc.ServerStream) error {
	return status.Error(codes.AlreadyExists, "refused at once")
}

// leave sends one message, says on the connection that the server goes, and ends in order a little later.
func leave(service interface{}, stream grpc.ServerStream) error {
	if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
		return err
	}
	go service.(*tester).server.GracefulStop()
	time.Sleep(200 * time.Millisecond)
	return stream.SendMsg(&emptypb.Empty{})
}
