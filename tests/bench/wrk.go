package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

const (
	wrkConnections = 32
	// answerWithin is how long a run may take beyond its length.
	answerWithin = 15 * time.Second
)

// load is one kind of traffic: a path, a mode of load.lua with its arguments, and the fewest bytes
// that a right answer can have.
type load struct {
	path     string
	mode     string
	args     []string
	minBytes int
	header   string // one more field of the mode "id", or empty
}

// outcome is what one run of wrk against one server gave. Times are microseconds.
type outcome struct {
	Requests int64 `json:"requests"`
	Micros   int64 `json:"micros"`
	Bytes    int64 `json:"bytes"`
	P50      int64 `json:"p50"`
	P99      int64 `json:"p99"`
	Connect  int64 `json:"connect"`
	Read     int64 `json:"read"`
	Write    int64 `json:"write"`
	Timeout  int64 `json:"timeout"`
	Status   int64 `json:"status"`

	server    time.Duration // CPU time of the server during the run
	generator time.Duration // CPU time of wrk, or of this program where it sends the load itself
	others    time.Duration // CPU time of the rest of the machine, a database included
}

func (o outcome) rate() float64 { return float64(o.Requests) / (float64(o.Micros) / 1e6) }

// cost is the server's CPU time per answer in microseconds.
func (o outcome) cost() float64 {
	return float64(o.server.Microseconds()) / float64(o.Requests)
}

// fault says why the run must not count, or nil.
func (o outcome) fault(minBytes int) error {
	switch {
	case o.Requests == 0 || o.Micros == 0:
		return errors.New("no request was answered")
	case o.Status > 0:
		return fmt.Errorf("%d of %d answers were 4xx or 5xx", o.Status, o.Requests)
	case o.Connect+o.Read+o.Write+o.Timeout > 0:
		return fmt.Errorf("socket errors: connect %d, read %d, write %d, timeout %d",
			o.Connect, o.Read, o.Write, o.Timeout)
	case o.Bytes/o.Requests < int64(minBytes):
		return fmt.Errorf("answers of %d bytes where %d are due", o.Bytes/o.Requests, minBytes)
	}
	return nil
}

// drive runs wrk once against p. A run with faulty answers is an error.
func (b *bench) drive(ctx context.Context, p *process, l load, seconds int) (outcome, error) {
	out, err := b.metered(p, func() (outcome, error) { return b.runWrk(ctx, p.addr, l, seconds) })
	if err != nil {
		return outcome{}, err
	}
	p.answers += out.Requests
	if err := out.fault(l.minBytes); err != nil {
		return out, fmt.Errorf("%s %s: %w", p.name, l.path, err)
	}
	return out, nil
}

func (b *bench) runWrk(ctx context.Context, addr string, l load, seconds int) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+answerWithin)
	defer cancel()
	args := []string{"-t1", "-c" + strconv.Itoa(wrkConnections), "-d" + strconv.Itoa(seconds) + "s", "-s", b.script}
	if l.header != "" {
		args = append(args, "-H", l.header)
	}
	args = append(append(args, "http://"+addr+l.path, "--", l.mode), l.args...)
	cmd := exec.CommandContext(ctx, "wrk", args...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("wrk: %w\n%s", err, bytes.TrimSpace(text))
	}
	out, err := parseOutcome(text)
	out.generator = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return out, err
}

// metered adds to the outcome of a run what CPU time p took, and counts what others took meanwhile.
func (b *bench) metered(p *process, run func() (outcome, error)) (outcome, error) {
	before, err := p.cpu()
	if err != nil {
		return outcome{}, err
	}
	busyBefore, err := machineBusy()
	if err != nil {
		return outcome{}, err
	}
	out, err := run()
	if err != nil {
		return outcome{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return outcome{}, fmt.Errorf("%s ended under load: %w", p.name, err)
	}
	busyAfter, err := machineBusy()
	if err != nil {
		return outcome{}, err
	}
	out.server = after - before
	out.others = busyAfter - busyBefore - out.server - out.generator
	if !p.outside {
		b.foreign += out.others
		b.driven += time.Duration(out.Micros) * time.Microsecond
	}
	return out, nil
}

func parseOutcome(text []byte) (outcome, error) {
	var out outcome
	for line := range bytes.Lines(text) {
		if result, found := bytes.CutPrefix(line, []byte("RESULT ")); found {
			err := json.Unmarshal(result, &out)
			return out, err
		}
	}
	return out, fmt.Errorf("wrk gave no result:\n%s", bytes.TrimSpace(text))
}

// alternate drives every server by wrk, after a warm-up. It returns outcomes by server, then round.
func (b *bench) alternate(ctx context.Context, name string, servers []*process, loads []load) ([][]outcome, error) {
	if b.opt.warmup > 0 { // connections, heap size, branch predictors
		for i, p := range servers {
			if _, err := b.drive(ctx, p, loads[i], b.opt.warmup); err != nil {
				return nil, err
			}
		}
	}
	return b.takeTurns(name, len(servers), func(i int) (outcome, error) {
		return b.drive(ctx, servers[i], loads[i], b.opt.seconds)
	})
}

// takeTurns runs what is numbered 0 to n-1 once per round, in an order that turns round each time, so
// that a slow minute of the machine falls on all. It returns outcomes by number, then round.
func (b *bench) takeTurns(name string, n int, run func(i int) (outcome, error)) ([][]outcome, error) {
	b.say("%s: %d rounds", name, b.opt.rounds)
	outcomes := make([][]outcome, n)
	for round := range b.opt.rounds {
		for _, i := range order(n, round) {
			out, err := run(i)
			if err != nil {
				return nil, err
			}
			outcomes[i] = append(outcomes[i], out)
		}
	}
	return outcomes, nil
}

// order counts up in even rounds and down in odd ones.
func order(n, round int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
		if round%2 == 1 {
			indexes[i] = n - 1 - i
		}
	}
	return indexes
}

// ratios returns, round by round, the rate of a divided by the rate of b.
func ratios(a, b []outcome) []float64 {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = a[i].rate() / b[i].rate()
	}
	return values
}
