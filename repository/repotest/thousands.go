package repotest

import (
	"fmt"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// answersOverThousands fills the store, moves a part of the users within every index, removes most
// of them, in a row and here and there, and adds others, and asks each time.
func answersOverThousands(s *subject) {
	const many = 3 * models.MaxOperations
	given := throng(many + 500)
	users := s.filled(given[:many])
	s.manyAnswered(users)

	var moved []models.User
	for i := range users {
		if i%4 == 1 {
			like := users[(i*7)%many]
			users[i].Name, users[i].Age, users[i].UpdatedAt = like.Name, like.Age, like.UpdatedAt+1
			users[i].Email = "moved." + users[i].Email
			moved = append(moved, users[i])
		}
	}
	s.batched(repository.Changes{Replace: moved})
	s.manyAnswered(users)

	users = s.kept(users, func(i int) bool { return i < 600 || 1500 <= i && i%2 == 0 || i%31 == 0 })
	users = append(users, s.filled(given[many:])...)
	s.manyAnswered(users)
	users = s.kept(users, func(i int) bool { return i%400 == 7 })
	s.manyAnswered(users)
	users = s.kept(users, func(int) bool { return false })
	s.manyAnswered(users)
}

// throng is a crowd of whom half have much in common and the rest little.
func throng(n int) []models.User {
	users := crowd(n, 15)
	for i := range users {
		user := &users[i]
		if i%8 != 0 { // to fold more than ASCII takes long, and a rule of its own looks at that
			user.Name = fmt.Sprintf("%s %d", []string{"Ada", "ada Lovelace", "_Bob", "Zoe"}[i%4], i%20)
			user.Email = fmt.Sprintf("Member.%d@example.com", i)
		}
		if i%2 == 0 {
			user.Name = fmt.Sprintf("%s %d", user.Name, i%700)
			user.CreatedAt += models.Timestamp(i % 1500)
			user.UpdatedAt += models.Timestamp(i%1100 + 1500)
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

// manyAnswered shows pages of many users: at the ends, at places in between, behind skips, and all in
// a row.
func (s *subject) manyAnswered(users []models.User) {
	s.Helper()
	at := someTimes()
	later := at[2] + 700
	var ids []int64
	for i := 0; i < len(users) && len(ids) < models.MaxIDs; i += 1 + i%5 {
		ids = append(ids, users[i].ID)
	}
	orders := someOrders()
	for i, filter := range []models.Filter{
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{}, // in every order by one key
		{MinAge: 30},
		{MaxAge: 30},
		{MinAge: 30, MaxAge: 30},
		{MinAge: 32, MaxAge: 149},
		{MinAge: 149, MaxAge: 32},
		{CreatedAfter: &at[2]},
		{CreatedAfter: &at[1], CreatedBefore: &later},
		{UpdatedAfter: &later, MinAge: 1},
		{IDs: append(ids, models.MaxID)},
		{Search: "a"},
		{Search: "ad"},
		{Search: "ada"},
		{Search: "lovelace 49"},
		{Search: "moved."},
		{Search: "nobody is called so"},
		{Name: "ada 16"},
		{EmailKey: "member.5@example.com"},
	} {
		query := models.Query{Filter: filter, Order: orders[i%len(orders)]}
		s.pagesAnswered(arranged(users, query), query)
	}
	s.joined(users, models.Query{Order: models.Order{{Key: models.KeyAge, Descending: true}, {Key: models.KeyName}}, Limit: 337})
	s.joined(users, models.Query{Filter: models.Filter{MinAge: 1}, Order: models.Order{{Key: models.KeyName}}, Limit: models.MaxLimit})
}

// pagesAnswered shows pages of a list that is arranged by the query.
func (s *subject) pagesAnswered(list []models.User, query models.Query) {
	s.Helper()
	query.Limit, query.WithTotal = 50, true
	s.answered(query, cut(list, query))
	query.WithTotal = false // once is enough
	places := []models.Position{{Backward: true}}
	if len(list) > 0 {
		first, middle, last := list[0], list[len(list)/2], list[len(list)-1]
		places = append(places,
			models.Position{At: placed(query.Order, first), Inclusive: true, Backward: true},
			models.Position{At: placed(query.Order, middle)},
			models.Position{At: placed(query.Order, middle), Inclusive: true, Backward: true},
			models.Position{At: placed(query.Order, last), Inclusive: true},
		)
	}
	for _, query.Position = range places {
		s.answered(query, cut(list, query))
	}
	query.Skip, query.Position = int64(len(list)/3), models.Position{}
	s.answered(query, cut(list, query))
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
