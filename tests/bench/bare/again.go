// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// again keeps a plugin running until stdin ends, and tells when it has noticed a death and when the next plugin is
// ready. Between the two lies only what no launcher can leave out that wants to know how its plugin ended; the removal
// of what is dead can wait, and comes afterwards.
func (l *launcher) again() error {
	asked := inputEnd()
	plugin := new(running)
	if err := l.bring(plugin); err != nil {
		return l.end(plugin, err)
	}
	for {
		select {
		case <-asked:
			return l.end(plugin, nil)
		case <-plugin.outputEnd():
		}
		tell("noticed", plugin.container)
		dead, err := plugin, l.engine.learnExit(plugin.container)
		plugin = new(running)
		if err == nil {
			err = l.bring(plugin)
		}
		if err = l.end(dead, err); err != nil {
			return l.end(plugin, err)
		}
	}
}

// bring launches a plugin and tells that it is ready.
func (l *launcher) bring(plugin *running) error {
	if err := l.begin(plugin); err != nil {
		return err
	}
	if err := plugin.connect(); err != nil {
		return err
	}
	tell("ready", plugin.container)
	return nil
}

// outputEnd returns a channel that is closed when the plugin's output ends: the first sign of a death.
func (r *running) outputEnd() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = frames(r.stream, func(byte, []byte) bool { return true })
	}()
	return ended
}

// inputEnd returns a channel that is closed when stdin ends: whoever started this program has no use for it any more.
func inputEnd() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ended
}

// tell prints one JSON line: what has happened to which container, and when, in seconds since 1970.
func tell(kind, container string) {
	line, _ := json.Marshal(map[string]interface{}{
		"kind": kind, "container": container, "time": float64(time.Now().UnixNano()) / 1e9,
	})
	fmt.Println(string(line))
}
