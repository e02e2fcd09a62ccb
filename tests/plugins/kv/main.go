// SPDX-License-Identifier: Apache-2.0

// Command kv is the plugin that gantry's tests and demo run: a key-value store served by the real go-plugin library,
// which misbehaves on request. Its flags are listed in options.go; without any it is a well-behaved plugin.
//
// One source is built twice, with the newest go-plugin (go.mod) and with 1.6.x (go-1.6.mod).
package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// The cookie is no secret: it only tells a plugin that a host, not a person, started it.
const (
	cookieKey   = "GANTRY_KV_COOKIE"
	cookieValue = "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55"
)

// kvPlugin registers the store with the server that go-plugin made.
type kvPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	store *store
}

func (p *kvPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	p.store.register(server)
	return nil
}

// GRPCClient is the host's side, which this program never is.
func (p *kvPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (interface{}, error) {
	return nil, errors.New("the kv plugin has no host side")
}

func main() {
	o := parseOptions(os.Args[1:])
	o.misbehaveBeforeServing()
	serve(o)
}

// serve returns once the host has called Shutdown.
func serve(o *options) {
	logger := hclog.New(&hclog.LoggerOptions{Name: "kv", Level: hclog.Debug, Output: os.Stderr, JSONFormat: true})
	logger.Info("serving", "go_plugin", goPluginVersion(), "go", runtime.Version())

	served := map[string]plugin.Plugin{"kv": &kvPlugin{store: o.store}}
	versions := map[int]plugin.PluginSet{}
	for _, version := range o.protocolVersions {
		versions[version] = served
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: cookieKey, MagicCookieValue: cookieValue},
		VersionedPlugins: versions,
		GRPCServer:       o.newServer,
		Logger:           logger,
	})
}

func goPluginVersion() string {
	information, _ := debug.ReadBuildInfo()
	if information != nil {
		for _, module := range information.Deps {
			if module.Path == "github.com/hashicorp/go-plugin" {
				return module.Version
			}
		}
	}
	return "unknown"
}
