package limit

import (
	"testing"
	"time"
)

// line is a server that works at one request after the other, behind a bound, on a clock of the test's.
type line struct {
	flight *Flight
	clock  *clock
	work   time.Duration // that one request takes

	waiting     []time.Duration // since when, by the bound
	came        []time.Duration // since when, by the clock
	busy        time.Duration
	good, tries int
}

func newLine(most int, work time.Duration) *line {
	l := &line{clock: newClock(), work: work}
	l.flight = NewFlight(most, l.clock.now)
	return l
}

// come has a request ask to be let in.
func (l *line) come(now time.Duration) {
	l.tries++
	if since, ok := l.flight.enter(); ok {
		l.waiting, l.came = append(l.waiting, since), append(l.came, now)
	}
}

// run has requests come at a rate for a time, and returns how many were answered within a second.
func (l *line) run(rate float64, length time.Duration) (good int) {
	const tick = time.Millisecond
	l.good = 0
	begun := l.tries
	for now := time.Duration(0); now < length; now += tick {
		for float64(l.tries-begun) < now.Seconds()*rate {
			l.come(now)
		}
		for l.busy += tick; l.busy >= l.work; l.busy -= l.work {
			if len(l.waiting) == 0 {
				l.busy = 0
				break
			}
			l.flight.leave(l.waiting[0])
			if now-l.came[0] <= time.Second {
				l.good++
			}
			l.waiting, l.came = l.waiting[1:], l.came[1:]
		}
		l.clock.advance(tick)
	}
	for i := range l.came {
		l.came[i] -= length
	}
	return l.good
}

func TestFlight_overload(t *testing.T) {
	t.Parallel()
	t.Run("three times too much leaves nearly as many good answers as there can be, at any speed", func(t *testing.T) {
		t.Parallel()
		for _, work := range []time.Duration{2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
			l := newLine(1000, work)
			most := float64(time.Second / work)
			if got := float64(l.run(3*most, 20*time.Second)) / (20 * most); got < 0.85 {
				t.Errorf("%v a request: %.2f of them", work, got)
			}
			if got := float64(l.run(0.5*most, 5*time.Second)) / (2.5 * most); got < 0.95 {
				t.Errorf("%v a request: %.2f of half as much as can be done, behind it", work, got)
			}
		}
	})
	t.Run("a bound alone would leave none", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		l.flight.now = newClock().now // which stands, so that nothing is ever slow
		if got := l.run(600, 20*time.Second); got > 20*200/5 {
			t.Errorf("%d were good", got)
		}
	})
	t.Run("a burst is let in whole, and the next one too", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		for range 3 {
			for range 1000 {
				l.come(0)
			}
			l.run(0, 10*time.Second)
		}
		if got := l.flight.Stats(); got.Shed != 0 || got.Current != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a pause in which nothing runs is no overload", func(t *testing.T) {
		t.Parallel()
		for _, work := range []time.Duration{100 * time.Microsecond, 250 * time.Microsecond} {
			l := newLine(1000, work)
			for range 5 {
				for range 900 {
					l.come(0)
				}
				l.clock.advance(400 * time.Millisecond) // of the machine, say
				l.run(0.5/work.Seconds(), 3*time.Second)
			}
			if got := l.flight.Stats(); got.Shed != 0 {
				t.Errorf("%v a request: %+v", work, got)
			}
		}
	})
	t.Run("few who are slow are not too many", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		for range 50 {
			for range calm {
				l.come(0)
			}
			l.clock.advance(10 * time.Second)
			l.run(0, time.Second)
		}
		if got := l.flight.Stats(); got.Shed != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what is let in when there is too much never falls below what is never too much, and comes back", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 10*time.Millisecond)
		l.run(300, 20*time.Second)
		if got := l.flight.Stats().Allowed; got != calm {
			t.Errorf("%d are let in", got)
		}
		l.run(5, 10*time.Second)
		for range 1000 {
			l.come(0)
		}
		if got := l.flight.Stats(); got.Allowed != 1000 {
			t.Errorf("%+v", got)
		}
	})
}
