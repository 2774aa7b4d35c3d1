package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// batchConnections is how many clients send batches at once.
const batchConnections = 8

// measureCreate sets POST beside the naive service, and batches beside POST. Every round has new
// processes: a store that has taken more users than the other would be judged by its size.
func (b *bench) measureCreate(ctx context.Context) error {
	const name = "POST /users/"
	beside := row{name: name + " / naive", unit: asRatio, goal: atLeast(0.9)}
	batched := row{name: "users by batches of 1000 / by " + name, unit: asRatio, goal: atLeast(10)}
	kinds := []struct {
		launch
		drive func(context.Context, *process) (outcome, error)
	}{
		{b.launchService(), b.driveCreate},
		{b.launchNaive(), b.driveCreate},
		{b.launchService(), b.driveBatches},
	}
	outs, err := b.takeTurns(name, len(kinds), func(i int) (outcome, error) {
		p, err := b.seeded(ctx, kinds[i].launch, b.opt.users)
		if err != nil {
			return outcome{}, err
		}
		defer b.stop(p)
		return kinds[i].drive(ctx, p)
	})
	beside.err, batched.err = err, err
	if err == nil {
		beside.values = ratios(outs[0], outs[1])
		beside.note = cpuNote(outs[0], outs[1])
		for round := range outs[2] {
			batched.values = append(batched.values, seedBatch*outs[2][round].rate()/outs[0][round].rate())
		}
		batched.note = fmt.Sprintf("of CPU per user %.2f; %d clients", seedBatch*median(costs(outs[0]))/median(costs(outs[2])), batchConnections)
		b.report.context(name, []string{"service", "naive", "service, batches"}, outs)
	}
	b.report.add(beside, batched)
	return ctx.Err()
}

// driveCreate warms up, measures, and then looks whether the last user acknowledged is really
// there: ids grow by one, so that user's id is at least the number of users acknowledged.
func (b *bench) driveCreate(ctx context.Context, p *process) (outcome, error) {
	var out outcome
	for _, seconds := range []int{b.opt.warmup, b.opt.seconds} {
		if seconds == 0 {
			continue
		}
		var err error
		if out, err = b.drive(ctx, p, b.createLoad(), seconds); err != nil {
			return outcome{}, err
		}
		p.users += out.Requests
	}
	return out, acknowledged(ctx, p)
}

func acknowledged(ctx context.Context, p *process) error {
	if _, err := p.get(ctx, "/users/"+strconv.FormatInt(p.users, 10)); err != nil {
		return fmt.Errorf("an acknowledged user is not there: %w", err)
	}
	return nil
}

func (b *bench) createLoad() load {
	b.runs++
	return load{path: "/users/", mode: "create", args: []string{strconv.Itoa(b.runs)}}
}

// driveBatches creates users by full atomic batches.
func (b *bench) driveBatches(ctx context.Context, p *process) (outcome, error) {
	var out outcome
	for _, seconds := range []int{b.opt.warmup, b.opt.seconds} {
		if seconds == 0 {
			continue
		}
		var err error
		if out, err = b.press(ctx, p, b.batchTraffic(p.addr), time.Duration(seconds)*time.Second); err != nil {
			return outcome{}, err
		}
		p.users += seedBatch * out.Requests
	}
	return out, acknowledged(ctx, p)
}

// batchTraffic makes the batches while it sends them, which takes a small part of what reading them does.
func (b *bench) batchTraffic(addr string) traffic {
	b.runs++
	run := b.runs
	const least = len(`{"status":201,"user":{}}`) * seedBatch
	return traffic{connections: batchConnections, minBytes: least, script: func(connection int) func() []byte {
		var request, body []byte
		var number int64
		return func() []byte {
			body = appendBatch(body[:0], seedBatch, func(dst []byte, _ int) []byte {
				number++
				return appendNewcomer(dst, run, connection, number)
			})
			request = postRequest(request[:0], addr, "/users/batch", body)
			return request
		}
	}}
}
