package tests

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/repository/sql"
	"userapi/tests/testkit"
)

func TestProcess_PoolExhausted(t *testing.T) {
	t.Run("200 clients on 4 connections: served or 503 in time, and the connections are kept busy", func(t *testing.T) {
		const conns, clients, latency, length = 4, 200, 100 * time.Millisecond, 4 * time.Second
		// Nothing is shed before the line for the connections, which is what this is about.
		proxy, start := through(t, sql.Postgres, "storage.max_conns=4", "storage.max_wait=200ms", "storage.timeout=3s", "limit.in_flight=0")
		p := start.Binary(t)
		c := crowd{t: t, p: p, path: fmt.Sprintf("/users/%d", p.Create(t, ada).ID)}
		proxy.Harm(testkit.Down, testkit.Toxic{Latency: latency})
		for range clients {
			c.all.Go(c.ask)
		}
		// The connections have to be made first, by several ways there and back.
		await(t, 10*time.Second, "all connections to serve", func() bool { return c.served.Load() > 2*conns })
		before, begun := c.served.Load(), time.Now()
		await(t, 2*length, "the crowd", func() bool { return time.Since(begun) > length })
		served, able := c.served.Load()-before, conns*time.Since(begun).Seconds()/latency.Seconds()
		c.over.Store(true)
		c.all.Wait()
		if float64(served) < 0.8*able {
			t.Errorf("%d were served, and the connections could have served %.0f", served, able)
		}
		if c.refused.Load() == 0 {
			t.Error("nobody was refused: there was no crowd")
		}
		proxy.Heal()
		calm := time.Now()
		await(t, recovery, "all to be normal", func() bool {
			asked := time.Now()
			return p.Get(t, c.path).Status == http.StatusOK && time.Since(asked) < 50*time.Millisecond
		})
		t.Logf("%d served of %.0f, %d refused, the slowest after %v; normal again after %v",
			served, able, c.refused.Load(), time.Duration(c.slowest.Load()).Round(time.Millisecond), time.Since(calm).Round(time.Millisecond))
	})
}

// crowd asks for one user from many sides.
type crowd struct {
	t    *testing.T
	p    *testkit.Process
	path string
	all  sync.WaitGroup
	over atomic.Bool

	served, refused, slowest atomic.Int64
}

// ask asks until it is over. Who is refused comes again a little later.
func (c *crowd) ask() {
	for !c.over.Load() {
		asked := time.Now()
		answer := c.p.Get(c.t, c.path)
		took := time.Since(asked)
		for old := c.slowest.Load(); int64(took) > old && !c.slowest.CompareAndSwap(old, int64(took)); old = c.slowest.Load() {
		}
		if answer.Status == http.StatusOK {
			c.served.Add(1)
			continue
		}
		answer.WantProblem(http.StatusServiceUnavailable, "unavailable")
		if c.refused.Add(1); took > 200*time.Millisecond+slack {
			c.t.Errorf("503 after %v", took)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-c.t.Context().Done():
		}
	}
}
