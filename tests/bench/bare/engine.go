// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// engine is the Docker Engine API on a Unix socket, as few calls of it as a launch needs.
type engine struct {
	client http.Client
}

func newEngine() *engine {
	socket := "/var/run/docker.sock"
	if host := os.Getenv("DOCKER_HOST"); strings.HasPrefix(host, "unix://") {
		socket = strings.TrimPrefix(host, "unix://")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &engine{client: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// call sends one request; the caller closes the body of the answer.
func (e *engine) call(method, path string, request interface{}) (io.ReadCloser, error) {
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	message, err := http.NewRequest(method, "http://engine"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		message.Header.Set("Content-Type", "application/json")
	}
	response, err := e.client.Do(message)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(text))
	}
	return response.Body, nil
}

// ask is a call of which only success matters.
func (e *engine) ask(method, path string) error {
	body, err := e.call(method, path, nil)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, body) // to the end, so that the connection is used again
	return body.Close()
}

func (e *engine) create(container object) (id string, err error) {
	body, err := e.call(http.MethodPost, "/containers/create", container)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var answer struct{ Id string }
	err = json.NewDecoder(body).Decode(&answer)
	return answer.Id, err
}

func (e *engine) attach(id string) (io.ReadCloser, error) {
	return e.call(http.MethodPost, "/containers/"+url.PathEscape(id)+"/attach?stream=1&stdout=1&stderr=1", nil)
}

func (e *engine) start(id string) error {
	return e.ask(http.MethodPost, "/containers/"+url.PathEscape(id)+"/start")
}

// learnExit waits until a container has stopped, and asks how it ended: the answer to the wait has the exit code alone.
func (e *engine) learnExit(id string) error {
	if err := e.ask(http.MethodPost, "/containers/"+url.PathEscape(id)+"/wait"); err != nil {
		return err
	}
	return e.ask(http.MethodGet, "/containers/"+url.PathEscape(id)+"/json")
}

// get fills in what the engine answers.
func (e *engine) get(path string, answer interface{}) error {
	body, err := e.call(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(answer)
}

func (e *engine) remove(id string) error {
	return e.ask(http.MethodDelete, "/containers/"+url.PathEscape(id)+"?force=1&v=1")
}

// frames calls `each` with every piece of stdout (1) and stderr (2) until it returns false or the stream ends.
func frames(stream io.Reader, each func(channel byte, piece []byte) bool) error {
	var header [8]byte
	var buffer []byte
	for {
		if _, err := io.ReadFull(stream, header[:]); err != nil {
			return err
		}
		length := int(binary.BigEndian.Uint32(header[4:]))
		if length > cap(buffer) {
			buffer = make([]byte, length)
		}
		if _, err := io.ReadFull(stream, buffer[:length]); err != nil {
			return err
		}
		if !each(header[0], buffer[:length]) {
			return nil
		}
	}
}
