package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// gate is a database that takes its time to refuse connections.
type gate struct {
	driver.Connector
	tried atomic.Int64
	open  chan struct{}
}

var errRefused = errors.New("refused")

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
