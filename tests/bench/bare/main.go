// SPDX-License-Identifier: Apache-2.0

// Command bare is the least that launches a plugin in a container: create, attach, start, read the handshake line, dial
// the socket. It is what the launchers are measured against.
//
// For every line "launch" on stdin it makes one launch, removes the container, and prints one JSON line; -n launches
// without being asked. With -flood it reads so many bytes of the plugin's output and prints their rate instead; with
// -at-once it begins so many launches, a few of them under way at a time, and prints when they were ready; with -again it
// keeps one plugin running until stdin ends; with -run it starts a command that is a plugin, or runs one.
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
)

func main() {
	l := &launcher{engine: newEngine()}
	flag.StringVar(&l.image, "image", "gantry-demo-kv:latest", "image of the plugin")
	args := flag.String("args", "", "arguments of the plugin, separated by spaces")
	flag.StringVar(&l.cookie, "cookie", "GANTRY_KV_COOKIE=6f1b0f6a2d5e4c7f9a83b1d0c2e47a55", "magic cookie, `KEY=VALUE`")
	label := flag.String("label", "", "label of the containers, `KEY=VALUE`")
	flag.BoolVar(&l.network, "network", true, "give the container a network")
	count := flag.Int("n", 0, "launch so many times instead of reading stdin")
	flood := flag.Int64("flood", 0, "read so many `BYTES` of output instead, and print their rate")
	again := flag.Bool("again", false, "keep one plugin running instead, and tell of its deaths")
	together := flag.Int("at-once", 0, "launch so many at the same time instead, and print when they were ready")
	inFlight := flag.Int("in-flight", 3, "of these, so many are under way at a time")
	run := flag.String("run", "", "start this `COMMAND` instead, its words separated by spaces")
	undo := flag.String("undo", "", "`COMMAND` that ends what -run started")
	directory := flag.String("directory", "", "of the socket of what -run starts")
	policy := flag.String("exec", "", "compare with the launch of this executable `POLICY`")
	flag.BoolVar(&l.alike, "alike", false, "with -exec, and with the engine's calls for the container that it makes")
	flag.Parse()
	l.args = strings.Fields(*args)
	if key, value, given := strings.Cut(*label, "="); given {
		l.labels = map[string]string{key: value}
	}

	if *flood > 0 {
		report(l.flood(*flood))
		return
	}
	if *together > 0 {
		report(l.atOnce(*together, *inFlight))
		return
	}
	if *again {
		if err := l.again(); err != nil {
			report(nil, err)
		}
		return
	}
	for asked := requests(*count); asked(); {
		if *run != "" {
			started := program{strings.Fields(*run), strings.Fields(*undo), *directory}
			report(started.launch(l.cookie))
		} else if *policy != "" {
			report(l.compare(*policy))
		} else {
			report(l.launch())
		}
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
		fmt.Fprintln(os.Stderr, "bare:", err)
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
