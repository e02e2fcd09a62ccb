// SPDX-License-Identifier: Apache-2.0

// Command vault is a host on Vault's own SDK, which treats its plugins as Vault does: it pins the file that it starts,
// finds out by starting it what it is, sets its environment, asks for AutoMTLS, multiplexes, serves its storage, reloads,
// and starts again what was killed. It keeps its storage in the folder that it is given, does what lines of its standard
// input say, and answers each with one line:
//
//	register NAME PATH SHA256 [NAME=VALUE...]    the kind and the version of the plugin
//	mount MOUNT NAME                             a secrets plugin
//	write MOUNT KEY VALUE | read MOUNT KEY | environment MOUNT
//	reload NAME                                  ends the process; the next request starts it again
//	open DATABASE NAME | user DATABASE ROLE | close DATABASE
//	starts                                       how many processes were started
//
// At the end of its input it closes all.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/database/dbplugin/v5"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	backendplugin "github.com/hashicorp/vault/sdk/plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type mount struct {
	name    string // of the plugin
	storage logical.Storage
	backend logical.Backend // nil until it is asked for
}

type database struct {
	name string
	db   dbplugin.Database
}

type host struct {
	catalog   *catalog
	storage   logical.Storage
	mounts    map[string]*mount
	databases map[string]*database
}

// isGone tells that the plugin's process has ended, as Vault does.
func isGone(err error) bool {
	return errors.Is(err, backendplugin.ErrPluginShutdown) || errors.Is(err, dbplugin.ErrPluginShutdown) ||
		status.Code(err) == codes.Unavailable
}

func (h *host) start(ctx context.Context, m *mount) error {
	if m.backend != nil {
		return nil
	}
	config := &logical.BackendConfig{StorageView: m.storage, Logger: h.catalog.logger, System: h.catalog,
		BackendUUID: "uuid", Config: map[string]string{}}
	backend, err := backendplugin.NewBackendV5(ctx, m.name, consts.PluginTypeSecrets, "", h.catalog, config)
	if err != nil {
		return err
	}
	if err = backend.Setup(ctx, config); err == nil {
		err = backend.Initialize(ctx, &logical.InitializationRequest{Storage: m.storage})
	}
	if err != nil {
		backend.Cleanup(ctx)
		return err
	}
	m.backend = backend
	return nil
}

func stop(ctx context.Context, m *mount, reload string) {
	if m.backend == nil {
		return
	}
	if reload != "" {
		ctx = context.WithValue(ctx, backendplugin.ContextKeyPluginReload, reload)
	}
	m.backend.Cleanup(ctx)
	m.backend = nil
}

// request hands a request to the plugin, and starts it once more where it has ended.
func (h *host) request(ctx context.Context, name string, operation logical.Operation, path string,
	data map[string]interface{}) (string, error) {
	m := h.mounts[name]
	if m == nil {
		return "", errors.New("no such mount")
	}
	for attempt := 0; ; attempt++ {
		err := h.start(ctx, m)
		if err != nil {
			return "", err
		}
		answer, err := m.backend.HandleRequest(ctx, &logical.Request{Operation: operation, Path: path, Data: data,
			Storage: m.storage, MountPoint: name + "/"})
		if err != nil && isGone(err) && attempt == 0 {
			stop(ctx, m, "killed")
			continue
		}
		if err == nil && answer != nil {
			err = answer.Error()
		}
		if err != nil || answer == nil {
			return "nothing", err
		}
		return fmt.Sprint(answer.Data["value"]), nil
	}
}

func (h *host) reload(ctx context.Context, name string) {
	for _, m := range h.mounts {
		if m.name == name {
			stop(ctx, m, name)
		}
	}
}

func (h *host) open(ctx context.Context, d *database) error {
	db, err := dbplugin.PluginFactoryVersion(ctx, d.name, "", h.catalog, h.catalog.logger)
	if err != nil {
		return err
	}
	d.db = db
	_, err = db.Initialize(ctx, dbplugin.InitializeRequest{Config: map[string]interface{}{"url": "none"}})
	return err
}

// user makes one; a plugin that has ended is closed, and started once more.
func (h *host) user(ctx context.Context, name, role string) (string, error) {
	d := h.databases[name]
	if d == nil {
		return "", errors.New("no such database")
	}
	for attempt := 0; ; attempt++ {
		answer, err := d.db.NewUser(ctx, dbplugin.NewUserRequest{
			UsernameConfig: dbplugin.UsernameMetadata{RoleName: role}, Password: "secret",
			Expiration: time.Now().Add(time.Hour)})
		if err == nil || !isGone(err) || attempt > 0 {
			return answer.Username, err
		}
		_ = d.db.Close()
		if err := h.open(ctx, d); err != nil {
			return "", err
		}
	}
}

func (h *host) do(ctx context.Context, words []string) (string, error) {
	verb, words := words[0], append(words[1:], "", "", "")
	switch verb {
	case "register":
		return h.catalog.register(ctx, words[0], words[1], words[2], words[3:len(words)-3])
	case "mount":
		m := &mount{name: words[1], storage: logical.NewStorageView(h.storage, words[0]+"/")}
		h.mounts[words[0]] = m
		return "mounted", h.start(ctx, m)
	case "write":
		return h.request(ctx, words[0], logical.UpdateOperation, "values/"+words[1],
			map[string]interface{}{"value": words[2]})
	case "read":
		return h.request(ctx, words[0], logical.ReadOperation, "values/"+words[1], nil)
	case "environment":
		return h.request(ctx, words[0], logical.ReadOperation, "environment", nil)
	case "reload":
		h.reload(ctx, words[0])
		return "reloaded", nil
	case "open":
		d := &database{name: words[1]}
		h.databases[words[0]] = d
		return "opened", h.open(ctx, d)
	case "user":
		return h.user(ctx, words[0], words[1])
	case "close":
		err := h.databases[words[0]].db.Close()
		delete(h.databases, words[0])
		return "closed", err
	case "starts":
		return number(h.catalog.clients.starts), nil
	}
	return "", errors.New("unknown: " + verb)
}

func (h *host) close(ctx context.Context) {
	for _, m := range h.mounts {
		stop(ctx, m, "")
	}
	for _, d := range h.databases {
		_ = d.db.Close()
	}
}

func main() {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr})
	backend, err := file.NewFileBackend(map[string]string{"path": os.Args[1]}, logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
	h := &host{catalog: newCatalog(logger), storage: logical.NewLogicalStorage(backend), mounts: map[string]*mount{},
		databases: map[string]*database{}}
	ctx := context.Background()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := h.do(ctx, strings.Fields(lines.Text()))
		if err != nil {
			answer = "failed: " + strings.ReplaceAll(err.Error(), "\n", " / ")
		}
		fmt.Println(answer)
	}
	h.close(ctx)
	fmt.Println("closed")
}
