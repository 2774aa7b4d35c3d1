package memory

import (
	"cmp"
	"context"
	"math"
	"slices"

	"userapi/models"
)

// How much a list may look at.
const (
	// fewUsers are gathered and sorted rather than found in an index that has yet to be made.
	fewUsers = 256
	// lockedUsers are the most that are looked at while writers wait; what takes more goes on from a
	// snapshot.
	lockedUsers = 4096
)

// sequence is users in an order, with the number of each. Its users are to be read only.
type sequence interface {
	size() int64
	// place returns how many users stand before one, who need not be there, or also at its place.
	place(at *models.User, behind bool) int64
	// ascend visits the users from the n-th on, descend those before it, nearest first, until do
	// returns false.
	ascend(n int64, do func(*models.User) bool)
	descend(n int64, do func(*models.User) bool)
}

// backwards is a sequence from its end.
type backwards struct{ sequence }

func (b backwards) place(at *models.User, behind bool) int64 {
	return b.size() - b.sequence.place(at, !behind)
}

func (b backwards) ascend(n int64, do func(*models.User) bool) {
	b.sequence.descend(b.size()-n, do)
}

func (b backwards) descend(n int64, do func(*models.User) bool) {
	b.sequence.ascend(b.size()-n, do)
}

// List implements repository.UserRepository. There are three ways to a page. What is a range of an
// index is read there. What is met soon on the way along an index is looked for there. All else is
// gathered from the smallest set that is known to hold it, and sorted; when that set is large, from a
// snapshot, so that no writer waits.
func (s *Store) List(ctx context.Context, query models.Query) (models.Page, error) {
	for {
		page, missing, err := s.list(ctx, &query)
		if err != nil || missing == nil {
			return page, err
		}
		if err := s.makeIndex(ctx, missing); err != nil {
			return models.Page{}, err
		}
	}
}

// list answers a query, or returns the order in which an index has to be made first.
func (s *Store) list(ctx context.Context, query *models.Query) (page models.Page, missing models.Order, err error) {
	s.mu.RLock()
	locked := true
	defer func() {
		if locked {
			s.mu.RUnlock()
		}
	}()
	if err := s.usable(ctx); err != nil {
		return models.Page{}, nil, err
	}
	if query.Order == nil && query.Filter.IsZero() {
		return s.pageByID(query), nil, nil
	}
	p := s.plan(query)
	switch {
	case p.missing != nil:
		return models.Page{}, p.missing, nil
	case p.path != nil:
		if page, ok := p.walk(); ok {
			return page, nil, nil
		}
	}
	if p.source.count <= lockedUsers {
		g := newGathering(query)
		p.source.each(&s.users, g.add)
		return g.page(), nil, nil
	}
	extent, ordered := p.source.extent(s), p.inOrder()
	shot := s.users.snapshot()
	defer shot.release()
	s.mu.RUnlock()
	locked = false
	if ordered {
		page, err = extent.page(ctx, shot, query)
		if query.WithTotal {
			page.Total = p.total
		}
		return page, nil, err
	}
	g := newGathering(query)
	if err := extent.ascend(ctx, shot, 1, g.add); err != nil {
		return models.Page{}, nil, err
	}
	return g.page(), nil, nil
}

// turned gives a page what lies beyond it, in the direction in which it was taken, and turns round one
// that was taken backwards.
func turned(page models.Page, more, before, backward bool) models.Page {
	page.More, page.Before = more, before
	if backward {
		slices.Reverse(page.Users)
		page.More, page.Before = before, more
	}
	return page
}

// pageByID answers the commonest query, that of all users by id.
func (s *Store) pageByID(query *models.Query) models.Page {
	at, size := &query.Position, s.users.size()
	start := int64(0)
	switch {
	case at.At.ID != 0:
		start = s.users.place(&at.At, at.Inclusive == at.Backward)
	case at.Backward:
		start = size
	}
	from, to := bounds(query, start, 0, size)
	page := query.NewPage(int(to - from))
	page.Users = s.users.collect(page.Users, from, int(to-from))
	page.More, page.Before = to < size, from > 0
	if query.WithTotal {
		page.Total = size
	}
	return page
}

// bounds returns the numbers of the first user of a page and of the first one behind it, when the page
// begins or, backwards, ends at number at of users from number from to number to.
func bounds(query *models.Query, at, from, to int64) (first, end int64) {
	if query.Position.Backward {
		return max(at-int64(query.Limit), from), at
	}
	if query.Skip >= to-at {
		return to, to
	}
	first = at + query.Skip
	return first, min(first+int64(query.Limit), to)
}

// gathering keeps, of the users that it is shown in any order, those that a page needs.
type gathering struct {
	query *models.Query
	keep  int64
	users []gathered
	total int64
	// beyond says that a user was shown who is let through but stands on the other side of the
	// position.
	beyond bool
}

// gathered is a user with the key that decides most comparisons.
type gathered struct {
	key uint64
	*models.User
}

func newGathering(query *models.Query) *gathering {
	keep := query.Skip + int64(query.Limit) + 1
	if keep < 0 {
		keep = math.MaxInt64
	}
	return &gathering{query: query, keep: keep}
}

// add takes a user who stays as it is until the page is made.
func (g *gathering) add(user *models.User) bool {
	q := g.query
	if !q.Filter.Matches(user) {
		return true
	}
	g.total++
	if !q.Position.Admits(q.Order, user) {
		g.beyond = true
		return true
	}
	g.users = append(g.users, gathered{keyOf(q.Order, user), user})
	if n := int64(len(g.users)); n/2 > g.keep && n > fewUsers {
		g.sort()
		g.users = g.users[:g.keep]
	}
	return true
}

// sort brings the users into the order in which the page takes them.
func (g *gathering) sort() {
	order, sign := g.query.Order, 1
	if g.query.Position.Backward {
		sign = -1
	}
	slices.SortFunc(g.users, func(a, b gathered) int {
		if c := cmp.Compare(a.key, b.key); c != 0 {
			return sign * c
		}
		return sign * order.Compare(a.User, b.User)
	})
}

func (g *gathering) page() models.Page {
	g.sort()
	q := g.query
	skipped := int(min(q.Skip, int64(len(g.users))))
	rest := g.users[skipped:]
	taken := rest[:min(q.Limit, len(rest))]
	page := q.NewPage(len(taken))
	for _, user := range taken {
		page.Users = append(page.Users, *user.User)
	}
	page = turned(page, len(rest) > len(taken), g.beyond || skipped > 0, q.Position.Backward)
	if q.WithTotal {
		page.Total = g.total
	}
	return page
}
