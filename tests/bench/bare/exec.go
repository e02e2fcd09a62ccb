// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// compare measures a launch by an executable policy (`gantry exec`) beside one by the engine's calls alone, and with
// `alike` beside these for the same container as the policy's. Of the first, what counts is all that a host waits for,
// from the start of the process on, and the processor time of all of its processes; then that of those which take it
// away again.
func (l *launcher) compare(policy string) (map[string]float64, error) {
	bare, err := l.launch()
	if err != nil {
		return nil, err
	}
	settle()
	executed, same, err := l.execute(policy)
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{
		"bare_ms": bare["ready_ms"], "bare_cpu_ms": bare["cpu_ms"],
		"exec_ms": executed["ready_ms"], "exec_cpu_ms": executed["cpu_ms"], "resident_kib": executed["resident_kib"],
		"end_cpu_ms": executed["end_cpu_ms"],
	}
	settle()
	if same == nil {
		return figures, nil
	}
	likewise := *l
	likewise.like = same
	alike, err := likewise.launch()
	if err != nil {
		return nil, err
	}
	settle()
	figures["alike_ms"], figures["alike_cpu_ms"] = alike["ready_ms"], alike["cpu_ms"]
	return figures, nil
}

// settle lets the engine end what it still does for the container before.
func settle() { time.Sleep(200 * time.Millisecond) }

// made is a container that somebody else has made, as the engine tells of it.
type made struct {
	Config     object
	HostConfig object
	directory  string // of its sockets
}

// config asks for the same container, with another directory for its sockets, and without what others know it by.
func (m *made) config(directory string) object {
	mounts, _ := m.HostConfig["Mounts"].([]interface{})
	for _, one := range mounts {
		if mount, _ := one.(object); mount["Source"] == m.directory {
			mount["Source"] = directory
		}
	}
	delete(m.Config, "Labels")
	delete(m.Config, "Hostname")
	m.Config["HostConfig"] = m.HostConfig
	return m.Config
}

// find is the container whose sockets are in a directory.
func (e *engine) find(directory string) (*made, error) {
	filters, _ := json.Marshal(object{"label": []string{"gantry.directory=" + directory}})
	var found []struct{ Id string }
	if err := e.get("/containers/json?filters="+url.QueryEscape(string(filters)), &found); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d containers have sockets in %s", len(found), directory)
	}
	container := &made{directory: directory}
	return container, e.get("/containers/"+found[0].Id+"/json", container)
}

// execute does what a go-plugin host does until it has a connection, and then kills the process that it started.
func (l *launcher) execute(policy string) (map[string]float64, *made, error) {
	if err := adopt(); err != nil {
		return nil, nil, err
	}
	command := exec.Command(policy)
	command.Env = append(os.Environ(), l.cookie, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
		"PLUGIN_PROTOCOL_VERSIONS=1")
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	fields := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(fields) < 4 {
		return nil, nil, fmt.Errorf("no handshake: %q, %v", line, err)
	}
	conn, err := net.Dial("unix", fields[3])
	if err != nil {
		return nil, nil, err
	}
	ready := time.Since(began)
	conn.Close()

	guardians := await(command.Process.Pid)
	resident := memory(command.Process.Pid)
	var container *made
	if l.alike {
		if container, err = l.engine.find(filepath.Dir(fields[3])); err != nil {
			return nil, nil, err
		}
	}
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
			return nil, nil, err
		}
		end += spent(&usage)
	}
	return map[string]float64{"ready_ms": milliseconds(ready), "cpu_ms": milliseconds(cpu),
		"end_cpu_ms": milliseconds(end), "resident_kib": resident}, container, nil
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
