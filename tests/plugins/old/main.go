// SPDX-License-Identifier: Apache-2.0

// Command old is both sides of go-plugin 1.4, which knows no PLUGIN_UNIX_SOCKET_DIR: its sockets are where TMPDIR says.
//
//	old host COMMAND...   starts a plugin, calls it, and has both sides meet over the broker; prints what came of it
//	old tcp ADDRESS SAYS  a plugin in the way of those that are not written in Go: listens on TCP, says SAYS
//	old files             tells of the files that it may write, one line each
//	old                   the plugin
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "GANTRY_OLD_COOKIE", MagicCookieValue: "8d2c"}

// Brokered connections by who listens.
const plugins, hosts = 1000, 2000

type both struct{ plugin.NetRPCUnsupportedPlugin }

func healthServer(options []grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(options...)
	answers := health.NewServer()
	answers.SetServingStatus("plugin", grpc_health_v1.HealthCheckResponse_SERVING) // the name that go-plugin asks for
	grpc_health_v1.RegisterHealthServer(server, answers)
	return server
}

func ask(connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

func meet(broker *plugin.GRPCBroker, id uint32) error {
	connection, err := broker.Dial(id)
	if err != nil {
		return err
	}
	defer connection.Close()
	return ask(connection)
}

func (both) GRPCServer(broker *plugin.GRPCBroker, _ *grpc.Server) error {
	go broker.AcceptAndServe(plugins, healthServer)
	go func() { hclog.Default().Info("met the host", "error", meet(broker, hosts)) }()
	return nil
}

func (both) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, _ *grpc.ClientConn) (interface{}, error) {
	go broker.AcceptAndServe(hosts, healthServer)
	return "", meet(broker, plugins)
}

// met waits for the plugin's word on the host's listener.
type met chan string

func (m met) Write(line []byte) (int, error) {
	if _, word, found := strings.Cut(string(line), "met the host"); found {
		m <- strings.TrimSpace(word)
	}
	return os.Stderr.Write(line)
}

func host(command []string) error {
	word := make(met, 1)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake, Plugins: plugin.PluginSet{"old": both{}}, Cmd: exec.Command(command[0], command[1:]...),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Stderr: word,
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error}),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	if err := protocol.Ping(); err != nil {
		return err
	}
	fmt.Println("called the plugin")
	if _, err := protocol.Dispense("old"); err != nil {
		return err
	}
	fmt.Println("met the plugin's listener")
	select {
	case said := <-word:
		fmt.Println("met the host's listener:", said)
	case <-time.After(10 * time.Second):
		return fmt.Errorf("the plugin did not say how it met the host")
	}
	return nil
}

func tcp(address, says string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("1|1|tcp|%s|grpc\n", says)
	server := healthServer(nil)
	// go-plugin's service for the end is named plugin.GRPCController; SIGTERM is told to all.
	return server.Serve(listener)
}

// files tells of each folder whether a file can be written there, and of the temporary one what it is.
func files() {
	folder := os.TempDir()
	var status syscall.Statfs_t
	_ = syscall.Statfs(folder, &status)
	fmt.Printf("TMPDIR %s memory %v bytes %d\n", folder, status.Type == 0x01021994, status.Blocks*uint64(status.Bsize))
	self, _ := os.ReadFile("/proc/self/exe")
	program := filepath.Join(folder, "program")
	fmt.Printf("write program: %v\n", os.WriteFile(program, self, 0o755))
	fmt.Printf("run program: %v\n", exec.Command(program, "nothing").Run())
	for _, path := range append([]string{"/written", "./written"}, os.Args[2:]...) {
		fmt.Printf("write %s: %v\n", path, os.WriteFile(path, []byte("text"), 0o644))
	}
	for _, path := range os.Args[2:] {
		text, err := os.ReadFile(path)
		fmt.Printf("read %s: %s %v\n", path, text, err)
	}
}

func main() {
	var err error
	switch arguments := os.Args[1:]; {
	case len(arguments) == 0:
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugin.PluginSet{"old": both{}},
			GRPCServer: plugin.DefaultGRPCServer})
	case arguments[0] == "host":
		err = host(arguments[1:])
	case arguments[0] == "tcp":
		err = tcp(arguments[1], arguments[2])
	case arguments[0] == "files":
		files()
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}
