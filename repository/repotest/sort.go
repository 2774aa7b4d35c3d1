package repotest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"userapi/models"
)

func sortRules() []Rule {
	return []Rule{
		{
			"List sorts by every key in both directions",
			"people look for the newest, the oldest and the next in the alphabet; who is equal stands by ascending id, or pages overlap",
			sortsByKeys,
		},
		{
			"Users without an age come last in either direction",
			"databases differ here, and clients must not notice which one it is",
			sortsUnknownLast,
		},
		{
			"Names and addresses sort by their folded code points",
			"a collation would give every store, and every version of its library, an order of its own",
			sortsFolded,
		},
		{
			"Users whose addresses fold alike stand by ascending id",
			"addresses that differ can fold to one text, and a walk that takes that text for unique loses people",
			sortsAlike,
		},
		{
			"List sorts by several keys, each in its direction",
			"the second key decides where the first is equal, and the third where both are",
			sortsByMore,
		},
		{
			"List answers every position in every order exactly",
			"pages must join without a gap or an overlap where many are equal, and where the age is unknown",
			sortPositions,
		},
		{
			"A position stands by its values, whoever is gone or changed",
			"a walk goes on from where it stood, though its user was deleted or has moved meanwhile",
			sortsBesideNobody,
		},
		{
			"List walks in every order over a changing store without loss or repeat",
			"whoever copies all users by pages must get each that was left alone exactly once",
			sortWalks,
		},
	}
}

func sortsAlike(s *subject) {
	var users []models.User
	for i, domain := range []string{"\u00df\u00df.de", "ss\u00df.de", "\u00dfss.de", "ssss.de"} {
		user := Sample(i)
		user.Email = "a@" + domain
		users = append(users, s.created(user))
	}
	for _, descending := range []bool{false, true} {
		order := models.Order{{Key: models.KeyEmail, Descending: descending}}
		s.shows(users, models.Query{Order: order, Limit: models.MaxLimit})
		for limit := 1; limit <= 3; limit++ {
			s.joined(users, models.Query{Order: order, Limit: limit})
		}
	}
}

func sortsByKeys(s *subject) {
	users := s.crowded(60, 1)
	for _, order := range singles() {
		s.shows(users, models.Query{Order: order, Limit: models.MaxLimit, WithTotal: true})
		for skip := 0; skip <= len(users)+9; skip += 9 {
			s.shows(users, models.Query{Order: order, Limit: 9, Skip: int64(skip)})
		}
	}
}

func sortsUnknownLast(s *subject) {
	var users []models.User
	for i, age := range []models.Age{0, 31, 1, 0, 150, 1, 0, 149} {
		user := Sample(i)
		user.Age = age
		users = append(users, s.created(user))
	}
	for _, order := range []models.Order{
		{{Key: models.KeyAge}},
		{{Key: models.KeyAge, Descending: true}},
		{{Key: models.KeyAge}, {Key: models.KeyID, Descending: true}},
		{{Key: models.KeyAge, Descending: true}, {Key: models.KeyName, Descending: true}},
	} {
		page := s.listed(models.Query{Order: order, Limit: models.MaxLimit})
		for i, user := range page.Users {
			if (user.Age == 0) != (i >= 5) {
				s.Errorf("sorted by %v, the ages are %v, want those that are unknown at the end", order, ages(page.Users))
				break
			}
		}
		s.shows(users, models.Query{Order: order, Limit: models.MaxLimit})
	}
}

func ages(users []models.User) []models.Age {
	all := make([]models.Age, 0, len(users))
	for _, user := range users {
		all = append(all, user.Age)
	}
	return all
}

// alphabet are words in the order of their folded code points. Some are equal, which the order in
// which they stand here decides, as the ids do.
func alphabet() []string {
	return []string{
		"!x", "0", "10", "2", "^a", "_b",
		"Ada", "ADA", "ada", "ada b", "adam",
		"e", "e\u0301", "z\u1e9e", "zss", "z\u00df", "zst", // e, e with an accent of its own, ss in three spellings
		"\u00e0", "\u00c0b", "\u00e9", "\u0131z", // composed letters, dotless i
		"\u03c3\u03b1", "\u03c2\u03b2", "\u03a3\u03b3", // sigmas
		"\u0430", "\u0411",
		"\uff41", "\uff22", "\ufffd", "\U00010428", "\U00010401", "\U0001f469", // UTF-16 has the last three before them
	}
}

func sortsFolded(s *subject) {
	var users []models.User
	words := alphabet()
	for i, at := range rand.New(rand.NewPCG(3, 4)).Perm(len(words)) { // the order of the ids is another one
		user := Sample(i)
		user.Name = words[at]
		if address := words[at] + "@example.com"; isStored(address) {
			user.Email = fmt.Sprintf("%s-%d@example.com", words[at], i)
		}
		users = append(users, s.created(user))
	}
	for _, key := range []models.Key{models.KeyName, models.KeyEmail} {
		for _, descending := range []bool{false, true} {
			order := models.Order{{Key: key, Descending: descending}}
			s.shows(users, models.Query{Order: order, Limit: models.MaxLimit})
		}
	}
}

// isStored says whether an address is in the form in which addresses are stored.
func isStored(address string) bool {
	parsed, err := models.ParseEmail(address)
	return err == nil && parsed == address
}

func sortsByMore(s *subject) {
	users := s.crowded(60, 2)
	for _, order := range doubles() {
		s.shows(users, models.Query{Order: order, Limit: models.MaxLimit})
	}
	for i, order := range triples() {
		if i%7 == 0 {
			s.shows(users, models.Query{Order: order, Limit: models.MaxLimit})
		}
	}
}

// beside shows the pages on both sides of a place.
func (s *subject) beside(users []models.User, order models.Order, at models.User, limit int) {
	s.Helper()
	for _, backward := range []bool{false, true} {
		for _, inclusive := range []bool{false, true} {
			s.shows(users, models.Query{Order: order, Limit: limit, Position: models.Position{
				At: placed(order, at), Inclusive: inclusive, Backward: backward,
			}})
		}
	}
}

func sortPositions(s *subject) {
	users := s.crowded(24, 3)
	for _, order := range someOrders() {
		for i, user := range users {
			s.beside(users, order, user, 1+i%7)
		}
		for _, end := range places() {
			s.shows(users, models.Query{Order: order, Limit: 5, Position: end})
			s.shows(users, models.Query{Order: order, Limit: models.MaxLimit, Position: end})
		}
	}
}

func sortsBesideNobody(s *subject) {
	users := s.crowded(24, 4)
	first := models.User{ID: 1, Name: "!", Email: "!@a.example", Age: 1, CreatedAt: firstTime(), UpdatedAt: firstTime()}
	last := models.User{
		ID: models.MaxID, Name: strings.Repeat("\U0010fffd", 100), Email: "\U0002fa1d@b.example", Age: 150,
		CreatedAt: lastTime(), UpdatedAt: lastTime(),
	}
	for _, order := range someOrders() {
		s.beside(users, order, first, 4)
		s.beside(users, order, last, 4)
		for i := range users {
			nobody := users[i] // between two users who are there: somebody else's values, another id
			nobody.ID = users[(i+7)%len(users)].ID
			s.beside(users, order, nobody, 1+i%5)
		}
	}
	for i := range users {
		then := users[i]
		if i%2 == 0 {
			other := Sample(1000 + i)
			users[i] = s.updated(then.ID, func(user *models.User) {
				user.Name, user.Email, user.Age, user.UpdatedAt = other.Name, other.Email, other.Age, other.UpdatedAt
			})
		} else {
			s.deleted(then.ID)
		}
		now := remaining(users, i)
		for _, order := range singles() {
			s.beside(now, order, then, 3)
		}
	}
}

// remaining are the users of whom those with an odd index up to last are deleted.
func remaining(users []models.User, last int) []models.User {
	var left []models.User
	for i, user := range users {
		if i%2 == 0 || i > last {
			left = append(left, user)
		}
	}
	return left
}
