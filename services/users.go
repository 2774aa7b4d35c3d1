// Package services holds the rules: what happens when a user is created, changed, found or deleted,
// alone or in a batch, and when a request is sent again.
//
// It owns decisions, times and versions. It refuses transport and storage: it takes a
// context.Context and valid input, speaks in models, and goes through the repository interfaces. The
// handlers use it.
package services

import (
	"context"
	"time"

	"userapi/models"
	"userapi/repository"
)

// Users is the service for user records. It is safe for concurrent use when its clock is.
type Users struct {
	users repository.UserRepository
	now   func() time.Time
}

// NewUsers returns a service over the repository, which stays the caller's to close. now is the
// clock from which records get their times.
func NewUsers(users repository.UserRepository, now func() time.Time) *Users {
	return &Users{users: users, now: now}
}

// Create stores a new user made of a valid, normalised input. It returns models.ErrEmailTaken when
// another user has the address.
func (s *Users) Create(ctx context.Context, input models.UserInput) (models.User, error) {
	return s.users.Create(ctx, s.newUser(&input))
}

// Get returns one user, or models.ErrUserNotFound.
func (s *Users) Get(ctx context.Context, id int64) (models.User, error) {
	return s.users.Get(ctx, id)
}

// GetByEmail returns the user who has the address, letter case ignored, or models.ErrUserNotFound:
// also for what is not an address at all.
func (s *Users) GetByEmail(ctx context.Context, email string) (models.User, error) {
	address, err := models.ParseEmail(models.Trim(email))
	if err != nil {
		return models.User{}, models.ErrUserNotFound
	}
	page, err := s.users.List(ctx, models.Query{Filter: models.Filter{EmailKey: models.EmailKey(address)}, Limit: 1})
	if err != nil {
		return models.User{}, err
	}
	if len(page.Users) == 0 {
		return models.User{}, models.ErrUserNotFound
	}
	return page.Users[0], nil
}

// List returns one page.
func (s *Users) List(ctx context.Context, query models.Query) (models.Page, error) {
	return s.users.List(ctx, query)
}

// Update replaces what a client may set of a user by a valid, normalised input and returns what is
// stored afterwards. An input that changes nothing leaves version and time as they are. It returns
// models.ErrUserNotFound, models.ErrPreconditionFailed or models.ErrEmailTaken, in this order.
func (s *Users) Update(ctx context.Context, id int64, input models.UserInput, match models.Match) (models.User, error) {
	return s.users.Update(ctx, id, func(old models.User) (models.User, error) {
		return s.revise(old, input.Apply(old)), match.Check(old.Version)
	})
}

// Patch is Update for the members that a valid, normalised patch gives.
func (s *Users) Patch(ctx context.Context, id int64, patch models.UserPatch, match models.Match) (models.User, error) {
	return s.users.Update(ctx, id, func(old models.User) (models.User, error) {
		return s.revise(old, patch.Apply(old)), match.Check(old.Version)
	})
}

// Delete removes a user for good, or returns models.ErrUserNotFound or models.ErrPreconditionFailed.
func (s *Users) Delete(ctx context.Context, id int64, match models.Match) error {
	return s.users.Delete(ctx, id, func(user models.User) error { return match.Check(user.Version) })
}

// newUser returns a user as it is stored at first.
func (s *Users) newUser(input *models.UserInput) models.User {
	now := models.TimestampOf(s.now())
	return input.Apply(models.User{CreatedAt: now, UpdatedAt: now, Version: 1})
}

// revise stamps a change: the version grows by one and the time moves forward, also when the clock
// has not or went back (contract 1). What equals the old is not a change.
func (s *Users) revise(old, changed models.User) models.User {
	if changed == old {
		return old
	}
	changed.Version = old.Version + 1
	changed.UpdatedAt = max(models.TimestampOf(s.now()), old.UpdatedAt+1)
	return changed
}
