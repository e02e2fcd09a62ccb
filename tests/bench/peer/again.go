// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-plugin"
)

// again keeps a plugin running until stdin ends, and tells when it has noticed a death and when the next plugin is
// ready.
func (l *launcher) again() error {
	asked := inputEnd()
	for {
		host := l.newClient(nil)
		if err := ping(host); err != nil {
			_ = end(host)
			return err
		}
		tell("ready", host.ID())
		if !died(host, asked) {
			return end(host)
		}
		tell("noticed", host.ID())
		host.Kill() // gives back what the client holds; plugincontainer has the engine remove the container by itself
	}
}

// died waits until go-plugin knows that the plugin has exited; it returns false where `asked` was closed before.
// go-plugin calls nobody back and has no public channel: a host has to ask. It is asked far more often than a host
// would, so that what is measured is go-plugin at its best and not the period.
func died(host *plugin.Client, asked <-chan struct{}) bool {
	period := time.NewTicker(time.Millisecond)
	defer period.Stop()
	for !host.Exited() {
		select {
		case <-asked:
			return false
		case <-period.C:
		}
	}
	return true
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
	line, _ := json.Marshal(map[string]any{
		"kind": kind, "container": container, "time": float64(time.Now().UnixNano()) / 1e9,
	})
	fmt.Println(string(line))
}
