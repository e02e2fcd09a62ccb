// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// touched keeps what -allocate took from the garbage collector.
var touched []byte

// misbehaveBeforeServing does what was asked for until the handshake, and begins what runs beside serving. It does not
// return where the handshake is replaced.
func (o *options) misbehaveBeforeServing() {
	if o.ignoreSigterm {
		signal.Ignore(syscall.SIGTERM)
	}
	if o.mlock {
		o.lockMemory()
	}
	if o.exitAfter > 0 {
		time.AfterFunc(o.exitAfter, func() { o.end(o.exitCode) })
	}
	if o.allocate > 0 {
		time.AfterFunc(o.allocateAfter, func() { touched = touchedBytes(o.allocate) })
	}
	if o.junk != "" {
		fmt.Fprintln(o.stdout, o.junk)
	}
	if o.junkBytes > 0 {
		writeLongLine(o.stdout, o.junkBytes)
	}
	if o.floodBefore {
		o.flood(o.stdout)
	}
	time.Sleep(o.slowHandshake)
	if o.exitNow >= 0 {
		o.end(o.exitNow)
	}
	if o.handshake != "" {
		fmt.Fprintln(o.stdout, o.handshake)
		sleepForEver()
	}
}

// misbehaveWhileServing is called at the host's first call, when os.Stdout and os.Stderr are go-plugin's pipes.
func (o *options) misbehaveWhileServing() {
	if !o.floodBefore {
		go o.flood(os.Stdout)
	}
	go o.print()
	o.babble()
}

// lockMemory does what plugins that hold secrets do before they serve.
func (o *options) lockMemory() {
	if err := syscall.Mlockall(syscall.MCL_CURRENT | syscall.MCL_FUTURE); err != nil {
		fmt.Fprintln(o.stderr, "kv: mlockall:", err)
		os.Exit(4)
	}
}

// print returns after the first round unless -print-every is set.
func (o *options) print() {
	for {
		if o.printStdout != "" {
			fmt.Fprintln(os.Stdout, o.printStdout)
		}
		if o.printStderr != "" {
			fmt.Fprintln(os.Stderr, o.printStderr)
		}
		if o.printEvery <= 0 {
			return
		}
		time.Sleep(o.printEvery)
	}
}

// flood writes exactly as many bytes as were asked for: to the container's own stderr and to the stdout given.
func (o *options) flood(stdout *os.File) {
	writeFlood(o.stderr, o.floodStderr, o.floodLine)
	writeFlood(stdout, o.floodStdout, o.floodLine)
	if o.exitAfterFlood {
		o.end(o.exitCode)
	}
}

// end leaves the process, with the last words that were asked for.
func (o *options) end(code int) {
	if o.panics {
		panic(o.say)
	}
	if o.say != "" {
		fmt.Fprintln(o.stderr, o.say)
	}
	os.Exit(code)
}

// writeFlood writes numbered lines; the last one is cut where the total is reached.
func writeFlood(file *os.File, total int64, lineLength int) {
	writer := bufio.NewWriterSize(file, 64<<10)
	line := bytes.Repeat([]byte{'.'}, lineLength)
	line[lineLength-1] = '\n'
	for number := 0; total > 0; number++ {
		copy(line, fmt.Sprintf("flood %012d ", number))
		if total < int64(len(line)) {
			line = line[:total]
		}
		if _, err := writer.Write(line); err != nil {
			return
		}
		total -= int64(len(line))
	}
	writer.Flush()
}

func writeLongLine(file *os.File, total int64) {
	writer := bufio.NewWriterSize(file, 64<<10)
	_, _ = io.CopyN(writer, repeated('x'), total)
	_ = writer.WriteByte('\n')
	writer.Flush()
}

// repeated is an endless reader of one byte.
type repeated byte

func (r repeated) Read(buffer []byte) (int, error) {
	for i := range buffer {
		buffer[i] = byte(r)
	}
	return len(buffer), nil
}

// touchedBytes returns memory of which every page was written, so that it counts against a limit.
func touchedBytes(total int64) []byte {
	memory := make([]byte, total)
	for i := int64(0); i < total; i += 4096 {
		memory[i] = 1
	}
	return memory
}

func sleepForEver() {
	for {
		time.Sleep(time.Hour)
	}
}
