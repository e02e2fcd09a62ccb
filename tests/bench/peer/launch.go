// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-secure-stdlib/plugincontainer"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"google.golang.org/grpc"
)

// launcher is what every launch has in common.
type launcher struct {
	container plugincontainer.Config
	handshake plugin.HandshakeConfig
	tls       bool
	logger    hclog.Logger
}

func newLauncher() *launcher {
	return &launcher{handshake: plugin.HandshakeConfig{ProtocolVersion: 1}, logger: hclog.NewNullLogger()}
}

// unusedPlugin is never dispensed: a launch is over once the plugin answers a ping.
type unusedPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (unusedPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return errors.New("unused") }

func (unusedPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("unused")
}

func (l *launcher) newClient(stderr io.Writer) *plugin.Client {
	return plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  l.handshake,
		Plugins:          plugin.PluginSet{"kv": unusedPlugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         l.tls,
		SkipHostEnv:      true,
		Logger:           l.logger,
		Stderr:           stderr,
		RunnerFunc:       l.container.NewContainerRunner,
	})
}

// launch measures one launch and undoes it.
func (l *launcher) launch() (map[string]float64, error) {
	began, cpuBegan := time.Now(), cpuTime()
	host := l.newClient(nil)
	err := ping(host)
	ready, cpu := time.Since(began), cpuTime()-cpuBegan
	if endErr := end(host); err == nil {
		err = endErr
	}
	return map[string]float64{"ready_ms": milliseconds(ready), "cpu_ms": milliseconds(cpu)}, err
}

// flood measures the output of a plugin that prints and exits.
func (l *launcher) flood(total int64) (map[string]float64, error) {
	l.container.Args = append(l.container.Args, "-flood-stderr", fmt.Sprint(total), "-exit-after-flood")
	var output counter
	cpuBegan := cpuTime()
	host := l.newClient(&output)
	err := ping(host)
	for err == nil && !host.Exited() {
		time.Sleep(10 * time.Millisecond) // go-plugin has no other way to learn of the end
	}
	cpu := cpuTime() - cpuBegan
	if endErr := end(host); err == nil {
		err = endErr
	}
	got, took := output.figures()
	if err == nil && took == 0 {
		err = errors.New("no output")
	}
	return map[string]float64{
		"mb_per_s": float64(got) / 1e6 / took.Seconds(), "share": float64(got) / float64(total),
		"seconds": took.Seconds(), "cpu_ms": milliseconds(cpu),
	}, err
}

func ping(host *plugin.Client) error {
	protocol, err := host.Client()
	if err != nil {
		return err
	}
	return protocol.Ping()
}

// end kills the plugin and waits until the engine has removed its container, so that the next launch is not disturbed.
func end(host *plugin.Client) error {
	id := host.ID()
	host.Kill()
	if id == "" {
		return nil
	}
	engine, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer engine.Close()
	wait := engine.ContainerWait(context.Background(), id, client.ContainerWaitOptions{
		Condition: container.WaitConditionRemoved,
	})
	select {
	case <-wait.Error: // gone already
	case <-wait.Result:
	}
	return nil
}

// counter counts the bytes of the flood among what go-plugin hands on: whole lines, their ends apart.
type counter struct {
	mutex       sync.Mutex
	bytes       int64
	first, last time.Time
}

func (c *counter) Write(piece []byte) (int, error) {
	if bytes.HasPrefix(piece, []byte("flood ")) {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.last = time.Now()
		if c.bytes == 0 {
			c.first = c.last
		}
		c.bytes += int64(len(piece)) + 1
	}
	return len(piece), nil
}

func (c *counter) figures() (int64, time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.bytes, c.last.Sub(c.first)
}
