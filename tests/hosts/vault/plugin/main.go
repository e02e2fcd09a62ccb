// SPDX-License-Identifier: Apache-2.0

// Command plugin is four plugins for Vault, by its arguments: "secret" keeps values in its host's storage, "database"
// makes users of no database; "multiplex" behind it serves many mounts by one process.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/sdk/database/dbplugin/v5"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

const version = "v1.2.3"

// variables says what of the environment may tell what the host has set: all but go-plugin's own.
func variables() string {
	var names []string
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "PLUGIN_") && name != "VAULT_UNWRAP_TOKEN" {
			names = append(names, name+"="+value)
		}
	}
	return strings.Join(names, " ")
}

func field(data *framework.FieldData, name string) string { return data.Get(name).(string) }

func write(ctx context.Context, request *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	entry, err := logical.StorageEntryJSON(field(data, "key"), field(data, "value"))
	if err != nil {
		return nil, err
	}
	return nil, request.Storage.Put(ctx, entry)
}

func read(ctx context.Context, request *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	entry, err := request.Storage.Get(ctx, field(data, "key"))
	if err != nil || entry == nil {
		return nil, err
	}
	var value string
	if err := entry.DecodeJSON(&value); err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]interface{}{"value": value}}, nil
}

func environment(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
	return &logical.Response{Data: map[string]interface{}{"value": variables()}}, nil
}

func operation(function framework.OperationFunc) framework.OperationHandler {
	return &framework.PathOperation{Callback: function}
}

func secret(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
	backend := &framework.Backend{
		BackendType: logical.TypeLogical, RunningVersion: version, Help: "keeps values",
		Paths: []*framework.Path{
			{
				Pattern:    "environment$",
				Operations: map[logical.Operation]framework.OperationHandler{logical.ReadOperation: operation(environment)},
			},
			{
				Pattern: "values/" + framework.GenericNameRegex("key"),
				Fields: map[string]*framework.FieldSchema{
					"key": {Type: framework.TypeString}, "value": {Type: framework.TypeString},
				},
				Operations: map[logical.Operation]framework.OperationHandler{
					logical.ReadOperation: operation(read), logical.UpdateOperation: operation(write),
				},
			},
		},
	}
	return backend, backend.Setup(ctx, config)
}

// database counts the users that it would have made.
type database struct{ made, deleted int }

func (d *database) PluginVersion() logical.PluginVersion {
	return logical.PluginVersion{Version: version}
}
func (d *database) Type() (string, error) { return "counting", nil }
func (d *database) Close() error          { return nil }

func (d *database) Initialize(_ context.Context, r dbplugin.InitializeRequest) (dbplugin.InitializeResponse, error) {
	return dbplugin.InitializeResponse{Config: r.Config}, nil
}

func (d *database) NewUser(_ context.Context, r dbplugin.NewUserRequest) (dbplugin.NewUserResponse, error) {
	d.made++
	return dbplugin.NewUserResponse{Username: fmt.Sprintf("%s-%d", r.UsernameConfig.RoleName, d.made)}, nil
}

func (d *database) UpdateUser(context.Context, dbplugin.UpdateUserRequest) (dbplugin.UpdateUserResponse, error) {
	return dbplugin.UpdateUserResponse{}, nil
}

func (d *database) DeleteUser(context.Context, dbplugin.DeleteUserRequest) (dbplugin.DeleteUserResponse, error) {
	d.deleted++
	return dbplugin.DeleteUserResponse{}, nil
}

func newDatabase() (interface{}, error) { return &database{}, nil }

func main() {
	var err error
	options := &plugin.ServeOpts{BackendFactoryFunc: secret, TLSProviderFunc: api.VaultPluginTLSProvider(nil)}
	switch strings.Join(os.Args[1:], " ") {
	case "secret":
		err = plugin.Serve(options)
	case "secret multiplex":
		err = plugin.ServeMultiplex(options)
	case "database":
		dbplugin.Serve(&database{})
	case "database multiplex":
		dbplugin.ServeMultiplex(newDatabase)
	default:
		err = fmt.Errorf("usage: plugin secret|database [multiplex]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
