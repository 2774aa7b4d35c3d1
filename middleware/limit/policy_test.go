package limit

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"userapi/middleware"
)

// grants is what a rate means, and no algorithm: in no span of time may more units be taken than all at
// once and those that come back in it.
type grants struct {
	count, step int64
	times       []int64
	costs       []int64
}

// allows says whether a cost may be taken now.
func (g *grants) allows(now, cost int64) bool {
	taken := cost
	if taken > g.count {
		return false
	}
	for i := len(g.times) - 1; i >= 0; i-- {
		taken += g.costs[i]
		if taken*g.step > g.count*g.step+now-g.times[i] {
			return false
		}
	}
	return true
}

func anyRate(t *rapid.T) Rate {
	return Rate{
		Count: rapid.IntRange(1, 50).Draw(t, "count"),
		Per:   time.Duration(rapid.IntRange(1, 100_000).Draw(t, "per")) * time.Millisecond,
	}
}

func TestPolicy_take(t *testing.T) {
	t.Parallel()
	t.Run("it decides as the meaning of a rate does", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			p := newPolicy(middleware.BudgetReads, anyRate(t))
			meaning := grants{count: p.count, step: p.step}
			now, due := int64(0), int64(0)
			for range rapid.IntRange(1, 60).Draw(t, "requests") {
				now += rapid.Int64Range(0, 2*p.step).Draw(t, "pause")
				cost := rapid.Int64Range(1, p.count+1).Draw(t, "cost")
				backlog, ok := p.take(due-now, cost)
				if want := meaning.allows(now, cost); ok != want {
					t.Fatalf("at %d a cost of %d is allowed: %v, want %v", now, cost, ok, want)
				}
				if due = now + backlog; ok {
					meaning.times, meaning.costs = append(meaning.times, now), append(meaning.costs, cost)
				}
			}
		})
	})
	t.Run("what is refused is allowed after the wait, and not before", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			p := newPolicy(middleware.BudgetReads, anyRate(t))
			backlog := rapid.Int64Range(0, p.window).Draw(t, "backlog")
			cost := rapid.Int64Range(1, p.count).Draw(t, "cost")
			after, ok := p.take(backlog, cost)
			if ok {
				if p.wait(backlog, cost) != 0 || after != backlog+cost*p.step {
					t.Fatalf("taken: wait %d, backlog %d", p.wait(backlog, cost), after)
				}
				return
			}
			wait := p.wait(backlog, cost)
			if _, early := p.take(backlog-wait+1, cost); early || after != backlog {
				t.Fatalf("taken before the wait of %d is over; backlog %d of %d", wait, after, backlog)
			}
			if _, late := p.take(backlog-wait, cost); !late {
				t.Fatalf("refused after the wait of %d", wait)
			}
		})
	})
	t.Run("a clock that goes back has nobody wait for longer than the window", func(t *testing.T) {
		t.Parallel()
		p := newPolicy(middleware.BudgetReads, perMinute(10))
		backlog, ok := p.take(math.MaxInt64/2, 1)
		if ok || backlog != p.window || p.wait(backlog, 1) != p.step || p.wait(backlog, p.count) != p.window {
			t.Errorf("%v, %d", ok, backlog)
		}
	})
}

func TestPolicy_state(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rate    Rate
		backlog time.Duration
		want    string
	}{
		{perMinute(60), time.Second, `"reads";r=59;t=1`},
		{perMinute(60), 58*time.Second + 1, `"reads";r=2;t=1`},
		{perMinute(60), time.Minute, `"reads";r=0;t=1`},
		{perMinute(60), 0, `"reads";r=60;t=0`},
		{perMinute(2), time.Minute, `"reads";r=0;t=30`},
		{perMinute(2), 45 * time.Second, `"reads";r=0;t=15`},
		{Rate{Count: 1, Per: 24 * time.Hour}, 24 * time.Hour, `"reads";r=0;t=86400`},
		{Rate{Count: 1_000_000, Per: time.Second}, time.Second, `"reads";r=0;t=1`},
	}
	for _, c := range cases {
		p := newPolicy(middleware.BudgetReads, c.rate)
		for range 2 { // made, and kept
			if got := p.state(c.backlog.Microseconds()); len(got) != 1 || got[0] != c.want || cap(got) != 1 {
				t.Errorf("%v after %v: %q, want %s", c.rate, c.backlog, got, c.want)
			}
		}
	}
	for want, rate := range map[string]Rate{
		`"reads";q=100;w=60`: perMinute(100), `"reads";q=5;w=2`: {5, 1500 * time.Millisecond}, `"reads";q=1;w=86400`: {1, 24 * time.Hour},
	} {
		if got := newPolicy(middleware.BudgetReads, rate).stated; got[0] != want || cap(got) != 1 {
			t.Errorf("%q, want %s", got, want)
		}
	}
	t.Run("t is when there is one more, and never later than the retry that is asked for", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			p := newPolicy(middleware.BudgetReads, anyRate(t))
			backlog := rapid.Int64Range(0, p.window).Draw(t, "backlog")
			remaining := (p.window - backlog) / p.step
			next := p.wait(backlog, remaining+1)
			if remaining < p.count && ((p.window-backlog+next)/p.step != remaining+1 || (p.window-backlog+next-1)/p.step != remaining) {
				t.Fatalf("after %d there are %d of %d left", next, (p.window-backlog+next)/p.step, remaining)
			}
			for cost := remaining + 1; cost <= p.count; cost++ {
				if seconds(p.wait(backlog, cost)) < seconds(next) {
					t.Fatalf("%d units are there before one is", cost)
				}
			}
		})
	})
	t.Run("a rate of nothing is none", func(t *testing.T) {
		t.Parallel()
		for _, rate := range []Rate{{}, {Count: 1}, {Per: time.Second}, {Count: -1, Per: time.Second}} {
			if newPolicy(middleware.BudgetReads, rate) != nil {
				t.Errorf("%v is a limit", rate)
			}
		}
	})
}
