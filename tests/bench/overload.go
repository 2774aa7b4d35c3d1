package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// excess is how many times more than it can do a server is asked for.
	excess = 3
	// clients is how many there are, each with one connection.
	floodClients = 3000
	// calm is the share of what it can do that a server is asked for when it is to recover, and calmTime
	// for how long.
	calm     = 0.5
	calmTime = 6 * time.Second
)

// far is how long a query is on its way to a database that is not on the same machine, and back.
const far = 10 * time.Millisecond

// measureOverload asks what becomes of the good answers when far more is asked for than the service can
// do, with the bound on requests in flight and without: of requests that keep the CPUs busy, of those
// that wait for a database, and of those that cost no more than it costs to refuse them.
func (b *bench) measureOverload(ctx context.Context) error {
	const users = 10_000
	memory, err := b.both(func(setting string) (*process, error) {
		l := b.launchService()
		l.env = []string{setting}
		return b.seeded(ctx, l, users)
	})
	if err != nil {
		return err
	}
	if err := b.overload(ctx, "memory: a search with total", "/users/?limit=1&include_total=true&q=son&skip=%d", memory, true); err != nil {
		return err
	}
	if err := b.overload(ctx, "memory: GET /users/{id}", "/users/%d", memory, false); err != nil {
		return err
	}
	for _, p := range memory {
		b.stop(p)
	}
	d, err := b.database(ctx, enginePostgres, "overload")
	if err != nil || d == nil {
		return err
	}
	if d, err = d.away(ctx); err != nil {
		return err
	}
	filled := false
	distant, err := b.both(func(setting string) (*process, error) {
		p, err := b.start(ctx, b.launchOn(d, setting))
		if err == nil && !filled {
			_, err = b.seed(ctx, p, users)
			filled = true
		}
		return p, err
	})
	if err != nil {
		return err
	}
	return b.overload(ctx, fmt.Sprintf("PostgreSQL, %v away: GET /users/{id}", far), "/users/%d", distant, true)
}

// both starts a service with the bound and one without.
func (b *bench) both(start func(setting string) (*process, error)) (sides [2]*process, err error) {
	for i, setting := range []string{"USERAPI_LIMIT_IN_FLIGHT=1000", "USERAPI_LIMIT_IN_FLIGHT=0"} {
		if sides[i], err = start(setting); err != nil {
			return sides, err
		}
	}
	return sides, nil
}

// away returns the same database, reached by a longer way.
func (d *database) away(ctx context.Context) (*database, error) {
	at, err := url.Parse(d.dsn)
	if err != nil {
		return nil, fmt.Errorf("%s must be a URL", postgresVariable) // the parser's words may repeat a password
	}
	if at.Host, err = relay(ctx, at.Host, far); err != nil {
		return nil, err
	}
	return &database{d.engine, at.String()}, nil
}

// trial is one round of one side.
type trial struct {
	peak         float64
	flood, after reception
}

// overload finds the peak of either side, floods it, and looks whether it recovers.
func (b *bench) overload(ctx context.Context, name, path string, sides [2]*process, asked bool) error {
	var requests [2][][]byte
	for i, p := range sides {
		for n := range 200 {
			requests[i] = append(requests[i], getRequest(p.addr, fmt.Sprintf(path, n+1)))
		}
	}
	trials := [2][]trial{}
	var err error
	for round := range b.opt.rounds {
		b.say("overload, %s: round %d of %d", name, round+1, b.opt.rounds)
		for _, i := range order(len(sides), round) {
			var t trial
			if t, err = b.try(ctx, sides[i], requests[i]); err != nil {
				break
			}
			trials[i] = append(trials[i], t)
		}
	}
	b.judge(name, "with the bound", trials[0], asked, err)
	b.judge(name, "without", trials[1], false, err)
	return ctx.Err()
}

func (b *bench) try(ctx context.Context, p *process, requests [][]byte) (t trial, err error) {
	length := time.Duration(b.opt.seconds) * time.Second
	peak, err := b.press(ctx, p, cycle(requests, wrkConnections, 1), length)
	if err != nil {
		return trial{}, err
	}
	t.peak = peak.rate()
	if t.flood, err = b.flow(ctx, p, floodClients, flood{t.peak * excess, 2 * length, requests}); err != nil {
		return trial{}, err
	}
	t.after, err = b.flow(ctx, p, floodClients, flood{t.peak * calm, calmTime, requests})
	return t, err
}

// judge reports one side.
func (b *bench) judge(name, side string, trials []trial, asked bool, err error) {
	goodput := row{name: name + ", " + side + ": good answers at " + strconv.Itoa(excess) + " x / peak", unit: asRatio, err: err}
	recovery := row{name: name + ", " + side + ": seconds to recover", unit: asRatio, err: err}
	if err == nil && len(trials) == 0 {
		goodput.err = errors.New("nothing was measured")
	}
	var late, refused, lost, due int64
	for _, t := range trials {
		goodput.values = append(goodput.values, t.flood.rate()/t.peak)
		recovery.values = append(recovery.values, t.after.recovered().Seconds())
		late, refused, due = late+t.flood.late, refused+t.flood.refused, due+t.flood.due
		lost += t.flood.due - t.flood.good - t.flood.late - t.flood.refused
	}
	if len(trials) > 0 {
		last := trials[len(trials)-1]
		goodput.note = fmt.Sprintf("peak %.0f/s; of all %.0f %% refused in %s (p99), %.0f %% late, %.0f %% lost; good in %s (p50), %s (p99)",
			last.peak, share100(refused, due), percentile(last.flood.refusals, 0.99).Round(time.Millisecond), share100(late, due), share100(lost, due),
			percentile(last.flood.goodTimes, 0.5).Round(time.Millisecond), percentile(last.flood.goodTimes, 0.99).Round(time.Millisecond))
	}
	if asked {
		goodput.goal, recovery.goal = atLeast(0.8), atMost(5)
	}
	b.report.add(goodput, recovery)
}

func share100(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }
