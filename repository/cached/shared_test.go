package cached

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

var _ repository.CacheCoordinator = (*coordinator)(nil)

func TestKeeper(t *testing.T) {
	t.Run("fills no entry while a write may go on that began in a suspension", func(t *testing.T) {
		times := quick()
		times.ripens = time.Second
		p := newPair(t, times)
		user := created(t, p.b, 1)
		kept(t, p.a, user.ID)
		gate := repotest.NewGate()
		p.store.At(repotest.Before, repotest.Update, 1, gate.Hold)
		p.toB.set(refuses)
		var writer sync.WaitGroup
		writer.Go(func() { updated(t, p.b, user.ID) })
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.toB.set(open)
		eventually(t, "the suspension is over", func() bool { return p.a.level.(*shared).lease.Load().holds(time.Now()) })
		before := p.a.Stats()
		shows(t, p.a, user.ID, 1)
		if after := p.a.Stats(); after.Loads != before.Loads || after.Hits != before.Hits {
			t.Error("a reader used an entry that the write has not blocked")
		}
		gate.Open()
		writer.Wait()
		shows(t, p.a, user.ID, 2)
		kept(t, p.a, user.ID)
		shows(t, p.a, user.ID, 2)
	})
	t.Run("learns from others that a generation is ripe", func(t *testing.T) {
		p := newPair(t, quick())
		times := quick()
		times.ripens = time.Hour
		ready(t, begun(t, p.store, Options{Redis: p.redis.address, Coordinator: p.c, times: times}))
	})
	t.Run("names a new server only when the leases on the old one have run out", func(t *testing.T) {
		times := quick()
		times.lease = time.Second
		p := newPair(t, times)
		user := created(t, p.a, 1)
		a, b := p.a.level.(*shared), p.b.level.(*shared)
		kept(t, p.b, user.ID)
		if err := a.enter(t.Context()); err != nil { // a still has a lease, and learns of nothing
			t.Fatal(err)
		}
		defer a.leave()
		hits := p.a.Stats().Hits
		shows(t, p.a, user.ID, 1)
		if p.a.Stats().Hits != hits+1 {
			t.Fatal("the test proves nothing")
		}
		old := b.lease.Load().generation
		p.toB.redirect(newServer(t).address)
		eventually(t, "the other instance uses another server", func() bool {
			_, _ = p.b.Get(t.Context(), user.ID)
			l := b.lease.Load()
			return l.holds(time.Now()) && l.generation != old && !l.run.failing.Load()
		})
		shows(t, p.a, user.ID, updated(t, p.b, user.ID))
	})
	t.Run("agrees with others on a server that is new", func(t *testing.T) {
		p := newPair(t, quick())
		before, _ := p.c.CacheEpoch(t.Context())
		p.redis.kill()
		p.redis.start()
		user := created(t, p.a, 1)
		kept(t, p.a, user.ID)
		kept(t, p.b, user.ID)
		after, _ := p.c.CacheEpoch(t.Context())
		if after.Generation <= before.Generation || after.Server == before.Server {
			t.Errorf("the epoch was %+v and is %+v", before, after)
		}
	})
}

func TestShared_Get(t *testing.T) {
	entry := func(t *testing.T) (*pair, models.User, string) {
		p := newPair(t, quick())
		user := created(t, p.a, 1)
		kept(t, p.a, user.ID)
		s := p.a.level.(*shared)
		return p, user, s.userKey(s.lease.Load(), user.ID)
	}
	t.Run("takes what cannot be read, or is another user, for missing, and mends it", func(t *testing.T) {
		p, user, key := entry(t)
		other := user
		other.ID, other.Version = 99, 99
		whole := string(encode(&user))
		for _, text := range []string{"\x02", "nonsense", "{}", whole[:1], whole[:5], whole[:12], string(encode(&other))} {
			if err := p.redis.do("SET", key, text); err != nil {
				t.Fatal(err)
			}
			shows(t, p.a, user.ID, 1)
			hits := p.b.Stats().Hits
			shows(t, p.b, user.ID, 1)
			if p.b.Stats().Hits != hits+1 {
				t.Errorf("%q was not replaced", text)
			}
		}
	})
	t.Run("goes to the store when the entry is of another kind", func(t *testing.T) {
		p, user, key := entry(t)
		if err := errors.Join(p.redis.do("DEL", key), p.redis.do("LPUSH", key, "x")); err != nil {
			t.Fatal(err)
		}
		shows(t, p.a, user.ID, 1)
	})
	t.Run("is right again after somebody has emptied Redis", func(t *testing.T) {
		p, user, _ := entry(t)
		for range 3 {
			if err := p.redis.do("FLUSHALL"); err != nil {
				t.Fatal(err)
			}
			version := updated(t, p.b, user.ID)
			shows(t, p.a, user.ID, version)
		}
	})
	t.Run("believes no replica", func(t *testing.T) {
		p, user, _ := entry(t)
		replica := newServer(t)
		_, port, _ := net.SplitHostPort(p.redis.address)
		if err := replica.do("REPLICAOF", "127.0.0.1", port); err != nil {
			t.Fatal(err)
		}
		var told atomic.Pointer[error]
		s := begun(t, p.store, Options{
			Redis: replica.address, Coordinator: p.c, times: quick(), Away: func(err error) { told.Store(&err) },
		})
		eventually(t, "somebody is told", func() bool { return told.Load() != nil && errors.Is(*told.Load(), errReplica) })
		version := updated(t, p.a, user.ID)
		shows(t, s, user.ID, version)
	})
	t.Run("does not go on with a primary that has become a replica", func(t *testing.T) {
		p, user, _ := entry(t)
		other := newServer(t) // it has nothing, which is as wrong as having what is old
		host, port, _ := net.SplitHostPort(other.address)
		before := p.a.level.(*shared).lease.Load().generation
		if err := p.redis.do("REPLICAOF", host, port); err != nil {
			t.Fatal(err)
		}
		eventually(t, "nobody reads from it", func() bool {
			return !p.a.level.(*shared).lease.Load().serves(time.Now()) && !p.b.level.(*shared).lease.Load().serves(time.Now())
		})
		shows(t, p.b, user.ID, updated(t, p.a, user.ID))
		if err := p.redis.do("REPLICAOF", "NO", "ONE"); err != nil {
			t.Fatal(err)
		}
		kept(t, p.a, user.ID)
		if p.a.level.(*shared).lease.Load().generation == before {
			t.Error("what it held is believed again")
		}
	})
	t.Run("follows a failover to a replica that has missed a write", func(t *testing.T) {
		p, user, _ := entry(t)
		replica := newServer(t)
		host, port, _ := net.SplitHostPort(p.redis.address)
		if err := replica.do("REPLICAOF", host, port); err != nil {
			t.Fatal(err)
		}
		s := p.a.level.(*shared)
		key := s.userKey(s.lease.Load(), user.ID)
		eventually(t, "the replica has the entry", func() bool { return replica.do("GET", key) == nil })
		if err := replica.do("REPLICAOF", "NO", "ONE"); err != nil { // from here on it misses what is written
			t.Fatal(err)
		}
		version := updated(t, p.a, user.ID)
		p.toB.redirect(replica.address)
		for range 5 {
			shows(t, p.a, user.ID, version)
			shows(t, p.b, user.ID, version)
			version = updated(t, p.b, user.ID)
			shows(t, p.a, user.ID, version)
			version = updated(t, p.a, user.ID)
			shows(t, p.b, user.ID, version)
		}
	})
}
