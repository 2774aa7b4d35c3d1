package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"userapi/middleware"
)

// reads returns policies with one budget only.
func reads(rate Rate) *policies { return &policies{newPolicy(middleware.BudgetReads, rate)} }

func stranger(n int) key { return key{1, uint64(n)} }

func TestTable_take(t *testing.T) {
	t.Parallel()
	t.Run("each caller and each budget has its own", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			table := newTable(1000)
			all := &policies{}
			for i := range all {
				all[i] = newPolicy(budgetAt(i), anyRate(t))
			}
			due := map[key]*dues{}
			now := int64(0)
			for range 100 {
				now += rapid.Int64Range(0, 1_000_000).Draw(t, "pause")
				k, budget := stranger(rapid.IntRange(0, 4).Draw(t, "caller")), rapid.IntRange(0, budgets-1).Draw(t, "budget")
				if due[k] == nil {
					due[k] = new(dues)
				}
				cost := rapid.Int64Range(1, all[budget].count).Draw(t, "cost")
				want, wantOK := all[budget].take(due[k][budget]-now, cost)
				got, ok := table.take(k, budget, all, now, cost)
				if got != want || ok != wantOK {
					t.Fatalf("backlog %d, %v; want %d, %v", got, ok, want, wantOK)
				}
				due[k][budget] = now + want
			}
		})
	})
	t.Run("a clock that went back refuses nobody for longer than the window", func(t *testing.T) {
		t.Parallel()
		table, all := newTable(1000), reads(perMinute(10))
		hour, minute := time.Hour.Microseconds(), time.Minute.Microseconds()
		for range 10 {
			table.take(stranger(1), 0, all, hour, 1)
		}
		if _, ok := table.take(stranger(1), 0, all, 0, 1); ok {
			t.Fatal("a clock that went back gives a budget back")
		}
		for after := int64(0); after <= minute; after += minute / 10 {
			if _, ok := table.take(stranger(1), 0, all, after, 10); ok != (after == minute) {
				t.Errorf("all of the budget is there after %v: %v", time.Duration(after)*time.Microsecond, ok)
			}
		}
	})
	t.Run("what is refused costs nothing", func(t *testing.T) {
		t.Parallel()
		table, all := newTable(1000), reads(perMinute(10))
		before, _ := table.take(stranger(1), 0, all, 0, 10)
		for range 100 {
			if after, ok := table.take(stranger(1), 0, all, 0, 1); ok || after != before {
				t.Fatalf("%v, a backlog of %d", ok, after)
			}
		}
	})
	t.Run("at one time no more is granted than there is", func(t *testing.T) {
		t.Parallel()
		table, all := newTable(1000), reads(perMinute(100))
		var granted atomic.Int64
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() {
				for range 100 {
					if _, ok := table.take(stranger(1), 0, all, 0, 1); ok {
						granted.Add(1)
					}
				}
			})
		}
		running.Wait()
		if granted.Load() != 100 {
			t.Errorf("%d", granted.Load())
		}
	})
}

func TestTable_room(t *testing.T) {
	t.Parallel()
	const room = 1024
	all := reads(perMinute(10))
	// use has a caller take some units, and returns how many he gets.
	use := func(table *table, n int, now time.Duration, units int) (got int) {
		for range units {
			if _, ok := table.take(stranger(n), 0, all, now.Microseconds(), 1); ok {
				got++
			}
		}
		return got
	}
	t.Run("any number of callers takes no more than there is", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		for n := range 50 * room {
			use(table, n, 0, 1)
		}
		if tally := table.tally(); tally.known > room {
			t.Errorf("%+v", tally)
		}
	})
	t.Run("who is being refused stays so, whoever comes", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		for n := range room / 4 {
			use(table, n, 0, 10)
		}
		for n := range 50 * room {
			use(table, room+n, 0, 1)
		}
		for n := range room / 4 {
			if got := use(table, n, 0, 1); got > 0 {
				t.Fatalf("caller %d is free again; %+v", n, table.tally())
			}
		}
	})
	t.Run("who has used a good part of his budget loses it to nobody who has used little", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		use(table, 0, 0, 9)
		for n := range 50 * room {
			use(table, 1+n, 0, 1)
		}
		if got := use(table, 0, 0, 10); got != 1 {
			t.Errorf("%d units where one is left", got)
		}
	})
	t.Run("when all are being refused, newcomers share one budget", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		for n := range 4 * room {
			use(table, n, 0, 10)
		}
		before := table.tally()
		if before.evicted > 0 || before.crowded == 0 {
			t.Fatalf("%+v", before)
		}
		got := 0
		for n := range 4 * room {
			got += use(table, 5*room+n, 0, 1)
		}
		if got > 0 { // those before have used it up
			t.Errorf("%d of them got something; %+v", got, table.tally())
		}
		if got := use(table, 9*room, time.Minute, 10); got != 10 {
			t.Errorf("%d units where the minute is over", got)
		}
	})
	t.Run("whose budgets are whole goes first", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		for n := range room {
			use(table, n, 0, 1)
		}
		for n := range 4 * room {
			use(table, room+n, time.Minute, 1)
		}
		if tally := table.tally(); tally.known > room {
			t.Errorf("%+v", tally)
		}
	})
	t.Run("those who are gone do not stay until it is full", func(t *testing.T) {
		t.Parallel()
		table := newTable(100 * room)
		for n := range 10 * room {
			use(table, n, 0, 1)
		}
		for n := range 10 * room {
			use(table, 20*room+n, time.Minute, 1)
		}
		if tally := table.tally(); tally.known > 14*room {
			t.Errorf("%+v", tally)
		}
	})
	t.Run("a backlog of another rate or clock keeps nobody out", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		for n := range 2 * room {
			use(table, n, time.Hour, 10)
		}
		if got := use(table, 5*room, 0, 10); got != 10 {
			t.Errorf("%d; %+v", got, table.tally())
		}
	})
	t.Run("what was learnt counts, and the longer backlog wins", func(t *testing.T) {
		t.Parallel()
		table := newTable(room)
		p := all[0]
		table.learn(stranger(1), 0, all, 0, 8*p.step)
		table.learn(stranger(1), 0, all, 0, 5*p.step)
		if got := use(table, 1, 0, 10); got != 2 {
			t.Errorf("%d units where 2 are left", got)
		}
	})
}
