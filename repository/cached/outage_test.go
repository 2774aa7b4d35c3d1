package cached

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

// pair is two instances that share a store and a Redis, each with a network of its own to the latter.
type pair struct {
	ctx      context.Context
	redis    *server
	store    *repotest.Faults
	c        *coordinator
	a, b     *Store
	toA, toB *proxy
}

func newPair(t *testing.T, times timing) *pair {
	t.Helper()
	p := &pair{ctx: t.Context(), redis: newServer(t), store: repotest.NewFaults(memory.New()), c: new(coordinator)}
	p.toA, p.toB = newProxy(t, p.redis.address), newProxy(t, p.redis.address)
	start := func(address string) *Store {
		s := begun(t, p.store, Options{Redis: address, Coordinator: p.c, Timeout: 100 * time.Millisecond, times: times})
		return s
	}
	p.a, p.b = start(p.toA.address()), start(p.toB.address())
	ready(t, p.a, p.b)
	return p
}

// kept waits until a store serves the user from its cache.
func kept(t *testing.T, s *Store, id int64) {
	t.Helper()
	eventually(t, "the user is served by the cache", func() bool {
		hits := s.Stats().Hits
		if _, err := s.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return s.Stats().Hits > hits
	})
}

// outages are the ways in which Redis is away from the instance b, or from both, and how that ends.
var outages = []struct {
	name       string
	begin, end func(p *pair)
}{
	{"when the writer is refused", func(p *pair) { p.toB.set(refuses) }, func(p *pair) { p.toB.set(open) }},
	{"when the writer gets no answer", func(p *pair) { p.toB.set(hangs) }, func(p *pair) { p.toB.set(open) }},
	{"when the reader is refused", func(p *pair) { p.toA.set(refuses) }, func(p *pair) { p.toA.set(open) }},
	{"when the reader gets no answer", func(p *pair) { p.toA.set(hangs) }, func(p *pair) { p.toA.set(open) }},
	{"when Redis is paused", func(p *pair) { p.redis.signal(syscall.SIGSTOP) }, func(p *pair) { p.redis.signal(syscall.SIGCONT) }},
	{"when Redis starts again from a snapshot", func(p *pair) {
		p.redis.snapshot()
		p.redis.kill()
	}, func(p *pair) { p.redis.start() }},
}

func TestStore_Outage(t *testing.T) {
	for _, outage := range outages {
		t.Run("hides no write "+outage.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, quick())
			user := created(t, p.a, 1)
			kept(t, p.a, user.ID)
			kept(t, p.b, user.ID)
			version := user.Version
			write := func() {
				version = updated(t, p.b, user.ID)
				shows(t, p.a, user.ID, version)
				shows(t, p.b, user.ID, version)
			}
			write()
			kept(t, p.a, user.ID)
			outage.begin(p)
			for range 3 {
				write()
			}
			outage.end(p)
			for range 3 {
				write()
			}
			eventually(t, "both serve from the cache again", func() bool {
				shows(t, p.a, user.ID, version)
				return p.a.level.(*shared).lease.Load().serves(time.Now()) && p.b.level.(*shared).lease.Load().serves(time.Now())
			})
			kept(t, p.a, user.ID)
			kept(t, p.b, user.ID)
			write()
		})
	}
	t.Run("is noticed when nobody writes: what a snapshot held is not served", func(t *testing.T) {
		p := newPair(t, quick())
		user := created(t, p.a, 1)
		kept(t, p.a, user.ID)
		p.redis.snapshot()
		version := updated(t, p.b, user.ID)
		kept(t, p.a, user.ID)
		p.redis.kill()
		p.redis.start()
		loads := p.a.Stats().Loads
		shows(t, p.a, user.ID, version)
		eventually(t, "the cache is used again", func() bool {
			shows(t, p.a, user.ID, version)
			return p.a.Stats().Loads > loads
		})
	})
	t.Run("makes writers wait for the leases once", func(t *testing.T) {
		for _, w := range []way{refuses, hangs} {
			times := quick()
			times.lease, times.suspension = 500*time.Millisecond, time.Second
			p := newPair(t, times)
			user := created(t, p.b, 1)
			kept(t, p.b, user.ID)
			p.toB.set(w)
			slow := 0
			for begun := time.Now(); time.Since(begun) < 3*times.suspension; {
				before := time.Now()
				updated(t, p.b, user.ID)
				if time.Since(before) > times.lease/2 {
					slow++
				}
			}
			if slow != 1 {
				t.Errorf("%d writes waited when Redis %s, want 1", slow, w)
			}
			if p.b.Stats().Suspensions < 3 {
				t.Error("the suspension was not prolonged")
			}
			p.toB.set(open)
			ready(t, p.a, p.b)
		}
	})
	t.Run("costs readers one question a process, not one each", func(t *testing.T) {
		p := newPair(t, quick())
		user := created(t, p.a, 1)
		kept(t, p.a, user.ID)
		p.redis.signal(syscall.SIGSTOP)
		defer p.redis.signal(syscall.SIGCONT)
		shows(t, p.a, user.ID, 1)
		before := time.Now()
		for range 1000 {
			shows(t, p.a, user.ID, 1)
		}
		if took := time.Since(before); took > 500*time.Millisecond {
			t.Errorf("a thousand reads took %v", took)
		}
		if n := p.a.Stats().Errors; n > 3 {
			t.Errorf("%d questions failed", n)
		}
	})
	t.Run("does not end while writers come without a pause", func(t *testing.T) {
		p := newPair(t, quick())
		user := created(t, p.b, 1)
		p.toB.set(refuses)
		updated(t, p.b, user.ID)
		p.toB.set(open)
		eventually(t, "the cache is used again beside writers", func() bool {
			updated(t, p.b, user.ID)
			return p.b.level.(*shared).lease.Load().serves(time.Now())
		})
	})
	t.Run("may be there from the start", func(t *testing.T) {
		redis := newServer(t)
		way := newProxy(t, redis.address)
		way.set(refuses)
		var told, over atomic.Int64
		s := begun(t, memory.New(), Options{
			Redis: way.address(), Coordinator: new(coordinator), times: quick(),
			Away: func(err error) {
				if err == nil {
					over.Add(1)
				} else {
					told.Add(1)
				}
			},
		})
		user := created(t, s, 1)
		shows(t, s, user.ID, 1)
		updated(t, s, user.ID)
		shows(t, s, user.ID, 2)
		eventually(t, "somebody is told", func() bool { return told.Load() > 0 })
		way.set(open)
		ready(t, s)
		kept(t, s, user.ID)
		eventually(t, "somebody is told that it is over", func() bool { return over.Load() == 1 })
	})
	t.Run("of the coordinator fails writers that cannot block, and no reader", func(t *testing.T) {
		p := newPair(t, quick())
		user := created(t, p.a, 1)
		kept(t, p.a, user.ID)
		p.c.fail(models.ErrUnavailable)
		defer p.c.fail(nil)
		p.toA.set(refuses)
		if _, err := p.a.Update(t.Context(), user.ID, next); !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("Update gives %v", err)
		}
		shows(t, p.a, user.ID, 1)
	})
	t.Run("ends the wait of a writer whose context ends, without an effect", func(t *testing.T) {
		times := quick()
		times.lease = time.Minute // it would wait for longer than any test
		p := newPair(t, times)
		user := created(t, p.b, 1)
		p.toB.set(refuses)
		ctx, cancel := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			if _, err := p.b.Update(ctx, user.ID, next); !errors.Is(err, context.Canceled) {
				t.Errorf("Update gives %v", err)
			}
		})
		eventually(t, "the cache is suspended", func() bool { return p.b.Stats().Suspensions > 0 })
		cancel()
		writer.Wait()
		shows(t, p.b, user.ID, 1)
	})
}

func TestStore_Write(t *testing.T) {
	t.Run("that outlasts its block is acknowledged when nothing older can be served", func(t *testing.T) {
		p := newPair(t, quick())
		user := created(t, p.a, 1)
		kept(t, p.b, user.ID)
		p.a.level.(*shared).writeTimeout = 0 // every write is late
		version := updated(t, p.a, user.ID)
		if p.a.Stats().Suspensions != 1 {
			t.Error("the cache was not suspended")
		}
		shows(t, p.b, user.ID, version)
	})
	t.Run("ends in time", func(t *testing.T) {
		store := repotest.NewFaults(memory.New())
		s := begun(t, store, Options{Local: 10, WriteTimeout: time.Millisecond})
		user := created(t, s, 1)
		store.At(repotest.Before, repotest.Update, 1, repotest.NewGate().Hold)
		if _, err := s.Update(t.Context(), user.ID, next); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update gives %v", err)
		}
	})
}
