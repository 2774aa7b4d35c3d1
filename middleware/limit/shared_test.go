package limit

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"userapi/middleware"
	"userapi/repository/sql/sqltest"
)

// server is the Redis that somebody named for tests.
func server(tb testing.TB) string {
	tb.Helper()
	addr := os.Getenv("TEST_REDIS_ADDR")
	if addr == "" {
		sqltest.Missing(tb, "TEST_REDIS_ADDR names no server")
	}
	return addr
}

// secret is one that no other test has, so that their keys are apart.
func secret() []byte { return fmt.Appendf(nil, "%x", rand.Uint64()) }

// together returns a limiter that shares budgets with others of the same secret.
func together(tb testing.TB, addr string, secret []byte, rates Rates, options ...func(*Options)) *Limiter {
	tb.Helper()
	settings := Options{Rates: rates, MaxCallers: 1000, Redis: addr, Secret: secret, Now: time.Now}
	for _, option := range options {
		option(&settings)
	}
	l, err := New(settings)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

func TestShared_take(t *testing.T) {
	t.Parallel()
	addr := server(t)
	t.Run("it decides as this process does", func(t *testing.T) {
		t.Parallel()
		l := together(t, addr, secret(), Rates{})
		// The clock is the test's, but not that by which Redis lets keys expire.
		const expiry = "math.ceil(backlog / 1000) + 1"
		if !strings.Contains(takeSteps, expiry) {
			t.Fatal("the script does not say when a key expires")
		}
		l.shared.script = redis.NewScript("local now = tonumber(ARGV[4])\n" + strings.Replace(takeSteps, expiry, "60000", 1))
		rapid.Check(t, func(t *rapid.T) {
			p := newPolicy(middleware.BudgetReads, anyRate(t))
			name := fmt.Sprintf("test:%x", rand.Uint64())
			defer l.shared.client.Del(context.Background(), keyPrefix+name)
			// A time of the year 2026 in microseconds, which a number of Lua just holds.
			now := int64(1_780_000_000_000_000) + rapid.Int64Range(0, 1e12).Draw(t, "start")
			due := int64(0)
			for range rapid.IntRange(1, 20).Draw(t, "requests") {
				now += rapid.Int64Range(-2*p.step, 3*p.step).Draw(t, "pause")
				cost := rapid.Int64Range(1, p.count+1).Draw(t, "cost")
				want, wantOK := p.take(due-now, cost)
				due = now + want
				answer, err := l.shared.script.Run(context.Background(), l.shared.client, []string{keyPrefix + name}, p.step, p.window, cost, now).Int64Slice()
				if err != nil {
					t.Fatal(err)
				}
				if got := answer[1]; got != want || (answer[0] == 1) != wantOK {
					t.Fatalf("Redis: %v, backlog %d; here: %v, %d", answer[0] == 1, got, wantOK, want)
				}
			}
		})
	})
	t.Run("limiters share a budget, and one of another secret does not", func(t *testing.T) {
		t.Parallel()
		same := secret()
		a, b := together(t, addr, same, Rates{Reads: perMinute(10)}), together(t, addr, same, Rates{Reads: perMinute(10)})
		other := together(t, addr, secret(), Rates{Reads: perMinute(10)})
		got := 0
		for range 10 {
			for _, l := range []*Limiter{a, b} {
				if (visit{from: "192.0.2.1:1"}).charge(t, l) {
					got++
				}
			}
		}
		if got != 10 {
			t.Errorf("%d units where there are 10", got)
		}
		if !(visit{from: "192.0.2.1:1"}).charge(t, other) {
			t.Error("another secret has the same budget")
		}
		if stats := a.Stats().Budgets[0]; stats.Fallback != 0 || stats.Allowed+stats.Limited != 10 {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("what it keeps expires, and shows nobody", func(t *testing.T) {
		t.Parallel()
		own := secret()
		l := together(t, addr, own, Rates{Reads: Rate{Count: 10, Per: 10 * time.Second}})
		c, _ := visit{from: "192.0.2.1:1"}.context(t)
		l.charge(c.Request.Context(), c, middleware.BudgetReads, 3, 3)
		name := callerOf(t.Context(), c).name(own, 0)
		ttl := l.shared.client.PTTL(t.Context(), keyPrefix+name).Val()
		if ttl <= 2*time.Second || ttl > 3*time.Second+2*time.Millisecond {
			t.Errorf("it expires after %v", ttl)
		}
		if raw, err := hex.DecodeString(strings.TrimPrefix(name, "0:")); err != nil || len(raw) != 16 {
			t.Errorf("%s", name)
		}
	})
}

func TestShared_leave(t *testing.T) {
	t.Parallel()
	t.Run("a server that takes everything and says nothing costs one timeout", func(t *testing.T) {
		t.Parallel()
		silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, 100)
		go func() {
			for {
				conn, err := silent.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- conn
			}
		}()
		told := make(chan error, 10)
		l := together(t, silent.Addr().String(), secret(), Rates{Reads: perMinute(10)}, func(o *Options) { o.Away = func(err error) { told <- err } })
		begin := time.Now()
		got := 0
		for range 20 {
			if (visit{from: "192.0.2.1:1"}).charge(t, l) {
				got++
			}
		}
		if took := time.Since(begin); took > 10*sharedTimeout {
			t.Errorf("20 requests took %v", took)
		}
		if got != 10 {
			t.Errorf("%d units where this process has 10", got)
		}
		if stats := l.Stats().Budgets[0]; stats.Fallback != 20 || stats.Allowed != 10 || stats.Limited != 10 {
			t.Errorf("%+v", stats)
		}
		if err := <-told; err == nil {
			t.Error("it is told that Redis is back")
		}
		_ = silent.Close()
		for conn := range accepted {
			_ = conn.Close()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("what Redis knew of a caller holds when it goes away, and it is used again when it is back", func(t *testing.T) {
		t.Parallel()
		addr := server(t)
		told := make(chan error, 10)
		l := together(t, addr, secret(), Rates{Reads: perMinute(10)}, func(o *Options) { o.Away = func(err error) { told <- err } })
		for range 8 {
			(visit{from: "192.0.2.1:1"}).charge(t, l)
		}
		l.shared.leave(fmt.Errorf("pulled"))
		got := 0
		for range 10 {
			if (visit{from: "192.0.2.1:1"}).charge(t, l) {
				got++
			}
		}
		if got != 2 {
			t.Errorf("%d units where 2 are left", got)
		}
		if err := <-told; err == nil || err.Error() != "pulled" {
			t.Errorf("told %v", err)
		}
		if err := <-told; err != nil {
			t.Errorf("told %v", err)
		}
		before := l.Stats().Budgets[0].Fallback
		for deadline := time.Now().Add(10 * time.Second); l.shared.away.Load(); {
			if time.Now().After(deadline) {
				t.Fatal("Redis is not used again")
			}
		}
		(visit{from: "192.0.2.2:1"}).charge(t, l)
		if after := l.Stats().Budgets[0].Fallback; after != before {
			t.Errorf("%d decisions without Redis, where %d were before", after, before)
		}
	})
	t.Run("when it comes and goes, that is told once a minute", func(t *testing.T) {
		t.Parallel()
		addr := server(t)
		var told atomic.Int64
		l := together(t, addr, secret(), Rates{Reads: perMinute(10)}, func(o *Options) { o.Away = func(error) { told.Add(1) } })
		for range 3 {
			l.shared.leave(fmt.Errorf("pulled"))
			for deadline := time.Now().Add(10 * time.Second); l.shared.away.Load(); {
				if time.Now().After(deadline) {
					t.Fatal("Redis is not used again")
				}
			}
		}
		if told.Load() != 2 {
			t.Errorf("told %d times", told.Load())
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	t.Run("an address that is none is refused without showing it", func(t *testing.T) {
		t.Parallel()
		_, err := New(Options{Now: time.Now, Redis: "redis://:hunter2@[broken"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the password takes the place of a secret that is not set", func(t *testing.T) {
		t.Parallel()
		l, err := New(Options{Now: time.Now, Redis: "redis://:hunter2@127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if string(l.shared.secret) != "hunter2" {
			t.Errorf("%q", l.shared.secret)
		}
	})
}
