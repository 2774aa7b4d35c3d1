package repotest

import (
	"math"
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
		{
			"List walks over a changing store without loss or repeat",
			"whoever copies all users by pages must get each that was left alone exactly once",
			listWalks,
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

func listPositions(s *subject) {
	users := s.gappy()
	ids := []int64{math.MinInt64, -1, 0, 1000, models.MaxID, math.MaxInt64}
	for id := int64(1); id <= users[len(users)-1].ID+2; id++ {
		ids = append(ids, id)
	}
	for limit := 1; limit <= len(users)+2; limit++ {
		for _, id := range ids {
			s.shows(users, models.Query{Limit: limit, Position: &models.Position{ID: id}})
			s.shows(users, models.Query{Limit: limit, Position: &models.Position{ID: id, Backward: true}})
		}
	}
}

func listEmpty(s *subject) {
	queries := []models.Query{
		{Limit: 1, WithTotal: true},
		{Limit: models.MaxLimit, Skip: 3, WithTotal: true},
		{Limit: 5, Position: &models.Position{ID: 1}},
		{Limit: 5, Position: &models.Position{ID: 1, Backward: true}},
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
		{Limit: 2, Position: &models.Position{ID: users[2].ID}},
		{Limit: 2, Position: &models.Position{ID: users[2].ID, Backward: true}},
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
	for _, at := range []models.Position{{ID: users[1].ID}, {ID: users[2].ID, Backward: true}} {
		given := at
		s.listed(models.Query{Limit: 2, Position: &given})
		if given != at {
			s.Errorf("List made of the position %+v the position %+v", at, given)
		}
	}
}

// listWalks changes the store between the pages of a walk: it deletes the user at which the walk
// stands, changes one that may be ahead or behind, and adds one.
func listWalks(s *subject) {
	for _, backward := range []bool{false, true} {
		users := s.seeded(40)
		untouched := make(map[int64]models.User)
		for i, user := range users {
			if i%4 != 3 {
				untouched[user.ID] = user
			}
		}
		start := models.Query{Limit: 3}
		if backward {
			start.Position = &models.Position{ID: users[39].ID + 1, Backward: true}
		}
		shown := s.walk(start, func(step int, at models.User) {
			delete(untouched, at.ID)
			s.deleted(at.ID)
			if step < 10 {
				_, err := s.Update(s.Context(), users[4*step+3].ID, edit(func(user *models.User) { user.Age = 99 }))
				if err != nil {
					s.fails(err, models.ErrUserNotFound, "Update between pages")
				}
				s.created(Sample(100 + step))
			}
		})
		for id, user := range untouched {
			if got := shown[id]; len(got) != 1 || got[0] != user {
				s.Errorf("backward %t: the walk showed the untouched user %d %d times: %+v", backward, id, len(got), got)
			}
		}
		for _, user := range s.listed(models.Query{Limit: models.MaxLimit}).Users {
			s.deleted(user.ID)
		}
	}
}

// walk follows the pages from the query on to the end, calls between after each with the user at
// which the walk stands, and returns what it was shown by id.
func (s *subject) walk(query models.Query, between func(step int, at models.User)) map[int64][]models.User {
	s.Helper()
	const enough = 100
	shown := make(map[int64][]models.User)
	backward := query.Position != nil && query.Position.Backward
	for step := range enough {
		page := s.listed(query)
		for _, user := range page.Users {
			shown[user.ID] = append(shown[user.ID], user)
		}
		if goesOn := page.More && !backward || page.Before && backward; !goesOn {
			return shown
		}
		if len(page.Users) == 0 {
			s.Fatalf("List(%s) is empty, yet the walk goes on", describeQuery(query))
		}
		at := page.Users[len(page.Users)-1]
		if backward {
			at = page.Users[0]
		}
		query = models.Query{Limit: query.Limit, Position: &models.Position{ID: at.ID, Backward: backward}}
		between(step, at)
	}
	s.Fatalf("a walk does not end after %d pages", enough)
	return nil
}
