// SPDX-License-Identifier: Apache-2.0

// Command hold is a go-plugin host that starts one plugin, says "ready", and holds it: until its standard input ends,
// when it closes the plugin as hosts do, or until the plugin has ended by itself. Then it tells how that went, in one
// line, and returns.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
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

func main() {
	mtls := flag.Bool("mtls", false, "ask for AutoMTLS")
	leave := flag.Bool("leave", false, "end without closing the plugin")
	pin := flag.String("sha256", "", "start the plugin only if its file has this `SUM`")
	added := flag.String("add", "", "add `NAME=VALUE` to the plugin's environment")
	shell := flag.Bool("shell", false, "start it through a shell that stays in between")
	mux := flag.Bool("multiplex", false, "ask for a multiplexed broker")
	listen := flag.Bool("listen", false, "open a listener for the plugin to dial")
	flag.Parse()

	command := exec.Command(flag.Arg(0), flag.Args()[1:]...)
	if *shell {
		command = exec.Command("/bin/sh", "-c", `"$0"; exit $?`, flag.Arg(0))
	}
	if *added != "" {
		command.Env = []string{*added}
	}
	config := &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GANTRY_KV_COOKIE",
			MagicCookieValue: "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55"},
		Plugins: plugin.PluginSet{"kv": kv{}}, Cmd: command, AutoMTLS: *mtls, GRPCBrokerMultiplex: *mux,
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
	client := plugin.NewClient(config)
	err := hold(client, *leave, *listen)
	client.Kill()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("closed")
}

// hold returns nil where it was told to close the plugin.
func hold(client *plugin.Client, leave, listen bool) error {
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
