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
	after := func(id int64) *models.Position { return &models.Position{ID: id} }
	ahead := func(id int64) *models.Position { return &models.Position{ID: id, Backward: true} }
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
		{"ahead of a user", models.Query{Limit: 2, Position: ahead(8)}, []int64{3, 5}, true, true},
		{"ahead of a gap", models.Query{Limit: 2, Position: ahead(4)}, []int64{2, 3}, false, true},
		{"ahead of the first", models.Query{Limit: 2, Position: ahead(2)}, nil, false, true},
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
}
