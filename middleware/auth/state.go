package auth

import (
	"crypto/rand"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// Bounds of what a State holds.
const (
	maxVerified = 10_000  // passwords that were checked
	maxFailures = 100_000 // counts of failures
	// queuePerSlot is how many checks of passwords may wait for each that goes on.
	queuePerSlot = 8
	// maxQueued is how long a check waits for its turn.
	maxQueued = 3 * time.Second
)

// State is what Authenticators leave to those who take their place: which passwords were checked of
// late, who failed how often, how many checks go on, and the keys of the issuer. It is safe for
// concurrent use.
type State struct {
	// Around, if not nil, returns what the issuer is asked by, given what would be used else: to measure or
	// trace that. It is set before the first use.
	Around func(http.RoundTripper) http.RoundTripper

	// Issuer, if not nil, is told why the keys of the issuer could not be read, at most once a minute, and
	// nil when they can be again. The error repeats nothing of the answer. It is set before the first use, is
	// called from one goroutine at a time, and must not call the State.
	Issuer func(err error)

	now      func() time.Time
	key      [32]byte
	verified *cache[struct{}]
	failures *throttle
	slots    chan struct{}
	queue    chan struct{}

	mu     sync.Mutex
	checks map[digest]*check
	issuer *issuer
	closed bool

	// checking, if not nil, is told the work of every check. Tests count by it.
	checking func(work string)
}

// NewState returns a State by a clock. Close ends it.
func NewState(now func() time.Time) *State {
	// Half of the processors go on with everything else.
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	s := &State{
		now: now, verified: newCache[struct{}](maxVerified), checks: map[digest]*check{},
		slots: make(chan struct{}, slots), queue: make(chan struct{}, slots*(1+queuePerSlot)),
	}
	_, _ = rand.Read(s.key[:]) // never fails
	s.failures = newThrottle(maxFailures, s.mark)
	return s
}

// Close ends what goes on in the background. Authenticators go on with what is known by then.
func (s *State) Close() {
	s.mu.Lock()
	closing := s.issuer
	s.issuer, s.closed = nil, true
	s.mu.Unlock()
	if closing != nil {
		closing.close()
	}
}

// check is one check of a password that goes on, for all who sent the same.
type check struct {
	done chan struct{}
	outcome
}

// outcome is why a password was not found right, or nothing.
type outcome struct {
	reason string
	wait   time.Duration
}

// check finds out whether a password is right. Those who send the same at the same time share one
// check and are one attempt: a client that starts with many requests is nobody who guesses.
func (s *State) check(mark digest, from place, who *member, password string) outcome {
	s.mu.Lock()
	c, running := s.checks[mark]
	if !running {
		c = &check{done: make(chan struct{}), outcome: outcome{reason: ReasonBusy, wait: time.Second}}
		s.checks[mark] = c
	}
	s.mu.Unlock()
	if running {
		<-c.done
		return c.outcome
	}
	defer func() {
		s.mu.Lock()
		delete(s.checks, mark)
		s.mu.Unlock()
		close(c.done)
	}()
	c.outcome = s.attempt(mark, from, who, password)
	return c.outcome
}

// attempt counts as a failure before it is known to be none, so that many at once are not more than
// may fail.
func (s *State) attempt(mark digest, from place, who *member, password string) outcome {
	if wait := s.failures.count(from, s.now()); wait > 0 {
		return outcome{ReasonThrottled, wait}
	}
	right, done := s.compare(who, password)
	switch {
	case !done:
		s.failures.forget(from)
		return outcome{ReasonBusy, time.Second}
	case right:
		s.failures.forget(from)
		now := s.now()
		s.verified.put(&mark, struct{}{}, now, now.Add(verifiedFor))
		return outcome{}
	}
	return outcome{reason: ReasonUnknown}
}

// compare checks a password when its turn comes, which is not when too many wait already.
func (s *State) compare(who *member, password string) (right, done bool) {
	select {
	case s.queue <- struct{}{}:
	default:
		return false, false
	}
	defer func() { <-s.queue }()
	timer := time.NewTimer(maxQueued)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-timer.C:
		return false, false
	}
	defer func() { <-s.slots }()
	if s.checking != nil {
		s.checking(who.hash.work())
	}
	right = who.hash.matches([]byte(password))
	return right && who.line != "", true // nobody knows a password of a stranger, but nobody is one either
}
