// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// process is a running plugin, which serves one client or, multiplexed, many.
type process struct {
	client      *plugin.Client
	protocol    *plugin.GRPCClient
	multiplexed bool
	users       int
}

// clients starts plugins as their runner says, and shares the processes of those that multiplex.
type clients struct {
	mutex  sync.Mutex
	shared map[string]*process // by name; of multiplexed ones
	next   int
	starts int
}

// connection puts the number of its client into each call, by which a multiplexed plugin tells them apart.
type connection struct {
	grpc.ClientConnInterface
	id string
}

func (c connection) mark(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, pluginutil.MultiplexingCtxKey, c.id)
}

func (c connection) Invoke(ctx context.Context, method string, in, out interface{}, options ...grpc.CallOption) error {
	return c.ClientConnInterface.Invoke(c.mark(ctx), method, in, out, options...)
}

func (c connection) NewStream(ctx context.Context, description *grpc.StreamDesc, method string,
	options ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.ClientConnInterface.NewStream(c.mark(ctx), description, method, options...)
}

// user is one client of a process: what the SDK takes for a plugin's client.
type user struct {
	plugin.ClientProtocol
	all        *clients
	process    *process
	connection grpc.ClientConnInterface
	name       string
	once       sync.Once
}

func (u *user) Conn() grpc.ClientConnInterface { return u.connection }

// Reload ends the process with all of its clients.
func (u *user) Reload() error {
	u.all.forget(u.name, u.process)
	u.process.client.Kill()
	return nil
}

// Close ends the process with the last of its clients.
func (u *user) Close() error {
	u.once.Do(func() {
		if u.all.leave(u.name, u.process) {
			u.process.client.Kill()
		}
	})
	return nil
}

func (c *clients) forget(name string, p *process) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.shared[name] == p {
		delete(c.shared, name)
	}
}

func (c *clients) leave(name string, p *process) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	p.users--
	if p.users > 0 {
		return false
	}
	if c.shared[name] == p {
		delete(c.shared, name)
	}
	return true
}

func (c *clients) start(ctx context.Context, runner *pluginutil.PluginRunner, config pluginutil.PluginClientConfig) (
	*process, error) {
	c.starts++
	client, err := runner.RunConfig(ctx, pluginutil.Runner(config.Wrapper), pluginutil.PluginSets(config.PluginSets),
		pluginutil.HandshakeConfig(config.HandshakeConfig), pluginutil.Logger(config.Logger),
		pluginutil.MetadataMode(config.IsMetadataMode), pluginutil.AutoMTLS(config.AutoMTLS),
		pluginutil.MLock(config.MLock))
	if err != nil {
		return nil, err
	}
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	grpcClient, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		client.Kill()
		return nil, errors.New("the plugin does not speak gRPC")
	}
	multiplexed, err := pluginutil.MultiplexingSupported(ctx, grpcClient.Conn, config.Name)
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &process{client: client, protocol: grpcClient, multiplexed: multiplexed}, nil
}

func (c *clients) open(ctx context.Context, runner *pluginutil.PluginRunner, config pluginutil.PluginClientConfig) (
	*user, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	p := c.shared[config.Name]
	if p != nil && p.client.Exited() {
		p = nil
	}
	if p == nil {
		started, err := c.start(ctx, runner, config)
		if err != nil {
			return nil, err
		}
		p = started
	}
	p.users++
	u := &user{ClientProtocol: p.protocol, all: c, process: p, connection: p.protocol.Conn, name: config.Name}
	if p.multiplexed {
		c.next++
		c.shared[config.Name] = p
		u.connection = connection{p.protocol.Conn, number(c.next)}
	}
	return u, nil
}

var quiet = hclog.NewNullLogger()
