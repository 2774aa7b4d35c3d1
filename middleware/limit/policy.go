package limit

import (
	"strconv"
	"sync/atomic"
	"time"

	"userapi/middleware"
)

// Rate is how much a caller may do in a time, all of it at once if he likes. The zero Rate is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// Rates are those of the budgets.
type Rates struct{ Reads, Writes, Bulk Rate }

// budgets is how many there are beside none.
const budgets = 3

// index returns where a budget stands in an array of them all. There is none for middleware.BudgetNone.
func index(budget middleware.Budget) (at int, ok bool) {
	return int(budget) - 1, budget >= middleware.BudgetReads && budget <= middleware.BudgetBulk
}

func budgetAt(index int) middleware.Budget { return middleware.Budget(index + 1) } //nolint:gosec // one of three

// policy is a rate as it is applied: the generic cell rate algorithm, in whole microseconds. All that is
// known of a caller is his backlog, the time after which he has everything back. It never changes.
//
// Microseconds are what Redis can count in a number of Lua until the year 2255, so that both kinds of
// limit decide alike. A rate is applied a little too generously by that: 7 in a minute are 7.0000004.
type policy struct {
	count  int64 // units
	step   int64 // how long one unit takes to come back
	window int64 // how long all of them take
	// name begins the fields of every answer, and stated is the whole of RateLimit-Policy.
	name   string
	stated []string
	// left keeps the values of RateLimit that were made, by what is left and how long it takes to be more.
	left  []atomic.Pointer[[]string]
	waits int64 // the seconds that can stand in them are 0 to this
}

// mostKept bounds the values that a policy keeps.
const mostKept = 1 << 17

// newPolicy returns nil for a rate that is no limit.
func newPolicy(budget middleware.Budget, rate Rate) *policy {
	if rate.Count <= 0 || rate.Per <= 0 {
		return nil
	}
	p := &policy{count: int64(rate.Count), name: `"` + budget.String() + `"`}
	p.step = max(rate.Per.Microseconds()/p.count, 1)
	p.window = p.count * p.step
	p.waits = seconds(p.step)
	if kept := (p.count + 1) * (p.waits + 1); kept <= mostKept {
		p.left = make([]atomic.Pointer[[]string], kept)
	}
	p.stated = []string{p.name + ";q=" + strconv.Itoa(rate.Count) + ";w=" + strconv.FormatInt(seconds(rate.Per.Microseconds()), 10)}
	return p
}

// take adds the cost of a request to a backlog, or leaves it when that is more than the window holds.
// A backlog longer than the window is from before a clock went back, or a rate was changed: it counts as
// the whole window, so that nobody waits longer than that.
func (p *policy) take(backlog, cost int64) (after int64, ok bool) {
	backlog = min(max(backlog, 0), p.window)
	if after = backlog + cost*p.step; after > p.window {
		return backlog, false
	}
	return after, true
}

// wait is after how many microseconds a cost can be taken that cannot be now.
func (p *policy) wait(backlog, cost int64) int64 { return max(backlog+cost*p.step-p.window, 0) }

// state returns the value of RateLimit (draft-ietf-httpapi-ratelimit-headers-10): r is how many units are
// left, and t after how many seconds there is one more. It is shared: nobody may write to it.
func (p *policy) state(backlog int64) []string {
	remaining := (p.window - backlog) / p.step
	wait := int64(0)
	if remaining < p.count {
		wait = seconds(p.wait(backlog, remaining+1))
	}
	var kept *atomic.Pointer[[]string]
	if at := remaining*(p.waits+1) + wait; at < int64(len(p.left)) {
		kept = &p.left[at]
		if made := kept.Load(); made != nil {
			return *made
		}
	}
	made := []string{p.name + ";r=" + strconv.FormatInt(remaining, 10) + ";t=" + strconv.FormatInt(wait, 10)}
	if kept != nil {
		kept.Store(&made)
	}
	return made
}

// seconds rounds microseconds up.
func seconds(micros int64) int64 {
	const second = int64(time.Second / time.Microsecond)
	return (micros + second - 1) / second
}
