package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// flood is a load that comes at a rate, whether or not the server keeps up with it: clients do not wait
// for each other. The time that an answer takes counts from when its request was due. One for which no
// connection is free is not sent, and lost: that is how many clients there are.
type flood struct {
	rate     float64
	length   time.Duration
	requests [][]byte
}

const (
	// deadline is how long clients care about an answer.
	deadline = time.Second
	// bin is how long the parts are in which a flood is looked at.
	bin = 250 * time.Millisecond
	// burst is for how long requests can be due before the first of them has a connection.
	burst      = 50 * time.Millisecond
	leastBurst = 64
)

// reception is what became of a flood.
type reception struct {
	took time.Duration
	due  int64
	// good were answered in time, late too late, and refused by 503. The others are lost.
	good, late, refused int64
	goodTimes           []time.Duration
	refusals            []time.Duration
	// bins says how many of those that were due in it were due, and good.
	bins [][2]int64
}

// rate is how many good answers there were in a second.
func (r reception) rate() float64 { return float64(r.good) / r.took.Seconds() }

// recovered returns after what time nearly all answers were good until the end, or the whole time if they
// never were.
func (r reception) recovered() time.Duration {
	const enough = 0.95
	last := 0
	for i, b := range r.bins {
		if float64(b[1]) < enough*float64(b[0]) {
			last = i + 1
		}
	}
	return time.Duration(last) * bin
}

// sample is what became of one request.
type sample struct {
	due, took time.Duration
	status    int
}

// flow sends a flood to a server over so many connections. Each is made when it is first needed, for one
// that sends nothing for too long is closed.
func (b *bench) flow(ctx context.Context, p *process, connections int, f flood) (reception, error) {
	ctx, cancel := context.WithTimeout(ctx, f.length+answerWithin)
	defer cancel()
	due := make(chan time.Duration, max(leastBurst, int(f.rate*burst.Seconds())))
	samples := make([][]sample, connections)
	failures := make(chan error, connections)
	got := reception{took: f.length, bins: make([][2]int64, f.length/bin+1)}
	begin := time.Now()
	var running sync.WaitGroup
	for i := range connections {
		running.Go(func() {
			var err error
			if samples[i], err = f.serve(ctx, p.addr, begin, due); err != nil {
				failures <- err
				cancel() // the others need not go on
			}
		})
	}
	for f.send(begin, due, &got) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	close(due)
	running.Wait()
	for _, s := range slices.Concat(samples...) {
		p.answers++
		got.count(s)
	}
	slices.Sort(got.refusals)
	slices.Sort(got.goodTimes)
	if len(failures) > 0 {
		return got, fmt.Errorf("%s: %w", p.name, <-failures)
	}
	return got, nil
}

// serve is one client: it sends what is due, one request after the other.
func (f flood) serve(ctx context.Context, addr string, begin time.Time, due <-chan time.Duration) (samples []sample, err error) {
	var c *client
	for at := range due {
		if c == nil {
			if c, err = dial(ctx, addr); err != nil {
				return samples, err
			}
			defer c.close()
		}
		request := f.requests[int(at)%len(f.requests)]
		if err := c.ask(request); err != nil {
			return samples, err
		}
		samples = append(samples, sample{at, time.Since(begin) - at, c.status})
		if c.status != http.StatusOK && c.status != http.StatusServiceUnavailable {
			return samples, c.refusal(request)
		}
	}
	return samples, nil
}

// send hands out what is due by now, and says whether more will be.
func (f flood) send(begin time.Time, due chan<- time.Duration, got *reception) bool {
	now := time.Since(begin)
	for ; float64(got.due) < min(now, f.length).Seconds()*f.rate; got.due++ {
		at := time.Duration(float64(got.due) / f.rate * float64(time.Second))
		got.bins[at/bin][0]++
		select {
		case due <- at:
		default:
		}
	}
	return now < f.length
}

func (r *reception) count(s sample) {
	switch {
	case s.status == http.StatusServiceUnavailable:
		r.refused++
		r.refusals = append(r.refusals, s.took)
	case s.took > deadline:
		r.late++
	default:
		r.good++
		r.goodTimes = append(r.goodTimes, s.took)
		r.bins[s.due/bin][1]++
	}
}
