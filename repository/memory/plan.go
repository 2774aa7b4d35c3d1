package memory

import (
	"cmp"
	"slices"

	"userapi/models"
)

// plan is the way to the page that a query asks for. It is good as long as the lock is held.
type plan struct {
	query *models.Query
	// path, if there is one, is a sequence in the order of the query; all users that the filter lets
	// through are among its users from number from to number to.
	path     sequence
	from, to int64
	// rest are the conditions that these users may not meet; budget is how many of them may be
	// looked at, when there are any.
	rest   models.Filter
	budget int
	// byID says that the order is that of the ids, up or down.
	byID bool
	// total is the number of all users that the filter lets through, or negative when only counting
	// them tells.
	total int64
	// source is the smallest set known to hold them.
	source source
	// missing is the order of an index that has to be made first.
	missing models.Order
}

// source is a set of users: those with some ids, or those in a range of an index, or all, of which
// with a needle only those in some blocks matter.
type source struct {
	count    int64
	ids      []int64
	index    *index
	from, to int64
	needle   needle
}

// plan looks for the way to a page.
func (s *Store) plan(query *models.Query) *plan {
	p := &plan{query: query, rest: query.Filter, total: -1}
	s.findSource(p)
	order, pinned := pin(query)
	few := p.source.count <= fewUsers
	if query.WithTotal && p.total < 0 || few && !p.rest.IsZero() {
		return p // to be gathered
	}
	switch {
	case len(order) == 0 || len(order) == 1 && order[0].Key == models.KeyID:
		s.pathByID(p, order)
	default:
		x, room := s.indexIn(order)
		if x == nil {
			if room && s.worthIndexing(p) {
				p.missing = order
			}
			return p
		}
		p.path = x
		p.from, p.to = 0, x.size()
		switch side := p.absorb(order, pinned); {
		case side == nil:
		case p.source.index == x: // it was looked for there already
			p.from, p.to = p.source.from, p.source.to
		default:
			p.from, p.to = x.within(side)
		}
	}
	if !p.rest.IsZero() {
		s.judge(p)
	}
	return p
}

// worthIndexing says whether to make an index rather than to gather the page again and again: when
// a page is gathered from many, or when that, done some dozens of times, costs as much as the index.
func (s *Store) worthIndexing(p *plan) bool {
	const times = 64
	n := p.source.count
	return n > fewUsers && (n > lockedUsers || s.users.size() <= times*n)
}

// findSource looks up how many users each condition lets through that has an index.
func (s *Store) findSource(p *plan) {
	f := &p.query.Filter
	p.source = source{count: s.users.size()}
	conditions := 0
	consider := func(found source) {
		conditions++
		p.total = found.count
		if found.count <= p.source.count {
			found.needle = p.source.needle
			p.source = found
		}
	}
	if f.Search != "" {
		conditions++
		p.source.needle = needleOf(f.Search)
	}
	for _, x := range s.ranged() {
		if side := sideOf(f, x.order[0]); side != nil {
			from, to := x.interval(side)
			consider(source{count: to - from, index: x, from: from, to: to})
		}
	}
	if f.IDs != nil {
		consider(source{count: int64(len(f.IDs)), ids: f.IDs})
		p.total = -1 // some may not be there
	}
	if f.EmailKey != "" {
		ids := []int64{}
		if id := s.byKey.find(f.EmailKey); id != 0 {
			ids = append(ids, id)
		}
		consider(source{count: int64(len(ids)), ids: ids})
	}
	switch conditions {
	case 0:
		p.total = s.users.size()
	case 1:
	default:
		p.total = -1
	}
}

// pin puts a member for which the filter wants one value before the order: among users of one value
// that is the order still, and in such an index they stand together.
func pin(query *models.Query) (order models.Order, pinned bool) {
	f, key := &query.Filter, models.KeyID
	switch {
	case f.Name != "":
		key = models.KeyName
	case f.MinAge != 0 && f.MinAge == f.MaxAge:
		key = models.KeyAge
	default:
		return query.Order, false
	}
	// A position may have another value, which tells where it is if the order has the member.
	if at := slices.IndexFunc(query.Order, func(s models.Sort) bool { return s.Key == key }); at >= 0 {
		return query.Order, at == 0
	}
	return append(models.Order{{Key: key}}, query.Order...), true
}

// pinned returns the user of a position with the value that the filter pins, unless the order of the
// query has that member and so the position does.
func (p *plan) pinned(user models.User) models.User {
	order, _ := pin(p.query)
	if len(order) == len(p.query.Order) {
		return user
	}
	if order[0].Key == models.KeyName {
		user.Name = p.query.Filter.Name
	} else {
		user.Age = p.query.Filter.MinAge
	}
	return user
}

// absorb takes the conditions off the rest that an interval of an index in this order meets, and
// returns where users stand to that interval, or nil for the whole index.
func (p *plan) absorb(order models.Order, pinned bool) func(*models.User) int {
	f := &p.query.Filter
	first := sideOf(f, order[0])
	if first == nil {
		return nil
	}
	p.meets(order[0].Key)
	if !pinned || len(order) == 1 {
		return first
	}
	second := sideOf(f, order[1])
	if second == nil {
		return first
	}
	p.meets(order[1].Key)
	return func(user *models.User) int { return cmp.Or(first(user), second(user)) }
}

// meets takes the conditions on a member off the rest.
func (p *plan) meets(key models.Key) {
	switch key {
	case models.KeyName:
		p.rest.Name = ""
	case models.KeyAge:
		p.rest.MinAge, p.rest.MaxAge = 0, 0
	case models.KeyCreatedAt:
		p.rest.CreatedAfter, p.rest.CreatedBefore = nil, nil
	case models.KeyUpdatedAt:
		p.rest.UpdatedAfter = nil
	case models.KeyID, models.KeyEmail: // no filter has an interval of them
	}
}

// sideOf returns where users stand to the interval of values that the filter lets through, in the
// direction of the sort: before it (negative), in it (zero) or behind it. It returns nil when the
// filter has no such interval.
func sideOf(f *models.Filter, s models.Sort) func(*models.User) int {
	sign := 1
	if s.Descending {
		sign = -1
	}
	switch s.Key {
	case models.KeyName:
		if f.Name == "" {
			return nil
		}
		return func(u *models.User) int { return sign * models.CompareFolded(u.Name, f.Name) }
	case models.KeyAge:
		if f.MinAge == 0 && f.MaxAge == 0 {
			return nil
		}
		return func(u *models.User) int {
			switch {
			case u.Age == 0:
				return 1 // in either direction
			case f.MinAge != 0 && u.Age < f.MinAge:
				return -sign
			case f.MaxAge != 0 && u.Age > f.MaxAge:
				return sign
			}
			return 0
		}
	case models.KeyCreatedAt:
		return sideOfTime(f.CreatedAfter, f.CreatedBefore, sign, func(u *models.User) models.Timestamp { return u.CreatedAt })
	case models.KeyUpdatedAt:
		return sideOfTime(f.UpdatedAfter, nil, sign, func(u *models.User) models.Timestamp { return u.UpdatedAt })
	case models.KeyID, models.KeyEmail:
	}
	return nil
}

func sideOfTime(after, before *models.Timestamp, sign int, at func(*models.User) models.Timestamp) func(*models.User) int {
	if after == nil && before == nil {
		return nil
	}
	return func(u *models.User) int {
		switch {
		case after != nil && at(u) <= *after:
			return -sign
		case before != nil && at(u) >= *before:
			return sign
		}
		return 0
	}
}

// pathByID makes the ledger the path, up or down.
func (s *Store) pathByID(p *plan, order models.Order) {
	p.path, p.to, p.byID = &s.users, s.users.size(), true
	f := &p.query.Filter
	if p.source.needle != nil || f.CreatedAfter != nil || f.CreatedBefore != nil || f.UpdatedAfter != nil {
		p.path = &sieve{&s.users, &s.grams, &s.spans, p.source.needle, f}
	}
	if len(order) == 1 && order[0].Descending {
		p.path = backwards{p.path}
	}
}

// judge decides whether to look for the page on the path, where users who are let through are taken
// to be spread evenly, or to gather it.
func (s *Store) judge(p *plan) {
	let, most := p.source.count, 2*lockedUsers
	if p.source.needle != nil {
		if _, ordered := p.path.(*index); !ordered {
			p.budget = lockedUsers + blockSize*p.query.Limit // one user of each block may be enough
			return
		}
		let = min(let, s.grams.count(p.source.needle))
	}
	wanted := float64(p.query.Limit) + float64(p.query.Skip)
	steps := wanted * float64(p.to-p.from) / float64(max(let, 1))
	if steps > float64(most) || steps > float64(p.source.count) {
		p.path = nil
		return
	}
	p.budget = most
}

// start returns the number on the path of the user at whom the page begins, or before whom it ends.
func (p *plan) start() int64 {
	at := &p.query.Position
	switch {
	case at.At.ID != 0:
		user := p.pinned(at.At)
		return min(max(p.path.place(&user, at.Inclusive == at.Backward), p.from), p.to)
	case at.Backward:
		return p.to
	}
	return p.from
}

// walk makes the page on the path. It gives up when the budget is spent.
func (p *plan) walk() (models.Page, bool) {
	q, at, start := p.query, &p.query.Position, p.start()
	if p.rest.IsZero() {
		return p.read(start), true
	}
	page := q.NewPage(q.Limit)
	if q.WithTotal {
		page.Total = p.total
	}
	ahead, behind := p.ahead, p.behind
	if at.Backward {
		ahead, behind = p.behind, p.ahead
	}
	skip, skipped, more := q.Skip, false, false
	ahead(start, func(user *models.User) bool {
		switch {
		case skip > 0:
			skip, skipped = skip-1, true
		case len(page.Users) < q.Limit:
			page.Users = append(page.Users, *user)
		default:
			more = true
		}
		return !more
	})
	before := skipped
	if !before {
		behind(start, func(*models.User) bool { before = true; return false })
	}
	return turned(page, more, before, at.Backward), p.budget >= 0
}

// read makes the page when every user from number from to number to is let through.
func (p *plan) read(at int64) models.Page {
	first, end := bounds(p.query, at, p.from, p.to)
	page := p.query.NewPage(int(end - first))
	page.More, page.Before = end < p.to, first > p.from
	if p.query.WithTotal {
		page.Total = p.total
	}
	if first == end {
		return page
	}
	// The users of a page lie anywhere in memory. Short loops, without a call for each, let the
	// processor fetch several at a time.
	switch path := p.path.(type) {
	case *index:
		ids := make([]int64, 0, end-first)
		path.tree.ascend(first, func(id int64) bool {
			ids = append(ids, id)
			return int64(len(ids)) < end-first
		})
		for _, id := range ids {
			page.Users = append(page.Users, *path.users.get(id))
		}
	case backwards:
		users := path.sequence.(*ledger) // all users by id, as there are no conditions left
		page.Users = users.collect(page.Users, users.size()-end, int(end-first))
		slices.Reverse(page.Users)
	}
	return page
}

// ahead and behind visit the users of the path that are let through, from number start up and before it
// down, as long as the budget allows.
func (p *plan) ahead(start int64, do func(*models.User) bool) {
	if left := p.to - start; left > 0 {
		p.path.ascend(start, p.spend(left, do))
	}
}

func (p *plan) behind(start int64, do func(*models.User) bool) {
	if left := start - p.from; left > 0 {
		p.path.descend(start, p.spend(left, do))
	}
}

func (p *plan) spend(left int64, do func(*models.User) bool) func(*models.User) bool {
	return func(user *models.User) bool {
		if p.budget--; p.budget < 0 {
			return false
		}
		if p.rest.Matches(user) && !do(user) {
			return false
		}
		left--
		return left > 0
	}
}

// each visits the users of a small source.
func (src *source) each(users *ledger, do func(*models.User) bool) {
	switch {
	case src.ids != nil:
		for _, id := range src.ids {
			if user := users.get(id); user != nil {
				do(user)
			}
		}
	case src.index != nil:
		left := src.to - src.from
		if left == 0 {
			return
		}
		src.index.ascend(src.from, func(user *models.User) bool {
			do(user)
			left--
			return left > 0
		})
	default:
		users.visit(1, do)
	}
}

// worthwhile is up to how many ids of a range are noted. Past it, to go through all users is as quick.
const worthwhile = 16 * lockedUsers

// inOrder says whether a page is rather looked for in the order of the ids than gathered.
func (p *plan) inOrder() bool {
	return p.byID && (p.source.index == nil || p.source.count > worthwhile)
}

// extent returns where the users of a large source are.
func (src *source) extent(s *Store) extent {
	e := extent{size: 1}
	switch {
	case src.index != nil && src.count <= worthwhile:
		e.starts = make([]int64, 0, src.count)
		if src.count > 0 {
			src.index.tree.ascend(src.from, func(id int64) bool {
				e.starts = append(e.starts, id)
				return int64(len(e.starts)) < src.count
			})
		}
	case src.needle != nil:
		e.size = blockSize
		e.starts = s.grams.blocks(src.needle)
	default:
		e.size = pageSize
		e.starts = make([]int64, 0, len(s.users.pages))
		for i := range int64(len(s.users.pages)) {
			e.starts = append(e.starts, i*pageSize+1)
		}
	}
	return e
}
