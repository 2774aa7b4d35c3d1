// Package services holds the rules: what happens when a user is created, changed, found or deleted.
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
	now := models.TimestampOf(s.now())
	return s.users.Create(ctx, input.Apply(models.User{CreatedAt: now, UpdatedAt: now, Version: 1}))
}

// Get returns one user, or models.ErrUserNotFound.
func (s *Users) Get(ctx context.Context, id int64) (models.User, error) {
	return s.users.Get(ctx, id)
}

// List returns one page.
func (s *Users) List(ctx context.Context, query models.Query) (models.Page, error) {
	return s.users.List(ctx, query)
}

// Update replaces what a client may set of a user by a valid, normalised input and returns what is
// stored afterwards. An input that changes nothing leaves version and time as they are. It returns
// models.ErrUserNotFound or models.ErrEmailTaken.
func (s *Users) Update(ctx context.Context, id int64, input models.UserInput) (models.User, error) {
	return s.users.Update(ctx, id, func(old models.User) (models.User, error) {
		return s.revise(old, input.Apply(old)), nil
	})
}

// Delete removes a user for good, or returns models.ErrUserNotFound.
func (s *Users) Delete(ctx context.Context, id int64) error {
	return s.users.Delete(ctx, id)
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
