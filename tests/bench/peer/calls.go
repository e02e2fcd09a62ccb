// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The messages of the key-value plugin are the same on the wire: one field, of a text or of bytes.
type (
	keyMessage   = wrapperspb.StringValue
	valueMessage = wrapperspb.BytesValue
)

const (
	get      = "/proto.KV/Get"
	echo     = "/gantry.Test/Echo"
	download = "/gantry.Test/Download"
)

// limit is that of gantry's calls.
const limit = 64 << 20

// caller makes calls on two servers: a key-value plugin, and the server of the core's tests.
type caller struct {
	plugin, server *grpc.ClientConn
}

// calls answers lines on stdin, each with one JSON line, until there are no more: "one COUNT" makes calls one after the
// other, "many COUNT UNDER_WAY" at the same time, "stream COUNT SIZE" reads messages, "large SIZE" sends one and gets it
// back. Times are microseconds of the whole.
func calls(pluginSocket, serverSocket string) error {
	var c caller
	for path, connection := range map[string]**grpc.ClientConn{pluginSocket: &c.plugin, serverSocket: &c.server} {
		made, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit), grpc.MaxCallSendMsgSize(limit)))
		if err != nil {
			return err
		}
		defer made.Close()
		*connection = made
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var kind string
		var count, more int
		if n, _ := fmt.Sscan(input.Text(), &kind, &count, &more); n < 2 {
			return fmt.Errorf("%q is no request", input.Text())
		}
		began, cpuBegan := time.Now(), cpuTime()
		err := c.measure(kind, count, more)
		took, cpu := time.Since(began), cpuTime()-cpuBegan
		report(map[string]float64{"us": float64(took.Nanoseconds()) / 1e3, "cpu_us": float64(cpu.Nanoseconds()) / 1e3}, err)
	}
	return nil
}

func (c *caller) measure(kind string, count, more int) error {
	switch kind {
	case "one":
		return c.one(count)
	case "many":
		return c.many(count, more)
	case "stream":
		return c.stream(count, more)
	case "large":
		return c.large(count)
	}
	return fmt.Errorf("%q is no kind of call", kind)
}

// timeout is that of gantry's calls which name none.
const timeout = 30 * time.Second

func (c *caller) one(count int) error {
	for range count {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		err := c.plugin.Invoke(ctx, get, &keyMessage{Value: "greeting"}, new(valueMessage))
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *caller) many(count, underWay int) error {
	errs := make([]error, underWay)
	var group sync.WaitGroup
	for i := range underWay {
		group.Go(func() { errs[i] = c.one(count / underWay) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *caller) stream(count, size int) error {
	request := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(count)), uint32(size))
	stream, err := c.server.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, download)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&valueMessage{Value: request}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for got := 0; ; got++ {
		if err := stream.RecvMsg(new(valueMessage)); err == io.EOF && got == count {
			return nil
		} else if err != nil {
			return fmt.Errorf("after %d messages: %w", got, err)
		}
	}
}

func (c *caller) large(size int) error {
	return c.server.Invoke(context.Background(), echo, &valueMessage{Value: make([]byte, size)}, new(valueMessage))
}
