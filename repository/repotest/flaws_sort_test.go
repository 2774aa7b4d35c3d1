package repotest_test

import (
	"context"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"unicode/utf16"

	"userapi/models"
	"userapi/repository"
)

type compare = func(order models.Order, a, b *models.User) int

// disguised compares users as if they were others.
func disguised(as func(user models.User) models.User) compare {
	return func(order models.Order, a, b *models.User) int {
		x, y := as(*a), as(*b)
		return order.Compare(&x, &y)
	}
}

// reordered compares by another order.
func reordered(as func(order models.Order) models.Order) compare {
	return func(order models.Order, a, b *models.User) int {
		if len(order) > 0 {
			order = as(slices.Clone(order))
		}
		return order.Compare(a, b)
	}
}

// spelt compares names and addresses by the octets of what spell makes of them.
func spelt(spell func(text string) string) compare {
	return disguised(func(user models.User) models.User {
		user.Name = hex.EncodeToString([]byte(spell(user.Name)))
		user.Email = hex.EncodeToString([]byte(spell(user.Email)))
		return user
	})
}

// sorting returns the maker of a store that sorts, and finds places, by another comparison.
func sorting(by compare) func() repository.UserRepository {
	return sketched(func(s *sketch) { s.compare, s.stands = by, by })
}

// standing returns the maker of a store that sorts rightly, and finds places by another comparison.
func standing(by compare) func() repository.UserRepository {
	return sketched(func(s *sketch) { s.stands = by })
}

func sortFlaws() []flaw {
	keys := "List sorts by every key in both directions"
	last := "Users without an age come last in either direction"
	folded := "Names and addresses sort by their folded code points"
	more := "List sorts by several keys, each in its direction"
	random := "Whatever was changed, List answers as the plainest list does"
	return []flaw{
		{"knows no order but that of the ids", sorting(reordered(func(models.Order) models.Order { return nil })), []string{keys, last, folded, more}},
		{
			"turns the order of the ids when it sorts downwards",
			sorting(reordered(func(order models.Order) models.Order {
				return append(order, models.Sort{Key: models.KeyID, Descending: order[len(order)-1].Descending})
			})),
			[]string{keys, random},
		},
		{
			"has unknown ages first when it sorts upwards",
			sorting(disguised(func(user models.User) models.User { user.Age++; return user })),
			[]string{last, keys},
		},
		{
			"has unknown ages first when it sorts downwards",
			sorting(disguised(func(user models.User) models.User {
				if user.Age == 0 {
					user.Age = 200
				}
				return user
			})),
			[]string{last, keys},
		},
		{"sorts texts as they were typed", sorting(spelt(strings.Clone)), []string{folded}},
		{"sorts texts in upper case", sorting(spelt(strings.ToUpper)), []string{folded}},
		{"sorts texts in lower case", sorting(spelt(strings.ToLower)), []string{folded}},
		{
			"sorts texts without their accents",
			sorting(spelt(func(text string) string {
				return strings.NewReplacer("\u00e0", "a", "\u00e9", "e", "\u0301", "").Replace(models.FoldName(text))
			})),
			[]string{folded},
		},
		{
			"sorts texts by the units of UTF-16",
			sorting(spelt(func(text string) string {
				var octets []byte
				for _, unit := range utf16.Encode([]rune(models.FoldName(text))) {
					octets = append(octets, byte(unit>>8), byte(unit))
				}
				return string(octets)
			})),
			[]string{folded},
		},
		{
			"sorts by the first key alone",
			sorting(reordered(func(order models.Order) models.Order { return order[:1] })),
			[]string{more, random},
		},
		{
			"sorts by two keys at most",
			sorting(reordered(func(order models.Order) models.Order { return order[:min(2, len(order))] })),
			[]string{more},
		},
		{
			"sorts by all keys in the direction of the first",
			sorting(reordered(func(order models.Order) models.Order {
				for i := range order {
					order[i].Descending = order[0].Descending
				}
				return order
			})),
			[]string{more},
		},
		{
			"takes folded addresses for unique", sorting(func(order models.Order, a, b *models.User) int {
				if len(order) > 0 && order[0].Key == models.KeyEmail && models.CompareFolded(a.Email, b.Email) == 0 {
					return int(b.ID - a.ID)
				}
				return order.Compare(a, b)
			}),
			[]string{"Users whose addresses fold alike stand by ascending id"},
		},
		{
			"sorts by the age at first", sketched(func(s *sketch) { s.compare = atFirst(); s.stands = s.compare }),
			[]string{"Every filter and order goes by what is stored now", random},
		},
	}
}

// atFirst compares users by the age with which they were first seen.
func atFirst() compare {
	first := make(map[int64]models.Age)
	return disguised(func(user models.User) models.User {
		if _, ok := first[user.ID]; !ok {
			first[user.ID] = user.Age
		}
		user.Age = first[user.ID]
		return user
	})
}

func placeFlaws() []flaw {
	positions := "List answers every position in every order exactly"
	gone := "A position stands by its values, whoever is gone or changed"
	walks := "List walks in every order over a changing store without loss or repeat"
	random := "Whatever was changed, List answers as the plainest list does"
	return []flaw{
		{
			"compares places as rows, whatever the directions",
			standing(reordered(func(order models.Order) models.Order {
				for i := range order {
					order[i].Descending = false
				}
				return order
			})),
			[]string{positions, walks, random},
		},
		{
			"takes an unknown age of a place for none at all",
			standing(disguised(func(user models.User) models.User { user.Age++; return user })),
			[]string{positions, walks},
		},
		{
			"forgets the id in a place",
			standing(func(order models.Order, user, place *models.User) int {
				same := *place
				same.ID = user.ID
				return order.Compare(user, &same)
			}),
			[]string{positions, walks, random},
		},
		{
			"looks at members of a place that are no keys",
			standing(func(order models.Order, user, place *models.User) int {
				if len(order) == 1 {
					order = append(slices.Clone(order), models.Sort{Key: models.KeyEmail})
				}
				return order.Compare(user, place)
			}),
			[]string{positions},
		},
		{
			"never lets the user at the place in",
			asking(func(_ *sketch, query models.Query) models.Query {
				query.Position.Inclusive = false
				return query
			}),
			[]string{positions, "List answers every position in both directions exactly"},
		},
		{
			"lets the user at the place in when it goes back",
			asking(func(_ *sketch, query models.Query) models.Query {
				query.Position.Inclusive = query.Position.Inclusive || query.Position.Backward
				return query
			}),
			[]string{positions, random},
		},
		{"takes the end of the list for its start", asking(startsAtEnd), []string{positions, "List answers every position in both directions exactly", walks}},
		{"goes on from where the user stands now", asking(standsNow), []string{gone, walks}},
		{"starts again at a place whose user is gone", asking(startsAgain), []string{gone, walks}},
		{"turns a place into a number of users", breaking(turnsIntoSkip), []string{"Walks beside writers show every untouched user exactly once"}},
	}
}

func startsAtEnd(_ *sketch, query models.Query) models.Query {
	if query.Position.At.ID == 0 {
		query.Position = models.Position{}
	}
	return query
}

func standsNow(good *sketch, query models.Query) models.Query {
	if user, err := good.read(query.Position.At.ID); err == nil {
		query.Position.At = user
	}
	return query
}

// turnsIntoSkip counts the users ahead of a place in one step, and passes them over in another.
func turnsIntoSkip(b *broken, good *sketch) {
	b.list = func(ctx context.Context, query models.Query) (models.Page, error) {
		if query.Position.At.ID == 0 || query.Position.Backward {
			return good.List(ctx, query)
		}
		ahead := query
		ahead.Position.Backward, ahead.Position.Inclusive, ahead.Limit = true, !query.Position.Inclusive, models.MaxLimit
		page, err := good.List(ctx, ahead)
		if err != nil {
			return page, err
		}
		for range 3 {
			runtime.Gosched()
		}
		query.Position, query.Skip = models.Position{}, int64(len(page.Users))
		return good.List(ctx, query)
	}
}
