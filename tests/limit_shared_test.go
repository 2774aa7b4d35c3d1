package tests

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"userapi/tests/testkit"
)

// TestLimit_Shared has two instances count in one Redis.
func TestLimit_Shared(t *testing.T) {
	t.Parallel()
	server := testkit.NewRedis(t)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer admin.Close()
	cable := testkit.NewCable(t, server.Addr)
	instances := []*testkit.Process{}
	for range 2 {
		instances = append(instances, testkit.Start{Env: []string{
			"USERAPI_LIMIT_REDIS=" + cable.Addr, "USERAPI_LIMIT_READS=20/1h", "USERAPI_LIMIT_WRITES=10000/1h",
		}}.Binary(t))
	}
	// read asks the instances in turn, and returns how many of the answers were 200; all others are 429.
	read := func(t *testing.T, requests int) (granted int) {
		t.Helper()
		for n := range requests {
			answer := instances[n%2].Get(t, "/users/")
			if answer.Status == http.StatusOK {
				granted++
			} else {
				answer.WantProblem(http.StatusTooManyRequests, "rate_limited")
			}
			if !strings.HasPrefix(answer.Header.Get("RateLimit"), `"reads";r=`) {
				t.Errorf("RateLimit: %s", answer.Header.Get("RateLimit"))
			}
		}
		return granted
	}
	notices := func(n int, text string) (count int) {
		for _, entry := range instances[n].Log.Entries(t) {
			if entry.Text("msg") == text {
				count++
			}
		}
		return count
	}
	const away, back = "Redis is away; each instance limits callers by itself", "the shared rate limit is used again"
	t.Run("what one grants the other has not", func(t *testing.T) {
		if got := read(t, 15); got != 15 {
			t.Errorf("%d of 15", got)
		}
		if got := read(t, 15); got != 5 {
			t.Errorf("%d where 5 are left", got)
		}
		if left := instances[0].Get(t, "/users/").Header.Get("RateLimit"); !strings.HasPrefix(left, `"reads";r=0;`) {
			t.Error(left)
		}
		keys := admin.Keys(t.Context(), "*").Val()
		if len(keys) != 1 || strings.Contains(keys[0], "127") {
			t.Errorf("keys in Redis: %v", keys)
		}
	})
	t.Run("without Redis each goes on by itself, and nobody has a new budget", func(t *testing.T) {
		for round, trouble := range []struct{ begin, end func() }{
			{cable.Cut, cable.Mend}, {cable.Hang, cable.Mend}, {server.Kill, func() { server.Start(t) }},
		} {
			trouble.begin()
			begin := time.Now()
			if got := read(t, 40); got != 0 {
				t.Errorf("%d were granted to a caller who had used up his budget", got)
			}
			for n := range 40 {
				instances[n%2].Post(t, "/users/", named(40*round+n, `"Ada"`)).Want(http.StatusCreated)
			}
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("80 requests took %v", took)
			}
			trouble.end()
			awaitLong(t, "both to use Redis again", func() bool {
				// Only Redis can know that the budget is whole again.
				admin.FlushAll(t.Context())
				whole := true
				for _, instance := range instances {
					answer := instance.Get(t, "/users/")
					whole = whole && answer.Status == http.StatusOK
					if answer.Status >= 500 {
						answer.Want(http.StatusOK)
					}
				}
				return whole
			})
			if granted := read(t, 25); granted < 18 || granted > 20 {
				t.Errorf("%d were granted of a new budget of 20, shared again", granted)
			}
		}
	})
	t.Run("which the log says once each", func(t *testing.T) {
		for n := range instances {
			if notices(n, away) != 1 || notices(n, back) != 1 {
				t.Errorf("instance %d: %d times away and %d times back", n, notices(n, away), notices(n, back))
			}
		}
	})
}

func TestLimit_Away(t *testing.T) {
	t.Parallel()
	t.Run("that Redis is away is in the log, and nothing beside it", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Env: []string{"USERAPI_LIMIT_REDIS=127.0.0.1:1", "USERAPI_LIMIT_READS=20/1h"}}.Binary(t)
		for range 3 {
			p.Get(t, "/users/").Want(http.StatusOK)
		}
		awaitSaid(t, p, "Redis is away; each instance limits callers by itself", 1)
		p.Signal(t, syscall.SIGTERM)
		p.Wait(t, 20*time.Second)
		if p.Stderr() != "" {
			t.Errorf("standard error: %q", p.Stderr())
		}
	})
}
