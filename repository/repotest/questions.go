package repotest

import (
	"slices"

	"userapi/models"
)

// questions are random queries about what is in a store, and what was.
type questions struct {
	// choose returns a number below n; what says what for.
	choose func(n int, what string) int
	orders []models.Order
	// users are there; past were there, or others in their place.
	users, past []models.User
}

// anybody chooses a user whom the question is about.
func (q *questions) anybody() models.User {
	n := len(q.users) + len(q.past)
	if n == 0 {
		return Sample(1)
	}
	i := q.choose(n, "who")
	if i < len(q.users) {
		return q.users[i]
	}
	return q.past[i-len(q.users)]
}

// query chooses a filter and an order.
func (q *questions) query() models.Query {
	query := models.Query{Order: q.orders[q.choose(len(q.orders), "order")]}
	for range q.choose(4, "conditions") {
		q.restrict(&query.Filter)
	}
	return query
}

// restrict adds a condition to a filter.
func (q *questions) restrict(f *models.Filter) {
	user := q.anybody()
	near := func(at models.Timestamp) *models.Timestamp {
		at += models.Timestamp(q.choose(3, "near") - 1)
		return &at
	}
	switch q.choose(11, "condition") {
	case 0, 1:
		f.Search = q.needle(user)
	case 2:
		f.Name = models.FoldName(user.Name)
	case 3:
		f.EmailKey = models.EmailKey(user.Email)
	case 4:
		f.MinAge = user.Age
	case 5:
		f.MaxAge = user.Age
	case 6:
		f.MinAge, f.MaxAge = user.Age, user.Age
	case 7:
		f.CreatedAfter = near(user.CreatedAt)
	case 8:
		f.CreatedBefore = near(user.CreatedAt)
	case 9:
		f.UpdatedAfter = near(user.UpdatedAt)
	default:
		f.IDs = []int64{user.ID, models.MaxID}
		for range q.choose(8, "ids") {
			f.IDs = append(f.IDs, q.anybody().ID)
		}
		f.IDs = slices.DeleteFunc(f.IDs, func(id int64) bool { return id == 0 })
		slices.Sort(f.IDs)
		f.IDs = slices.Compact(f.IDs)
	}
}

// needle chooses a part of what is to be found of a user.
func (q *questions) needle(user models.User) string {
	text := models.FoldName([]string{user.Name, user.Email}[q.choose(2, "member")])
	runs := parts(text, 1+q.choose(min(5, len([]rune(text))), "length"))
	return runs[q.choose(len(runs), "part")]
}

// position chooses a place in an order, beside somebody or at an end.
func (q *questions) position(order models.Order) models.Position {
	at := models.Position{Backward: q.choose(2, "backward") == 1}
	if q.choose(5, "place") > 0 {
		at.At, at.Inclusive = placed(order, q.anybody()), q.choose(2, "inclusive") == 1
	}
	if at.At.ID != 0 && q.choose(8, "other") == 7 {
		at.At.ID = max(1, q.anybody().ID)
	}
	return at
}
