package main

import (
	"context"
	"fmt"
	"strconv"
)

// measureGrowth asks whether a store a thousand times larger costs more per request.
func (b *bench) measureGrowth(ctx context.Context) error {
	large, err := b.largePlain(ctx)
	if err != nil {
		return err
	}
	small, err := b.seeded(ctx, b.launchService(), b.opt.users)
	if err != nil {
		return err
	}
	defer b.stop(small)

	b.growthRow(ctx, "get by random id", small, large, func(users int) load {
		return load{path: "/users/", mode: "id", args: []string{strconv.Itoa(users), strconv.Itoa(b.opt.rounds)}}
	})
	b.growthRow(ctx, "page of 50 at random skip", small, large, func(users int) load {
		return load{path: "/users/", mode: "skip", args: []string{
			strconv.Itoa(users), strconv.Itoa(pageLimit), strconv.Itoa(b.opt.rounds),
		}}
	})
	b.stop(small)
	return b.createGrowth(ctx, large)
}

// growthRow prints how many times dearer a request is in the large store.
func (b *bench) growthRow(ctx context.Context, name string, small, large *process, loads func(users int) load) {
	servers := []*process{small, large}
	outs, err := b.alternate(ctx, name, servers, []load{loads(b.opt.users), loads(b.opt.size)})
	b.addGrowth(name, outs, err)
}

func (b *bench) addGrowth(name string, outs [][]outcome, err error) {
	b.addCost(name, b.opt.users, atMost(1.3), outs, err)
}

// addCost reports how many times dearer an answer is in the large store than in one of fewer users.
func (b *bench) addCost(name string, fewer int, g *goal, outs [][]outcome, err error) {
	r := row{name: fmt.Sprintf("%s, %d users / %d", name, b.opt.size, fewer), unit: asRatio, goal: g, err: err}
	if err == nil {
		r.values = ratios(outs[0], outs[1]) // Cost is the inverse of the rate: small over large.
		r.note = fmt.Sprintf("of median latencies %.2f, of CPU per request %.2f",
			median(latencies(outs[1]))/median(latencies(outs[0])), median(costs(outs[1]))/median(costs(outs[0])))
		b.report.context(name, []string{strconv.Itoa(fewer), strconv.Itoa(b.opt.size)}, outs)
	}
	b.report.add(r)
}

// createGrowth starts the small store anew in every round, for a second of creates makes it large;
// the large one goes on growing, which can only count against it.
func (b *bench) createGrowth(ctx context.Context, large *process) error {
	const name = "create"
	outs := make([][]outcome, 2)
	for round := range b.opt.rounds {
		b.say("%s: round %d of %d", name, round+1, b.opt.rounds)
		small, err := b.seeded(ctx, b.launchService(), b.opt.users)
		if err != nil {
			return err
		}
		servers := []*process{small, large}
		for _, i := range order(len(servers), round) {
			out, err := b.driveCreate(ctx, servers[i])
			if err != nil {
				b.stop(small)
				b.addGrowth(name, nil, err)
				return ctx.Err()
			}
			outs[i] = append(outs[i], out)
		}
		b.stop(small)
	}
	b.addGrowth(name, outs, nil)
	return nil
}
