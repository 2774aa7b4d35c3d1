// Package cached is a store in front of a store: it reads single users through a cache.
//
// It owns the rule by which a cache may be believed, and the two levels that keep to it: one in the
// memory of this process, for a single instance, and one in Redis, for many. It refuses to know any
// engine: it stands in front of every repository.UserRepository. main puts it there when the
// configuration asks for it.
//
// The promise is that of repository.UserRepository, whole: a read that begins after a write was
// acknowledged never sees what was before, on any instance, whatever happens to Redis; and no call
// fails because Redis is away. docs/adr/0017-cache.md says why it is done in this way.
//
// # One entry
//
// An entry is missing, reserved by somebody who reads the user from the store, filled, or blocked by
// those who are writing the user. A writer blocks the entry before the store can commit, whatever it
// holds, and lifts the block after that and before the write is acknowledged. Only who finds the
// entry missing can reserve it, and only a reservation that still stands can be filled. So whatever
// fills an entry was read after the last write that has blocked it, and before the next one.
//
// # Many instances
//
// An instance believes Redis only under a lease: the answer of the coordinator, believed for a time L
// from before the question, that names a generation, which is part of the name of every entry, and
// the one run of a server that holds it. A generation without a server can be given one, by a new
// generation, when the suspension is over that began it, which is longer than L. An instance reads and
// fills entries of a generation only when some instance has known it for R > W, the longest time that
// a write takes; it blocks them at once. A writer that has not blocked its entries under a lease
// suspends the cache, waits for L, and writes before the suspension is over.
//
// Proof that a hit served in generation g is not older than a write that was granted at t, committed
// before t+W, and acknowledged before the read began. A hit is served only if the lease on g holds when
// the answer of Redis is there.
//
//  1. The write blocked its entries in g itself: one run of one server has both seen the block and
//     answered, in an order; what stands there after the block was filled after the commit.
//  2. It blocked them in h < g, under a lease that held at t. The coordinator named h after t-L; so it
//     ended h after that, named g more than L later, which is after t; and nobody filled an entry of g
//     before t+R, which is after the commit.
//  3. It blocked them in h > g. When h was named, every lease on g had run out.
//  4. It was granted in a suspension, L after that was known: then every lease on an earlier g had run
//     out. A later g was named after the end of the suspension, which is after t; go on as in 2.
//
// A write that took longer than W all the same is acknowledged only after another suspension and L.
package cached

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"userapi/models"
	"userapi/repository"
)

// Options say which cache there is. One of Local and Redis is required.
type Options struct {
	// Local is the largest number of users that are kept in the memory of this process. It is for a
	// single instance: others do not learn of what is written here. It is not used when there is Redis.
	Local int
	// Redis is the address, host:port or a URL, of one Redis server that all instances share.
	Redis string
	// Prefix begins the name of every key in Redis; "userapi" when it is empty. It tells the services
	// apart that share a server, each with a store of its own.
	Prefix string
	// Coordinator is required for Redis. It is kept by the store behind the cache.
	Coordinator repository.CacheCoordinator
	// TTL is how long a user is kept; five minutes when it is zero.
	TTL time.Duration
	// Timeout is how long one question to Redis may take, at most half a second; 100 milliseconds when
	// it is zero.
	Timeout time.Duration
	// WriteTimeout is how long one write may take in the store; five seconds when it is zero. A write
	// that takes longer gets context.DeadlineExceeded.
	WriteTimeout time.Duration
	// Away is told what is wrong while Redis cannot be used, at most once a minute, and gets nil when
	// it is used again. It is called by one goroutine and must not block.
	Away func(err error)

	times timing
}

// timing is how long things last. Only tests change it.
type timing struct {
	lease      time.Duration // how long an answer of the coordinator is believed
	renew      time.Duration // how often it is asked
	suspension time.Duration // for how long a writer who cannot reach Redis suspends the cache
	ripens     time.Duration // R of the package
	tombstone  time.Duration // how long a block outlives its writer
	notice     time.Duration // how often Options.Away is told
}

const longestTimeout = 500 * time.Millisecond

// complete sets what is not given, and says what is wrong.
func (o *Options) complete() error {
	given := func(value *time.Duration, otherwise time.Duration) {
		if *value == 0 {
			*value = otherwise
		}
	}
	given(&o.TTL, 5*time.Minute)
	given(&o.Timeout, 100*time.Millisecond)
	given(&o.WriteTimeout, 5*time.Second)
	given(&o.times.lease, time.Second)
	given(&o.times.renew, 300*time.Millisecond)
	given(&o.times.suspension, 10*time.Second)
	given(&o.times.ripens, o.WriteTimeout+o.times.lease)
	given(&o.times.tombstone, max(time.Minute, 4*o.WriteTimeout))
	given(&o.times.notice, time.Minute)
	if o.Prefix == "" {
		o.Prefix = "userapi"
	}
	if o.Away == nil {
		o.Away = func(error) {}
	}
	switch {
	case o.Local <= 0 && o.Redis == "":
		return errors.New("cached: neither a local level nor Redis is given")
	case o.Redis != "" && o.Coordinator == nil:
		return errors.New("cached: Redis needs a coordinator")
	case o.TTL < 0 || o.WriteTimeout < 0 || o.Timeout < 0 || o.Timeout > longestTimeout:
		return errors.New("cached: a duration is out of range")
	}
	return nil
}

// Store is a repository.UserRepository that reads single users through a cache. Create it with New.
// What it does not say otherwise, it leaves to the store behind it.
type Store struct {
	repository.UserRepository // the store behind
	level                     level
	flights                   flights
	writeTimeout              time.Duration
	counts                    *counts
	closed                    atomic.Bool
}

// New puts a cache in front of a store, which it closes when it is closed itself. It does not wait for
// Redis.
func New(store repository.UserRepository, options Options) (*Store, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	s := &Store{UserRepository: store, writeTimeout: options.WriteTimeout, counts: new(counts)}
	var err error
	if options.Redis != "" {
		s.level, err = newShared(&options, s.counts)
	} else {
		s.level, err = newLocal(&options)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close implements repository.UserRepository. It ends the cache and closes the store behind it.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.level.close()
	}
	return s.UserRepository.Close()
}

// errClosed is the cause of models.ErrUnavailable after Close.
var errClosed = errors.New("cached store is closed")

// usable says why nothing can be done. What is kept is not a reason to serve a caller who has gone.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cached store: %w", err)
	}
	if s.closed.Load() {
		return models.ErrUnavailable.Because(errClosed)
	}
	return nil
}
