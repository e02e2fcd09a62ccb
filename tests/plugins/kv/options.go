// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// options says how the plugin is to misbehave; the zero of a field means that it does not.
type options struct {
	// The end of the process.
	say            string
	exitNow        int // -1: no
	exitAfter      time.Duration
	exitCode       int
	exitAfterFlood bool
	panics         bool

	// Before the handshake, in the order in which they happen.
	junk          string
	junkBytes     int64
	floodBefore   bool
	slowHandshake time.Duration
	handshake     string

	// Output; "after serving" is from the host's first call on.
	floodStderr int64
	floodStdout int64
	floodLine   int
	printStdout string
	printStderr string
	printEvery  time.Duration
	babbleFor   time.Duration

	// The rest.
	mlock            bool
	ignoreShutdown   bool
	hangShutdown     bool
	ignoreSigterm    bool
	allocate         int64
	allocateAfter    time.Duration
	protocolVersions versionList
	health           string

	store *store

	stdout *os.File // the process's own, before go-plugin puts pipes in their place
	stderr *os.File
}

// versionList is a flag whose value is a list such as 1,3.
type versionList []int

func (l *versionList) String() string {
	return strings.Trim(fmt.Sprint([]int(*l)), "[]")
}

func (l *versionList) Set(text string) error {
	*l = nil
	for _, field := range strings.Split(text, ",") {
		version, err := strconv.Atoi(field)
		if err != nil {
			return err
		}
		*l = append(*l, version)
	}
	return nil
}

func parseOptions(arguments []string) *options {
	o := &options{protocolVersions: versionList{1}, store: newStore(), stdout: os.Stdout, stderr: os.Stderr}
	flags := flag.NewFlagSet("kv", flag.ExitOnError)

	flags.StringVar(&o.say, "say", "", "the last line on stderr, `TEXT`, for every way to exit")
	flags.IntVar(&o.exitNow, "exit-now", -1, "exit with `CODE` where the handshake would be printed")
	flags.DurationVar(&o.exitAfter, "exit-after", 0, "exit with -exit-code so long after the process began")
	flags.IntVar(&o.exitCode, "exit-code", 0, "`CODE` for -exit-after and -exit-after-flood")
	flags.BoolVar(&o.exitAfterFlood, "exit-after-flood", false, "exit with -exit-code at the end of the flood")
	flags.BoolVar(&o.panics, "panic", false, "end by a Go panic (exit code 2) instead of an exit")

	flags.StringVar(&o.junk, "junk", "", "`TEXT` as a line on stdout before the handshake")
	flags.Int64Var(&o.junkBytes, "junk-bytes", 0, "one line of `N` bytes on stdout before the handshake")
	flags.BoolVar(&o.floodBefore, "flood-before", false, "flood before the handshake, not after serving")
	flags.DurationVar(&o.slowHandshake, "slow-handshake", 0, "wait so long before the handshake")
	flags.StringVar(&o.handshake, "handshake", "", "print `LINE` as the handshake, serve nothing and stay")

	flags.Int64Var(&o.floodStderr, "flood-stderr", 0, "`BYTES` of numbered lines on the container's stderr after serving")
	flags.Int64Var(&o.floodStdout, "flood-stdout", 0, "`BYTES` of numbered lines on Go's os.Stdout after serving")
	flags.IntVar(&o.floodLine, "flood-line", 128, "length of a line of a flood in `BYTES`, newline included")
	flags.StringVar(&o.printStdout, "print-stdout", "", "`TEXT` as a line on Go's os.Stdout after serving")
	flags.StringVar(&o.printStderr, "print-stderr", "", "`TEXT` as a line on Go's os.Stderr after serving")
	flags.DurationVar(&o.printEvery, "print-every", 0, "repeat -print-stdout and -print-stderr at this interval")
	flags.DurationVar(&o.babbleFor, "babble", 0, "write what no host expects, at full speed, for so long after serving")

	flags.BoolVar(&o.mlock, "mlock", false, "lock all memory before the handshake, or exit with code 4")
	flags.BoolVar(&o.ignoreShutdown, "ignore-shutdown", false, "answer Shutdown and serve on")
	flags.BoolVar(&o.hangShutdown, "hang-shutdown", false, "never answer Shutdown, and serve on")
	flags.BoolVar(&o.ignoreSigterm, "ignore-sigterm", false, "ignore SIGTERM")
	flags.Int64Var(&o.allocate, "allocate", 0, "allocate and touch `BYTES` of memory")
	flags.DurationVar(&o.allocateAfter, "allocate-after", 0, "allocate so long after the process began")
	flags.Var(&o.protocolVersions, "protocol-version", "the plugin's protocol version, or several: `N[,N...]`")
	flags.StringVar(&o.health, "health", "serving", "the health check says: serving, not-serving, unimplemented")

	_ = flags.Parse(arguments) // exits by itself
	if problem := o.problem(flags.NArg()); problem != "" {
		fmt.Fprintln(o.stderr, "kv:", problem)
		os.Exit(2)
	}
	return o
}

// problem says what is wrong with the flags: a mode mistyped must not pass for a plugin that behaves.
func (o *options) problem(operands int) string {
	switch {
	case operands > 0:
		return "takes flags only"
	case o.floodLine < 32:
		return "-flood-line is under 32"
	case o.health != "serving" && o.health != "not-serving" && o.health != "unimplemented":
		return "-health is neither serving nor not-serving nor unimplemented"
	}
	return ""
}
