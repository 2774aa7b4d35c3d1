package main

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// issueSize is the number of users that the goals about memory and search are stated for. With fewer,
// the resident size of the program itself would be shared by too few, and a search has less to do.
const issueSize = 1_000_000

// sorts are the orders that the lists are measured in. All but name, age, created_at, updated_at and
// those of id have an index that the service makes when it is first asked for the order; there are
// as many of those as it keeps.
func sorts() []string {
	return []string{
		"id", "-id", "name", "-name", "email", "-email", "age", "-age",
		"created_at", "-created_at", "updated_at", "-updated_at", "age,name", "-age,-updated_at,email",
	}
}

// measureMemory tells what a user costs in memory, in the naive service for comparison, and in the
// service before and after every index that it can have is made.
func (b *bench) measureMemory(ctx context.Context) error {
	naive, err := b.grown(ctx, b.launchNaive(), (*bench).seed, "")
	if err != nil {
		return err
	}
	b.stop(naive)
	p, err := b.grown(ctx, b.launchService(), (*bench).seed, "")
	if err != nil {
		return err
	}
	took, err := useSorts(ctx, p)
	if err != nil {
		return err
	}
	r, err := b.memoryRow(p, ", every index in use")
	if err != nil {
		return err
	}
	r.note += fmt.Sprintf("; the late ones made in %.1f s", took.Seconds())
	if b.opt.size >= issueSize {
		r.goal = atMost(700)
	}
	b.report.add(r)
	b.indexed = p
	return nil
}

// seeding fills a server and says how long it took.
type seeding func(b *bench, ctx context.Context, p *process, count int) (time.Duration, error)

// grown starts a server, fills it to the large size and reports its memory.
func (b *bench) grown(ctx context.Context, l launch, fill seeding, how string) (*process, error) {
	p, err := b.start(ctx, l)
	if err != nil {
		return nil, err
	}
	b.say("seeding %s with %d users", p.name, b.opt.size)
	took, err := fill(b, ctx, p, b.opt.size)
	if err != nil {
		return nil, err
	}
	r, err := b.memoryRow(p, how)
	if err != nil {
		return nil, err
	}
	r.note += fmt.Sprintf("; seeded in %.1f s", took.Seconds())
	b.report.add(r)
	return p, nil
}

func (b *bench) memoryRow(p *process, how string) (row, error) {
	rss, peak, err := p.memory()
	users := float64(b.opt.size)
	return row{
		name: fmt.Sprintf("%s: resident bytes per user at %d%s", p.name, b.opt.size, how), unit: asBytes,
		values: []float64{float64(rss) / users},
		note:   fmt.Sprintf("without the idle size %.0f B, at the peak %.0f B", float64(rss-p.idle)/users, float64(peak)/users),
	}, err
}

// useSorts asks for a list in every order, upon which the service makes the indexes that it lacks.
func useSorts(ctx context.Context, p *process) (time.Duration, error) {
	begin := time.Now()
	err := withClients(ctx, p, 1, func(clients []*client) error {
		for _, sort := range sorts() {
			if _, err := clients[0].get("/users/?limit=1&sort=" + url.QueryEscape(sort)); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(begin), err
}

// largeIndexed returns the large store with every index in use, which is made in the quick way when no
// part before has left one.
func (b *bench) largeIndexed(ctx context.Context) (*process, error) {
	if b.indexed != nil {
		return b.indexed, nil
	}
	p, err := b.inBatches(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := useSorts(ctx, p); err != nil {
		return nil, err
	}
	b.indexed = p
	return p, nil
}

// largePlain returns the other large store.
func (b *bench) largePlain(ctx context.Context) (*process, error) {
	if b.plain != nil {
		return b.plain, nil
	}
	p, err := b.inBatches(ctx)
	b.plain = p
	return p, err
}

// inBatches starts a service and fills it to the large size, and reports its memory: it must not
// matter how the users came.
func (b *bench) inBatches(ctx context.Context) (*process, error) {
	return b.grown(ctx, b.launchService(), (*bench).seedBatches, ", seeded in batches")
}
