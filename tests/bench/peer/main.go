// SPDX-License-Identifier: Apache-2.0

// Command peer is a Go host that launches a plugin in a container through go-plugin and plugincontainer, as gantry's
// benchmarks compare it.
//
// For every line "launch" on stdin it makes one launch, kills the plugin, waits until its container is gone, and prints
// one JSON line; -n launches without being asked. With -flood it reads so many bytes of the plugin's output and prints
// their rate and the share of them that arrived instead; with -at-once it begins so many launches at the same time;
// with -again it keeps one plugin running until stdin ends; with -calls it launches nothing, and makes the calls that
// stdin asks for.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

func main() {
	l := newLauncher()
	image := flag.String("image", "gantry-demo-kv:latest", "image of the plugin")
	args := flag.String("args", "", "arguments of the plugin, separated by spaces")
	cookie := flag.String("cookie", "GANTRY_KV_COOKIE=6f1b0f6a2d5e4c7f9a83b1d0c2e47a55", "magic cookie, `KEY=VALUE`")
	label := flag.String("label", "", "label of the containers, `KEY=VALUE`")
	network := flag.Bool("network", true, "give the container a network")
	flag.BoolVar(&l.tls, "tls", false, "use AutoMTLS")
	log := flag.Bool("log", false, "log on stderr as a host does that gives go-plugin no logger; else nothing is logged")
	count := flag.Int("n", 0, "launch so many times instead of reading stdin")
	together := flag.Int("at-once", 0, "launch so many at the same time instead, and print when they were ready")
	again := flag.Bool("again", false, "keep one plugin running instead, and tell of its deaths")
	callsOn := flag.String("calls", "", "make calls instead, on the plugin and the server of these `SOCKET,SOCKET`")
	flood := flag.Int64("flood", 0, "read so many `BYTES` of output instead, and print their rate")
	flag.Parse()
	l.container.Image, l.container.Tag, _ = strings.Cut(*image, ":")
	l.container.Args = strings.Fields(*args)
	if key, value, given := strings.Cut(*label, "="); given {
		l.container.Labels = map[string]string{key: value}
	}
	l.container.DisableNetwork = !*network
	l.handshake.MagicCookieKey, l.handshake.MagicCookieValue, _ = strings.Cut(*cookie, "=")

	if *log {
		l.logger = hclog.New(&hclog.LoggerOptions{Name: "plugin", Level: hclog.Trace, Output: hclog.DefaultOutput})
	}

	if plugin, server, given := strings.Cut(*callsOn, ","); given {
		if err := calls(plugin, server); err != nil {
			report(nil, err)
		}
		return
	}
	if *together > 0 {
		report(l.atOnce(*together))
		return
	}
	if *flood > 0 {
		report(l.flood(*flood))
		return
	}
	if *again {
		if err := l.again(); err != nil {
			report(nil, err)
		}
		return
	}
	for asked := requests(*count); asked(); {
		report(l.launch())
	}
}

// requests returns a function that is true for as long as there is a launch to make: `count` times, or for every line
// "launch" on stdin.
func requests(count int) func() bool {
	if count > 0 {
		return func() bool { count--; return count >= 0 }
	}
	input := bufio.NewScanner(os.Stdin)
	return func() bool { return input.Scan() && input.Text() == "launch" }
}

// report prints one JSON line, and ends the program with the reason where there is nothing to report.
func report(figures map[string]float64, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
	line, _ := json.Marshal(figures)
	fmt.Println(string(line))
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// cpuTime is what this process has used so far, in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
