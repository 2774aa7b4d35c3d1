package main

import (
	"context"
	"math"
	"os"
	"slices"
	"time"
)

// traffic is a load that this program sends itself: where a run is to be shorter than wrk's least
// second, or where making a request or judging an answer is more than wrk's scripts should do while
// they measure. Each connection sends its next request when the last is answered.
type traffic struct {
	connections int
	// script returns what yields the requests of one connection; they are good until the next.
	script func(connection int) func() []byte
	// minBytes is the fewest bytes that the body of a right answer can have.
	minBytes int
}

// cycle sends prepared requests over and over; each connection begins at another one.
func cycle(requests [][]byte, connections, minBytes int) traffic {
	return traffic{connections: connections, minBytes: minBytes, script: func(connection int) func() []byte {
		at := connection * len(requests) / connections
		return func() []byte {
			at = (at + 1) % len(requests)
			return requests[at]
		}
	}}
}

// press sends traffic to p for a while. One wrong answer is an error.
func (b *bench) press(ctx context.Context, p *process, t traffic, length time.Duration) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, length+answerWithin)
	defer cancel()
	var out outcome
	err := withClients(ctx, p, t.connections, func(clients []*client) (err error) {
		out, err = b.metered(p, func() (outcome, error) { return t.run(clients, length) })
		return err
	})
	return out, err
}

func (t traffic) run(clients []*client, length time.Duration) (outcome, error) {
	ownBefore, err := cpuOf(os.Getpid())
	if err != nil {
		return outcome{}, err
	}
	times := make([][]time.Duration, len(clients))
	sizes := make([]int64, len(clients))
	begin := time.Now()
	err = together(clients, func(i int, c *client) error {
		next := t.script(i)
		for time.Since(begin) < length {
			request := next()
			asked := time.Now()
			if err := c.ask(request); err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(asked))
			sizes[i] += int64(len(c.body))
			if c.status >= 300 || len(c.body) < t.minBytes {
				return c.refusal(request)
			}
		}
		return nil
	})
	took := time.Since(begin)
	if err != nil {
		return outcome{}, err
	}
	ownAfter, err := cpuOf(os.Getpid())
	if err != nil {
		return outcome{}, err
	}
	out := outcomeOf(slices.Concat(times...), took)
	for _, size := range sizes {
		out.Bytes += size
	}
	out.generator = ownAfter - ownBefore
	return out, out.fault(t.minBytes)
}

// outcomeOf sums up the times that the answers of a run took. It sorts them.
func outcomeOf(times []time.Duration, took time.Duration) outcome {
	slices.Sort(times)
	return outcome{
		Requests: int64(len(times)), Micros: took.Microseconds(),
		P50: percentile(times, 0.50).Microseconds(), P99: percentile(times, 0.99).Microseconds(),
	}
}

// percentile returns the least of the sorted times that this share of them does not exceed; of none
// it is zero.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}
