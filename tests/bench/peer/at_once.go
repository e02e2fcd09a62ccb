// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sort"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
)

// atOnce measures so many launches begun at the same time, and undoes them.
func (l *launcher) atOnce(count int) (map[string]float64, error) {
	hosts, ready, failures := make([]*plugin.Client, count), make([]time.Duration, count), make([]error, count)
	began, cpuBegan := time.Now(), cpuTime()
	var running sync.WaitGroup
	for i := range hosts {
		hosts[i] = l.newClient(nil)
		running.Add(1)
		go func(i int) {
			defer running.Done()
			failures[i] = ping(hosts[i])
			ready[i] = time.Since(began)
		}(i)
	}
	running.Wait()
	cpu := cpuTime() - cpuBegan

	var failure error
	for i, host := range hosts {
		if err := end(host); failures[i] == nil {
			failures[i] = err
		}
		if failure == nil {
			failure = failures[i]
		}
	}
	sort.Slice(ready, func(a, b int) bool { return ready[a] < ready[b] })
	return map[string]float64{
		"all_ms": milliseconds(ready[count-1]), "median_ms": milliseconds(ready[count/2]), "cpu_ms": milliseconds(cpu),
	}, failure
}
