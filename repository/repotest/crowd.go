package repotest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"userapi/models"
	"userapi/repository"
)

// spellings are names that some collation sorts, folds or searches otherwise than code points do.
func spellings() []string {
	return []string{
		"Ada", "ada", "ADA", "Ada Lovelace", "ada lovelace",
		"Bob", "_Bob", "Bob_", "bob", "^Bob", // the marks between Z and a
		"Zo\u00eb", "zoe", "ZO\u00cb", "Zoe\u0308", // composed or not
		"Stra\u00dfe", "STRASSE", "strasse", "Stra\u1e9ee", // sharp s, small and capital
		"\u00e4rger", "arger", "zebra",
		"\u0410\u0434\u0430", "\u0430\u0434\u0430", // Cyrillic
		"\uff21da", "\U0001f469\u200d\U0001f52c", "\U00010400da", // above and below the surrogates of UTF-16
		"\u039f\u0394\u038c\u03a3", "\u03bf\u03b4\u03cc\u03c2", // final sigma
		"\u212aelvin", "Kelvin", "\u0130stanbul", "istanbul", "\u0131stanbul", // Kelvin sign, dotted, dotless
		"\ufb01nn", "Finn", // a ligature
		"\u13a0\u13a1", "\uab70\uab71", // Cherokee, whose folding goes to the capitals
		"O'Neil %_\\", "2", "10",
	}
}

// crowd returns users without ids who have much in common: few names, ages and times, so that every
// order has ties that the next key or the id must break, and every filter lets some of them through.
// A seed always gives the same crowd; no two crowds go into one store.
func crowd(n int, seed uint64) []models.User {
	random := rand.New(rand.NewPCG(seed, 5))
	domains := []string{"example.com", "b\u00fccher.example", "mail.example.org"}
	users := make([]models.User, 0, n)
	for i := range n {
		user := models.User{
			Name:      oneOf(random, spellings()),
			Email:     fmt.Sprintf("%s.%d@%s", oneOf(random, locals()), i, oneOf(random, domains)),
			Age:       oneOf(random, []models.Age{0, 0, 1, 29, 30, 30, 31, 150}),
			CreatedAt: oneOf(random, someTimes()),
			Version:   1,
		}
		user.UpdatedAt = max(user.CreatedAt, oneOf(random, someTimes()))
		users = append(users, user)
	}
	return users
}

func locals() []string {
	return []string{"ada", "ADA", "Zoe", "zo\u00eb", "stra\u00dfe", "STRASSE", "_x", "\u0430\u0434\u0430", "o'neil%_", "x"}
}

// someTimes are times, some of them a microsecond apart.
func someTimes() []models.Timestamp {
	at := Sample(0).CreatedAt
	const day = 24 * 60 * 60 * 1_000_000
	return []models.Timestamp{at - 366*day, at - 1, at, at + 1, at + 2, at + day, at + 400*day}
}

func oneOf[E any](random *rand.Rand, from []E) E { return from[random.IntN(len(from))] }

// crowded fills the store with a crowd in which ids are missing, and returns who is left.
func (s *subject) crowded(n int, seed uint64) []models.User {
	s.Helper()
	all := s.filled(crowd(n+n/6, seed))
	var gone []int64
	for i := 3; i < len(all) && len(all)-len(gone) > n; i += 6 {
		gone = append(gone, all[i].ID)
	}
	s.batched(repository.Changes{Delete: gone})
	return slices.DeleteFunc(all, func(user models.User) bool { return slices.Contains(gone, user.ID) })
}

// emptied removes all users.
func (s *subject) emptied() {
	s.Helper()
	for {
		page := s.listed(models.Query{Limit: models.MaxLimit})
		if len(page.Users) == 0 {
			return
		}
		var ids []int64
		for _, user := range page.Users {
			ids = append(ids, user.ID)
		}
		s.batched(repository.Changes{Delete: ids})
	}
}

// placed is a user as a position holds it: the id and those members that are keys of the order.
func placed(order models.Order, user models.User) models.User {
	at := models.User{ID: user.ID}
	for _, by := range order {
		switch by.Key {
		case models.KeyID:
		case models.KeyName:
			at.Name = user.Name
		case models.KeyEmail:
			at.Email = user.Email
		case models.KeyAge:
			at.Age = user.Age
		case models.KeyCreatedAt:
			at.CreatedAt = user.CreatedAt
		case models.KeyUpdatedAt:
			at.UpdatedAt = user.UpdatedAt
		}
	}
	return at
}

// singles are the orders by one key, in both directions.
func singles() []models.Order {
	var orders []models.Order
	for key := range models.Key(len(models.SortKeys())) {
		for _, descending := range []bool{false, true} {
			orders = append(orders, models.Order{{Key: key, Descending: descending}}.Normal())
		}
	}
	return orders
}

// doubles are the orders by two keys.
func doubles() []models.Order { return combined(singles()) }

// triples are the orders by three keys.
func triples() []models.Order { return combined(doubles()) }

// combined are the orders by the keys of one of these and one key more.
func combined(orders []models.Order) []models.Order {
	var longer []models.Order
	for _, order := range orders {
		for _, more := range singles() {
			if len(order) == 0 || len(more) == 0 || sortsBy(order, models.KeyID) || sortsBy(order, more[0].Key) {
				continue
			}
			longer = append(longer, slices.Concat(order, more))
		}
	}
	return longer
}

func sortsBy(order models.Order, key models.Key) bool {
	return slices.ContainsFunc(order, func(by models.Sort) bool { return by.Key == key })
}

// someOrders are orders by one, two and three keys, few enough to try much with each.
func someOrders() []models.Order {
	orders := singles()
	for i, order := range doubles() {
		if i%13 == 0 {
			orders = append(orders, order)
		}
	}
	for i, order := range triples() {
		if i%97 == 0 {
			orders = append(orders, order)
		}
	}
	return orders
}
