package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware"
	"userapi/middleware/metrics"
	"userapi/repository/memory"
)

// pinger is a store of which only is asked whether it is there.
type pinger func(ctx context.Context) error

func (p pinger) Ping(ctx context.Context) error { return p(ctx) }

func TestReadiness_ready(t *testing.T) {
	t.Parallel()
	t.Run("asks the store once a second, for a second at most", func(t *testing.T) {
		t.Parallel()
		asked, now := 0, time.Now()
		var away error
		r := readiness{lifecycle: new(middleware.Lifecycle), now: func() time.Time { return now }, store: pinger(func(ctx context.Context) error {
			asked++
			if ends, bounded := ctx.Deadline(); !bounded || time.Until(ends) > readyBudget {
				t.Error("the question has no bound")
			}
			return away
		})}
		want := func(ready bool, questions int) {
			t.Helper()
			if got := r.ready(); got != ready || asked != questions {
				t.Errorf("ready %v after %d questions, want %v after %d", got, asked, ready, questions)
			}
		}
		want(false, 0) // it starts, whatever the store says
		r.lifecycle.Serve()
		want(true, 1)
		away = errors.New("away")
		now = now.Add(readyAge - 1)
		want(true, 1)
		now = now.Add(1)
		want(false, 2)
		away = nil
		want(false, 2)
		now = now.Add(readyAge)
		want(true, 3)
		r.lifecycle.Drain()
		want(false, 3)
	})
}

func TestService_open(t *testing.T) {
	t.Parallel()
	t.Run("a store that is lost later is seen by a scrape", func(t *testing.T) {
		t.Parallel()
		s := newService(config.Default(), zap.NewNop(), zap.NewAtomicLevel())
		t.Cleanup(s.callers.Close)
		s.metrics = metrics.New(metrics.Build{})
		store := memory.New()
		if err := s.open(store, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		s.lifecycle.Serve()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		page := httptest.NewRecorder()
		s.metrics.Handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		if !strings.Contains(page.Body.String(), "\nuserapi_ready 0\n") {
			t.Errorf("%.4000s", page.Body)
		}
	})
}
