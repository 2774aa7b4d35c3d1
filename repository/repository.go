// Package repository is the contract between the rules and the stores.
//
// It owns the UserRepository and IdempotencyRepository interfaces, which together are a Store, and
// their promises. It refuses any implementation: the engines are sub-packages that import this one and
// never each other, and every engine passes the conformance suite in repotest. The services use it.
package repository

import (
	"context"
	"crypto/sha256"
	"errors"

	"userapi/models"
)

// ErrNotBegun is in the chain of a models.ErrUnavailable of which it is certain that nothing has been tried.
var ErrNotBegun = errors.New("not begun")

// Store is what an engine is: users and what requests about them were answered with, in one place, so
// that a change and its answer are written together or not at all.
type Store interface {
	UserRepository
	IdempotencyRepository
}

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

	// List returns one page of one consistent state of the store: of the users that the filter lets
	// through, in the order asked for, those beside the position or behind the skip.
	List(ctx context.Context, query models.Query) (models.Page, error)

	// Update replaces a user by what change makes of it and returns what is stored afterwards. The
	// reading, the change and the writing are one atomic step: no other write to this user comes
	// between. The store may call change more than once, each time with the user as it is then; so
	// change must not have side effects and must not call the store. An error of change is returned
	// as it is and nothing is written; a user returned unchanged writes nothing. ID and CreatedAt of
	// the result are kept as they were. Also models.ErrUserNotFound, models.ErrEmailTaken.
	Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error)

	// Delete removes a user for good, or gives models.ErrUserNotFound. Its address is free at once,
	// its ID never again. When allow is not nil, it is asked about the user first, as change is by
	// Update and under the same rules: its error is returned as it is, and the user stays.
	Delete(ctx context.Context, id int64, allow func(models.User) error) error

	// Batch reads users, decides and writes in one atomic step: nothing that decide has read changes
	// before the changes that it returns are written, all of them or none. An error of decide is
	// returned as it is and nothing is written. That addresses are unique is judged on the state
	// that all changes together lead to, so that two users can exchange theirs; models.ErrEmailTaken
	// tells of a clash. Like change, decide may be called more than once and must not call the store
	// but by tx, which it must not keep.
	Batch(ctx context.Context, decide func(tx Tx) (Changes, error)) error

	// Ping says whether the store can serve now: nil or models.ErrUnavailable.
	Ping(ctx context.Context) error

	// Close lets go of what the store holds; afterwards every method gives models.ErrUnavailable. It
	// may be called more than once.
	Close() error
}

// Tx is what a batch sees of the store: its state before the batch, which the batch keeps others
// from changing where it has looked. It is for one goroutine.
type Tx interface {
	// Get returns the user with this ID, or models.ErrUserNotFound.
	Get(id int64) (models.User, error)

	// Owner returns the ID of the user whose address has this models.EmailKey, or
	// models.ErrUserNotFound.
	Owner(emailKey string) (int64, error)

	// NextID returns an ID for a user whom the batch creates. IDs grow from one call to the next
	// and above all that were given before. Those of a batch that fails may be given again; those of
	// one that succeeds are used up, also those that its changes leave out.
	NextID() (int64, error)

	// Expect says what the batch is about to ask for: users by these IDs, owners of addresses with
	// these keys, and a number of new IDs. A store may fetch all of it at once. It changes no answer,
	// and a batch may ask for other things as well.
	Expect(ids []int64, emailKeys []string, newcomers int) error
}

// Changes is what a batch writes. No ID is in it twice.
type Changes struct {
	// Create holds new users with IDs from Tx.NextID, which may leave some of those out.
	Create []models.User
	// Replace holds users in place of those with the same IDs, which exist. CreatedAt is kept as it
	// was.
	Replace []models.User
	// Delete holds the IDs of users that exist.
	Delete []int64
	// Kept, if not nil, is an answer that is written in the same step. When its key is not in the hands
	// of such a request any more, the batch fails with models.ErrRequestInProgress.
	Kept *Kept
}

// Kept is the answer to a request that owns an idempotency key.
type Kept struct {
	// Key and Fingerprint are those that Begin was given.
	Key         string
	Fingerprint Fingerprint
	// Answer is what Begin returns from now on. The store keeps a copy.
	Answer models.Answer
}

// IdempotencyRepository remembers what requests with an idempotency key were answered with
// (contract 3), for a limited time and in limited number: the oldest answers go first. All methods
// are safe for concurrent use; their errors are those of UserRepository.
type IdempotencyRepository interface {
	// Begin takes a key for a request with this fingerprint. Whoever gets false owns the key, and
	// ends that by a Batch that keeps an answer under it, or by Release. When the key has an answer,
	// Begin returns that and true; models.ErrKeyReused when the answer is that of another fingerprint;
	// models.ErrRequestInProgress while somebody owns the key, whatever the fingerprint. The check and
	// the taking are one atomic step. A durable store takes an owner who has not been heard of for
	// longer than any request lasts for dead, and gives the key to the next.
	Begin(ctx context.Context, key string, fingerprint Fingerprint) (models.Answer, bool, error)

	// Release frees a key, as if it had never been taken. It is without effect on a key that has an
	// answer.
	Release(ctx context.Context, key string) error
}

// Fingerprint tells the bodies of requests apart. It is an alias, so that the handlers can speak of it
// in an interface of their own without a look at this package.
type Fingerprint = [sha256.Size]byte
