package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// failuresOfName is how often somebody at one address may fail with one name, within the window.
	failuresOfName = 10
	// failuresOfAddress is how often with any names.
	failuresOfAddress = 100
	failureWindow     = 15 * time.Minute
)

// throttle counts failures by address, and by address and name. It never counts by name alone: whoever
// could lock a name could lock out its owner. It is safe for concurrent use.
type throttle struct {
	mu     sync.Mutex
	counts map[digest]tally
	bound  int
	mark   func(parts ...string) digest
}

// tally is a number of failures since the first of them.
type tally struct {
	failures int
	ends     time.Time
}

// place is where failures are counted: for an address, and for a name there.
type place struct{ address, name digest }

func newThrottle(bound int, mark func(parts ...string) digest) *throttle {
	return &throttle{counts: map[digest]tally{}, bound: bound, mark: mark}
}

// place returns where the failures of somebody are counted. In IPv6 an address is its /64: that is what
// one household has.
func (t *throttle) place(address, name string) place {
	if addr, err := netip.ParseAddr(address); err == nil {
		addr = addr.Unmap().WithZone("")
		if addr.Is6() {
			prefix, _ := addr.Prefix(64) // fails for lengths that there are not
			addr = prefix.Addr()
		}
		address = addr.String()
	}
	return place{t.mark("address", address), t.mark("name", address, name)}
}

// wait returns how long nobody is let in from a place, or nothing.
func (t *throttle) wait(at place, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waitLocked(at, now)
}

func (t *throttle) waitLocked(at place, now time.Time) (wait time.Duration) {
	if counted := t.counts[at.address]; counted.failures >= failuresOfAddress {
		wait = counted.ends.Sub(now)
	}
	if counted := t.counts[at.name]; counted.failures >= failuresOfName {
		wait = max(wait, counted.ends.Sub(now))
	}
	return max(wait, 0)
}

// count counts a failure, unless there were too many: then it returns how long to wait.
func (t *throttle) count(at place, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.waitLocked(at, now); wait > 0 {
		return wait
	}
	for _, key := range []digest{at.address, at.name} {
		counted, ok := t.counts[key]
		if !ok || !now.Before(counted.ends) {
			if !ok && len(t.counts) >= t.bound {
				t.makeRoom(now)
			}
			counted = tally{ends: now.Add(failureWindow)}
		}
		counted.failures++
		t.counts[key] = counted
	}
	return 0
}

// forget takes back what was counted last: it was no failure.
func (t *throttle) forget(at place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range []digest{at.address, at.name} {
		counted, ok := t.counts[key]
		switch {
		case !ok:
		case counted.failures <= 1:
			delete(t.counts, key)
		default:
			counted.failures--
			t.counts[key] = counted
		}
	}
}

// makeRoom forgets one of a few counts: what is over, else the least of them.
func (t *throttle) makeRoom(now time.Time) {
	var least digest
	looked, fewest := 0, 0
	for key, counted := range t.counts { // in no order
		if !now.Before(counted.ends) {
			delete(t.counts, key)
			return
		}
		if looked == 0 || counted.failures < fewest {
			least, fewest = key, counted.failures
		}
		if looked++; looked == looksForRoom {
			break
		}
	}
	delete(t.counts, least)
}
