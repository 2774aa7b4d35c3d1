package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

// side is one of two that do the same work, for a number of seconds at a time.
type side struct {
	name string
	run  func(ctx context.Context, seconds int) (outcome, error)
}

// contest reports the rate of one side in units of the other's.
func (b *bench) contest(ctx context.Context, name string, g *goal, one, other side) {
	outs, err := b.inTurns(ctx, name, one, other)
	r := row{name: name + " / " + other.name, unit: asRatio, goal: g, err: err}
	if err == nil {
		r.values = ratios(outs[0], outs[1])
		r.note = costNote(outs[0])
	}
	b.report.add(r)
}

// rated reports the rate of one side alone.
func (b *bench) rated(ctx context.Context, name string, s side) {
	outs, err := b.inTurns(ctx, name, s)
	r := row{name: name, unit: asRate, err: err}
	if err == nil {
		for _, out := range outs[0] {
			r.values = append(r.values, out.rate())
		}
		r.note = costNote(outs[0])
	}
	b.report.add(r)
}

// inTurns warms up and runs the sides once per round.
func (b *bench) inTurns(ctx context.Context, name string, sides ...side) ([][]outcome, error) {
	var names []string
	for _, s := range sides {
		names = append(names, s.name)
		if b.opt.warmup > 0 {
			if _, err := s.run(ctx, b.opt.warmup); err != nil {
				return nil, err
			}
		}
	}
	outs, err := b.takeTurns(name, len(sides), func(i int) (outcome, error) { return sides[i].run(ctx, b.opt.seconds) })
	if err == nil {
		b.report.context(name, names, outs)
	}
	return outs, err
}

// costNote tells whose CPU time an answer took. What the machine did beside the service and the generator
// is the engine's, as far as nobody else was there.
func costNote(outs []outcome) string {
	var others []float64
	for _, out := range outs {
		others = append(others, float64(out.others.Microseconds())/float64(out.Requests))
	}
	return fmt.Sprintf("CPU per answer: service %.0f us, engine and others %.0f us", median(costs(outs)), median(others))
}

// gets reads random users of the first so many.
func (b *bench) gets(name string, p *process, users int) side {
	return side{name, func(ctx context.Context, seconds int) (outcome, error) {
		b.runs++
		return b.drive(ctx, p, load{path: "/users/", mode: "id", args: []string{strconv.Itoa(users), strconv.Itoa(b.runs)}}, seconds)
	}}
}

// posts creates users and looks whether all who were acknowledged are there.
func (b *bench) posts(name string, p *process) side {
	return side{name, func(ctx context.Context, seconds int) (outcome, error) {
		out, err := b.drive(ctx, p, b.createLoad(), seconds)
		if err != nil {
			return outcome{}, err
		}
		p.users += out.Requests
		return out, allThere(ctx, p)
	}}
}

// allThere counts the users of a service. The ids of a database have gaps, so that they tell nothing.
func allThere(ctx context.Context, p *process) error {
	due := p.users
	if err := recount(ctx, p); err != nil {
		return err
	}
	if p.users < due {
		return fmt.Errorf("%s: %d users are there of %d who were acknowledged", p.name, p.users, due)
	}
	return nil
}

// pages reads the first page over and over.
func (b *bench) pages(name string, p *process) side {
	path := "/users/?" + url.Values{"limit": {strconv.Itoa(pageLimit)}}.Encode()
	return side{name, func(ctx context.Context, seconds int) (outcome, error) {
		loads, err := fixedLoads(ctx, path, []*process{p})
		if err != nil {
			return outcome{}, err
		}
		return b.drive(ctx, p, loads[0], seconds)
	}}
}
