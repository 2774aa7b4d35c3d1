package main

import (
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	// ballast is address space that is allocated and never touched, so that it costs no memory. It
	// counts as live for the garbage collector, which therefore lets some forty megabytes of garbage
	// come together before it runs. Without it a small heap is collected forty times a second
	// under load, which is a tenth of all work.
	ballast = 80 << 20
	// garbagePercent is how much garbage may come together, in percent of what lives. The default
	// of 100 would let a large store take twice its size.
	garbagePercent = 50
)

// tuneCollector sets the garbage collector for a server whose heap is small or full of users, and
// returns what undoes it. An operator who sets GOGC or GOMEMLIMIT knows better.
func tuneCollector(environ []string) (restore func()) {
	for _, variable := range environ {
		if strings.HasPrefix(variable, "GOGC=") || strings.HasPrefix(variable, "GOMEMLIMIT=") {
			return func() {}
		}
	}
	weight := make([]byte, ballast)
	before := debug.SetGCPercent(garbagePercent)
	return func() {
		debug.SetGCPercent(before)
		runtime.KeepAlive(weight)
	}
}
