// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/database/dbplugin/v5"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/helper/wrapping"
	"github.com/hashicorp/vault/sdk/logical"
	backendplugin "github.com/hashicorp/vault/sdk/plugin"
)

func number(n int) string { return strconv.Itoa(n) }

// catalog knows what is registered: the file to start, and the sum that it must have.
type catalog struct {
	logical.StaticSystemView
	clients clients
	runners map[string]*pluginutil.PluginRunner
	logger  hclog.Logger
}

func newCatalog(logger hclog.Logger) *catalog {
	return &catalog{
		StaticSystemView: logical.StaticSystemView{VersionString: "1.21.0", DefaultLeaseTTLVal: time.Hour,
			MaxLeaseTTLVal: time.Hour},
		clients: clients{shared: map[string]*process{}},
		runners: map[string]*pluginutil.PluginRunner{}, logger: logger,
	}
}

func (c *catalog) LookupPlugin(ctx context.Context, name string, kind consts.PluginType) (
	*pluginutil.PluginRunner, error) {
	return c.LookupPluginVersion(ctx, name, kind, "")
}

func (c *catalog) LookupPluginVersion(_ context.Context, name string, kind consts.PluginType, _ string) (
	*pluginutil.PluginRunner, error) {
	runner := c.runners[name]
	if runner == nil || runner.Type != kind {
		return nil, fmt.Errorf("no %s plugin %q is registered", kind, name)
	}
	return runner, nil
}

func (c *catalog) NewPluginClient(ctx context.Context, config pluginutil.PluginClientConfig) (
	pluginutil.PluginClient, error) {
	runner, err := c.LookupPluginVersion(ctx, config.Name, config.PluginType, config.Version)
	if err != nil {
		return nil, err
	}
	return c.clients.open(ctx, runner, config)
}

func (c *catalog) ClusterID(context.Context) (string, error) { return "cluster", nil }

// ResponseWrapData stands for a token that only an old plugin would unwrap, over a network.
func (c *catalog) ResponseWrapData(context.Context, map[string]interface{}, time.Duration, bool) (
	*wrapping.ResponseWrapInfo, error) {
	return &wrapping.ResponseWrapInfo{Token: "no token"}, nil
}

// asDatabase starts the plugin as a database's, in metadata mode.
func (c *catalog) asDatabase(ctx context.Context, runner *pluginutil.PluginRunner) (version string, err error) {
	u, err := c.clients.open(ctx, runner, pluginutil.PluginClientConfig{Name: runner.Name, Wrapper: c,
		PluginType: consts.PluginTypeUnknown, PluginSets: dbplugin.PluginSets, HandshakeConfig: dbplugin.HandshakeConfig,
		Logger: c.logger.Named("as-database"), IsMetadataMode: true, AutoMTLS: true})
	if err != nil {
		return "", err
	}
	defer u.Close()
	if _, err := u.Dispense("database"); err != nil {
		return "", err
	}
	return c.version(ctx, u)
}

// asBackend starts the plugin for good, and asks what it is.
func (c *catalog) asBackend(ctx context.Context, runner *pluginutil.PluginRunner) (
	kind consts.PluginType, version string, err error) {
	u, err := c.clients.open(ctx, runner, pluginutil.PluginClientConfig{Name: runner.Name, Wrapper: c,
		PluginType: consts.PluginTypeUnknown, PluginSets: backendplugin.PluginSet,
		HandshakeConfig: backendplugin.HandshakeConfig, Logger: c.logger.Named("as-backend"), AutoMTLS: true})
	if err != nil {
		return consts.PluginTypeUnknown, "", err
	}
	backend, err := backendplugin.Dispense(u.ClientProtocol, u)
	if err != nil {
		u.Close()
		return consts.PluginTypeUnknown, "", err
	}
	defer backend.Cleanup(ctx)
	if err := backend.Setup(ctx, &logical.BackendConfig{Logger: c.logger, System: c}); err != nil {
		return consts.PluginTypeUnknown, "", err
	}
	if backend.Type() == logical.TypeCredential {
		kind = consts.PluginTypeCredential
	} else if backend.Type() == logical.TypeLogical {
		kind = consts.PluginTypeSecrets
	}
	version, err = c.version(ctx, u)
	return kind, version, err
}

// asOldBackend starts the plugin in the metadata mode of protocol 4, without AutoMTLS.
func (c *catalog) asOldBackend(ctx context.Context, runner *pluginutil.PluginRunner) (consts.PluginType, error) {
	backend, err := backendplugin.NewPluginClient(ctx, c, runner, c.logger.Named("metadata"), true)
	if err != nil {
		return consts.PluginTypeUnknown, err
	}
	defer backend.Cleanup(ctx)
	if err := backend.Setup(ctx, &logical.BackendConfig{Logger: c.logger}); err != nil {
		return consts.PluginTypeUnknown, err
	}
	if backend.Type() == logical.TypeCredential {
		return consts.PluginTypeCredential, nil
	}
	return consts.PluginTypeSecrets, nil
}

func (c *catalog) version(ctx context.Context, u *user) (string, error) {
	answer, err := logical.NewPluginVersionClient(u.Conn()).Version(ctx, &logical.Empty{})
	if err != nil {
		return "none", nil
	}
	return answer.PluginVersion, nil
}

// register finds out what the plugin is by starting it as each kind: first as a database's, by its cookie.
func (c *catalog) register(ctx context.Context, name, path, sum string, env []string) (string, error) {
	pin, err := hex.DecodeString(sum)
	if err != nil {
		return "", err
	}
	runner := &pluginutil.PluginRunner{Name: name, Command: path, Sha256: pin, Env: env}
	kind := consts.PluginTypeDatabase
	version, asDatabase := c.asDatabase(ctx, runner)
	if asDatabase != nil {
		var asBackend error
		if kind, version, asBackend = c.asBackend(ctx, runner); asBackend != nil {
			return "", errors.Join(asDatabase, asBackend)
		}
	}
	if kind != consts.PluginTypeDatabase {
		old, err := c.asOldBackend(ctx, runner)
		if err != nil {
			return "", fmt.Errorf("in metadata mode: %w", err)
		}
		if old != kind {
			return "", fmt.Errorf("%s in metadata mode, else %s", old, kind)
		}
	}
	runner.Type = kind
	c.runners[name] = runner
	return kind.String() + " " + version, nil
}
