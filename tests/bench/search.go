package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
)

// searchConnections is how many clients search at once, where it is more than one.
const searchConnections = 4

// leastFound is more bytes than a page without users has, and fewer than one with a user.
const leastFound = 100

// search is a kind of text to look for, by how many users have it.
type search struct {
	name string
	// text returns one such text of a store of this many seeds.
	text func(random *rand.Rand, users int) string
	goal *goal
}

// searches are told apart by how many users of a million have the text. Who reads on in one that many
// have finds a page soon; in one that few have, everybody has to be ruled out.
func searches() []search {
	digits := func(n int) func(*rand.Rand, int) string {
		return func(random *rand.Rand, users int) string {
			number := fmt.Sprintf("%07d", 1+random.IntN(users))
			return number[len(number)-n:]
		}
	}
	words := []string{"seed", "person", "d p", "example", ".com", "e"}
	return []search{
		{"one in a million has", digits(7), below(10)},
		{"20 in a million have", digits(6), below(10)},
		{"300 in a million have", digits(5), below(10)},
		{"5000 in a million have", digits(3), nil},
		{"all have", func(random *rand.Rand, _ int) string { return words[random.IntN(len(words))] }, below(2)},
	}
}

// measureSearch tells how long the first page of a search takes in the large store.
func (b *bench) measureSearch(ctx context.Context) error {
	p, err := b.largeIndexed(ctx)
	if err != nil {
		return err
	}
	for _, s := range searches() {
		for _, sort := range []string{"", "name"} {
			requests, err := b.searchRequests(ctx, p, s, sort)
			for _, connections := range []int{1, searchConnections} {
				b.searchRow(ctx, p, s.row(sort, connections, b.opt.size, err), cycle(requests, connections, leastFound))
			}
		}
	}
	return ctx.Err()
}

// row returns a row without values. The goals are those of one client that asks a store of the size
// that the issue names.
func (s search) row(sort string, connections, size int, err error) row {
	r := row{name: "q that " + s.name, unit: asLatency, err: err}
	if sort != "" {
		r.name += ", sort=" + sort
	}
	if connections > 1 {
		r.name += fmt.Sprintf(", %d clients", connections)
	} else if size >= issueSize {
		r.goal = s.goal
	}
	return r
}

// searchRequests prepares searches for different texts, and looks at some of the pages.
func (b *bench) searchRequests(ctx context.Context, p *process, s search, sort string) (requests [][]byte, err error) {
	random := rand.New(rand.NewPCG(2, uint64(b.opt.size)))
	var asks []ask
	for range b.opt.spread {
		query := url.Values{"limit": {strconv.Itoa(pageLimit)}, "q": {s.text(random, b.opt.size)}}
		if sort != "" {
			query.Set("sort", sort)
		}
		asks = append(asks, ask{query: query})
		requests = append(requests, getRequest(p.addr, asks[len(asks)-1].path()))
	}
	const looks = 20
	err = share(ctx, p, looks, func(c *client, i int) error {
		page, err := getPage(c, asks[i*len(asks)/looks], -1)
		if err == nil && len(page.Items) == 0 {
			err = fmt.Errorf("%s: nobody is found", asks[i*len(asks)/looks].path())
		}
		return err
	})
	return requests, err
}

// searchRow fills in the median latency of each round.
func (b *bench) searchRow(ctx context.Context, p *process, r row, t traffic) {
	if r.err != nil {
		b.report.add(r)
		return
	}
	outs, err := b.takeTurns(r.name, 1, func(int) (outcome, error) { return b.press(ctx, p, t, b.opt.brief) })
	if r.err = err; err == nil {
		var slow []float64
		for _, out := range outs[0] {
			r.values = append(r.values, float64(out.P50)/1e3)
			slow = append(slow, float64(out.P99)/1e3)
		}
		r.note = fmt.Sprintf("p99 %s", asLatency(median(slow)))
		b.report.context(r.name, []string{p.name}, outs)
	}
	b.report.add(r)
}
