package repotest

import (
	"math"
	"strings"

	"userapi/models"
)

func filterRules() []Rule {
	return []Rule{
		{
			"A filter of ages lets its bounds in, and nobody whose age is unknown",
			"from 18 on means 18 too, and who has not said how old they are is not younger than anybody",
			filterAges,
		},
		{
			"A filter of times leaves its bounds out",
			"who asks for all after the last that it knows must not get that one again",
			filterTimes,
		},
		{
			"A filter of the name is about the whole of it, case-folded",
			"a name is found however its letters are cased, and another name is another name",
			filterNames,
		},
		{
			"A filter of the address finds it in any form",
			"to find a user by address and to refuse a second one must be the same comparison",
			filterAddresses,
		},
		{
			"A filter of ids lets those through that are there",
			"whoever asks for many at once gets those who are left, in the order asked for",
			filterIDs,
		},
		{
			"A search finds each folded part of name and address",
			"one letter or a hundred, in any script: what is typed is found, and nothing else",
			searchFinds,
		},
		{
			"A search takes its text as it is",
			"percent signs, quotes and backslashes are what they are, and two half matches are none",
			searchTakesLiterally,
		},
		{
			"A search does not look across the border of name and address",
			"they are two texts, however a store keeps them",
			searchStaysWithin,
		},
		{
			"Filters are joined by and",
			"each condition more can only take users away",
			filterJoins,
		},
		{
			"Skip, position and total are of what the filter lets through",
			"the page numbers of a search must be those of its results",
			filterPages,
		},
		{
			"Every filter and order goes by what is stored now",
			"an index that a change has not reached finds users by what they were, or does not find them",
			filterFollowsChanges,
		},
	}
}

// filtered shows, in two orders, all whom the filter lets through, and counts them.
func (s *subject) filtered(users []models.User, filter models.Filter) {
	s.Helper()
	for _, order := range []models.Order{nil, {{Key: models.KeyAge, Descending: true}, {Key: models.KeyName}}} {
		s.shows(users, models.Query{Filter: filter, Order: order, Limit: models.MaxLimit, WithTotal: true})
	}
}

func filterAges(s *subject) {
	users := s.crowded(60, 5)
	bounds := []models.Age{0, 1, 2, 29, 30, 31, 32, 149, 150}
	for _, least := range bounds {
		for _, most := range bounds { // also inverted ones
			s.filtered(users, models.Filter{MinAge: least, MaxAge: most})
		}
	}
}

// around returns times at, right before and right after each of these.
func around(times ...models.Timestamp) []*models.Timestamp {
	var all []*models.Timestamp
	for _, at := range times {
		for _, near := range []models.Timestamp{at - 1, at, at + 1} {
			all = append(all, &near)
		}
	}
	return all
}

func filterTimes(s *subject) {
	users := s.crowded(60, 6)
	bounds := append(around(someTimes()...), nil)
	far := []models.Timestamp{firstTime(), lastTime()}
	bounds = append(bounds, &far[0], &far[1])
	for i, after := range bounds {
		s.filtered(users, models.Filter{UpdatedAfter: after})
		for j, before := range bounds { // also inverted ones
			if after == nil || before == nil || (i+j)%3 == 0 {
				s.filtered(users, models.Filter{CreatedAfter: after, CreatedBefore: before})
			}
		}
	}
}

func filterNames(s *subject) {
	users := s.crowded(90, 7)
	for _, name := range spellings() {
		folded := models.FoldName(name)
		for _, asked := range []string{folded, folded + "a", folded + " ", " " + folded, folded[1:] + "x", "x"} {
			if strings.ToValidUTF8(asked, "") == asked {
				s.filtered(users, models.Filter{Name: asked})
			}
		}
	}
}

func filterAddresses(s *subject) {
	var users []models.User
	for i, form := range forms() {
		user := Sample(i)
		user.Email = form[0]
		users = append(users, s.created(user))
	}
	for i, address := range strangers() {
		user := Sample(100 + i)
		user.Email = address
		users = append(users, s.created(user))
	}
	for _, form := range forms() {
		page := s.listed(models.Query{Filter: models.Filter{EmailKey: models.EmailKey(form[1])}, Limit: 2})
		if len(page.Users) != 1 || page.Users[0].Email != form[0] {
			s.Errorf("the users with the address %s are\n%s\nwant the one with %s", form[1], describeUsers(page.Users), form[0])
		}
		s.filtered(users, models.Filter{EmailKey: models.EmailKey(form[0])})
		s.filtered(users, models.Filter{EmailKey: models.EmailKey("x" + form[0])})
		s.filtered(users, models.Filter{EmailKey: models.EmailKey(form[0] + "x")})
	}
	for _, address := range strangers() {
		s.filtered(users, models.Filter{EmailKey: models.EmailKey(address)})
	}
	s.filtered(users, models.Filter{EmailKey: "nobody@example.com"})
	s.filtered(users, models.Filter{EmailKey: "%@example.com"})
}

func filterIDs(s *subject) {
	users := s.crowded(200, 8)
	var there, all []int64
	for _, user := range users {
		there = append(there, user.ID)
	}
	for id := users[0].ID; len(all) < models.MaxIDs; id++ { // deleted ones and ones never given among them
		all = append(all, id)
	}
	for _, ids := range [][]int64{
		there, all, there[:1], there[199:], there[3:7],
		{there[2], there[20], there[180]},
		{there[0], models.MaxID, math.MaxInt64},
		{models.MaxID},
		{1 << 32, 1<<32 + there[5]},
	} {
		s.filtered(users, models.Filter{IDs: ids})
		for _, at := range places(there[1], there[5], there[20]+1) {
			s.shows(users, models.Query{Filter: models.Filter{IDs: ids}, Limit: 2, Position: at, WithTotal: true})
		}
	}
}

func filterJoins(s *subject) {
	users := s.crowded(90, 9)
	at := someTimes()
	var there []int64
	for i, user := range users {
		if i%5 != 0 {
			there = append(there, user.ID)
		}
	}
	conditions := []func(*models.Filter){
		func(f *models.Filter) { f.Search = "a" },
		func(f *models.Filter) { f.Search = "xample.o" },
		func(f *models.Filter) { f.EmailKey = models.EmailKey(users[7].Email) },
		func(f *models.Filter) { f.Name = "ada" },
		func(f *models.Filter) { f.MinAge = 29 },
		func(f *models.Filter) { f.MaxAge = 30 },
		func(f *models.Filter) { f.CreatedAfter = &at[1] },
		func(f *models.Filter) { f.CreatedBefore = &at[5] },
		func(f *models.Filter) { f.UpdatedAfter = &at[2] },
		func(f *models.Filter) { f.IDs = there },
	}
	for which := range 1 << len(conditions) {
		var filter models.Filter
		for i, set := range conditions {
			if which>>i&1 == 1 {
				set(&filter)
			}
		}
		s.shows(users, models.Query{Filter: filter, Limit: models.MaxLimit, WithTotal: true})
	}
}

func filterPages(s *subject) {
	users := s.crowded(60, 10)
	at := someTimes()
	for _, filter := range []models.Filter{
		{Search: "a"},
		{Search: "da"},
		{Search: "ada"},
		{MinAge: 30},
		{MaxAge: 29},
		{CreatedAfter: &at[0], CreatedBefore: &at[5]},
		{UpdatedAfter: &at[2]},
		{Search: "e", MinAge: 1},
		{IDs: []int64{users[1].ID, users[8].ID, users[9].ID, users[30].ID}},
	} {
		for i, order := range singles() {
			query := models.Query{Filter: filter, Order: order, WithTotal: i%2 == 0}
			for skip := range 9 {
				query.Limit, query.Skip = 3+skip%2, int64(4*skip)
				s.shows(users, query)
			}
			query.Skip = math.MaxInt64
			s.shows(users, query)
			query.Skip = 0
			for j, user := range users { // also those whom the filter does not let through
				if j%4 != i%4 {
					continue
				}
				query.Position = models.Position{At: placed(order, user), Inclusive: j%3 == 0, Backward: j%8 < 4}
				s.shows(users, query)
			}
		}
	}
}
