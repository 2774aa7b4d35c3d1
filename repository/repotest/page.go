package repotest

import (
	"fmt"
	"slices"
	"time"

	"userapi/models"
)

// PageOf returns what List answers when a store holds exactly these users, which stand in the order
// of their ids. It is the promise in its plainest form: it copies, counts and searches from the
// start.
func PageOf(users []models.User, query models.Query) models.Page {
	start := int(min(query.Skip, int64(len(users))))
	end := min(start+query.Limit, len(users))
	if at := query.Position; at != nil {
		before := 0 // users on the near side of the position
		for before < len(users) && users[before].ID < at.ID {
			before++
		}
		if at.Backward {
			start, end = max(0, before-query.Limit), before
		} else {
			start = before
			if start < len(users) && users[start].ID == at.ID {
				start++
			}
			end = min(start+query.Limit, len(users))
		}
	}
	page := models.Page{
		Users:  slices.Clone(users[start:end]),
		Before: start > 0,
		More:   end < len(users),
	}
	if query.WithTotal {
		page.Total = int64(len(users))
	}
	return page
}

// Sample returns a valid user without an id, made of n, which is not negative: every n gives
// another name, address and time.
func Sample(n int) models.User {
	at := time.Date(2026, time.January, 2, 15, 4, 5, 678_901_000, time.UTC).Add(time.Duration(n) * 1_000_003 * time.Microsecond)
	return models.User{
		Name:      fmt.Sprintf("Sample %d", n),
		Email:     fmt.Sprintf("Sample.%d@example.com", n),
		Age:       models.Age(n % 151),
		CreatedAt: models.TimestampOf(at),
		UpdatedAt: models.TimestampOf(at),
		Version:   1,
	}
}
