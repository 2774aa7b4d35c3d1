package auth

import (
	"sync"
	"time"
)

// digest is a key of the caches here: the SHA-256, or a keyed one, of what must not be held in memory.
type digest [32]byte

// cacheParts is how many locks a cache has.
const cacheParts = 16

// cache remembers values for a while, and no more of them than its bound. When it is full, what is
// expired goes, else whatever comes to hand: to forget costs a check, never a wrong answer. It is safe
// for concurrent use.
type cache[V any] struct {
	parts [cacheParts]cachePart[V]
	bound int // of each part
}

type cachePart[V any] struct {
	mu      sync.RWMutex
	entries map[digest]cached[V]
	_       [24]byte // two locks are not in one line of a processor's cache
}

type cached[V any] struct {
	value V
	until time.Time
}

func newCache[V any](bound int) *cache[V] {
	c := &cache[V]{bound: max(bound/cacheParts, 1)}
	for i := range c.parts {
		c.parts[i].entries = map[digest]cached[V]{}
	}
	return c
}

// get returns what is known under a key at an instant.
func (c *cache[V]) get(key *digest, now time.Time) (value V, ok bool) {
	part := &c.parts[key[0]%cacheParts]
	part.mu.RLock()
	found, ok := part.entries[*key]
	part.mu.RUnlock()
	if !ok || !now.Before(found.until) {
		return value, false
	}
	return found.value, true
}

// put remembers a value until an instant.
func (c *cache[V]) put(key *digest, value V, now, until time.Time) {
	if !now.Before(until) {
		return
	}
	part := &c.parts[key[0]%cacheParts]
	part.mu.Lock()
	defer part.mu.Unlock()
	if _, known := part.entries[*key]; !known && len(part.entries) >= c.bound {
		part.makeRoom(now)
	}
	part.entries[*key] = cached[V]{value, until}
}

// looksForRoom is how many entries are looked at for one that is expired.
const looksForRoom = 8

func (p *cachePart[V]) makeRoom(now time.Time) {
	looked, any := 0, digest{}
	for key, entry := range p.entries { // in no order
		if looked, any = looked+1, key; !now.Before(entry.until) || looked == looksForRoom {
			break
		}
	}
	delete(p.entries, any)
}
