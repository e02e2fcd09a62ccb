// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// compare measures a launch by the engine's calls alone and one by an executable policy (`gantry exec`), one after the
// other. Of the latter, what counts is all that a host waits for, from the start of the process on, and the processor
// time of all of its processes; then that of those which take it away again.
func (l *launcher) compare(policy string) (map[string]float64, error) {
	bare, err := l.launch()
	if err != nil {
		return nil, err
	}
	executed, err := l.execute(policy)
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"bare_ms": bare["ready_ms"], "bare_cpu_ms": bare["cpu_ms"],
		"exec_ms": executed["ready_ms"], "exec_cpu_ms": executed["cpu_ms"], "resident_kib": executed["resident_kib"],
		"end_cpu_ms": executed["end_cpu_ms"],
	}, nil
}

// execute does what a go-plugin host does until it has a connection, and then kills the process that it started.
func (l *launcher) execute(policy string) (map[string]float64, error) {
	if err := adopt(); err != nil {
		return nil, err
	}
	command := exec.Command(policy)
	command.Env = append(os.Environ(), l.cookie, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
		"PLUGIN_PROTOCOL_VERSIONS=1")
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	fields := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(fields) < 4 {
		return nil, fmt.Errorf("no handshake: %q, %v", line, err)
	}
	conn, err := net.Dial("unix", fields[3])
	if err != nil {
		return nil, err
	}
	ready := time.Since(began)
	conn.Close()

	guardians := await(command.Process.Pid)
	resident := memory(command.Process.Pid)
	var cpu time.Duration
	for _, pid := range guardians {
		cpu += runTime(pid)
		resident += memory(pid)
	}
	end := -cpu
	_ = command.Process.Kill()
	_ = command.Wait()
	cpu += spent(command.ProcessState.SysUsage().(*syscall.Rusage))
	for _, pid := range guardians {
		var usage syscall.Rusage
		if _, err := syscall.Wait4(pid, nil, 0, &usage); err != nil {
			return nil, err
		}
		end += spent(&usage)
	}
	return map[string]float64{"ready_ms": milliseconds(ready), "cpu_ms": milliseconds(cpu),
		"end_cpu_ms": milliseconds(end), "resident_kib": resident}, nil
}

// adopt has the guardians become children of this process when their parent has ended: what they and the processes that
// they started have used is told to their parent alone.
func adopt() error {
	const setChildSubreaper = 36
	if _, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); err != 0 {
		return err
	}
	return nil
}

func spent(usage *syscall.Rusage) time.Duration {
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// await returns the children that stay, once the one that made the launch has ended.
func await(pid int) []int {
	for {
		var guardians []int
		busy := false
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, field := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(field)
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child))
			if strings.HasPrefix(string(name), "gantry-guard") {
				guardians = append(guardians, child)
			} else {
				busy = true
			}
		}
		if !busy {
			return guardians
		}
		time.Sleep(time.Millisecond)
	}
}

// runTime is the processor time of a process that runs.
func runTime(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return 0
	}
	nanoseconds, _ := strconv.ParseInt(fields[0], 10, 64)
	return time.Duration(nanoseconds)
}

// memory is the share of memory of a process, in KiB (PSS).
func memory(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
			size, _ := strconv.ParseFloat(fields[1], 64)
			return size
		}
	}
	return 0
}
