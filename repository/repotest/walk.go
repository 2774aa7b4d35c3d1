package repotest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// sortWalks changes the store between the pages of walks in every order: it deletes or moves the user
// at which the walk stands, moves one that may be ahead or behind, and adds one.
func sortWalks(s *subject) {
	for seed, order := range someOrders() {
		for _, backward := range []bool{false, true} {
			start := models.Query{Order: order, Limit: 3, Position: models.Position{Backward: backward}}
			s.walksOverChanges(start, uint64(seed))
			s.emptied()
		}
	}
}

func (s *subject) walksOverChanges(start models.Query, seed uint64) {
	s.Helper()
	users := s.filled(crowd(30, seed))
	newcomers := crowd(60, seed)[30:]
	untouched := make(map[int64]models.User)
	var moving []int64
	for i, user := range users {
		if i%3 == 0 {
			moving = append(moving, user.ID)
		} else {
			untouched[user.ID] = user
		}
	}
	shown := s.walk(start, func(step int, at models.User) {
		delete(untouched, at.ID)
		if step >= len(newcomers) {
			return
		}
		newcomer := s.created(newcomers[step])
		move := func(id int64, prefix string) {
			_, err := s.Update(s.Context(), id, edit(func(user *models.User) {
				user.Name, user.Age, user.UpdatedAt = newcomer.Name, newcomer.Age, user.UpdatedAt+1
				user.Email = prefix + newcomer.Email
			}))
			if err != nil {
				s.fails(err, models.ErrUserNotFound, "Update between pages")
			}
		}
		if step%2 == 0 {
			s.deleted(at.ID)
		} else {
			move(at.ID, "at.")
		}
		move(moving[step%len(moving)], "moved.")
	})
	for id, user := range untouched {
		if got := shown[id]; len(got) != 1 || got[0] != user {
			s.Errorf("the walk from List(%s) showed the untouched user %d %d times: %+v", describeQuery(start), id, len(got), got)
		}
	}
}

// walk follows the pages from the query on to the end, calls between after each with the user at
// which the walk stands, and returns what it was shown by id.
func (s *subject) walk(query models.Query, between func(step int, at models.User)) map[int64][]models.User {
	s.Helper()
	const enough = 100
	shown := make(map[int64][]models.User)
	for step := range enough {
		page := s.listed(query)
		for _, user := range page.Users {
			shown[user.ID] = append(shown[user.ID], user)
		}
		next, goesOn := following(query, page)
		if !goesOn {
			return shown
		}
		if len(page.Users) == 0 {
			s.Fatalf("List(%s) is empty, yet the walk goes on", describeQuery(query))
		}
		query = next
		between(step, query.Position.At)
	}
	s.Fatalf("a walk does not end after %d pages", enough)
	return nil
}

// following returns the query for the next page of a walk, and false when this page was the last.
func following(query models.Query, page models.Page) (models.Query, bool) {
	backward := query.Position.Backward
	if goesOn := page.More && !backward || page.Before && backward; !goesOn || len(page.Users) == 0 {
		return query, goesOn
	}
	at := page.Users[len(page.Users)-1]
	if backward {
		at = page.Users[0]
	}
	query.Skip, query.Position = 0, models.Position{At: placed(query.Order, at), Backward: backward}
	return query, true
}

// walksBesideWriters walks over hundreds of users, of thousands, some of whom writers change, delete,
// create and exchange all the time.
func walksBesideWriters(s *subject) {
	const concerned, others = 500, 4500
	users := crowd(concerned+others, 14)
	for i := concerned; i < len(users); i++ {
		users[i].Age = 0
	}
	filter := models.Filter{MinAge: 1}
	untouched := make(map[int64]models.User)
	var touched []models.User
	for i, user := range s.filled(users)[:concerned] {
		if i%3 == 0 {
			touched = append(touched, user)
		} else if filter.Matches(&user) {
			untouched[user.ID] = user
		}
	}
	walks := concurrentWalks{store: s, filter: filter, untouched: untouched}
	s.besideWrites(s.scrambles(touched), walks.step)
	if walks.ended == 0 {
		s.Errorf("no walk came to its end")
	}
}

// scrambles returns a write that moves one of the users, or two by a batch, or replaces one by
// another person.
func (s *subject) scrambles(users []models.User) func(n int) error {
	random := rand.New(rand.NewPCG(10, 11))
	move := func(n int, user models.User) models.User {
		like := crowd(1, random.Uint64())[0]
		like.ID, like.CreatedAt, like.Email = user.ID, user.CreatedAt, fmt.Sprintf("%d.%s", n, like.Email)
		return like
	}
	return func(n int) error {
		i, j := random.IntN(len(users)), random.IntN(len(users)-1)
		if j >= i {
			j++
		}
		var err error
		switch n % 3 {
		case 0:
			users[i] = move(n, users[i])
			_, err = s.Update(s.Context(), users[i].ID, edit(func(user *models.User) { *user = users[i] }))
		case 1:
			users[i], users[j] = move(n, users[i]), move(n, users[j])
			users[j].Email = "other." + users[j].Email
			err = s.Batch(s.Context(), identified(repository.Changes{Replace: []models.User{users[i], users[j]}}, nil))
		default:
			if err = s.Delete(s.Context(), users[i].ID, nil); err == nil {
				users[i], err = s.Create(s.Context(), move(n, models.User{CreatedAt: users[i].CreatedAt}))
			}
		}
		return err
	}
}

// concurrentWalks walks again and again, each time in another order or the other direction, and
// judges each walk when it ends.
type concurrentWalks struct {
	store     *subject
	filter    models.Filter
	untouched map[int64]models.User

	walk, ended int
	query       models.Query
	shown       map[int64]int
}

// step lists the next page. It returns false after a complaint.
func (w *concurrentWalks) step(n int) bool {
	s := w.store
	if w.shown == nil {
		orders := someOrders()
		w.shown = make(map[int64]int)
		w.query = models.Query{
			Filter: w.filter, Order: orders[w.walk*7%len(orders)], Limit: 20 + w.walk%3,
			Position: models.Position{Backward: w.walk%2 == 1}, WithTotal: n%2 == 0,
		}
		w.walk++
	}
	page, err := s.List(s.Context(), w.query)
	if err != nil {
		s.Errorf("List beside writers: %v", err)
		return false
	}
	if !slices.Equal(arranged(page.Users, w.query), page.Users) {
		s.Errorf("List(%s) is not in order, or shows whom it should not:\n%s", describeQuery(w.query), describeUsers(page.Users))
		return false
	}
	for _, user := range page.Users {
		w.shown[user.ID]++
		if was, ok := w.untouched[user.ID]; ok && was != user {
			s.Errorf("List shows the untouched user\n%+v as\n%+v", was, user)
			return false
		}
	}
	next, goesOn := following(w.query, page)
	if w.query = next; goesOn && len(page.Users) > 0 {
		return true
	}
	return w.judge()
}

// judge ends a walk.
func (w *concurrentWalks) judge() bool {
	for id, user := range w.untouched {
		if n := w.shown[id]; n != 1 {
			w.store.Errorf("the walk by List(%s) showed the untouched user %+v %d times", describeQuery(w.query), user, n)
			return false
		}
	}
	w.shown = nil
	w.ended++
	return true
}
