// Package repository is the contract between the rules and the stores.
//
// It owns the UserRepository interface and its promises. It refuses any implementation: the engines
// are sub-packages that import this one and never each other, and every engine passes the
// conformance suite in repotest. The services use it.
package repository

import (
	"context"

	"userapi/models"
)

// UserRepository keeps users. All methods are safe for concurrent use.
//
// Order and visibility: each method takes effect at one instant between its call and its return, and
// a method that begins after another has returned sees its effect (the store is linearizable per
// method).
//
// Ownership: arguments and results are plain values. A store never keeps a reference into memory
// that a caller can change, and never hands one out.
//
// Errors: the sentinels named per method, matched by errors.Is. A context that is cancelled or past
// its deadline before the effect gives its error (context.Cause is not consulted) and no effect. A
// store that is away, closed or too busy gives models.ErrUnavailable; then a write may or may not
// have taken effect only if the engine says so. Every other error is unforeseen.
type UserRepository interface {
	// Create stores a new user and returns it with the ID that the store gave. IDs start at 1,
	// grow, and are never given twice; a failed Create may burn one. The ID, if any, in the argument
	// is ignored; all else is stored as given. The user's address, compared by models.EmailKey, is
	// unique: the check and the insert are one atomic step, and models.ErrEmailTaken tells of a
	// clash.
	Create(ctx context.Context, user models.User) (models.User, error)

	// Get returns the user with this ID, or models.ErrUserNotFound.
	Get(ctx context.Context, id int64) (models.User, error)

	// List returns one page of one consistent state of the store.
	List(ctx context.Context, query models.Query) (models.Page, error)

	// Update replaces a user by what change makes of it and returns what is stored afterwards. The
	// reading, the change and the writing are one atomic step: no other write to this user comes
	// between. The store may call change more than once, each time with the user as it is then; so
	// change must not have side effects and must not call the store. An error of change is returned
	// as it is and nothing is written; a user returned unchanged writes nothing. ID and CreatedAt of
	// the result are kept as they were. Also models.ErrUserNotFound, models.ErrEmailTaken.
	Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error)

	// Delete removes a user for good, or gives models.ErrUserNotFound. Its address is free at once,
	// its ID never again.
	Delete(ctx context.Context, id int64) error

	// Ping says whether the store can serve now: nil or models.ErrUnavailable.
	Ping(ctx context.Context) error

	// Close lets go of what the store holds; afterwards every method gives models.ErrUnavailable. It
	// may be called more than once.
	Close() error
}
