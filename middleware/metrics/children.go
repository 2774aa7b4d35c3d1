package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// children are the series of some metrics by the values of their labels, of which there are few. To find
// one costs neither a lock nor an allocation, unlike the vectors of client_golang. It is safe for
// concurrent use.
type children[K comparable, V any] struct {
	known atomic.Pointer[map[K]V] // never changed, only replaced
	mu    sync.Mutex              // of who replaces it
	born  func(key K) V
	// most bounds how many there are; whatever comes then counts as rest.
	most int
	rest K
}

func newChildren[K comparable, V any](most int, rest K, born func(key K) V) *children[K, V] {
	c := &children[K, V]{born: born, most: most, rest: rest}
	c.known.Store(&map[K]V{})
	return c
}

// find returns the child with this key, if there is one.
func (c *children[K, V]) find(key K) (child V, known bool) {
	child, known = (*c.known.Load())[key]
	return child, known
}

// of returns the child with this key, which is born if there is none.
func (c *children[K, V]) of(key K) V {
	if child, known := c.find(key); known {
		return child
	}
	return c.add(key)
}

func (c *children[K, V]) add(key K) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.known.Load()
	if _, ok := known[key]; !ok && len(known) >= c.most {
		key = c.rest
	}
	if child, ok := known[key]; ok {
		return child // somebody was faster
	}
	grown := maps.Clone(known)
	grown[key] = c.born(key)
	c.known.Store(&grown)
	return grown[key]
}
