package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// fewInSQL is the smaller of the two databases.
const fewInSQL = 10_000

// measureGrowthSQL asks of the first and the last page in every order whether they cost more in a
// database a hundred times larger.
func (b *bench) measureGrowthSQL(ctx context.Context) error {
	for _, engine := range []string{enginePostgres, engineSQLite} {
		if err := b.growthOn(ctx, engine); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	return ctx.Err()
}

func (b *bench) growthOn(ctx context.Context, engine string) error {
	var shelves []*shelf
	for _, users := range []int{min(fewInSQL, b.opt.size), b.opt.size} {
		// The way to the last page is one long skip, which is not what is measured.
		p, _, err := b.serve(ctx, engine, "growth-sql on "+engine, users, scattered, "USERAPI_STORAGE_TIMEOUT=1m")
		if err != nil || p == nil {
			return err
		}
		defer b.stop(p)
		shelves = append(shelves, &shelf{process: p, users: users})
	}
	for _, sort := range sorts() {
		if strings.Contains(sort, ",") {
			continue
		}
		b.endRow(ctx, engine, "first page, sort="+sort, shelves, func(*client, *shelf) (ask, error) {
			return asking("sort", sort), nil
		})
		b.endRow(ctx, engine, "last page by cursor, sort="+sort, shelves, func(c *client, s *shelf) (ask, error) {
			return lastPage(c, s, sort)
		})
	}
	return ctx.Err()
}

// lastPage asks for the last users by the cursor behind the one before them.
func lastPage(c *client, s *shelf, sort string) (ask, error) {
	before := ask{query: url.Values{"limit": {"1"}, "sort": {sort}, "skip": {strconv.Itoa(s.users - pageLimit - 1)}}}
	got, err := getPage(c, before, 1)
	switch {
	case err != nil:
		return ask{}, err
	case got.Next == nil:
		return ask{}, errors.New("a page before the last has no cursor")
	}
	return asking("sort", sort, "cursor", *got.Next), nil
}

// endRow reports how many times dearer one page is in the large database.
func (b *bench) endRow(ctx context.Context, engine, name string, shelves []*shelf, find func(*client, *shelf) (ask, error)) {
	name = engine + ": " + name
	loads := make([]traffic, len(shelves))
	for i, s := range shelves {
		err := withClients(ctx, s.process, 1, func(clients []*client) error {
			a, err := find(clients[0], s)
			if err != nil {
				return err
			}
			if _, err := getPage(clients[0], a, pageLimit); err != nil {
				return err
			}
			loads[i] = cycle([][]byte{getRequest(s.addr, a.path())}, pageConnections, len(clients[0].body))
			return nil
		})
		if err != nil {
			b.addCost(name, shelves[0].users, atMost(1.5), nil, err)
			return
		}
	}
	outs, err := b.takeTurns(name, len(shelves), func(i int) (outcome, error) {
		return b.press(ctx, shelves[i].process, loads[i], b.opt.brief)
	})
	b.addCost(name, shelves[0].users, atMost(1.5), outs, err)
}
