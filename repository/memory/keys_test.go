package memory_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

// keyring is the Keys of a store with the clock by which its answers grow old.
type keyring struct {
	repotest.Keys
	store *memory.Store
	at    time.Time
}

// roomy are limits that no test comes near by accident.
func roomy() memory.KeyLimits {
	return memory.KeyLimits{Age: 24 * time.Hour, Count: 1000, Bytes: 1 << 20}
}

func newKeyring(limits memory.KeyLimits) *keyring {
	k := &keyring{at: time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC)}
	k.store = memory.NewLimited(limits, func() time.Time { return k.at })
	k.Keys = repotest.KeysOf(k.store)
	return k
}

func fingerprint(body string) repository.Fingerprint { return sha256.Sum256([]byte(body)) }

func answer(body string) models.Answer {
	return models.Answer{Status: 201, Location: "/users/7", ETag: `"1"`, Body: []byte(body)}
}

// owns takes keys that are free.
func (k *keyring) owns(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if got, replayed, err := k.Begin(t.Context(), key, fingerprint(key)); err != nil || replayed || !reflect.DeepEqual(got, models.Answer{}) {
			t.Fatalf("Begin(%s) = %+v, %t, %v, want the key", key, got, replayed, err)
		}
	}
}

// answered takes keys that are free and answers them.
func (k *keyring) answered(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		k.owns(t, key)
		if err := k.Finish(t.Context(), key, answer(key)); err != nil {
			t.Fatalf("Finish(%s): %v", key, err)
		}
	}
}

// state says what a key is, in a word, and leaves it as it is.
func (k *keyring) state(t *testing.T, key string) string {
	t.Helper()
	got, replayed, err := k.Begin(t.Context(), key, fingerprint(key))
	switch {
	case errors.Is(err, models.ErrRequestInProgress):
		return "owned"
	case err == nil && replayed && reflect.DeepEqual(got, answer(key)):
		return "answered"
	case err != nil || replayed:
		t.Fatalf("Begin(%s) = %+v, %t, %v", key, got, replayed, err)
	}
	if err := k.Release(t.Context(), key); err != nil {
		t.Fatalf("Release(%s): %v", key, err)
	}
	return "free"
}

// are fails the test unless the keys are what they should be: "free a b, owned c".
func (k *keyring) are(t *testing.T, want string) {
	t.Helper()
	for _, some := range strings.Split(want, ", ") {
		words := strings.Fields(some)
		for _, key := range words[1:] {
			if got := k.state(t, key); got != words[0] {
				t.Errorf("the key %s is %s, want %s", key, got, words[0])
			}
		}
	}
}

func TestKeys(t *testing.T) {
	repotest.RunKeys(t, func(testing.TB) repository.Store { return memory.NewLimited(roomy(), time.Now) })
}

func TestKeys_Begin(t *testing.T) {
	t.Run("gives a key to one owner at a time, whatever the others ask for", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a", "b")
		for _, body := range []string{"a", "another body"} {
			if _, replayed, err := k.Begin(t.Context(), "a", fingerprint(body)); replayed || !errors.Is(err, models.ErrRequestInProgress) {
				t.Errorf("%s: replayed %t, error %v", body, replayed, err)
			}
		}
	})
	t.Run("gives the answer to the same request, as often as it asks", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		k.are(t, "answered a a a, free b")
	})
	t.Run("refuses another request, and keeps the answer for its own", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		got, replayed, err := k.Begin(t.Context(), "a", fingerprint("another body"))
		if !errors.Is(err, models.ErrKeyReused) || replayed || got.Body != nil {
			t.Errorf("got %+v, %t, %v", got, replayed, err)
		}
		k.are(t, "answered a")
	})
	t.Run("takes no key for a client that is gone", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "b")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, key := range []string{"a", "b"} {
			if got, replayed, err := k.Begin(ctx, key, fingerprint(key)); !errors.Is(err, context.Canceled) || replayed || got.Body != nil {
				t.Errorf("%s: got %+v, %t, %v", key, got, replayed, err)
			}
		}
		k.are(t, "free a, answered b")
	})
}

func TestKeys_Finish(t *testing.T) {
	// It is a batch, and has no effect as any other; whoever must not be cut short brings another context.
	t.Run("keeps nothing for a client that is gone, and says so", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Finish(ctx, "a", answer("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		k.are(t, "owned a")
		if err := k.Finish(context.WithoutCancel(ctx), "a", answer("a")); err != nil {
			t.Error(err)
		}
		k.are(t, "answered a")
	})
	t.Run("fails for a key that nobody owns, and changes no answer", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		for _, key := range []string{"a", "b"} {
			if err := k.Finish(t.Context(), key, answer("another")); err == nil {
				t.Errorf("%s: no error", key)
			}
		}
		k.are(t, "answered a, free b")
	})
}

func TestKeys_Release(t *testing.T) {
	t.Run("frees a key for the next owner, also of another request", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a")
		if err := k.Release(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if _, replayed, err := k.Begin(t.Context(), "a", fingerprint("another body")); replayed || err != nil {
			t.Errorf("replayed %t, error %v", replayed, err)
		}
	})
	t.Run("frees it also when the client is gone", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Release(ctx, "a"); err != nil {
			t.Error(err)
		}
		k.are(t, "free a")
	})
	t.Run("leaves an answer, and a free key, as they are", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		for _, key := range []string{"a", "b"} {
			if err := k.Release(t.Context(), key); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		k.are(t, "answered a, free b")
	})
}

func TestKeys_age(t *testing.T) {
	t.Run("forgets an answer when it has its age, from the moment when it came", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a")
		k.at = k.at.Add(time.Hour) // it took an hour
		if err := k.Finish(t.Context(), "a", answer("a")); err != nil {
			t.Fatal(err)
		}
		k.answered(t, "b")
		k.at = k.at.Add(24*time.Hour - 1)
		k.are(t, "answered a b")
		k.at = k.at.Add(1)
		k.are(t, "free a b")
	})
	t.Run("does not make an answer younger by asking for it", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		for range 24 {
			k.are(t, "answered a")
			k.at = k.at.Add(time.Hour)
		}
		k.are(t, "free a")
	})
	t.Run("forgets each in its time also when the clock went back between them", func(t *testing.T) {
		k := newKeyring(roomy())
		k.at = k.at.Add(time.Hour)
		k.answered(t, "ahead")
		k.at = k.at.Add(-time.Hour)
		k.answered(t, "a")
		k.are(t, "answered ahead a")
		k.at = k.at.Add(24 * time.Hour)
		k.are(t, "answered ahead, free a")
		k.answered(t, "a") // under a key that was forgotten out of turn
		k.at = k.at.Add(time.Hour)
		k.are(t, "free ahead, answered a")
		k.at = k.at.Add(23 * time.Hour)
		k.are(t, "free a")
	})
	t.Run("a clock that goes back forgets nothing", func(t *testing.T) {
		k := newKeyring(roomy())
		k.answered(t, "a")
		k.at = k.at.Add(-100 * time.Hour)
		k.are(t, "answered a")
	})
	t.Run("never ends an ownership", func(t *testing.T) {
		k := newKeyring(roomy())
		k.owns(t, "a")
		k.at = k.at.Add(1000 * time.Hour)
		k.are(t, "owned a")
	})
}

func TestKeys_count(t *testing.T) {
	t.Run("forgets the oldest answers first, in the order in which they came", func(t *testing.T) {
		limits := roomy()
		limits.Count = 3
		k := newKeyring(limits)
		k.owns(t, "a", "b", "c", "d", "e")
		for _, key := range []string{"c", "a", "e"} {
			if err := k.Finish(t.Context(), key, answer(key)); err != nil {
				t.Fatal(err)
			}
		}
		k.are(t, "answered c a e, owned b d")
		if err := k.Finish(t.Context(), "b", answer("b")); err != nil {
			t.Fatal(err)
		}
		k.are(t, "free c, answered a e b, owned d")
		if err := k.Finish(t.Context(), "d", answer("d")); err != nil {
			t.Fatal(err)
		}
		k.are(t, "free c a, answered e b d")
	})
	t.Run("does not count the keys that somebody owns", func(t *testing.T) {
		limits := roomy()
		limits.Count = 1
		k := newKeyring(limits)
		k.owns(t, "a", "b", "c")
		k.answered(t, "d")
		k.are(t, "owned a b c, answered d")
		k.answered(t, "e")
		k.are(t, "owned a b c, free d, answered e")
	})
	t.Run("keeps nothing when there is room for nothing", func(t *testing.T) {
		for _, limits := range []memory.KeyLimits{{Age: time.Hour, Bytes: 1 << 20}, {Age: time.Hour, Count: 5}, {Count: 5, Bytes: 1 << 20}} {
			k := newKeyring(limits)
			k.answered(t, "a")
			k.are(t, "free a")
		}
	})
}

func TestKeys_bytes(t *testing.T) {
	limits := roomy()
	limits.Bytes = 10_000
	sized := func(size int) models.Answer { return models.Answer{Status: 201, Body: make([]byte, size)} }
	finish := func(t *testing.T, k *keyring, key string, size int) {
		t.Helper()
		k.owns(t, key)
		if err := k.Finish(t.Context(), key, sized(size)); err != nil {
			t.Fatal(err)
		}
	}
	free := func(t *testing.T, k *keyring, key string) bool {
		t.Helper()
		_, replayed, err := k.Begin(t.Context(), key, fingerprint(key))
		if err != nil {
			t.Fatal(err)
		}
		if !replayed {
			if err := k.Release(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		return !replayed
	}
	t.Run("forgets the oldest answers first, as many as need be", func(t *testing.T) {
		k := newKeyring(limits)
		for _, key := range []string{"a", "b", "c", "d"} {
			finish(t, k, key, 2000)
		}
		finish(t, k, "e", 4000)
		for key, want := range map[string]bool{"a": true, "b": true, "c": false, "d": false, "e": false} {
			if got := free(t, k, key); got != want {
				t.Errorf("%s is free: %t, want %t", key, got, want)
			}
		}
	})
	t.Run("an answer that is larger than all room is not kept, and costs no other its place", func(t *testing.T) {
		k := newKeyring(limits)
		finish(t, k, "a", 2000)
		finish(t, k, "large", 10_000)
		if free(t, k, "a") || !free(t, k, "large") {
			t.Error("it took the place of another, or its key is not free")
		}
		finish(t, k, "large", 2000)
		if free(t, k, "a") || free(t, k, "large") {
			t.Error("afterwards nothing is kept")
		}
	})
	t.Run("counts keys and header fields too", func(t *testing.T) {
		k := newKeyring(limits)
		long := strings.Repeat("k", 2500)
		for i, a := range []models.Answer{{Location: long}, {ETag: long}, {}, {Body: make([]byte, 2500)}} {
			key := fmt.Sprint(i)
			if i == 2 {
				key = long
			}
			k.owns(t, key)
			if err := k.Finish(t.Context(), key, a); err != nil {
				t.Fatal(err)
			}
		}
		for key, want := range map[string]bool{"0": true, "1": false, long: false, "3": false} {
			if got := free(t, k, key); got != want {
				t.Errorf("the key %.1s of length %d is free: %t, want %t", key, len(key), got, want)
			}
		}
	})
	t.Run("keeps no more than the octets of a body", func(t *testing.T) {
		k := newKeyring(limits)
		for _, key := range []string{"a", "b", "c"} {
			k.owns(t, key)
			if err := k.Finish(t.Context(), key, models.Answer{Body: make([]byte, 10, 1<<20)}); err != nil {
				t.Fatal(err)
			}
			if free(t, k, key) {
				t.Errorf("the answer to %s found no room", key)
			}
		}
	})
	t.Run("gives the room of what it forgot to others", func(t *testing.T) {
		k := newKeyring(limits)
		for round := range 100 { // each fills all room, by turns in many answers and in few
			for i := range 4 {
				finish(t, k, fmt.Sprint(round, i), 2000-round)
			}
			for i := range 4 {
				if free(t, k, fmt.Sprint(round, i)) {
					t.Fatalf("round %d: the answer %d found no room", round, i)
				}
			}
			if round%2 == 0 {
				k.at = k.at.Add(24 * time.Hour)
			}
		}
	})
}

func TestKeys_memory(t *testing.T) {
	t.Run("stays within its bytes, about", func(t *testing.T) {
		const limit = 16 << 20
		k := newKeyring(memory.KeyLimits{Age: time.Hour, Count: 1 << 30, Bytes: limit})
		before := heap()
		last := ""
		for i := range 200_000 { // a fifth of them reaches the limit
			last = fmt.Sprintf("POST /users/ %032d", i)
			// Past KeysOf, because its notes of who owns what would count.
			if _, replayed, err := k.store.Begin(t.Context(), last, fingerprint(last)); err != nil || replayed {
				t.Fatalf("replayed %t, error %v", replayed, err)
			}
			kept := repository.Kept{Key: last, Fingerprint: fingerprint(last), Answer: answer(last)}
			if err := k.store.Batch(t.Context(), func(repository.Tx) (repository.Changes, error) {
				return repository.Changes{Kept: &kept}, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if grown := heap() - before; grown > limit*11/10 || grown < limit/2 {
			t.Errorf("it takes %d octets, the limit is %d", grown, limit)
		}
		if got := k.state(t, last); got != "answered" {
			t.Errorf("the last key is %s", got)
		}
	})
}

// heap returns how many octets live on the heap.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestKeys_concurrency(t *testing.T) {
	t.Run("a key has one owner, and everybody ends with its answer", func(t *testing.T) {
		k := repotest.KeysOf(memory.NewLimited(memory.KeyLimits{Age: time.Hour, Count: 1000, Bytes: 1 << 20}, time.Now))
		var owners, replays atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for i := 0; i < 50; {
					key := fmt.Sprint(i)
					got, replayed, err := k.Begin(context.Background(), key, fingerprint(key))
					switch {
					case errors.Is(err, models.ErrRequestInProgress):
						runtime.Gosched()
						continue
					case err != nil:
						t.Errorf("%s: %v", key, err)
					case replayed && !reflect.DeepEqual(got, answer(key)):
						t.Errorf("%s: replayed %+v", key, got)
					case replayed:
						replays.Add(1)
					default:
						owners.Add(1)
						if err := k.Finish(context.Background(), key, answer(key)); err != nil {
							t.Errorf("%s: %v", key, err)
						}
					}
					i++
				}
			})
		}
		all.Wait()
		if owners.Load() != 50 || replays.Load() != 15*50 {
			t.Errorf("%d owners and %d replays, want 50 and %d", owners.Load(), replays.Load(), 15*50)
		}
	})
	t.Run("owners are alone also when keys are released, forgotten and too many", func(t *testing.T) {
		k := repotest.KeysOf(memory.NewLimited(memory.KeyLimits{Age: 50 * time.Microsecond, Count: 2, Bytes: 1500}, time.Now))
		var owned [4]atomic.Bool
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := range 2000 {
					n := (i + worker) % len(owned)
					key := fmt.Sprint(n)
					_, replayed, err := k.Begin(context.Background(), key, fingerprint(key))
					if err != nil && !errors.Is(err, models.ErrRequestInProgress) {
						t.Errorf("%s: %v", key, err)
					}
					if replayed || err != nil {
						continue
					}
					if owned[n].Swap(true) {
						t.Errorf("%s: has two owners", key)
					}
					runtime.Gosched()
					owned[n].Store(false)
					if i%3 == 0 {
						err = k.Release(context.Background(), key)
					} else {
						err = k.Finish(context.Background(), key, answer(key))
					}
					if err != nil {
						t.Errorf("%s: %v", key, err)
					}
				}
			})
		}
		all.Wait()
	})
}
