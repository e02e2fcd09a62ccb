// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sort"
	"sync"
	"time"
)

// atOnce measures so many launches that are wanted at the same time, of which inFlight are under way, and undoes them.
func (l *launcher) atOnce(count, inFlight int) (map[string]float64, error) {
	plugins, ready, failures := make([]running, count), make([]time.Duration, count), make([]error, count)
	turns := make(chan struct{}, inFlight)
	began, cpuBegan := time.Now(), cpuTime()
	var launches sync.WaitGroup
	for i := range plugins {
		turns <- struct{}{}
		launches.Add(1)
		go func(i int) {
			defer launches.Done()
			failures[i] = l.begin(&plugins[i])
			if failures[i] == nil {
				failures[i] = plugins[i].connect()
			}
			ready[i] = time.Since(began)
			<-turns
		}(i)
	}
	launches.Wait()
	cpu := cpuTime() - cpuBegan

	var failure error
	for i := range plugins {
		if err := l.end(&plugins[i], failures[i]); failure == nil {
			failure = err
		}
	}
	sort.Slice(ready, func(a, b int) bool { return ready[a] < ready[b] })
	return map[string]float64{
		"all_ms": milliseconds(ready[count-1]), "median_ms": milliseconds(ready[count/2]), "cpu_ms": milliseconds(cpu),
	}, failure
}
