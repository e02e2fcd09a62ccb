// SPDX-License-Identifier: Apache-2.0

// Command packer starts plugins for Packer as Packer does, by what Packer's SDK has for its counterpart: asks one what
// it is, or has it build, provision, or give data. It knows nothing of gantry, and is not Packer.
//
//	packer [-protobuf] describe PLUGIN
//	packer [-protobuf] build PLUGIN BUILDER PROVISIONER PATH
//	packer [-protobuf] prepare PLUGIN BUILDER
//	packer [-protobuf] data PLUGIN DATASOURCE
package main

import (
	"bufio"
	"context"
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

	"github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/rpc"
)

const startTimeout = time.Minute

var protobuf = flag.Bool("protobuf", false, "speak the newer encoding")

// process is one component of a plugin, in a process of its own.
type process struct {
	*rpc.Client
	command *exec.Cmd
}

func start(path string, arguments ...string) (*process, error) {
	if *protobuf {
		arguments = append(arguments, "--protobuf")
	}
	command := exec.Command(path, arguments...)
	command.Env = append(os.Environ(), plugin.MagicCookieKey+"="+plugin.MagicCookieValue,
		"PACKER_PLUGIN_MIN_PORT=10000", "PACKER_PLUGIN_MAX_PORT=25000")
	command.Stdin, command.Stderr = os.Stdin, os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	started := &process{command: command}
	connection, err := connect(output)
	if err == nil {
		started.Client, err = rpc.NewClient(connection)
	}
	if err != nil {
		started.kill()
		return nil, err
	}
	started.UseProto = *protobuf
	return started, nil
}

// connect reads the plugin's first line, connects to where it says, and reads on, so that the plugin can write.
func connect(output io.Reader) (net.Conn, error) {
	lines := make(chan string, 1)
	go func() {
		reader := bufio.NewReader(output)
		line, _ := reader.ReadString('\n')
		lines <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, reader)
	}()
	select {
	case <-time.After(startTimeout):
		return nil, errors.New("timeout while waiting for plugin to start")
	case line := <-lines:
		fields := strings.SplitN(line, "|", 4)
		if line == "" {
			return nil, errors.New("plugin exited before we could connect")
		}
		if len(fields) < 4 {
			return nil, fmt.Errorf("Unrecognized remote plugin message: %s", line)
		}
		if fields[0] != plugin.APIVersionMajor || fields[1] > plugin.APIVersionMinor {
			return nil, fmt.Errorf("Incompatible API version with plugin: %s.%s", fields[0], fields[1])
		}
		return net.Dial(fields[2], fields[3])
	}
}

// kill ends the plugin without a word, as Packer does.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// provision is what Packer hooks into a build: the builder's plugin calls it, and it calls the provisioner's.
type provision struct{ provisioner packer.Provisioner }

func (p provision) Run(ctx context.Context, _ string, ui packer.Ui, comm packer.Communicator, data interface{}) error {
	values := map[string]interface{}{}
	if given, ok := data.(map[interface{}]interface{}); ok {
		for name, value := range given {
			values[fmt.Sprint(name)] = value
		}
	}
	return p.provisioner.Provision(ctx, ui, comm, values)
}

func describe(path string) error {
	output, err := exec.Command(path, "describe").Output()
	if err != nil {
		return err
	}
	var description plugin.SetDescription
	if err := json.Unmarshal(output, &description); err != nil {
		return fmt.Errorf("%w: %q", err, output)
	}
	fmt.Println(description.Version, description.APIVersion, description.Builders, description.Datasources)
	return nil
}

func prepare(path, name string) error {
	component, err := start(path, "start", "builder", name)
	if err != nil {
		return err
	}
	defer component.kill()
	fmt.Println(len(component.Builder().ConfigSpec()), "attributes")
	_, _, err = component.Builder().Prepare(map[string]interface{}{"packer_build_name": name})
	return err
}

func build(path, builder, provisioner, made string) error {
	values := map[string]interface{}{"path": made}
	first, err := start(path, "start", "builder", builder)
	if err != nil {
		return err
	}
	defer first.kill()
	second, err := start(path, "start", "provisioner", provisioner)
	if err != nil {
		return err
	}
	defer second.kill()
	if err := second.Provisioner().Prepare(values); err != nil {
		return err
	}
	if _, _, err := first.Builder().Prepare(values); err != nil {
		return err
	}
	ui := &packer.BasicUi{Reader: strings.NewReader(""), Writer: os.Stdout, ErrorWriter: os.Stderr}
	hook := &packer.DispatchHook{Mapping: map[string][]packer.Hook{
		packer.HookProvision: {provision{second.Provisioner()}}}}
	artifact, err := first.Builder().Run(context.Background(), ui, hook)
	if err != nil {
		return err
	}
	fmt.Println("artifact", artifact.Id(), artifact.Files())
	return nil
}

func data(path, name string) error {
	component, err := start(path, "start", "datasource", name)
	if err != nil {
		return err
	}
	defer component.kill()
	if err := component.Datasource().Configure(map[string]interface{}{"name": "PACKER_RUN_UUID"}); err != nil {
		return err
	}
	value, err := component.Datasource().Execute()
	if err == nil {
		fmt.Println("data", value.GetAttr("value").AsString())
	}
	return err
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "describe":
		return describe(arguments[1])
	case len(arguments) == 3 && arguments[0] == "prepare":
		return prepare(arguments[1], arguments[2])
	case len(arguments) == 3 && arguments[0] == "data":
		return data(arguments[1], arguments[2])
	case len(arguments) == 5 && arguments[0] == "build":
		return build(arguments[1], arguments[2], arguments[3], arguments[4])
	}
	return fmt.Errorf("unknown command: %q", arguments)
}

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
