// Package limit holds every caller to a rate, and the service to a number of requests in flight.
//
// It owns who a request is charged to, the budgets and what is known of callers, in this process or in
// Redis for all instances, and the RateLimit fields of answers. It refuses to know how an error looks and
// which routes are limited: the router says both. main makes one Limiter and one Flight, which outlive
// every router.
package limit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
)

// Options say how a Limiter is made.
type Options struct {
	Rates Rates
	// MaxCallers bounds of how many callers this process knows something.
	MaxCallers int
	// Redis is the address or URL of the server by which instances share budgets; none if empty.
	Redis string
	// Secret is what the keys in Redis are hashed with, so that they tell nobody who calls. It must be the
	// same on all instances. The password for Redis takes its place if it is empty.
	Secret []byte
	// Now is the clock.
	Now func() time.Time
	// Decided, if not nil, is told of each decision: the budget, and Allowed or Limited. It is told Fallback
	// beside when this process decided by itself because Redis was away.
	Decided func(budget, outcome string)
	// Away, if not nil, is told why Redis is no longer asked, and with nil that it is again; not more
	// often than once a minute.
	Away func(error)
}

// The outcomes of a decision.
const (
	Allowed  = "allowed"
	Limited  = "limited"
	Fallback = "fallback"
)

// Limiter charges requests to budgets. It is safe for concurrent use. Close it when it has served.
type Limiter struct {
	now      func() time.Time
	start    time.Time
	policies atomic.Pointer[policies]
	callers  *table
	shared   *shared // nil without Redis
	decided  func(budget, outcome string)
	counts   [budgets]counts
}

// counts are on a line of a processor's cache of their own for each budget.
type counts struct {
	allowed, limited, fallback atomic.Int64
	_                          [40]byte
}

// Stats counts what has happened since New.
type Stats struct {
	// Budgets are reads, writes and bulk, in this order.
	Budgets [budgets]Decisions
	// Callers is of how many callers something is known now. Evicted is how many were forgotten before
	// their budgets were whole, and Crowded how many requests were charged to the budget of those for
	// whom there was no room.
	Callers, Evicted, Crowded int64
}

// Decisions are those about one budget.
type Decisions struct {
	Budget string
	// Allowed and Limited are all of them; a batch has two. Fallback are those that this process made by
	// itself because Redis was away.
	Allowed, Limited, Fallback int64
}

// New returns a limiter. Its error says that the address of Redis cannot be one.
func New(options Options) (*Limiter, error) {
	l := &Limiter{now: options.Now, start: options.Now(), callers: newTable(options.MaxCallers), decided: options.Decided}
	l.Configure(options.Rates)
	if options.Redis == "" {
		return l, nil
	}
	var err error
	l.shared, err = newShared(&options)
	return l, err
}

// Configure changes the rates. What callers have used stays used.
func (l *Limiter) Configure(rates Rates) {
	l.policies.Store(&policies{
		newPolicy(middleware.BudgetReads, rates.Reads), newPolicy(middleware.BudgetWrites, rates.Writes), newPolicy(middleware.BudgetBulk, rates.Bulk),
	})
}

// Close ends the connections to Redis. What is asked later is decided in this process.
func (l *Limiter) Close() error {
	if l.shared == nil {
		return nil
	}
	return l.shared.close()
}

// Stats returns the counts as they are now.
func (l *Limiter) Stats() Stats {
	tally := l.callers.tally()
	stats := Stats{Callers: tally.known, Evicted: tally.evicted, Crowded: tally.crowded}
	for i := range l.counts {
		c := &l.counts[i]
		stats.Budgets[i] = Decisions{budgetAt(i).String(), c.allowed.Load(), c.limited.Load(), c.fallback.Load()}
	}
	return stats
}

// Most returns the largest cost that a budget can ever hold, or false when it is not limited.
func (l *Limiter) Most(budget middleware.Budget) (most int, limited bool) {
	if at, ok := index(budget); ok {
		if p := l.policies.Load()[at]; p != nil {
			return int(p.count), true
		}
	}
	return 0, false
}

// Refuse answers a request for which there is no budget until some time has gone by.
type Refuse func(c *gin.Context, wait time.Duration)

// Step charges each request one unit of a budget, says in the answer what is left, and has those refused
// for which there is none. It comes behind whatever finds out who the caller is.
func (l *Limiter) Step(budget middleware.Budget, refuse Refuse) gin.HandlerFunc {
	return step{l, budget, refuse}.take
}

// step is the limiter on the way to a route.
type step struct {
	limiter *Limiter
	budget  middleware.Budget
	refuse  Refuse
}

func (s step) take(c *gin.Context) {
	if wait, ok := s.limiter.charge(c.Request.Context(), c, s.budget, 1, 1); !ok {
		s.refuse(c, wait)
		c.Abort()
		return
	}
	c.Next()
}

// Rest charges a request that costs several units for all but the first, which Step has charged: all of
// the rest or nothing. When it is refused, that is until the whole of it can be had, since it has to come
// through Step again. What costs more than Most never can be.
func (l *Limiter) Rest(c *gin.Context, budget middleware.Budget, units int) (wait time.Duration, ok bool) {
	if units < 2 {
		return 0, true
	}
	return l.charge(c.Request.Context(), c, budget, units-1, units)
}

// charge charges the caller of a request some units, all or none, and puts what is left into the header of
// the answer. When it is refused, it returns after which time that many as next can be had.
func (l *Limiter) charge(ctx context.Context, c *gin.Context, budget middleware.Budget, units, next int) (wait time.Duration, ok bool) {
	at, known := index(budget)
	all := l.policies.Load()
	if !known || all[at] == nil {
		return 0, true
	}
	p := all[at]
	backlog, ok := l.take(ctx, callerOf(ctx, c), at, all, int64(units))
	l.say(c, p, backlog)
	l.count(at, ok)
	if !ok {
		return time.Duration(p.wait(backlog, int64(next))) * time.Microsecond, false
	}
	return 0, true
}

func (l *Limiter) count(at int, ok bool) {
	outcome := Limited
	if ok {
		outcome = Allowed
		l.counts[at].allowed.Add(1)
	} else {
		l.counts[at].limited.Add(1)
	}
	if l.decided != nil {
		l.decided(budgetAt(at).String(), outcome)
	}
}

func (l *Limiter) say(c *gin.Context, p *policy, backlog int64) {
	header := c.Writer.Header()
	header["Ratelimit-Policy"] = p.stated
	header["Ratelimit"] = p.state(backlog)
}

// take asks Redis, when there is one that answers, and else the table of this process. That learns what
// Redis says, so that nobody has a new budget in the moment in which Redis goes away.
func (l *Limiter) take(ctx context.Context, who caller, at int, all *policies, cost int64) (backlog int64, ok bool) {
	k := who.key(&l.callers.seeds)
	if l.shared != nil {
		if !l.shared.away.Load() {
			backlog, ok, err := l.shared.take(ctx, who.name(l.shared.secret, at), all[at], cost)
			if err == nil {
				l.callers.learn(k, at, all, l.micros(), backlog)
				return backlog, ok
			}
		}
		l.counts[at].fallback.Add(1)
		if l.decided != nil {
			l.decided(budgetAt(at).String(), Fallback)
		}
	}
	return l.callers.take(k, at, all, l.micros(), cost)
}

// micros is the clock of the table. It does not go back when somebody sets that of the system.
func (l *Limiter) micros() int64 { return l.now().Sub(l.start).Microseconds() }

// Fail charges a failure to say who one is to the address that it came from, and returns false, and after
// which time there may be another, when that has used up its budget for failing: else a failure would be
// free. Whoever can say who he is is not asked, and so nobody locks him out who fails at the same address.
// It asks this process only, so that a flood of failures costs nobody else anything.
func (l *Limiter) Fail(c *gin.Context, budget middleware.Budget) (wait time.Duration, ok bool) {
	at, known := index(budget)
	all := l.policies.Load()
	if !known || all[at] == nil {
		return 0, true
	}
	p := all[at]
	k := caller{address: network(addressOf(c)), failing: true}.key(&l.callers.seeds)
	backlog, ok := l.callers.take(k, at, all, l.micros(), 1)
	if ok {
		return 0, true
	}
	l.count(at, false)
	l.say(c, p, backlog)
	return time.Duration(p.wait(backlog, 1)) * time.Microsecond, false
}
