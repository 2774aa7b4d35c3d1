// Package observed tells somebody of every operation of a store.
//
// It owns which calls are operations and what they are called. It refuses to know what is made of that:
// an Observer measures or traces. main puts it around a store, and around a cache in front of one.
package observed

import (
	"context"
	"errors"

	"userapi/models"
	"userapi/repository"
)

// Observer hears that an operation begins, whose name is that of the method in small letters. It returns
// the context that the operation runs in, and what hears how it ended: nil, or the error that its caller
// gets. It is called from many goroutines.
type Observer func(ctx context.Context, operation string) (context.Context, func(error))

// Both returns an observer that tells two, the first being the outer one; either may be nil.
func Both(first, second Observer) Observer {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(ctx context.Context, operation string) (context.Context, func(error)) {
		ctx, endFirst := first(ctx, operation)
		ctx, endSecond := second(ctx, operation)
		return ctx, func(err error) {
			endSecond(err)
			endFirst(err)
		}
	}
}

// errPanicked is how an operation ended that did not return: each sets it first, and returning overwrites it.
var errPanicked = errors.New("observed store: the operation panicked")

// Store is a store whose operations are observed. Close is not one.
type Store struct {
	repository.Store
	observer Observer
}

// New returns a store that does what another does, and tells an observer. The other one stays the
// caller's.
func New(store repository.Store, observer Observer) *Store { return &Store{store, observer} }

// Create implements repository.UserRepository.
func (s *Store) Create(ctx context.Context, user models.User) (created models.User, err error) {
	ctx, end := s.observer(ctx, "create")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Create(ctx, user)
}

// Get implements repository.UserRepository.
func (s *Store) Get(ctx context.Context, id int64) (user models.User, err error) {
	ctx, end := s.observer(ctx, "get")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Get(ctx, id)
}

// List implements repository.UserRepository.
func (s *Store) List(ctx context.Context, query models.Query) (page models.Page, err error) {
	ctx, end := s.observer(ctx, "list")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.List(ctx, query)
}

// Update implements repository.UserRepository.
func (s *Store) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (user models.User, err error) {
	ctx, end := s.observer(ctx, "update")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Update(ctx, id, change)
}

// Delete implements repository.UserRepository.
func (s *Store) Delete(ctx context.Context, id int64, allow func(models.User) error) (err error) {
	ctx, end := s.observer(ctx, "delete")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Delete(ctx, id, allow)
}

// Batch implements repository.UserRepository.
func (s *Store) Batch(ctx context.Context, decide func(repository.Tx) (repository.Changes, error)) (err error) {
	ctx, end := s.observer(ctx, "batch")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Batch(ctx, decide)
}

// Ping implements repository.UserRepository.
func (s *Store) Ping(ctx context.Context) (err error) {
	ctx, end := s.observer(ctx, "ping")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Ping(ctx)
}

// Begin implements repository.IdempotencyRepository.
func (s *Store) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (answer models.Answer, answered bool, err error) {
	ctx, end := s.observer(ctx, "begin")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Begin(ctx, key, fingerprint)
}

// Release implements repository.IdempotencyRepository.
func (s *Store) Release(ctx context.Context, key string) (err error) {
	ctx, end := s.observer(ctx, "release")
	err = errPanicked
	defer func() { end(err) }()
	return s.Store.Release(ctx, key)
}
