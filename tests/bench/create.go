package main

import (
	"context"
	"fmt"
	"strconv"
)

// measureCreate sets POST beside the naive service. Every round has new processes: a store that
// has taken more users than the other would be judged by its size.
func (b *bench) measureCreate(ctx context.Context) error {
	const name = "POST /users/"
	launches := []launch{b.launchService(), b.launchNaive()}
	outs := make([][]outcome, len(launches))
	r := row{name: name + " / naive", unit: asRatio, goal: atLeast(1)}
	for round := range b.opt.rounds {
		b.say("%s: round %d of %d", name, round+1, b.opt.rounds)
		for _, i := range order(len(launches), round) {
			p, err := b.seeded(ctx, launches[i], b.opt.users)
			if err != nil {
				return err
			}
			out, err := b.driveCreate(ctx, p)
			b.stop(p)
			if err != nil {
				r.err = err
				b.report.add(r)
				return ctx.Err()
			}
			outs[i] = append(outs[i], out)
		}
	}
	r.values = ratios(outs[0], outs[1])
	r.note = cpuNote(outs[0], outs[1])
	b.report.add(r)
	b.report.context(name, []string{launches[0].name, launches[1].name}, outs)
	return nil
}

// driveCreate warms up, measures, and then looks whether the last user acknowledged is really
// there: ids grow by one, so that user's id is at least the number of users acknowledged.
func (b *bench) driveCreate(ctx context.Context, p *process) (outcome, error) {
	var out outcome
	for _, seconds := range []int{1, b.opt.seconds} {
		var err error
		if out, err = b.drive(ctx, p, b.createLoad(), seconds); err != nil {
			return outcome{}, err
		}
		p.users += out.Requests
	}
	if _, err := p.get(ctx, "/users/"+strconv.FormatInt(p.users, 10)); err != nil {
		return outcome{}, fmt.Errorf("an acknowledged user is not there: %w", err)
	}
	return out, nil
}

func (b *bench) createLoad() load {
	b.runs++
	return load{path: "/users/", mode: "create", args: []string{strconv.Itoa(b.runs)}}
}
