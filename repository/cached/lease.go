package cached

import "time"

// lease is an answer of the coordinator as long as it is believed. It is never changed.
type lease struct {
	generation int64
	run        *run
	taken      time.Time // before the coordinator was asked
	ends       time.Duration
	// ripe is whether entries of the generation may be served and filled. They may be blocked before.
	ripe bool
}

func (l *lease) holds(now time.Time) bool { return l != nil && passed(l.taken, now) < l.ends }

// serves says whether entries may be served and filled.
func (l *lease) serves(now time.Time) bool { return l.holds(now) && l.ripe && !l.run.failing.Load() }

// silence is a time in which no instance believes Redis. It is never changed.
type silence struct {
	from   time.Time
	asked  time.Time // when what the coordinator answered had yet to begin
	length time.Duration
}

// lasts says whether the suspension is not over, whether or not all leases from before it are.
func (s *silence) lasts(now time.Time) bool { return s != nil && passed(s.asked, now) < s.length }

func (s *silence) covers(now time.Time) bool { return s.lasts(now) && !now.Before(s.from) }

// left is for how much longer it lasts.
func (s *silence) left(now time.Time) time.Duration { return s.length - passed(s.asked, now) }

// passed is how much time has gone by, at least: the monotonic clock stands still while the machine
// sleeps, and the other one may be set back.
func passed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
