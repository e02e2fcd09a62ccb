// SPDX-License-Identifier: Apache-2.0

// Command plugin is a plugin for Packer, by its SDK: a builder that writes a file into the current directory and has it
// provisioned by whom Packer chooses, a provisioner that adds a line to it, and a data source of its own environment.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/version"
	"github.com/zclconf/go-cty/cty"
)

func attribute(name string) hcldec.ObjectSpec {
	return hcldec.ObjectSpec{name: &hcldec.AttrSpec{Name: name, Type: cty.String, Required: true}}
}

// value finds an attribute in what Packer tells, in whichever layers.
func value(name string, layers []interface{}) string {
	for _, layer := range layers {
		switch values := layer.(type) {
		case map[string]interface{}:
			if found, ok := values[name]; ok {
				return fmt.Sprint(found)
			}
		case map[interface{}]interface{}:
			if found, ok := values[name]; ok {
				return fmt.Sprint(found)
			}
		case cty.Value:
			if values.Type().HasAttribute(name) {
				return values.GetAttr(name).AsString()
			}
		}
	}
	return ""
}

// file is a machine that is a file: what is uploaded goes to its end.
type file struct{ packer.Communicator }

func (file) Upload(path string, content io.Reader, _ *os.FileInfo) error {
	out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, content)
	return err
}

type artifact struct{ path string }

func (a *artifact) BuilderId() string             { return "gantry.test" }
func (a *artifact) Files() []string               { return []string{a.path} }
func (a *artifact) Id() string                    { return "file:" + a.path }
func (a *artifact) String() string                { return a.path }
func (a *artifact) State(name string) interface{} { return nil }
func (a *artifact) Destroy() error                { return os.Remove(a.path) }

type builder struct{ path string }

func (b *builder) ConfigSpec() hcldec.ObjectSpec { return attribute("path") }

func (b *builder) Prepare(layers ...interface{}) ([]string, []string, error) {
	b.path = value("path", layers)
	if b.path == "" {
		return nil, nil, fmt.Errorf("path must be set")
	}
	return nil, nil, nil
}

func (b *builder) Run(ctx context.Context, ui packer.Ui, hook packer.Hook) (packer.Artifact, error) {
	ui.Say("writing " + b.path)
	if err := os.WriteFile(b.path, []byte("built\n"), 0o666); err != nil {
		return nil, err
	}
	data := map[string]interface{}{"path": b.path}
	if err := hook.Run(ctx, packer.HookProvision, ui, file{}, data); err != nil {
		return nil, err
	}
	return &artifact{b.path}, nil
}

type provisioner struct{ path string }

func (p *provisioner) ConfigSpec() hcldec.ObjectSpec { return attribute("path") }

func (p *provisioner) Prepare(layers ...interface{}) error {
	p.path = value("path", layers)
	return nil
}

func (p *provisioner) Provision(_ context.Context, ui packer.Ui, comm packer.Communicator,
	_ map[string]interface{}) error {
	ui.Say("provisioning " + p.path)
	return comm.Upload(p.path, strings.NewReader("provisioned\n"), nil)
}

type environment struct{ name string }

func (e *environment) ConfigSpec() hcldec.ObjectSpec { return attribute("name") }
func (e *environment) OutputSpec() hcldec.ObjectSpec { return attribute("value") }

func (e *environment) Configure(layers ...interface{}) error {
	e.name = value("name", layers)
	return nil
}

func (e *environment) Execute() (cty.Value, error) {
	return cty.ObjectVal(map[string]cty.Value{"value": cty.StringVal(os.Getenv(e.name))}), nil
}

func main() {
	set := plugin.NewSet()
	set.SetVersion(version.NewPluginVersion("1.2.3", "", ""))
	set.RegisterBuilder("file", new(builder))
	set.RegisterProvisioner("line", new(provisioner))
	set.RegisterDatasource("environment", new(environment))
	if err := set.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
