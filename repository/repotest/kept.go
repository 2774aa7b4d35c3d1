package repotest

import (
	"context"
	"errors"

	"userapi/models"
	"userapi/repository"
)

// keptUnder is the n-th sample of an answer, to be kept for a request with this key and this body.
func keptUnder(key, body string, n int) *repository.Kept {
	return &repository.Kept{Key: key, Fingerprint: fingerprintOf(body), Answer: sampleAnswer(n)}
}

// changesOfEach returns a change of every kind to three users, and the users who are there afterwards;
// the last of them is new and has no ID yet.
func changesOfEach(users []models.User, kept *repository.Kept) (changes repository.Changes, after []models.User) {
	renamed, created := users[0], Sample(7)
	renamed.Name, renamed.Version = "Renamed", 2
	changes = repository.Changes{
		Create: []models.User{created}, Replace: []models.User{renamed}, Delete: []int64{users[1].ID}, Kept: kept,
	}
	return changes, []models.User{renamed, users[2], created}
}

// keepsWithChanges complains unless a request that owns a key can change three users and have its answer
// kept, and has its key in progress until then.
func (k *keyring) keepsWithChanges(key, body string, users []models.User) {
	k.Helper()
	k.users.holds(users...)
	k.refused(key, body, models.ErrRequestInProgress)
	changes, after := changesOfEach(users, keptUnder(key, body, 1))
	after[2].ID = k.users.batched(changes)[0].ID
	k.users.holds(after...)
	k.replays(key, body, sampleAnswer(1))
}

func keyKeptWithChanges(k *keyring) {
	users := k.users.seeded(3)
	k.owned("key", "body")
	k.owned("another key", "body")
	k.keepsWithChanges("key", "body", users)
	k.replays("key", "body", sampleAnswer(1))
	k.refused("key", "another body", models.ErrKeyReused)
	k.refused("another key", "body", models.ErrRequestInProgress)
}

func keyNotKeptByFailure(k *keyring) {
	users := k.users.seeded(3)
	k.owned("key", "body")
	changes, _ := changesOfEach(users, keptUnder("key", "body", 9))

	refusal := errors.New("decide refuses")
	err := k.users.Batch(k.Context(), func(tx repository.Tx) (repository.Changes, error) {
		changes, err := identified(changes, nil)(tx)
		return changes, errors.Join(refusal, err)
	})
	k.users.fails(err, refusal, "Batch that decide refuses")
	k.users.holds(users...)
	k.refused("key", "body", models.ErrRequestInProgress)

	clash := changes
	clash.Create = []models.User{Sample(7), Sample(3)}
	k.users.fails(k.users.Batch(k.Context(), identified(clash, nil)), models.ErrEmailTaken, "Batch with an address that somebody has")
	k.users.holds(users...)
	k.refused("key", "body", models.ErrRequestInProgress)

	k.users.fails(k.users.Batch(k.cancelled(), identified(changes, nil)), context.Canceled, "Batch of a client that is gone")
	k.users.holds(users...)
	k.refused("key", "body", models.ErrRequestInProgress)

	ctx, cancel := context.WithCancel(k.Context())
	defer cancel()
	err = k.users.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		defer cancel()
		return identified(changes, nil)(tx)
	})
	k.users.fails(err, context.Canceled, "Batch of a client that goes meanwhile")

	k.keepsWithChanges("key", "body", users) // as if nothing had been
}

func keyKeptForOwner(k *keyring) {
	users := k.users.seeded(3)
	k.owned("released", "body")
	k.released("released")
	k.owned("owned", "body")
	k.owned("answered", "body")
	k.finished("answered", sampleAnswer(2))
	for says, kept := range map[string]*repository.Kept{
		"a key that nobody has had":               keptUnder("new", "body", 9),
		"a key that was released":                 keptUnder("released", "body", 9),
		"a key that another request owns":         keptUnder("owned", "another body", 9),
		"a key that has an answer":                keptUnder("answered", "body", 9),
		"a key that has an answer, and not to it": keptUnder("answered", "another body", 9),
	} {
		changes, _ := changesOfEach(users, kept)
		k.users.fails(k.users.Batch(k.Context(), identified(changes, nil)), models.ErrRequestInProgress, "Batch with an answer for "+says)
		k.users.holds(users...)
	}
	k.replays("answered", "body", sampleAnswer(2))
	for _, key := range []string{"new", "released"} {
		k.owned(key, "yet another body") // and so nobody has it
	}
	k.keepsWithChanges("owned", "body", users)
}
