package repotest

import (
	"context"
	"errors"
	"math"

	"userapi/models"
)

func deleteRules() []Rule {
	return []Rule{
		{
			"An id that is not there is ErrUserNotFound",
			"a missing user is an answer of its own: neither a failure nor an empty user",
			absentIsNotFound,
		},
		{
			"Delete removes one user for good",
			"a deleted person must appear nowhere again, and the others must stay",
			deleteRemovesOne,
		},
		{
			"Delete frees the address at once",
			"who left may come back",
			deleteFreesAddress,
		},
		{
			"Delete asks allow about the user as it is now",
			"the condition of the client is about what would be removed, not about what was once",
			deleteAsksAllow,
		},
		{
			"Delete returns the error of allow as it is and removes nothing",
			"the service decides in allow, and its decision must reach the client as it was made",
			deleteReturnsTheError,
		},
		{
			"Delete survives a panic of allow",
			"a bug in one request must not hold a lock over all the others",
			deleteSurvivesPanic,
		},
	}
}

func absentIsNotFound(s *subject) {
	users := s.seeded(3)
	s.deleted(users[1].ID)
	for _, id := range []int64{
		0, -1, math.MinInt64, math.MinInt64 + 1, users[1].ID, users[2].ID + 1, 513, 1 << 32, models.MaxID, math.MaxInt64,
	} {
		user, err := s.Get(s.Context(), id)
		s.fails(err, models.ErrUserNotFound, "Get of an absent id")
		if user != (models.User{}) {
			s.Errorf("Get(%d) returned %+v beside its error", id, user)
		}
		_, err = s.Update(s.Context(), id, func(models.User) (models.User, error) {
			s.Errorf("Update(%d) called change without a user", id)
			return Sample(9), nil
		})
		s.fails(err, models.ErrUserNotFound, "Update of an absent id")
		s.fails(s.Delete(s.Context(), id, nil), models.ErrUserNotFound, "Delete of an absent id")
		s.fails(s.Delete(s.Context(), id, func(models.User) error {
			s.Errorf("Delete(%d) asked allow without a user", id)
			return nil
		}), models.ErrUserNotFound, "conditional Delete of an absent id")
	}
	s.holds(users[0], users[2])
}

func deleteRemovesOne(s *subject) {
	users := s.seeded(5)
	for len(users) > 0 {
		middle := len(users) / 2
		gone := users[middle].ID
		users = append(users[:middle:middle], users[middle+1:]...)
		s.deleted(gone)
		s.holds(users...)
		_, err := s.Get(s.Context(), gone)
		s.fails(err, models.ErrUserNotFound, "Get of a deleted user")
		s.fails(s.Delete(s.Context(), gone, nil), models.ErrUserNotFound, "Delete of a deleted user")
		s.shows(users, models.Query{Limit: 2, WithTotal: true})
	}
}

func deleteFreesAddress(s *subject) {
	for i, form := range forms() {
		user := Sample(i)
		for _, address := range form {
			user.Email = address
			s.deleted(s.created(user).ID)
		}
		user.Email = form[0]
		kept := s.created(user)
		s.holds(kept)
		s.deleted(kept.ID)
	}
}

func deleteAsksAllow(s *subject) {
	users := s.seeded(3)
	users[1] = s.updated(users[1].ID, func(user *models.User) { user.Name, user.Version = "Changed", 2 })
	var asked []models.User
	err := s.Delete(s.Context(), users[1].ID, func(user models.User) error {
		asked = append(asked, user)
		return nil
	})
	if err != nil {
		s.Fatalf("Delete: %v", err)
	}
	if len(asked) == 0 {
		s.Errorf("Delete did not ask allow")
	}
	for _, user := range asked {
		if user != users[1] {
			s.Errorf("allow was asked about\n%+v, want\n%+v", user, users[1])
		}
	}
	s.holds(users[0], users[2])
}

func deleteReturnsTheError(s *subject) {
	users := s.seeded(2)
	refusal := errors.New("allow refuses")
	err := s.Delete(s.Context(), users[0].ID, func(models.User) error { return refusal })
	s.refuses(err, refusal, "Delete")
	s.holds(users...)
	_, err = s.Create(s.Context(), Sample(1))
	s.fails(err, models.ErrEmailTaken, "Create with the address of a user whom allow kept")
}

func deleteSurvivesPanic(s *subject) {
	users := s.seeded(2)
	s.survives(Delete,
		func() error {
			return s.Delete(s.Context(), users[0].ID, func(models.User) error { panic("allow panics") })
		},
		func(ctx context.Context) error { return s.Delete(ctx, users[0].ID, nil) },
	)
	s.holds(users[1])
}
