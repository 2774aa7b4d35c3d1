package sql

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a database that takes its time to refuse connections.
type gate struct {
	driver.Connector
	tried atomic.Int64
	open  chan struct{}
}

var errRefused = errors.New("refused")

func (g *gate) Driver() driver.Driver { return nil }

func (g *gate) Connect(ctx context.Context) (driver.Conn, error) {
	g.tried.Add(1)
	select {
	case <-g.open:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestPaced_Connect(t *testing.T) {
	t.Run("while a database is away one connection is tried at a time, and the others are told why", func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		connector := paced{g, &pace{err: errRefused}} // its rest is over
		first := make(chan error)
		go func() {
			_, err := connector.Connect(t.Context())
			first <- err
		}()
		for g.tried.Load() == 0 {
			select {
			case err := <-first:
				t.Fatal(err)
			default:
			}
		}
		var others sync.WaitGroup
		for range 50 {
			others.Go(func() {
				if _, err := connector.Connect(t.Context()); !errors.Is(err, errRefused) {
					t.Error(err)
				}
			})
		}
		others.Wait()
		close(g.open)
		if err := <-first; !errors.Is(err, errRefused) || g.tried.Load() != 1 {
			t.Errorf("%v, and %d were tried", err, g.tried.Load())
		}
	})
	t.Run("one that its caller gives up leaves the next to be tried", func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		connector := paced{g, &pace{err: errRefused}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if _, err := connector.Connect(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if g.tried.Load() != 2 {
			t.Errorf("%d were tried", g.tried.Load())
		}
	})
}

func TestPool_Stats(t *testing.T) {
	t.Run("who waits for a connection is counted, and for how long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var shared, other pool
			db := stdsql.OpenDB(&gate{})
			defer db.Close()
			shared.set(db, 1, false)
			other.places = shared.places
			enter := func(p *pool, longest time.Duration) error { return p.enter(t.Context(), longest) }
			if err := enter(&shared, time.Second); err != nil {
				t.Fatal(err)
			}
			if stats := shared.stats("shared", &other); stats.Waits != 0 || stats.Most != 2 {
				t.Errorf("nobody has waited: %+v", stats)
			}
			go func() {
				if err := enter(&other, time.Minute); err != nil {
					t.Error(err)
				}
			}()
			if err := enter(&shared, 2*time.Second); !errors.Is(err, errBusy) {
				t.Error(err)
			}
			synctest.Wait()
			if stats := shared.stats("shared", &other); stats.Waiting != 1 || stats.Waits != 2 || stats.Waited != 2*time.Second {
				t.Errorf("while one waits: %+v", stats)
			}
			shared.leave()
			synctest.Wait()
			if stats := shared.stats("shared", &other); stats.Waiting != 0 || stats.Waits != 2 || stats.Waited != 4*time.Second {
				t.Errorf("at the end: %+v", stats)
			}
		})
	})
}
