// SPDX-License-Identifier: Apache-2.0

// Command hold is a go-plugin host that starts one plugin, says "ready", and holds it: until its standard input ends,
// when it closes the plugin as hosts do, or until the plugin has ended by itself. Then it tells how that went, in one
// line, and returns.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// kv stands for the test plugin's service, of which nothing is called here.
type kv struct {
	plugin.NetRPCUnsupportedPlugin
}

func (kv) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

// GRPCClient opens a listener of the host's, for its plugin to dial.
func (kv) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, _ *grpc.ClientConn) (interface{}, error) {
	return broker.Accept(broker.NextId())
}

// saved is what a host keeps of its plugin, for the host that comes after it.
type saved struct {
	Address string
	Pid     int
}

func save(path string, client *plugin.Client) error {
	config := client.ReattachConfig()
	text, err := json.Marshal(saved{Address: config.Addr.String(), Pid: config.Pid})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func load(path string) *plugin.ReattachConfig {
	var found saved
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		panic(err)
	}
	return &plugin.ReattachConfig{Protocol: plugin.ProtocolGRPC, ProtocolVersion: 1, Pid: found.Pid,
		Addr: &net.UnixAddr{Net: "unix", Name: found.Address}}
}

func main() {
	mtls := flag.Bool("mtls", false, "ask for AutoMTLS")
	leave := flag.Bool("leave", false, "end without closing the plugin")
	pin := flag.String("sha256", "", "start the plugin only if its file has this `SUM`")
	var added, late []string
	flag.Func("add", "set `NAME=VALUE` for the plugin", func(entry string) error {
		added = append(added, entry)
		return nil
	})
	flag.Func("late", "set `NAME=VALUE` for the host itself, now that it runs", func(entry string) error {
		late = append(late, entry)
		return nil
	})
	layout := flag.String("environment", "last", "of the host's own environment: last, first, or none for the plugin")
	shell := flag.Bool("shell", false, "start it through a shell that stays in between")
	mux := flag.Bool("multiplex", false, "ask for a multiplexed broker")
	listen := flag.Bool("listen", false, "open a listener for the plugin to dial")
	keep := flag.String("save", "", "write to `FILE` where the plugin is")
	successor := flag.String("reattach", "", "attach to the plugin that `FILE` says, instead of starting one")
	flag.Parse()

	command := exec.Command(flag.Arg(0), flag.Args()[1:]...)
	if *shell {
		command = exec.Command("/bin/sh", "-c", `"$0"; exit $?`, flag.Arg(0))
	}
	for _, entry := range late {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	if *layout == "first" {
		command.Env = os.Environ()
	}
	command.Env = append(command.Env, added...)
	config := &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GANTRY_KV_COOKIE",
			MagicCookieValue: "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55"},
		Plugins: plugin.PluginSet{"kv": kv{}}, Cmd: command, AutoMTLS: *mtls, GRPCBrokerMultiplex: *mux,
		SkipHostEnv:      *layout != "last",
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr}),
	}
	if *pin != "" {
		sum, err := hex.DecodeString(*pin)
		if err != nil {
			panic(err)
		}
		config.SecureConfig = &plugin.SecureConfig{Checksum: sum, Hash: sha256.New()}
	}
	if *successor != "" {
		config.Cmd, config.Reattach = nil, load(*successor)
	}
	client := plugin.NewClient(config)
	err := hold(client, *leave, *listen, *keep)
	client.Kill()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("closed")
}

// hold returns nil where it was told to close the plugin.
func hold(client *plugin.Client, leave, listen bool, keep string) error {
	rpc, err := client.Client()
	if err != nil {
		return err
	}
	if err := rpc.Ping(); err != nil {
		return err
	}
	if listen {
		if _, err := rpc.Dispense("kv"); err != nil {
			return err
		}
	}
	if keep != "" {
		if err := save(keep, client); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	told := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(told)
	}()
	for !client.Exited() {
		select {
		case <-told:
			if leave {
				os.Exit(0)
			}
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return errors.New("the plugin ended")
}
