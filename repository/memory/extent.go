package memory

import (
	"context"
	"fmt"
	"math"
	"sort"

	"userapi/models"
)

// extent is where users are, in runs of ids of one size by their first ids. With a snapshot it is good
// without the lock.
type extent struct {
	starts []int64
	size   int64
}

// checkEvery is after how many runs it is asked whether anybody still waits.
const checkEvery = 256

// ascend visits the users whose ids are from or above, in the order of the runs, until do returns
// false. Its error is that of the context.
func (e extent) ascend(ctx context.Context, shot snapshot, from int64, do func(*models.User) bool) error {
	first := sort.Search(len(e.starts), func(i int) bool { return e.starts[i]+e.size > from })
	for i, start := range e.starts[first:] {
		if err := ctx.Err(); err != nil && i%checkEvery == 0 {
			return fmt.Errorf("memory store: %w", err)
		}
		for id := max(start, from); id < start+e.size; id++ {
			if user := shot.get(id); user != nil && !do(user) {
				return nil
			}
		}
	}
	return nil
}

// descend visits the users whose ids are to or below, from the last one down, until do returns false.
func (e extent) descend(ctx context.Context, shot snapshot, to int64, do func(*models.User) bool) error {
	behind := sort.Search(len(e.starts), func(i int) bool { return e.starts[i] > to })
	for i := behind - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil && i%checkEvery == 0 {
			return fmt.Errorf("memory store: %w", err)
		}
		for id := min(e.starts[i]+e.size-1, to); id >= e.starts[i]; id-- {
			if user := shot.get(id); user != nil && !do(user) {
				return nil
			}
		}
	}
	return nil
}

// page makes a page in the order of the ids: it looks no further than the page is full.
func (e extent) page(ctx context.Context, shot snapshot, query *models.Query) (models.Page, error) {
	at, down := &query.Position, len(query.Order) > 0
	first, last := int64(math.MinInt64), int64(math.MaxInt64) // of the ids that the page may have
	if backward := at.Backward; at.At.ID != 0 {
		exclude := int64(1)
		if at.Inclusive {
			exclude = 0
		}
		if backward == down {
			first = at.At.ID + exclude
		} else {
			last = at.At.ID - exclude
		}
	}
	taken := query.NewPage(query.Limit)
	more, before := false, false
	skip := query.Skip
	take := func(user *models.User) bool {
		switch {
		case !query.Filter.Matches(user):
		case skip > 0:
			skip, before = skip-1, true
		case len(taken.Users) < query.Limit:
			taken.Users = append(taken.Users, *user)
		default:
			more = true
		}
		return !more
	}
	look := func(user *models.User) bool {
		before = query.Filter.Matches(user)
		return !before
	}
	var err error
	if down == at.Backward { // upwards
		if err = e.ascend(ctx, shot, max(first, 1), take); err == nil && !before && first > 1 {
			err = e.descend(ctx, shot, first-1, look)
		}
	} else if err = e.descend(ctx, shot, last, take); err == nil && !before && last < math.MaxInt64 {
		err = e.ascend(ctx, shot, last+1, look)
	}
	return turned(taken, more, before, at.Backward), err
}
