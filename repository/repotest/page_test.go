package repotest_test

import (
	"math"
	"slices"
	"testing"

	"userapi/models"
	"userapi/repository/repotest"
)

func TestPageOf(t *testing.T) {
	var users []models.User
	for _, id := range []int64{2, 3, 5, 8} {
		users = append(users, models.User{ID: id})
	}
	slices.Reverse(users) // they may be given in any order
	after := func(id int64) models.Position { return models.Position{At: models.User{ID: id}} }
	ahead := func(id int64) models.Position { return models.Position{At: models.User{ID: id}, Backward: true} }
	with := func(at models.Position) models.Position {
		at.Inclusive = true
		return at
	}
	for _, c := range []struct {
		name         string
		query        models.Query
		ids          []int64
		before, more bool
	}{
		{"the first page", models.Query{Limit: 2}, []int64{2, 3}, false, true},
		{"the last page, full", models.Query{Limit: 2, Skip: 2}, []int64{5, 8}, true, false},
		{"the last page, not full", models.Query{Limit: 3, Skip: 2}, []int64{5, 8}, true, false},
		{"all", models.Query{Limit: 4}, []int64{2, 3, 5, 8}, false, false},
		{"past the end", models.Query{Limit: 2, Skip: 4}, nil, true, false},
		{"far past the end", models.Query{Limit: 2, Skip: math.MaxInt64}, nil, true, false},
		{"after a user", models.Query{Limit: 1, Position: after(3)}, []int64{5}, true, true},
		{"after a gap", models.Query{Limit: 1, Position: after(4)}, []int64{5}, true, true},
		{"after the last", models.Query{Limit: 1, Position: after(8)}, nil, true, false},
		{"after nobody", models.Query{Limit: 1, Position: after(0)}, []int64{2}, false, true},
		{"with a user and after it", models.Query{Limit: 2, Position: with(after(3))}, []int64{3, 5}, true, true},
		{"with a gap", models.Query{Limit: 2, Position: with(after(4))}, []int64{5, 8}, true, false},
		{"ahead of a user", models.Query{Limit: 2, Position: ahead(8)}, []int64{3, 5}, true, true},
		{"ahead of a gap", models.Query{Limit: 2, Position: ahead(4)}, []int64{2, 3}, false, true},
		{"ahead of the first", models.Query{Limit: 2, Position: ahead(2)}, nil, false, true},
		{"ahead of a user and with it", models.Query{Limit: 2, Position: with(ahead(8))}, []int64{5, 8}, true, false},
		{"ahead of nobody", models.Query{Limit: 3, Position: ahead(0)}, []int64{3, 5, 8}, true, false},
		{"ahead of the end", models.Query{Limit: 9, Position: ahead(99)}, []int64{2, 3, 5, 8}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := repotest.PageOf(users, c.query)
			var ids []int64
			for _, user := range page.Users {
				ids = append(ids, user.ID)
			}
			if !slices.Equal(ids, c.ids) || page.Before != c.before || page.More != c.more || page.Total != 0 {
				t.Errorf("got ids %v, before %t, more %t, total %d; want %v, %t, %t, 0",
					ids, page.Before, page.More, page.Total, c.ids, c.before, c.more)
			}
		})
	}
	t.Run("filters, sorts and counts", func(t *testing.T) {
		users := []models.User{
			{ID: 1, Name: "Zoe", Age: 30},
			{ID: 2, Name: "ada", Age: 0},
			{ID: 3, Name: "Bob", Age: 31},
			{ID: 4, Name: "ADA", Age: 30},
			{ID: 5, Name: "Stra\u00dfe", Email: "x@example.com", Age: 1},
		}
		downwards := models.Order{{Key: models.KeyAge, Descending: true}}
		byName := models.Order{{Key: models.KeyName}}
		ada := models.User{ID: 2, Name: "ada"}
		for _, c := range []struct {
			name  string
			query models.Query
			ids   []int64
			total int64
		}{
			{"unknown ages last", models.Query{Limit: 9, Order: downwards}, []int64{3, 1, 4, 5, 2}, 5},
			{"ties by id", models.Query{Limit: 9, Order: byName}, []int64{2, 4, 3, 5, 1}, 5},
			{"a filter before the skip", models.Query{Limit: 2, Skip: 1, Filter: models.Filter{MinAge: 30}}, []int64{3, 4}, 3},
			{"a filter and a place", models.Query{Limit: 9, Order: byName, Filter: models.Filter{MinAge: 30}, Position: models.Position{At: ada}}, []int64{4, 3, 1}, 3},
			{"a search in name and address", models.Query{Limit: 9, Filter: models.Filter{Search: "asse"}}, []int64{5}, 1},
			{"a search for nobody", models.Query{Limit: 9, Filter: models.Filter{Search: "ex"}, Skip: 1}, nil, 1},
		} {
			c.query.WithTotal = true
			page := repotest.PageOf(users, c.query)
			var ids []int64
			for _, user := range page.Users {
				ids = append(ids, user.ID)
			}
			if !slices.Equal(ids, c.ids) || page.Total != c.total || page.Users == nil {
				t.Errorf("%s: got ids %v of %d, want %v of %d", c.name, ids, page.Total, c.ids, c.total)
			}
		}
	})
	t.Run("leaves the users as they are given", func(t *testing.T) {
		users := []models.User{{ID: 2}, {ID: 1}}
		repotest.PageOf(users, models.Query{Limit: 1}).Users[0].Name = "Changed"
		if want := []models.User{{ID: 2}, {ID: 1}}; !slices.Equal(users, want) {
			t.Errorf("PageOf made of the users %v", users)
		}
	})
}
