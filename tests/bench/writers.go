package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// createRate is how many users a second come while others read: enough to tell a p99 in a second
	// or two, and far from what the service can take.
	createRate        = 500
	createConnections = 16
	crowdAhead        = 100 * time.Millisecond
)

// measureWriters asks whether readers make writers wait. Where there are fewer CPUs than goroutines and
// programs that want one, they do, whatever the store does. So the writers are also measured beside
// those who keep the CPUs as busy and never come to a lock of this store: some in the same process, whose
// goroutines queue for the same threads, and the same readers in another process. What readers of the
// same store cost beyond that is the doing of the store.
func (b *bench) measureWriters(ctx context.Context) error {
	p, err := b.largeIndexed(ctx)
	if err != nil {
		return err
	}
	other, err := b.largePlain(ctx)
	if err != nil {
		return err
	}
	if _, err := useSorts(ctx, other); err != nil {
		return err
	}
	for _, p := range []*process{p, other} { // What a run of wrk sent last may be there unacknowledged.
		if err := recount(ctx, p); err != nil {
			return err
		}
	}
	const name, alone, readers, refused, apart = "POST beside readers", 0, 1, 2, 3
	beside := []*crowd{alone: nil, readers: b.readersOf(p), refused: refusedBy(p), apart: b.readersOf(other)}
	outs, err := b.takeTurns(name, len(beside), func(i int) (outcome, error) {
		return b.createBeside(ctx, p, beside[i])
	})
	for _, against := range []struct {
		number int
		name   string
		goal   *goal
	}{
		{alone, "alone", atMost(3)},
		{refused, "beside refused batches", atMost(3)},
		{apart, "beside readers of another store", nil},
	} {
		r := row{name: "p99 of POST, beside readers / " + against.name, unit: asRatio, goal: against.goal, err: err}
		if err == nil {
			r.values = slownesses(outs[readers], outs[against.number])
			r.note = fmt.Sprintf("p99 %s / %s, of medians %.2f; beside %s / %s",
				asLatency(median(tails(outs[readers]))), asLatency(median(tails(outs[against.number]))),
				median(latencies(outs[readers]))/median(latencies(outs[against.number])), beside[readers], beside[against.number])
		}
		b.report.add(r)
	}
	if err == nil {
		b.report.context(name, []string{"alone", "readers", "refused batches", "readers of another store"}, outs)
	}
	return ctx.Err()
}

// recount asks a service how many users it has.
func recount(ctx context.Context, p *process) error {
	return withClients(ctx, p, 1, func(clients []*client) error {
		a := ask{query: url.Values{"limit": {"1"}, "include_total": {"true"}}, most: math.MaxInt64}
		got, err := getPage(clients[0], a, 1)
		if err == nil {
			p.users = *got.Total
		}
		return err
	})
}

// tails are the 99th percentiles in milliseconds, by round.
func tails(outs []outcome) []float64 {
	values := make([]float64, len(outs))
	for i, out := range outs {
		values[i] = float64(out.P99) / 1e3
	}
	return values
}

// slownesses are, by round, how many times longer the 99th percentile of a is.
func slownesses(a, b []outcome) []float64 {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = float64(a[i].P99) / float64(b[i].P99)
	}
	return values
}

// createBeside creates users at the constant rate while the others, if any, ask without a pause.
func (b *bench) createBeside(ctx context.Context, p *process, others *crowd) (outcome, error) {
	length := time.Duration(b.opt.seconds) * time.Second
	ctx, cancel := context.WithTimeout(ctx, length+answerWithin)
	defer cancel()
	b.runs++
	var out outcome
	err := withClients(ctx, p, createConnections, func(writers []*client) error {
		if others == nil {
			var err error
			out, err = b.createEvenly(writers, length)
			return err
		}
		return withClients(ctx, others.of, len(others.hands), func(clients []*client) error {
			stop := make(chan struct{})
			asked := make(chan error, 1)
			go func() { asked <- others.askUntil(stop, clients) }()
			time.Sleep(crowdAhead)
			var err error
			out, err = b.createEvenly(writers, length)
			close(stop)
			return errors.Join(err, <-asked)
		})
	})
	p.users += out.Requests
	if err == nil && others != nil {
		err = others.judge()
	}
	return out, err
}

// createEvenly sends a POST at each tick of the rate, whether or not the last ones are answered. What
// waits for a connection because all are busy has its wait counted; that this program itself is
// woken late is not held against the server.
func (b *bench) createEvenly(clients []*client, length time.Duration) (outcome, error) {
	times := make([][]time.Duration, len(clients))
	var ticks atomic.Int64
	begin := time.Now()
	err := together(clients, func(i int, c *client) error {
		for {
			tick := ticks.Add(1)
			due := begin.Add(time.Duration(tick) * time.Second / createRate)
			if due.Sub(begin) > length {
				return nil
			}
			request := postRequest(nil, c.addr, "/users/", appendNewcomer(nil, b.runs, 0, tick))
			from := due
			if wait := time.Until(due); wait > 0 {
				time.Sleep(wait)
				from = time.Now()
			}
			if err := c.ask(request); err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(from))
			if c.status != http.StatusCreated {
				return c.refusal(request)
			}
		}
	})
	took := time.Since(begin)
	if err != nil {
		return outcome{}, err
	}
	out := outcomeOf(slices.Concat(times...), took)
	return out, out.fault(0)
}

// appendNewcomer appends a user whom no seed and no other run, lane or number has. Its length is that
// of every other one.
func appendNewcomer(dst []byte, run, lane int, number int64) []byte {
	return fmt.Appendf(dst, `{"name":"New Person %9d","email":"n%03dl%02dn%09d@example.com","age":%d}`,
		number, run, lane, number, 18+number%60)
}

// crowd are those who keep a server busy, each on a connection. They go on where they were when they
// were stopped.
type crowd struct {
	of       *process
	hands    []func(c *client) error // one request each
	walkers  []*walker
	searches int64
	batches  atomic.Int64
}

// readersOf returns two who read whole lists and one who searches.
func (b *bench) readersOf(p *process) *crowd {
	r := &crowd{of: p}
	for _, sorts := range [][]string{{"name", "-created_at", "age,name"}, {"-email", "id", "-age", "updated_at"}} {
		w := &walker{of: p, sorts: sorts}
		r.walkers = append(r.walkers, w)
		r.hands = append(r.hands, w.read)
	}
	random := rand.New(rand.NewPCG(3, 4))
	r.hands = append(r.hands, func(c *client) error {
		kinds := searches()
		query := url.Values{"q": {kinds[r.searches%int64(len(kinds))].text(random, b.opt.size)}}
		if r.searches%2 == 1 {
			query.Set("sort", "name")
		}
		r.searches++
		_, err := c.get("/users/?" + query.Encode())
		return err
	})
	return r
}

// refusedBy returns three who send batches that are read to their ends, which takes as long as a page
// of a walk, and are refused before the store hears of them: the mode is unknown.
func refusedBy(p *process) *crowd {
	const operations = 400
	r := &crowd{of: p}
	batch := appendBatch(nil, operations, func(dst []byte, n int) []byte { return appendSeed(dst, int64(n)) })
	request := postRequest(nil, p.addr, "/users/batch", append([]byte(`{"mode":"none",`), batch[1:]...))
	for range 3 {
		r.hands = append(r.hands, func(c *client) error {
			if err := c.ask(request); err != nil {
				return err
			}
			if c.status != http.StatusUnprocessableEntity || !bytes.Contains(c.body, []byte(`"unknown_mode"`)) {
				return c.refusal(request)
			}
			r.batches.Add(1)
			return nil
		})
	}
	return r
}

func (r *crowd) askUntil(stop <-chan struct{}, clients []*client) error {
	return together(clients, func(i int, c *client) error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := r.hands[i](c); err != nil {
				return err
			}
		}
	})
}

// judge looks whether the walks that have come to their ends found everybody. All that was created
// before is acknowledged by now.
func (r *crowd) judge() error {
	for _, w := range r.walkers {
		for _, found := range w.finished {
			if found.users < found.least || found.users > r.of.users {
				return fmt.Errorf("a walk by %s found %d users where %d to %d are due", found.sort, found.users, found.least, r.of.users)
			}
		}
		w.finished = nil
	}
	return nil
}

// String says how much was asked.
func (r *crowd) String() string {
	if r == nil {
		return "nobody"
	}
	var pages int64
	for _, w := range r.walkers {
		pages += w.pages
	}
	if pages == 0 {
		return fmt.Sprintf("%d batches", r.batches.Load())
	}
	return fmt.Sprintf("%d pages of %d and %d searches", pages, walkLimit, r.searches)
}

// walkLimit is the largest page that the service gives.
const walkLimit = 1000

// walker reads a list from its start to its end, again and again, in one order after the other.
type walker struct {
	of       *process
	sorts    []string
	begun    int
	now      walk
	cursor   string
	pages    int64
	finished []walk
}

// walk is how many users a walk has found, and how many had been acknowledged when it began.
type walk struct {
	sort         string
	users, least int64
}

// read reads the next page.
func (w *walker) read(c *client) error {
	if w.cursor == "" {
		w.now = walk{sort: w.sorts[w.begun%len(w.sorts)], least: w.of.users}
		w.begun++
	}
	query := url.Values{"limit": {strconv.Itoa(walkLimit)}, "sort": {w.now.sort}}
	if w.cursor != "" {
		query.Set("cursor", w.cursor)
	}
	body, err := c.get("/users/?" + query.Encode())
	if err != nil {
		return err
	}
	w.pages++
	users := bytes.Count(body, []byte(`{"id":`))
	w.now.users += int64(users)
	if w.cursor, err = nextCursor(body); err != nil {
		return err
	}
	switch {
	case w.cursor == "":
		w.finished = append(w.finished, w.now)
	case users != walkLimit:
		return fmt.Errorf("a page of %d users where %d are due and more follow", users, walkLimit)
	}
	return nil
}

// nextCursor finds the cursor behind the users of a page without reading them, for the readers are to
// leave the CPUs to the servers. It is empty at the end of the list.
func nextCursor(body []byte) (string, error) {
	const member = `"next_cursor":`
	at := bytes.LastIndex(body, []byte(member))
	if at < 0 {
		return "", errors.New("a page without next_cursor")
	}
	rest := body[at+len(member):]
	if bytes.HasPrefix(rest, []byte("null")) {
		return "", nil
	}
	cursor, _, closed := bytes.Cut(rest[1:], []byte{'"'})
	if rest[0] != '"' || !closed {
		return "", fmt.Errorf("an unreadable next_cursor: %.80s", rest)
	}
	return string(cursor), nil
}
