package repotest

import (
	"slices"

	"userapi/models"
)

// questions are random queries about what is in a store, and what was.
type questions struct {
	// choose returns a number below n; what says what for.
	choose func(n int, what string) int
	// orders are those by no key, by one, by two and so on.
	orders [][]models.Order
	// conditions is how many a filter has at most.
	conditions int
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

// allOrders are the orders of which questions choose.
func allOrders() [][]models.Order {
	return [][]models.Order{{nil}, singles(), doubles(), triples()}
}

// query chooses a filter and an order, often by a member that the filter is about.
func (q *questions) query() models.Query {
	var query models.Query
	for range q.choose(q.conditions+1, "conditions") {
		q.restrict(&query.Filter)
	}
	if keys := keysOf(&query.Filter); len(keys) > 0 && q.choose(3, "alike") == 2 {
		by := models.Sort{Key: keys[q.choose(len(keys), "key")], Descending: q.choose(2, "descending") == 1}
		query.Order = models.Order{by}.Normal()
		return query
	}
	orders := q.orders[q.choose(len(q.orders), "keys")]
	query.Order = orders[q.choose(len(orders), "order")]
	return query
}

// keysOf returns the members that a filter is about, and by which lists are sorted.
func keysOf(f *models.Filter) []models.Key {
	var keys []models.Key
	for key, given := range map[models.Key]bool{
		models.KeyID:        f.IDs != nil,
		models.KeyName:      f.Name != "",
		models.KeyEmail:     f.EmailKey != "",
		models.KeyAge:       f.MinAge != 0 || f.MaxAge != 0,
		models.KeyCreatedAt: f.CreatedAfter != nil || f.CreatedBefore != nil,
		models.KeyUpdatedAt: f.UpdatedAfter != nil,
	} {
		if given {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
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
