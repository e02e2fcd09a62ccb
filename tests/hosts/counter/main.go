// SPDX-License-Identifier: Apache-2.0

// Command counter is a host of plugincontainer's own example plugin: it asks the plugin to add to a value, and serves
// the storage that the plugin keeps it in. So the plugin calls back over the broker, to a listener of the host's.
//
// It starts PLUGIN as any program, or attaches to the socket that -attach names, and prints the value after each of
// the additions.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-secure-stdlib/plugincontainer/examples/container/shared"
)

// storage keeps values in memory and counts the plugin's calls.
type storage struct {
	mutex  sync.Mutex
	values map[string]int64
	calls  int
}

func (s *storage) Get(key string) (int64, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls++
	return s.values[key], nil
}

func (s *storage) Put(key string, value int64) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls++
	s.values[key] = value
	return nil
}

// config is for a plugin that is started, or for one that runs already.
func config(attach string, mtls bool, command []string) *plugin.ClientConfig {
	c := &plugin.ClientConfig{
		HandshakeConfig:  shared.Handshake,
		Plugins:          shared.PluginMap,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         mtls,
	}
	if attach == "" {
		c.Cmd = exec.Command(command[0])
		return c
	}
	c.Reattach = &plugin.ReattachConfig{
		Protocol: plugin.ProtocolGRPC, ProtocolVersion: 1, Pid: os.Getpid(), Test: true,
		Addr: &net.UnixAddr{Net: "unix", Name: attach},
	}
	return c
}

func run(c *plugin.ClientConfig, additions []string) error {
	client := plugin.NewClient(c)
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense("counter")
	if err != nil {
		return err
	}
	kept := &storage{values: map[string]int64{}}
	for _, text := range additions {
		addition, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		value, err := raw.(shared.Counter).Increment("key", addition, kept)
		if err != nil {
			return err
		}
		fmt.Println(value)
	}
	fmt.Println(kept.calls, "calls of the plugin")
	return nil
}

func main() {
	attach := flag.String("attach", "", "socket of a plugin that runs already")
	mtls := flag.Bool("mtls", false, "AutoMTLS")
	flag.Parse()
	arguments := flag.Args()
	c := config(*attach, *mtls, arguments)
	if *attach == "" {
		arguments = arguments[1:]
	}
	if err := run(c, arguments); err != nil {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}
