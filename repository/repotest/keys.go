package repotest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
)

// KeyRule is one promise of repository.IdempotencyRepository, or of a batch that keeps an answer, and the
// test of it. How many answers a store remembers, and how long, is its own affair; the rules need a
// hundred of them for a minute.
type KeyRule struct {
	// Name states what holds.
	Name string
	// Why says what goes wrong for a client when it does not.
	Why string

	check func(k *keyring)
}

// Keys are idempotency keys with the one thing that a Store does by a batch: Finish gives a key, which
// the caller owns, its answer.
type Keys interface {
	repository.IdempotencyRepository
	Finish(ctx context.Context, key string, answer models.Answer) error
}

// KeysOf returns the keys of a store. They note who owns which, because Finish does not say it.
func KeysOf(store repository.Store) Keys { return &storeKeys{Store: store} }

type storeKeys struct {
	repository.Store
	owners sync.Map // fingerprints by key
}

// Begin implements repository.IdempotencyRepository.
func (k *storeKeys) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	answer, replayed, err := k.Store.Begin(ctx, key, fingerprint)
	if err == nil && !replayed {
		k.owners.Store(key, fingerprint)
	}
	return answer, replayed, err
}

// Finish keeps an answer by a batch that changes nothing else.
func (k *storeKeys) Finish(ctx context.Context, key string, answer models.Answer) error {
	fingerprint, _ := k.owners.Load(key)
	kept := repository.Kept{Key: key, Answer: answer}
	kept.Fingerprint, _ = fingerprint.(repository.Fingerprint)
	return k.Batch(ctx, func(repository.Tx) (repository.Changes, error) {
		return repository.Changes{Kept: &kept}, nil
	})
}

// Check holds an empty store against the rule and complains to t.
func (r KeyRule) Check(t T, store repository.Store) {
	t.Helper()
	r.check(&keyring{T: t, Keys: KeysOf(store), users: &subject{T: t, UserRepository: store}})
}

// RunKeys holds an engine against every rule for idempotency keys, each as a sub-test with a store
// of its own. The factory returns a new, empty store and leaves what has to go to t.Cleanup.
func RunKeys(t *testing.T, factory func(t testing.TB) repository.Store) {
	t.Helper()
	for _, rule := range KeyRules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why this is a rule: %s", rule.Why)
				}
			})
			rule.Check(t, factory(t))
		})
	}
}

// KeyRules returns every rule for idempotency keys.
func KeyRules() []KeyRule {
	return []KeyRule{
		{
			"A new key belongs to whoever asks for it",
			"the first request runs, and no other key is touched by it",
			keyIsTaken,
		},
		{
			"A key that somebody owns is in progress, whatever the request",
			"a retry that overtakes its request must neither run nor be refused for good",
			keyInProgress,
		},
		{
			"An answer is replayed as it was given, as often as asked",
			"the client cannot tell the retry from the request: status, header fields and each octet of the body",
			keyReplays,
		},
		{
			"An answer is not for another request",
			"whoever uses a key again by mistake must learn of it, and the answer stays for its own request",
			keyRefusesReuse,
		},
		{
			"Release frees a key for any request",
			"after a failure the client corrects its request and sends it again under the same key",
			keyReleased,
		},
		{
			"Release leaves an answer",
			"what has an answer has happened",
			keyAnswerStays,
		},
		{
			"Keys are told apart octet by octet",
			"a store that folds case or trims spaces answers one client with the answer of another",
			keysToldApart,
		},
		{
			"A cancelled Begin takes no key",
			"the client is gone, and nobody would ever free the key",
			keyNotTakenWhenCancelled,
		},
		{
			"A cancelled Finish or Release does what it says",
			"either the end has come and is nil, or it has not and the owner is told so",
			keyEndsWhenCancelled,
		},
		{
			"A closed store says of every key that it is unavailable",
			"what is gone knows nothing, and must not hand a key to a second owner",
			keysClosed,
		},
		{
			"Of many parallel requests with one key one owns it",
			"two owners are two accounts",
			keyOwnedOnce,
		},
		{
			"A key that goes from hand to hand has one owner at a time",
			"retries race with the failures that free the key",
			keyOwnersInTurn,
		},
		{
			"Answers are nobody else's memory",
			"who adds to a body that it got must not change what the next one gets",
			keysNeverAlias,
		},
		{
			"A batch keeps its answer with its changes",
			"a user without the answer is made twice, and an answer without the user tells of one who is not there",
			keyKeptWithChanges,
		},
		{
			"A batch that fails keeps no answer",
			"the client would be told of a success that never was, and could not repeat what failed",
			keyNotKeptByFailure,
		},
		{
			"A batch keeps an answer only for the request that owns the key",
			"whoever has lost the key must change nothing: by now another may run, or have run, under it",
			keyKeptForOwner,
		},
	}
}

// keyring is a store under test, by its keys and by its users, together with the test that judges it.
type keyring struct {
	T
	Keys
	users *subject
}

func fingerprintOf(body string) repository.Fingerprint { return sha256.Sum256([]byte(body)) }

// sampleAnswer returns an answer made of n.
func sampleAnswer(n int) models.Answer {
	return models.Answer{
		Status: 201, Location: fmt.Sprintf("/v1/users/%d", n), ETag: `"1"`,
		Body: fmt.Appendf(nil, "{\"id\":%d,\"name\":\"\u00c5da \\u0000\"}", n),
	}
}

func sameAnswer(a, b models.Answer) bool {
	return a.Status == b.Status && a.Location == b.Location && a.ETag == b.ETag && bytes.Equal(a.Body, b.Body)
}

// owned takes a key that is free.
func (k *keyring) owned(key, body string) {
	k.Helper()
	answer, replayed, err := k.Begin(k.Context(), key, fingerprintOf(body))
	if err != nil || replayed || !sameAnswer(answer, models.Answer{}) {
		k.Fatalf("Begin(%q) = %+v, replayed %t, error %v; want the key", key, answer, replayed, err)
	}
}

func (k *keyring) finished(key string, answer models.Answer) {
	k.Helper()
	if err := k.Finish(k.Context(), key, answer); err != nil {
		k.Fatalf("Finish(%q): %v", key, err)
	}
}

func (k *keyring) released(key string) {
	k.Helper()
	if err := k.Release(k.Context(), key); err != nil {
		k.Fatalf("Release(%q): %v", key, err)
	}
}

// replays complains unless the key has this answer for the request.
func (k *keyring) replays(key, body string, want models.Answer) {
	k.Helper()
	answer, replayed, err := k.Begin(k.Context(), key, fingerprintOf(body))
	if err != nil || !replayed || !sameAnswer(answer, want) {
		k.Errorf("Begin(%q) = %+v, replayed %t, error %v; want %+v", key, answer, replayed, err, want)
	}
}

// refused complains unless Begin fails with this error and returns nothing beside it.
func (k *keyring) refused(key, body string, want error) {
	k.Helper()
	answer, replayed, err := k.Begin(k.Context(), key, fingerprintOf(body))
	if !errors.Is(err, want) || replayed || !sameAnswer(answer, models.Answer{}) {
		k.Errorf("Begin(%q) = %+v, replayed %t, error %v; want error %v", key, answer, replayed, err, want)
	}
}

func keyIsTaken(k *keyring) {
	for i := range 20 {
		k.owned(fmt.Sprintf("POST /users/ %d", i), "the same body")
	}
	k.finished("POST /users/ 7", sampleAnswer(7))
	k.released("POST /users/ 8")
	k.replays("POST /users/ 7", "the same body", sampleAnswer(7))
	k.owned("POST /users/ 8", "the same body")
	k.refused("POST /users/ 9", "the same body", models.ErrRequestInProgress)
}

func keyInProgress(k *keyring) {
	k.owned("key", "body")
	for range 3 {
		k.refused("key", "body", models.ErrRequestInProgress)
		k.refused("key", "another body", models.ErrRequestInProgress)
	}
	k.finished("key", sampleAnswer(1))
	k.replays("key", "body", sampleAnswer(1))
}

func keyReplays(k *keyring) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, answer := range []models.Answer{
		sampleAnswer(1),
		{Status: 200},
		{Status: 207, Body: []byte("[]")},
		{Status: 201, Location: "/users/1", ETag: `"9223372036854775807"`, Body: all},
		{Status: 200, Body: bytes.Repeat([]byte("0123456789abcdef"), 1<<12)},
		{Status: 204, Body: []byte{}},
	} {
		key := fmt.Sprintf("key %d", i)
		k.owned(key, key)
		k.finished(key, answer)
		for range 3 {
			k.replays(key, key, answer)
		}
	}
}

func keyRefusesReuse(k *keyring) {
	k.owned("key", "body")
	k.finished("key", sampleAnswer(1))
	for bit := range 8 * len(repository.Fingerprint{}) {
		other := fingerprintOf("body")
		other[bit/8] ^= 1 << (bit % 8)
		_, replayed, err := k.Begin(k.Context(), "key", other)
		if !errors.Is(err, models.ErrKeyReused) || replayed {
			k.Fatalf("Begin with another bit %d of the fingerprint: replayed %t, error %v; want %v", bit, replayed, err, models.ErrKeyReused)
		}
	}
	k.refused("key", "", models.ErrKeyReused)
	k.replays("key", "body", sampleAnswer(1))
}

func keyReleased(k *keyring) {
	k.released("nobody's key")
	for i := range 5 {
		body := fmt.Sprintf("body %d", i)
		k.owned("key", body)
		k.refused("key", body, models.ErrRequestInProgress)
		k.released("key")
	}
	k.released("key")
	k.owned("key", "last body")
	k.finished("key", sampleAnswer(2))
	k.replays("key", "last body", sampleAnswer(2))
	k.refused("key", "body 4", models.ErrKeyReused)
}

func keyAnswerStays(k *keyring) {
	k.owned("key", "body")
	k.finished("key", sampleAnswer(1))
	for range 2 {
		k.released("key")
		k.replays("key", "body", sampleAnswer(1))
		k.refused("key", "another body", models.ErrKeyReused)
	}
}

func keysToldApart(k *keyring) {
	keys := []string{
		"POST /users/ key", "POST /users/ Key", "POST /users/ key ", "POST /users/  key", "POST /users/ ke", "POST /users/batch key",
		"%", "_", "'", `"`, `\`, "k%", "k_y", "0", "00", "0.0", "null",
		strings.Repeat("k", 255), strings.Repeat("k", 254) + "K", strings.Repeat("k", 256),
	}
	for i, key := range keys {
		k.owned(key, "body")
		k.finished(key, sampleAnswer(i))
	}
	for i, key := range keys {
		k.replays(key, "body", sampleAnswer(i))
	}
}

// cancelled returns a context that is.
func (k *keyring) cancelled() context.Context {
	ctx, cancel := context.WithCancel(k.Context())
	cancel()
	return ctx
}

func keyNotTakenWhenCancelled(k *keyring) {
	past, cancel := context.WithDeadline(k.Context(), time.Unix(0, 0))
	defer cancel()
	for ctx, want := range map[context.Context]error{k.cancelled(): context.Canceled, past: context.DeadlineExceeded} {
		_, replayed, err := k.Begin(ctx, "key", fingerprintOf("body"))
		if !errors.Is(err, want) || replayed {
			k.Errorf("Begin: replayed %t, error %v; want %v", replayed, err, want)
		}
	}
	k.owned("key", "another body")
}

func keyEndsWhenCancelled(k *keyring) {
	k.owned("finished", "body")
	switch err := k.Finish(k.cancelled(), "finished", sampleAnswer(1)); {
	case err == nil:
		k.replays("finished", "body", sampleAnswer(1))
	case errors.Is(err, context.Canceled):
		k.refused("finished", "body", models.ErrRequestInProgress)
	default:
		k.Errorf("Finish with a cancelled context: error %v", err)
	}
	k.owned("released", "body")
	switch err := k.Release(k.cancelled(), "released"); {
	case err == nil:
		k.owned("released", "another body")
	case errors.Is(err, context.Canceled):
		k.refused("released", "body", models.ErrRequestInProgress)
	default:
		k.Errorf("Release with a cancelled context: error %v", err)
	}
}

func keysClosed(k *keyring) {
	k.owned("owned", "body")
	k.owned("answered", "body")
	k.finished("answered", sampleAnswer(1))
	if err := k.users.Close(); err != nil {
		k.Fatalf("Close: %v", err)
	}
	for _, key := range []string{"owned", "answered", "new"} {
		k.refused(key, "body", models.ErrUnavailable)
		if err := k.Release(k.Context(), key); !errors.Is(err, models.ErrUnavailable) {
			k.Errorf("Release(%q) after Close: error %v, want %v", key, err, models.ErrUnavailable)
		}
	}
}

// persists asks for a key until it is not in progress, as a client does, but not for ever.
func (k *keyring) persists(key, body string) (models.Answer, bool, error) {
	for begun := time.Now(); ; {
		answer, replayed, err := k.Begin(k.Context(), key, fingerprintOf(body))
		if !errors.Is(err, models.ErrRequestInProgress) || time.Since(begun) > patience {
			return answer, replayed, err
		}
		runtime.Gosched()
	}
}

func keyOwnedOnce(k *keyring) {
	const rounds, clients = 10, 20
	for round := range rounds {
		key := fmt.Sprintf("key %d", round)
		var owners atomic.Int64
		together(clients, func(int) {
			answer, replayed, err := k.persists(key, key)
			switch {
			case err != nil:
				k.Errorf("parallel Begin: %v", err)
			case replayed && !sameAnswer(answer, sampleAnswer(round)):
				k.Errorf("parallel Begin was answered %+v, want %+v", answer, sampleAnswer(round))
			case !replayed:
				owners.Add(1)
				for range clients {
					runtime.Gosched() // the request takes its time
				}
				if err := k.Finish(k.Context(), key, sampleAnswer(round)); err != nil {
					k.Errorf("Finish: %v", err)
				}
			}
		})
		if owners.Load() != 1 {
			k.Errorf("%d of %d clients owned one key, want one", owners.Load(), clients)
		}
	}
}

func keyOwnersInTurn(k *keyring) {
	const clients, each = 8, 25
	var owning atomic.Int64
	together(clients, func(i int) {
		for range each {
			if _, replayed, err := k.persists("key", fmt.Sprintf("body %d", i)); err != nil || replayed {
				k.Errorf("Begin of a key that is released: replayed %t, error %v", replayed, err)
				return
			}
			if now := owning.Add(1); now != 1 {
				k.Errorf("%d clients own one key at a time", now)
			}
			runtime.Gosched() // let others try
			owning.Add(-1)
			if err := k.Release(k.Context(), "key"); err != nil {
				k.Errorf("Release: %v", err)
				return
			}
		}
	})
	k.owned("key", "after all")
}

func keysNeverAlias(k *keyring) {
	given := sampleAnswer(1)
	given.Body = append(make([]byte, 0, 1000), given.Body...)
	k.owned("key", "body")
	k.finished("key", given)
	overwrite(given.Body)
	k.replays("key", "body", sampleAnswer(1))
	for range 2 {
		got, _, err := k.Begin(k.Context(), "key", fingerprintOf("body"))
		if err != nil {
			k.Fatalf("Begin: %v", err)
		}
		_ = append(got.Body, "appended"...)
		overwrite(got.Body)
		k.replays("key", "body", sampleAnswer(1))
	}
}

func overwrite(body []byte) { copy(body, slices.Repeat([]byte("x"), len(body))) }
