// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const socketDirectory = "/tmp/go-plugin-container" // in the container

type object = map[string]interface{}

// launcher is what every launch has in common.
type launcher struct {
	engine  *engine
	image   string
	args    []string
	labels  map[string]string
	cookie  string
	network bool
	alike   bool
	like    *made // where it is to be the same container as another launcher's
}

// running is one plugin: what was made of it so far, to be undone by end.
type running struct {
	directory string
	container string
	stream    io.ReadCloser
	conn      net.Conn
}

// launch measures one launch and undoes it.
func (l *launcher) launch() (map[string]float64, error) {
	var plugin running
	began, cpuBegan := time.Now(), cpuTime()
	err := l.begin(&plugin)
	if err == nil {
		err = plugin.connect()
	}
	ready, cpu := time.Since(began), cpuTime()-cpuBegan
	return map[string]float64{"ready_ms": milliseconds(ready), "cpu_ms": milliseconds(cpu)}, l.end(&plugin, err)
}

// flood measures the output before a handshake that never comes.
func (l *launcher) flood(total int64) (map[string]float64, error) {
	var plugin running
	l.args = append(l.args, "-flood-before", "-flood-stderr", fmt.Sprint(total), "-exit-now", "0")
	cpuBegan := cpuTime()
	err := l.begin(&plugin)
	if err != nil {
		return nil, l.end(&plugin, err)
	}
	var got int64
	var began time.Time
	_ = frames(plugin.stream, func(_ byte, piece []byte) bool {
		if got == 0 {
			began = time.Now()
		}
		got += int64(len(piece))
		return true
	})
	if got == 0 {
		err = errors.New("no output")
	}
	took, cpu := time.Since(began), cpuTime()-cpuBegan
	return map[string]float64{
		"mb_per_s": float64(got) / 1e6 / took.Seconds(), "share": float64(got) / float64(total),
		"seconds": took.Seconds(), "cpu_ms": milliseconds(cpu),
	}, l.end(&plugin, err)
}

// begin creates the container, attaches to it and starts it. It fills in what it made, also where it fails.
func (l *launcher) begin(plugin *running) (err error) {
	if plugin.directory, err = os.MkdirTemp("", "plugin-dir"); err != nil {
		return err
	}
	if plugin.container, err = l.engine.create(l.config(plugin.directory)); err != nil {
		return err
	}
	if plugin.stream, err = l.engine.attach(plugin.container); err != nil {
		return err
	}
	return l.engine.start(plugin.container)
}

// connect reads the handshake line and dials what it names.
func (r *running) connect() (err error) {
	var stdout []byte
	err = frames(r.stream, func(channel byte, piece []byte) bool {
		if channel == 1 {
			stdout = append(stdout, piece...)
		}
		return bytes.IndexByte(stdout, '\n') < 0
	})
	if err != nil {
		return fmt.Errorf("no handshake: %w", err)
	}
	fields := strings.Split(strings.TrimSpace(string(stdout)), "|")
	if len(fields) < 4 || fields[0] != "1" || fields[2] != "unix" {
		return fmt.Errorf("no handshake: %q", stdout)
	}
	r.conn, err = net.Dial("unix", filepath.Join(r.directory, filepath.Base(fields[3])))
	return err
}

// end undoes a launch that failed with err, or did not; it returns the first error of all.
func (l *launcher) end(plugin *running, err error) error {
	if plugin.conn != nil {
		plugin.conn.Close()
	}
	if plugin.container != "" {
		if removeErr := l.engine.remove(plugin.container); err == nil {
			err = removeErr
		}
	}
	if plugin.stream != nil {
		plugin.stream.Close()
	}
	if plugin.directory != "" {
		if removeErr := os.RemoveAll(plugin.directory); err == nil {
			err = removeErr
		}
	}
	return err
}

// config is what plugincontainer asks for, but that nothing is logged and that the container is not removed by itself.
func (l *launcher) config(directory string) object {
	if l.like != nil {
		return l.like.config(directory)
	}
	return object{
		"Image": l.image, "Cmd": l.args, "NetworkDisabled": !l.network, "Labels": l.labels,
		"Env": []string{l.cookie, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR=" + socketDirectory},
		"HostConfig": object{
			"LogConfig": object{"Type": "none"}, "CapDrop": []string{"ALL"},
			"Mounts": []object{{"Type": "bind", "Source": directory, "Target": socketDirectory,
				"BindOptions": object{"Propagation": "private", "NonRecursive": true}}},
		},
	}
}
