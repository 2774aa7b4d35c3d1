package limit

import (
	"hash/maphash"
	"sync"
)

const (
	// mostParts is in how many parts a table is, each with a lock of its own, and leastRoom is for how many
	// callers a part has room at least, unless there is only one.
	mostParts = 64
	leastRoom = 64
	// sample is how many callers are looked at when one has to go.
	sample = 16
	// tidied is how many are looked at when one comes, so that those who are gone do not stay for ever.
	tidied = 2
)

// policies are those of the budgets; one is nil where there is no limit.
type policies [budgets]*policy

// dues are when each budget of a caller is whole again, in microseconds of the limiter's clock.
type dues [budgets]int64

// table knows callers for as long as their budgets are not whole, but never more than it has room for.
// It is safe for concurrent use.
//
// When it is full, a newcomer takes the place of one whose budgets are whole again, who loses nothing by
// it; else, of some taken by chance, of the one who has used the least. So who comes from ever new
// addresses crowds out himself. One who is being refused is never forgotten before his time: when only
// such are found, the newcomer has a share in one budget with all others for whom there was no room.
type table struct {
	seed  maphash.Seed
	seeds [2]maphash.Seed // of names
	room  int             // of each part
	parts []stripe
}

type stripe struct {
	mu        sync.Mutex
	callers   map[key]dues
	strangers dues  // of those for whom there was no room
	crowded   int64 // how often that was so
	evicted   int64 // how many lost a budget that was not whole
	_         [64]byte
}

func newTable(most int) *table {
	t := &table{seed: maphash.MakeSeed(), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, parts: make([]stripe, min(max(most/leastRoom, 1), mostParts))}
	t.room = max(most/len(t.parts), 1)
	for i := range t.parts {
		t.parts[i].callers = make(map[key]dues)
	}
	return t
}

func (t *table) stripe(k key) *stripe {
	return &t.parts[maphash.Comparable(t.seed, k)%uint64(len(t.parts))]
}

// take charges a caller, and returns his backlog.
func (t *table) take(k key, budget int, all *policies, now, cost int64) (backlog int64, ok bool) {
	p, s := all[budget], t.stripe(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	due, known := s.callers[k]
	own := known || s.welcome(t.room, all, now)
	if !own {
		s.crowded++
		due = s.strangers
	}
	backlog, ok = p.take(due[budget]-now, cost)
	due[budget] = now + backlog // also when it is refused: a clock may have gone back
	if own {
		s.callers[k] = due
	} else {
		s.strangers = due
	}
	return backlog, ok
}

// learn notes a backlog that somebody else has counted.
func (t *table) learn(k key, budget int, all *policies, now, backlog int64) {
	s := t.stripe(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	due, known := s.callers[k]
	if known || s.welcome(t.room, all, now) {
		due[budget] = max(due[budget], now+backlog)
		s.callers[k] = due
	}
}

// welcome makes room for a caller who is not known, and says whether there is any.
func (s *stripe) welcome(room int, all *policies, now int64) bool {
	looks, full := tidied, len(s.callers) >= room
	if full {
		looks = sample
	}
	var least key
	used := int64(whole) + 1
	for k, due := range s.callers {
		if looks--; looks < 0 {
			break
		}
		share := due.share(all, now)
		if share == 0 {
			delete(s.callers, k)
			if full {
				return true
			}
			continue
		}
		if share < used {
			least, used = k, share
		}
	}
	if !full {
		return true
	}
	if used >= whole {
		return false
	}
	delete(s.callers, least)
	s.evicted++
	return true
}

// whole is the share of a budget that leaves nothing of it.
const whole = 1000

// share returns how much of a budget is used, of that of which the most is: 0 when all are whole, and
// whole when a request would be refused.
func (d *dues) share(all *policies, now int64) int64 {
	used := int64(0)
	for i, p := range all {
		if p == nil || d[i] <= now {
			continue
		}
		switch backlog := d[i] - now; {
		case backlog > p.window: // from before a clock went back, or a rate was changed
			used = whole - 1
		case backlog+p.step > p.window:
			return whole
		default:
			used = max(used, 1+backlog*(whole-2)/p.window)
		}
	}
	return used
}

// tally is what has become of the callers.
type tally struct{ known, crowded, evicted int64 }

func (t *table) tally() tally {
	var sum tally
	for i := range t.parts {
		s := &t.parts[i]
		s.mu.Lock()
		sum.known += int64(len(s.callers))
		sum.crowded += s.crowded
		sum.evicted += s.evicted
		s.mu.Unlock()
	}
	return sum
}
