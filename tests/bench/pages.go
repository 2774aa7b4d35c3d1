package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
)

// pageConnections is how many clients read lists at once.
const pageConnections = 8

// listing is a list that is measured by many different requests for it.
type listing struct {
	name string
	// asks returns the requests for a store.
	asks func(ctx context.Context, s *shelf, count int) ([]ask, error)
	// want is how many users every page has, in either store.
	want int
}

// ask is a request for one page. least and most bound the total that is due; both are zero when none
// is asked for.
type ask struct {
	query       url.Values
	least, most int64
}

func (a ask) path() string { return "/users/?" + a.query.Encode() }

// shelf is a store of seeds as those see it who ask for lists.
type shelf struct {
	*process
	users  int
	random *rand.Rand
	// ages counts the seeds of each age.
	ages [151]int64
	// instants are times at which seeds were created, in their order.
	instants []instant
}

// instant is when the user with this number was created, counted from 0 in the order of the times.
type instant struct {
	number int
	at     string
}

// shelved learns what it takes to ask a store for lists.
func (b *bench) shelved(ctx context.Context, p *process, users int) (*shelf, error) {
	s := &shelf{process: p, users: users, random: rand.New(rand.NewPCG(1, uint64(users)))}
	for n := range int64(users) {
		s.ages[seedAge(n+1)]++
	}
	// From the first tenth to the last, so that there is a page on either side of each.
	s.instants = make([]instant, b.opt.spread)
	err := share(ctx, p, len(s.instants), func(c *client, i int) error {
		number := users/10 + i*(users*8/10)/len(s.instants)
		page, err := getPage(c, ask{query: url.Values{
			"limit": {"1"}, "sort": {"created_at"}, "skip": {strconv.Itoa(number)},
		}}, 1)
		if err != nil {
			return err
		}
		s.instants[i] = instant{number, page.Items[0].CreatedAt}
		return nil
	})
	return s, err
}

// measurePages asks of every way to a page whether it costs more in a store a thousand times larger.
func (b *bench) measurePages(ctx context.Context) error {
	large, err := b.largeIndexed(ctx)
	if err != nil {
		return err
	}
	small, err := b.seeded(ctx, b.launchService(), b.opt.users)
	if err != nil {
		return err
	}
	defer b.stop(small)
	if _, err := useSorts(ctx, small); err != nil {
		return err
	}
	var shelves []*shelf
	for _, of := range []struct {
		*process
		users int
	}{{small, b.opt.users}, {large, b.opt.size}} {
		s, err := b.shelved(ctx, of.process, of.users)
		if err != nil {
			return err
		}
		shelves = append(shelves, s)
	}
	for _, sort := range sorts() {
		b.listRow(ctx, walked(sort), shelves)
	}
	for _, l := range filtered() {
		b.listRow(ctx, l, shelves)
	}
	return ctx.Err()
}

// listRow reports how many times dearer the pages of a list are in the large store.
func (b *bench) listRow(ctx context.Context, l listing, shelves []*shelf) {
	loads := make([]traffic, len(shelves))
	for i, s := range shelves {
		var err error
		if loads[i], err = b.requestsFor(ctx, l, s); err != nil {
			b.addGrowth(l.name, nil, err)
			return
		}
	}
	outs, err := b.takeTurns(l.name, len(shelves), func(i int) (outcome, error) {
		return b.press(ctx, shelves[i].process, loads[i], b.opt.brief)
	})
	b.addGrowth(l.name, outs, err)
}

// requestsFor prepares the requests for a list and looks at some of the pages, which warms up too.
func (b *bench) requestsFor(ctx context.Context, l listing, s *shelf) (traffic, error) {
	asks, err := l.asks(ctx, s, b.opt.spread)
	if err != nil {
		return traffic{}, err
	}
	s.random.Shuffle(len(asks), func(i, j int) { asks[i], asks[j] = asks[j], asks[i] })
	const looks = 20
	shortest := make([]int, looks)
	err = share(ctx, s.process, looks, func(c *client, i int) error {
		_, err := getPage(c, asks[i*len(asks)/looks], l.want)
		shortest[i] = len(c.body)
		return err
	})
	if err != nil {
		return traffic{}, fmt.Errorf("%d users: %w", s.users, err)
	}
	var requests [][]byte
	for _, a := range asks {
		requests = append(requests, getRequest(s.addr, a.path()))
	}
	// Half is enough to tell a page of fifty from one that lost some: numbers and cursors differ in length.
	return cycle(requests, pageConnections, shortest[0]/2), nil
}

// walked is a sorted list that is read by cursors to places all over it, half of them for the page
// behind the place and half for the page before it.
func walked(sort string) listing {
	return listing{"page of 50 by cursor, sort=" + sort, func(ctx context.Context, s *shelf, count int) ([]ask, error) {
		asks := make([]ask, count)
		err := share(ctx, s.process, count, func(c *client, i int) error {
			at := pageLimit + i*(s.users-2*pageLimit)/count
			page, err := getPage(c, ask{query: url.Values{
				"limit": {"1"}, "sort": {sort}, "skip": {strconv.Itoa(at)},
			}}, 1)
			if err != nil {
				return err
			}
			cursor := page.Next
			if i%2 == 1 {
				cursor = page.Prev
			}
			if cursor == nil {
				return errors.New("a page in the middle of a list has no cursor")
			}
			asks[i].query = url.Values{"limit": {strconv.Itoa(pageLimit)}, "sort": {sort}, "cursor": {*cursor}}
			return nil
		})
		return asks, err
	}, pageLimit}
}

// getPage reads a page and judges it: every user in it must be one that was asked for, in order.
func getPage(c *client, a ask, want int) (*page, error) {
	body, err := c.get(a.path())
	if err != nil {
		return nil, err
	}
	var got page
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("GET %s: %w", a.path(), err)
	}
	if err := got.fault(a, want); err != nil {
		return nil, fmt.Errorf("GET %s: %w", a.path(), err)
	}
	return &got, nil
}
