package repotest

import (
	"math"
	"reflect"
	"slices"

	"userapi/models"
)

func listRules() []Rule {
	return []Rule{
		{
			"List answers every skip and limit exactly",
			"pages must join without a gap or an overlap, and say truly whether there is more",
			listSkips,
		},
		{
			"List answers every position in both directions exactly",
			"a walk goes on from an id whose user may be gone, and may come from anywhere",
			listPositions,
		},
		{
			"List of an empty store is an empty page",
			"items are [] and never null",
			listEmpty,
		},
		{
			"List counts only when asked",
			"to count costs, in some stores as much as to read everything",
			listCountsWhenAsked,
		},
		{
			"List hands out memory of its own",
			"a caller that sorts or masks its page must not change the store, or the page of another",
			listNeverAliases,
		},
		{
			"List leaves the query alone",
			"the caller makes its links from it afterwards",
			listLeavesQuery,
		},
	}
}

// gappy fills the store so that ids are missing at the start, at the end and in between, singly and
// in a row, and returns the users that remain.
func (s *subject) gappy() []models.User {
	s.Helper()
	var kept []models.User
	for i, user := range s.seeded(14) {
		switch i {
		case 0, 3, 6, 7, 8, 11, 13:
			s.deleted(user.ID)
		default:
			kept = append(kept, user)
		}
	}
	return kept
}

func listSkips(s *subject) {
	users := s.gappy()
	skips := []int64{math.MaxInt64, math.MaxInt64 - models.MaxLimit, models.MaxID}
	for skip := range len(users) + 3 {
		skips = append(skips, int64(skip))
	}
	for limit := 1; limit <= len(users)+2; limit++ {
		for _, skip := range skips {
			s.shows(users, models.Query{Limit: limit, Skip: skip})
		}
	}
	s.shows(users, models.Query{Limit: models.MaxLimit})
}

// place is the position beside the user with this id in an order by id.
func place(id int64, backward, inclusive bool) models.Position {
	return models.Position{At: models.User{ID: id}, Backward: backward, Inclusive: inclusive}
}

// places are all positions beside the users with these ids, and both ends of the list.
func places(ids ...int64) []models.Position {
	all := []models.Position{{}, {Inclusive: true}, {Backward: true}, {Backward: true, Inclusive: true}}
	for _, id := range ids {
		all = append(all, place(id, false, false), place(id, false, true), place(id, true, false), place(id, true, true))
	}
	return all
}

func listPositions(s *subject) {
	users := s.gappy()
	ids := []int64{math.MinInt64, -1, 1000, models.MaxID, math.MaxInt64}
	for id := int64(1); id <= users[len(users)-1].ID+2; id++ {
		ids = append(ids, id)
	}
	for limit := 1; limit <= len(users)+2; limit++ {
		for _, at := range places(ids...) {
			s.shows(users, models.Query{Limit: limit, Position: at})
		}
	}
}

func listEmpty(s *subject) {
	queries := []models.Query{
		{Limit: 1, WithTotal: true},
		{Limit: models.MaxLimit, Skip: 3, WithTotal: true},
		{Limit: 2, Order: models.Order{{Key: models.KeyAge, Descending: true}}, WithTotal: true},
		{Limit: 2, Filter: models.Filter{Search: "a", MinAge: 2}, WithTotal: true},
	}
	for _, at := range places(1) {
		queries = append(queries, models.Query{Limit: 5, Position: at})
	}
	for _, query := range queries {
		s.shows(nil, query)
	}
	for _, user := range s.seeded(2) {
		s.deleted(user.ID)
	}
	for _, query := range queries {
		s.shows(nil, query)
	}
}

func listCountsWhenAsked(s *subject) {
	users := s.gappy()
	for _, query := range []models.Query{
		{Limit: 2},
		{Limit: models.MaxLimit},
		{Limit: 2, Skip: 99},
		{Limit: 2, Position: place(users[2].ID, false, false)},
		{Limit: 2, Position: place(users[2].ID, true, false)},
	} {
		query.WithTotal = true
		s.shows(users, query)
		query.WithTotal = false
		s.shows(users, query)
	}
}

func listNeverAliases(s *subject) {
	users := s.seeded(4)
	query := models.Query{Limit: 3}
	first, second := s.listed(query), s.listed(query)
	for i := range first.Users {
		first.Users[i].Name, first.Users[i].ID = "Overwritten", -1
	}
	_ = append(first.Users, models.User{Name: "Appended"})
	if want := PageOf(users, query); !slices.Equal(second.Users, want.Users) {
		s.Errorf("what was done to one page shows in another:\n%s", describeUsers(second.Users))
	}
	s.shows(users, query)
	s.holds(users...)
}

func listLeavesQuery(s *subject) {
	users := s.seeded(4)
	query := func() models.Query {
		after, before := users[0].CreatedAt, users[3].CreatedAt
		return models.Query{
			Filter: models.Filter{CreatedAfter: &after, CreatedBefore: &before, UpdatedAfter: &after, IDs: []int64{1, users[1].ID, users[2].ID, 1000}},
			Order:  models.Order{{Key: models.KeyAge, Descending: true}, {Key: models.KeyName}},
			Limit:  2,
		}
	}
	given := query()
	s.listed(given)
	if want := query(); !reflect.DeepEqual(given, want) {
		s.Errorf("List made of the query %s the query %s", describeQuery(want), describeQuery(given))
	}
}
