package repotest

import (
	"context"
	"errors"
	"time"

	"userapi/models"
)

func updateRules() []Rule {
	return []Rule{
		{
			"Update stores what change makes of the user as it is now",
			"a change computed from an older state would undo what came between",
			updateStoresTheChange,
		},
		{
			"Update keeps the id and the time of creation",
			"they are set once; a change that could move them could overwrite another user",
			updateKeepsIdentity,
		},
		{
			"Update returns the error of change as it is and writes nothing",
			"the service decides in change, and its decision must reach the client as it was made",
			updateReturnsTheError,
		},
		{
			"Update writes nothing when nothing changes",
			"a retry of the same request must leave the version alone, or every ETag in the world goes stale",
			updateSkipsNoChange,
		},
		{
			"Update refuses a taken address and writes nothing",
			"half a change is worse than none",
			updateRefusesTakenAddress,
		},
		{
			"Update takes the user's own address in another form",
			"that is a change and not a clash: people mend the letter case of their address",
			updateTakesOwnAddress,
		},
		{
			"Update frees the address that it replaces",
			"the next owner of a mailbox must be able to sign up",
			updateFreesAddress,
		},
		{
			"Update survives a panic of change",
			"a bug in one request must not hold a lock over all the others",
			updateSurvivesPanic,
		},
	}
}

func updateStoresTheChange(s *subject) {
	users := s.seeded(3)
	for i, vary := range variants() {
		before := s.got(users[1].ID)
		want := before
		vary(&want)
		want.CreatedAt = before.CreatedAt
		var seen models.User
		got, err := s.Update(s.Context(), before.ID, func(user models.User) (models.User, error) {
			seen = user
			return want, nil
		})
		if err != nil {
			s.Fatalf("Update %d: %v", i, err)
		}
		if seen != before {
			s.Errorf("change was given\n%+v, want\n%+v", seen, before)
		}
		if got != want {
			s.Errorf("Update returned\n%+v, want\n%+v", got, want)
		}
		s.holds(users[0], want, users[2])
	}
}

func updateKeepsIdentity(s *subject) {
	users := s.seeded(3)
	want := users[1]
	want.Name = "Changed"
	got := s.updated(want.ID, func(user *models.User) {
		user.Name = want.Name
		user.ID = users[2].ID
		user.CreatedAt += 5
	})
	if got != want {
		s.Errorf("Update returned\n%+v, want\n%+v", got, want)
	}
	s.holds(users[0], want, users[2])
}

func updateReturnsTheError(s *subject) {
	users := s.seeded(2)
	refusal := errors.New("change refuses")
	_, err := s.Update(s.Context(), users[0].ID, func(user models.User) (models.User, error) {
		user.Name, user.Email = "Refused", Sample(7).Email
		return user, refusal
	})
	s.refuses(err, refusal, "Update")
	s.holds(users...)
	s.created(Sample(7)) // the address of the refused change is free
}

func updateSkipsNoChange(s *subject) {
	users := s.seeded(2)
	changes := map[string]func(*models.User){
		"nothing":                   func(*models.User) {},
		"only what Update keeps":    func(user *models.User) { user.ID, user.CreatedAt = 99, user.CreatedAt+1 },
		"a member to what it is":    func(user *models.User) { user.Name = users[0].Name },
		"a member there and back":   func(user *models.User) { user.Age++; user.Age-- },
		"the address to what it is": func(user *models.User) { user.Email = users[0].Email },
	}
	for what, change := range changes {
		if got := s.updated(users[0].ID, change); got != users[0] {
			s.Errorf("Update that changes %s returned\n%+v, want\n%+v", what, got, users[0])
		}
		s.holds(users...)
	}
}

func updateRefusesTakenAddress(s *subject) {
	for i, form := range forms() {
		holder, other := Sample(2*i), Sample(2*i+1)
		holder.Email = form[0]
		holder, other = s.created(holder), s.created(other)
		for _, taken := range form {
			_, err := s.Update(s.Context(), other.ID, edit(func(user *models.User) {
				user.Name, user.Email, user.Version = "Half", taken, user.Version+1
			}))
			s.fails(err, models.ErrEmailTaken, "Update to "+taken+" beside "+form[0])
		}
		s.holds(holder, other)
		s.deleted(holder.ID, other.ID)
	}
}

func updateTakesOwnAddress(s *subject) {
	for i, form := range forms() {
		user := Sample(i)
		user.Email = form[0]
		want := s.created(user)
		for _, own := range []string{form[1], form[0]} {
			want.Email = own
			got, err := s.Update(s.Context(), want.ID, edit(func(user *models.User) { user.Email = own }))
			if err != nil {
				s.Fatalf("Update of %s to %s: %v", form[0], own, err)
			}
			if got != want {
				s.Errorf("Update returned\n%+v, want\n%+v", got, want)
			}
			s.holds(want)
		}
		s.deleted(want.ID)
	}
}

func updateFreesAddress(s *subject) {
	first := s.created(Sample(1))
	moved := s.updated(first.ID, func(user *models.User) { user.Email = Sample(2).Email })
	second := s.created(Sample(1))
	_, err := s.Create(s.Context(), Sample(2))
	s.fails(err, models.ErrEmailTaken, "Create with the address that Update gave")
	s.holds(moved, second)

	// Through a third address the two can change places.
	s.updated(moved.ID, func(user *models.User) { user.Email = Sample(3).Email })
	second = s.updated(second.ID, func(user *models.User) { user.Email = Sample(2).Email })
	moved = s.updated(moved.ID, func(user *models.User) { user.Email = Sample(1).Email })
	s.holds(moved, second)
}

// patience is how long a rule waits for a store that may never answer.
const patience = 10 * time.Second

func updateSurvivesPanic(s *subject) {
	users := s.seeded(2)
	s.survives(Update,
		func() error {
			_, err := s.Update(s.Context(), users[0].ID, func(models.User) (models.User, error) {
				panic("change panics")
			})
			return err
		},
		func(ctx context.Context) error {
			_, err := s.Update(ctx, users[0].ID, edit(func(user *models.User) { user.Name = "After" }))
			return err
		},
	)
	users[0].Name = "After"
	s.holds(users...)
}

// survives complains when the store swallows the panic of a function that it calls, or when the same
// method does not work afterwards.
func (s *subject) survives(method Method, panics func() error, again func(ctx context.Context) error) {
	s.Helper()
	func() {
		var err error
		defer func() {
			if recover() == nil && err == nil {
				s.Errorf("%s swallowed a panic and reported success", method)
			}
		}()
		err = panics()
	}()

	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- again(ctx) }()
	select {
	case err := <-result:
		if err != nil {
			s.Errorf("%s after a panic: %v", method, err)
		}
	case <-ctx.Done():
		s.Fatalf("%s after a panic does not return", method)
	}
}
