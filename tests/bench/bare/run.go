// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is a plugin that a command starts: the plugin itself, an OCI runtime, or what stands in for a plugin.
type program struct {
	command   []string
	undo      []string // run to end it; without one it is sent TERM
	directory string   // of its socket, where that has another path in a container
}

// launch measures one start up to the connection, and undoes it.
func (p *program) launch(cookie string) (map[string]float64, error) {
	began := time.Now()
	command := exec.Command(p.command[0], p.command[1:]...)
	command.Env = append(os.Environ(), cookie, "PLUGIN_PROTOCOL_VERSIONS=1")
	if p.directory != "" {
		command.Env = append(command.Env, "PLUGIN_UNIX_SOCKET_DIR="+p.directory)
	}
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		return nil, err
	}
	handshake, conn, err := p.connect(bufio.NewReader(output), began)
	ready := time.Since(began)
	if conn != nil {
		conn.Close()
	}
	if endErr := p.end(command, output); err == nil {
		err = endErr
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, complaint.Bytes())
	}
	return map[string]float64{"handshake_ms": milliseconds(handshake), "ready_ms": milliseconds(ready)}, err
}

// connect reads the handshake line and dials what it names.
func (p *program) connect(output *bufio.Reader, began time.Time) (time.Duration, net.Conn, error) {
	line, err := output.ReadString('\n')
	handshake := time.Since(began)
	fields := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(fields) < 4 || fields[0] != "1" || fields[2] != "unix" {
		return 0, nil, fmt.Errorf("no handshake: %q: %v", line, err)
	}
	path := fields[3]
	if p.directory != "" {
		path = filepath.Join(p.directory, filepath.Base(path))
	}
	conn, err := net.Dial("unix", path)
	return handshake, conn, err
}

func (p *program) end(command *exec.Cmd, output io.Reader) error {
	if len(p.undo) == 0 {
		_ = command.Process.Signal(syscall.SIGTERM)
	} else if text, err := exec.Command(p.undo[0], p.undo[1:]...).CombinedOutput(); err != nil {
		_ = command.Process.Kill()
		return fmt.Errorf("%s: %w: %s", p.undo[0], err, text)
	}
	_, _ = io.Copy(io.Discard, output)
	_ = command.Wait() // however it ended
	return nil
}
