package repotest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// answersOverThousands fills the store, moves a part of the users within every index, removes most
// of them, in a row and here and there, and adds others, and asks each time.
func answersOverThousands(s *subject) {
	const many = 6 * models.MaxOperations
	given := throng(many + 500)
	ask := &questions{choose: chooser(16), orders: allOrders(), conditions: 2}
	users := s.filled(given[:many])
	s.manyAnswered(ask, users)

	var moved []models.User
	for i := range users {
		if i%7 == 1 {
			like := users[(i*11)%many]
			users[i].Name, users[i].Age, users[i].UpdatedAt = like.Name, like.Age, like.UpdatedAt+1
			users[i].Email = "moved." + users[i].Email
			moved = append(moved, users[i])
		}
	}
	s.batched(repository.Changes{Replace: moved})
	s.manyAnswered(ask, users)

	users = s.kept(users, func(i int) bool { return i < 900 || 3000 <= i && i%2 == 0 || i%31 == 0 })
	users = append(users, s.filled(given[many:])...)
	s.manyAnswered(ask, users)
	users = s.kept(users, func(i int) bool { return i%100 == 7 })
	s.manyAnswered(ask, users)
	users = s.kept(users, func(int) bool { return false })
	s.manyAnswered(ask, users)
}

// chooser returns a choice that is the same for the same seed.
func chooser(seed uint64) func(n int, what string) int {
	random := rand.New(rand.NewPCG(seed, 12))
	return func(n int, _ string) int { return random.IntN(n) }
}

// throng is a crowd of whom most have the same name and age, and the others little in common.
func throng(n int) []models.User {
	users := crowd(n, 15)
	for i := range users {
		user := &users[i]
		if i%8 != 0 { // to fold more than ASCII takes long, and a rule of its own looks at that
			user.Name, user.Age = []string{"Ada Lovelace", "ada lovelace"}[i%2], 30
			user.Email = fmt.Sprintf("Member.%d@example.com", i)
		}
		if i%16 == 3 {
			user.Name, user.Age = fmt.Sprintf("Zoe_%d", i), models.Age(i/16%151)
		}
		if i%3 != 0 || i > 1000 { // most come in the order of their times
			user.CreatedAt = Sample(0).CreatedAt + models.Timestamp(10*i)
			user.UpdatedAt = user.CreatedAt + models.Timestamp(i%3*i)
		}
	}
	return users
}

// kept removes those of the users whose place keep does not name, by as many batches as needed, and
// returns the others.
func (s *subject) kept(users []models.User, keep func(i int) bool) []models.User {
	s.Helper()
	var gone []int64
	var left []models.User
	for i, user := range users {
		if keep(i) {
			left = append(left, user)
		} else {
			gone = append(gone, user.ID)
		}
	}
	for ids := range slices.Chunk(gone, models.MaxOperations) {
		s.batched(repository.Changes{Delete: ids})
	}
	return left
}

// manyAnswered shows pages of many users, by chosen filters and orders, and some lists whole.
func (s *subject) manyAnswered(ask *questions, users []models.User) {
	s.Helper()
	const lists, pages = 80, 4
	ask.users = users
	queries := oneValue(ask.anybody())
	for range lists {
		queries = append(queries, ask.query())
	}
	for n, query := range queries {
		list := arranged(users, query)
		query.WithTotal = true
		for page := range pages {
			query.Limit, query.Skip, query.Position = 1+ask.choose(60, "limit"), 0, models.Position{}
			if page == 1 {
				query.Skip = int64(ask.choose(len(list)+2, "skip"))
			} else if page > 1 {
				query.Position = ask.position(query.Order)
			}
			s.answered(query, cut(list, query))
			query.WithTotal = n%4 == 0 // mostly once is enough
		}
	}
	s.joined(users, models.Query{Order: models.Order{{Key: models.KeyAge, Descending: true}, {Key: models.KeyName}}, Limit: models.MaxLimit})
	s.joined(users, models.Query{Filter: models.Filter{MinAge: 30}, Order: models.Order{{Key: models.KeyName, Descending: true}}, Limit: 370})
}

// oneValue are lists of the many who have one value of one member, from somebody on in the order of
// another member.
func oneValue(from models.User) []models.Query {
	var queries []models.Query
	for _, filter := range []models.Filter{{Name: "ada lovelace"}, {MinAge: 30, MaxAge: 30}} {
		for _, descending := range []bool{false, true} {
			created, updated := filter, filter
			created.CreatedAfter, updated.UpdatedAfter = &from.CreatedAt, &from.UpdatedAt
			queries = append(queries,
				models.Query{Filter: created, Order: models.Order{{Key: models.KeyCreatedAt, Descending: descending}}},
				models.Query{Filter: updated, Order: models.Order{{Key: models.KeyUpdatedAt, Descending: descending}}},
				models.Query{Filter: created, Order: models.Order{{Key: models.KeyID, Descending: descending}}.Normal()},
			)
		}
	}
	return queries
}

// joined complains unless the pages from the start on, and from the end back, join to the whole list.
func (s *subject) joined(users []models.User, query models.Query) {
	s.Helper()
	want := arranged(users, query)
	for _, backward := range []bool{false, true} {
		query.Position = models.Position{Backward: backward}
		var pages [][]models.User
		for goesOn := true; goesOn && len(pages) <= len(users); {
			page := s.listed(query)
			pages = append(pages, page.Users)
			query, goesOn = following(query, page)
		}
		if backward {
			slices.Reverse(pages)
		}
		if got := slices.Concat(pages...); !slices.Equal(got, want) {
			s.Errorf("the pages of List(%s) hold %d users, want %d: all in order", describeQuery(query), len(got), len(want))
		}
	}
}
