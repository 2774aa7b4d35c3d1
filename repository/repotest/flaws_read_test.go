package repotest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

func listFlaws() []flaw {
	skips := "List answers every skip and limit exactly"
	positions := "List answers every position in both directions exactly"
	gone := "A position stands by its values, whoever is gone or changed"
	return []flaw{
		{
			"says more when the page is just full",
			listing(func(query models.Query, page *models.Page) { page.More = page.More || len(page.Users) == query.Limit }),
			[]string{skips},
		},
		{
			"says before when there was a skip",
			listing(func(query models.Query, page *models.Page) { page.Before = query.Skip > 0 }),
			[]string{positions, "List of an empty store is an empty page"},
		},
		{
			"overflows on a large skip",
			asking(func(_ *sketch, query models.Query) models.Query {
				if query.Skip+int64(query.Limit) < 0 {
					query.Skip = 0
				}
				return query
			}),
			[]string{skips},
		},
		{"starts again at a position whose user is gone", asking(startsAgain), []string{positions, gone}},
		{
			"takes a position for a skip",
			asking(func(_ *sketch, query models.Query) models.Query {
				if at := query.Position; !at.Backward {
					query.Skip, query.Position = max(query.Skip, at.At.ID), models.Position{}
				}
				return query
			}),
			[]string{positions, gone},
		},
		{
			"has nil for no users",
			listing(func(_ models.Query, page *models.Page) {
				if len(page.Users) == 0 {
					page.Users = nil
				}
			}),
			[]string{"List of an empty store is an empty page"},
		},
		{
			"always counts",
			asking(func(_ *sketch, query models.Query) models.Query {
				query.WithTotal = true
				return query
			}),
			[]string{"List counts only when asked"},
		},
		{
			"counts the page instead of the store",
			listing(func(query models.Query, page *models.Page) {
				if query.WithTotal {
					page.Total = int64(len(page.Users))
				}
			}),
			[]string{"List counts only when asked"},
		},
		{"hands out the page that it keeps", breaking(keepsPages), []string{"List hands out memory of its own"}},
		{
			"sorts the ids of the query as it likes",
			listing(func(query models.Query, _ *models.Page) { slices.Reverse(query.Filter.IDs) }),
			[]string{"List leaves the query alone"},
		},
		{
			"moves the bounds of the query",
			listing(func(query models.Query, _ *models.Page) {
				if at := query.Filter.CreatedAfter; at != nil {
					*at++
				}
			}),
			[]string{"List leaves the query alone"},
		},
	}
}

func startsAgain(good *sketch, query models.Query) models.Query {
	if _, err := good.read(query.Position.At.ID); err != nil {
		query.Position = models.Position{Backward: query.Position.Backward}
	}
	return query
}

func keepsPages(b *broken, good *sketch) {
	kept := make(map[int]models.Page)
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		if page, ok := kept[query.Limit]; ok {
			return page, ctx.Err()
		}
		page, err := good.List(ctx, query)
		kept[query.Limit] = page
		return page, err
	}
}

func lifetimeFlaws() []flaw {
	cancelled := "A cancelled context gives context.Canceled and no effect"
	deadline := "A passed deadline gives context.DeadlineExceeded and no effect"
	closed := "A closed store is unavailable, however often closed"
	return []flaw{
		{
			"fails its ping",
			breaking(func(b *broken, _ *sketch) {
				b.ping = func(context.Context) error { return models.ErrUnavailable }
			}),
			[]string{"Ping answers nil while the store serves"},
		},
		{"ignores the context", breaking(ignoresContext), []string{cancelled, deadline}},
		{
			"gives the cause of a cancellation",
			breaking(func(b *broken, good *sketch) {
				b.get = func(ctx context.Context, id int64) (models.User, error) {
					user, err := good.Get(ctx, id)
					if err != nil && ctx.Err() != nil {
						err = errors.Join(err, context.Cause(ctx))
					}
					return user, err
				}
			}),
			[]string{cancelled},
		},
		{
			"looks at the context only at first",
			updating(func(good *sketch) func(context.Context, int64, change) (models.User, error) {
				return func(ctx context.Context, id int64, change change) (models.User, error) {
					if err := ctx.Err(); err != nil {
						return models.User{}, err
					}
					return good.Update(context.WithoutCancel(ctx), id, change)
				}
			}),
			[]string{"A context cancelled in change, allow or decide writes nothing"},
		},
		{
			"serves after Close",
			breaking(func(b *broken, _ *sketch) { b.close = func() error { return nil } }),
			[]string{closed, "Close may come while others work"},
		},
		{
			"fails to close twice",
			breaking(func(b *broken, good *sketch) {
				b.close = func() error {
					if good.Ping(context.Background()) != nil {
						return errors.New("already closed")
					}
					return good.Close()
				}
			}),
			[]string{closed},
		},
		{
			"has an error of its own for what Close interrupts",
			breaking(func(b *broken, good *sketch) {
				b.get = func(ctx context.Context, id int64) (models.User, error) {
					user, err := good.Get(ctx, id)
					if errors.Is(err, models.ErrUnavailable) {
						err = errors.New("sql: database is closed")
					}
					return user, err
				}
			}),
			[]string{closed, "Close may come while others work"},
		},
	}
}

func ignoresContext(b *broken, good *sketch) {
	b.create = func(ctx context.Context, user models.User) (models.User, error) {
		return good.Create(context.WithoutCancel(ctx), user)
	}
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		return good.List(context.WithoutCancel(ctx), query)
	}
}

func raceFlaws() []flaw {
	without := func(method repotest.Method) func() repository.UserRepository {
		return sketched(func(s *sketch) { s.unlocked = method })
	}
	return []flaw{
		{
			"looks for the address and then inserts",
			without(repotest.Create),
			[]string{
				"Of a thousand parallel creators one gets the address",
				"Parallel creators get different ids that grow for each",
				"Concurrent clients see one history",
			},
		},
		{
			"reads, changes and writes without a lock",
			without(repotest.Update),
			[]string{
				"Parallel updates lose none",
				"Of parallel updates to one address one gets it",
				"Parallel updates do not bring a deleted user back",
				"Concurrent clients see one history",
			},
		},
		{
			"looks for the user and then deletes",
			without(repotest.Delete),
			[]string{"Of parallel deletes of one user one succeeds", "A conditional delete never removes a newer version"},
		},
		{
			"lists user by user",
			without(repotest.List),
			[]string{"List shows one consistent state", "List shows a batch whole or not at all"},
		},
		{"counts after it has listed", breaking(countsLater), []string{"List counts the state that it shows"}},
		{"fills its cache late", breaking(fillsLate), []string{"Concurrent clients see one history"}},
	}
}

func countsLater(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		page, err := good.List(ctx, query)
		if err != nil || !query.WithTotal {
			return page, err
		}
		runtime.Gosched()
		now, err := good.List(ctx, query)
		page.Total = now.Total
		return page, err
	}
}

// fillsLate forgets a user at every write, and remembers what it read although a write may have
// come between: the classic fault of a cache.
func fillsLate(b *broken, good *sketch) {
	var mu sync.Mutex
	cache := make(map[int64]models.User)
	forget := func(id int64) {
		mu.Lock()
		defer mu.Unlock()
		delete(cache, id)
	}
	b.get = func(ctx context.Context, id int64) (models.User, error) {
		mu.Lock()
		user, ok := cache[id]
		mu.Unlock()
		if ok {
			return user, nil
		}
		user, err := good.Get(ctx, id)
		if err == nil {
			for range 10 {
				runtime.Gosched()
			}
			mu.Lock()
			cache[id] = user
			mu.Unlock()
		}
		return user, err
	}
	b.update = func(ctx context.Context, id int64, change change) (models.User, error) {
		user, err := good.Update(ctx, id, change)
		forget(id)
		return user, err
	}
	b.remove = func(ctx context.Context, id int64, allow allow) error {
		err := good.Delete(ctx, id, allow)
		forget(id)
		return err
	}
}
