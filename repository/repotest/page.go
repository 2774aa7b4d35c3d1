package repotest

import (
	"fmt"
	"slices"
	"time"

	"userapi/models"
)

// PageOf returns what List answers when a store holds exactly these users, given in any order. It is
// the promise in its plainest form: it filters, sorts, counts and searches from the start.
func PageOf(users []models.User, query models.Query) models.Page {
	return cut(arranged(users, query), query)
}

// arranged returns those of the users that the filter of the query lets through, in its order.
func arranged(users []models.User, query models.Query) []models.User {
	list := make([]models.User, 0, len(users))
	for _, user := range users {
		if query.Filter.Matches(&user) {
			list = append(list, user)
		}
	}
	slices.SortFunc(list, func(a, b models.User) int { return query.Order.Compare(&a, &b) })
	return list
}

// cut returns the page of an arranged list that the query asks for.
func cut(list []models.User, query models.Query) models.Page {
	start := int(min(query.Skip, int64(len(list))))
	for start < len(list) && !query.Position.Backward && !query.Position.Admits(query.Order, &list[start]) {
		start++
	}
	end := min(start+query.Limit, len(list))
	if query.Position.Backward {
		end = len(list)
		for end > 0 && !query.Position.Admits(query.Order, &list[end-1]) {
			end--
		}
		start = max(0, end-query.Limit)
	}
	page := models.Page{
		Users:  append([]models.User{}, list[start:end]...),
		Before: start > 0,
		More:   end < len(list),
	}
	if query.WithTotal {
		page.Total = int64(len(list))
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
