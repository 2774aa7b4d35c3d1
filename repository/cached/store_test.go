package cached

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

func TestStore(t *testing.T) {
	t.Run("keeps every promise of a store with the level in memory", func(t *testing.T) {
		repotest.Run(t, func(t testing.TB) repository.UserRepository {
			return begun(t, memory.New(), Options{Local: 1000})
		})
	})
	t.Run("keeps them when it can keep few users", func(t *testing.T) {
		repotest.Run(t, func(t testing.TB) repository.UserRepository {
			return begun(t, memory.New(), Options{Local: 2})
		})
	})
	t.Run("keeps them with Redis", func(t *testing.T) {
		address := named(t)
		repotest.Run(t, func(t testing.TB) repository.UserRepository {
			times := quick()
			times.ripens = time.Nanosecond
			s := begun(t, memory.New(), Options{
				Redis: address, Prefix: prefix(t), Coordinator: new(coordinator), Timeout: longestTimeout, times: times,
			})
			ready(t, s)
			return s
		})
	})
}

func TestNew(t *testing.T) {
	t.Run("refuses what cannot work", func(t *testing.T) {
		for _, options := range []Options{
			{},
			{Redis: "127.0.0.1:1"},
			{Redis: "redis://user:secret@host:port", Coordinator: new(coordinator)},
			{Local: 1, TTL: -1},
			{Local: 1, Timeout: time.Second},
		} {
			if s, err := New(memory.New(), options); err == nil {
				s.Close()
				t.Errorf("New takes %+v", options)
			}
		}
	})
}

// levels runs a test with every level there is.
func levels(t *testing.T, test func(t *testing.T, over func(store repository.UserRepository) *Store)) {
	t.Run("in memory", func(t *testing.T) {
		test(t, func(store repository.UserRepository) *Store { return begun(t, store, Options{Local: 1000}) })
	})
	t.Run("in Redis", func(t *testing.T) {
		address := named(t)
		test(t, func(store repository.UserRepository) *Store {
			s := begun(t, store, Options{
				Redis: address, Prefix: prefix(t), Coordinator: new(coordinator), Timeout: longestTimeout, times: quick(),
			})
			ready(t, s)
			return s
		})
	})
}

func TestStore_Get(t *testing.T) {
	t.Run("asks the store once for a user", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			for range 3 {
				got, err := s.Get(t.Context(), user.ID)
				if err != nil || got != user {
					t.Errorf("Get gives %+v and %v, want %+v", got, err, user)
				}
			}
			if n := store.Calls(repotest.Get); n != 1 {
				t.Errorf("the store was asked %d times", n)
			}
			if stats := s.Stats(); stats.Hits != 2 || stats.Misses != 1 || stats.Loads != 1 {
				t.Errorf("Stats gives %+v", stats)
			}
		})
	})
	t.Run("asks the store once for a thousand readers", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			gate := repotest.NewGate()
			store.At(repotest.Before, repotest.Get, 0, gate.Hold)
			var readers sync.WaitGroup
			for range 1000 {
				readers.Go(func() { shows(t, s, user.ID, user.Version) })
			}
			eventually(t, "all have missed", func() bool { return s.Stats().Misses == 1000 })
			gate.Open()
			readers.Wait()
			if n := store.Calls(repotest.Get); n != 1 {
				t.Errorf("the store was asked %d times; %+v", n, s.Stats())
			}
		})
	})
	t.Run("does not keep that there is no user", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			shows(t, s, 1, 0)
			shows(t, s, 1, 0)
			if n := store.Calls(repotest.Get); n != 2 {
				t.Errorf("the store was asked %d times", n)
			}
			user := created(t, s, 1)
			shows(t, s, user.ID, user.Version)
		})
	})
	t.Run("does not keep an error, nor hands it to others", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			gate, broken := repotest.NewGate(), errors.New("broken")
			store.At(repotest.Before, repotest.Get, 1, gate.Hold)
			store.At(repotest.Before, repotest.Get, 1, repotest.Fail(broken))
			var first error
			var all sync.WaitGroup
			all.Go(func() { _, first = s.Get(t.Context(), user.ID) })
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			all.Go(func() { shows(t, s, user.ID, user.Version) })
			eventually(t, "the second has missed", func() bool { return s.Stats().Misses == 2 })
			gate.Open()
			all.Wait()
			if !errors.Is(first, broken) {
				t.Errorf("the first reader got %v", first)
			}
		})
	})
	t.Run("finishes a load whose caller has gone away", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			gate := repotest.NewGate()
			store.At(repotest.Before, repotest.Get, 0, gate.Hold)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { _, _ = s.Get(ctx, user.ID) })
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			waiting, stop := context.WithCancel(t.Context())
			all.Go(func() {
				if _, err := s.Get(waiting, user.ID); !errors.Is(err, context.Canceled) {
					t.Errorf("who waits for another's load and goes away gets %v", err)
				}
			})
			eventually(t, "the second has missed", func() bool { return s.Stats().Misses == 2 })
			cancel()
			stop()
			gate.Open()
			all.Wait()
			shows(t, s, user.ID, user.Version)
			if n := store.Calls(repotest.Get); n > 2 {
				t.Errorf("the store was asked %d times", n)
			}
		})
	})
}

// race is what goes wrong between a load and a write. It returns what is wrong, or nothing.
func race(t *testing.T, over func(repository.UserRepository) repository.UserRepository, joined func(repository.UserRepository) bool) string {
	t.Helper()
	store := repotest.NewFaults(memory.New())
	s := over(store)
	user := created(t, s, 1)
	gate := repotest.NewGate()
	store.At(repotest.After, repotest.Get, 1, gate.Hold) // it has read, and not said so
	var all sync.WaitGroup
	all.Go(func() { _, _ = s.Get(t.Context(), user.ID) })
	if err := gate.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	version := updated(t, s, user.ID)
	var wrong string
	all.Go(func() {
		if got, err := s.Get(t.Context(), user.ID); err != nil || got.Version != version {
			wrong = "who joins a load gets what was read before"
		}
	})
	eventually(t, "the second reader has joined", func() bool { return joined(s) })
	gate.Open()
	all.Wait()
	if got, err := s.Get(t.Context(), user.ID); err != nil || got.Version != version {
		wrong += "; what was read before a write is kept after it"
	}
	return wrong
}

// naive is the cache that everybody writes first. It is what the tests have to catch.
type naive struct {
	repository.UserRepository
	mu      sync.Mutex
	kept    map[int64]models.User
	loading map[int64]*flight
	joined  int
}

func (n *naive) Get(ctx context.Context, id int64) (models.User, error) {
	n.mu.Lock()
	if user, ok := n.kept[id]; ok {
		n.mu.Unlock()
		return user, nil
	}
	if f := n.loading[id]; f != nil {
		n.joined++
		n.mu.Unlock()
		return f.user, f.wait(ctx)
	}
	f := &flight{done: make(chan struct{})}
	n.loading[id] = f
	n.mu.Unlock()
	f.user, f.err = n.UserRepository.Get(ctx, id)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept[id] = f.user
	delete(n.loading, id)
	close(f.done)
	return f.user, f.err
}

func (n *naive) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	user, err := n.UserRepository.Update(ctx, id, change)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.kept, id)
	return user, err
}

func TestStore_Update(t *testing.T) {
	t.Run("is seen by who joins a load that began before", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			wrong := race(t,
				func(store repository.UserRepository) repository.UserRepository { return over(store) },
				func(s repository.UserRepository) bool {
					stats := s.(*Store).Stats()
					return stats.Misses == 2
				})
			if wrong != "" {
				t.Error(wrong)
			}
		})
	})
	t.Run("is not seen in a naive cache", func(t *testing.T) {
		wrong := race(t,
			func(store repository.UserRepository) repository.UserRepository {
				return &naive{UserRepository: store, kept: make(map[int64]models.User), loading: make(map[int64]*flight)}
			},
			func(s repository.UserRepository) bool {
				n := s.(*naive)
				n.mu.Lock()
				defer n.mu.Unlock()
				return n.joined == 1
			})
		if wrong == "" {
			t.Error("the test does not notice what it is about")
		}
	})
	t.Run("sends readers to the store while it goes on, and nothing is kept", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			shows(t, s, user.ID, 1)
			for _, moment := range []repotest.Moment{repotest.Before, repotest.After} {
				gate := repotest.NewGate()
				store.At(moment, repotest.Update, 1, gate.Hold)
				var writer sync.WaitGroup
				writer.Go(func() { updated(t, s, user.ID) })
				if err := gate.Await(t.Context()); err != nil {
					t.Fatal(err)
				}
				stored, err := store.Get(t.Context(), user.ID)
				if err != nil {
					t.Fatal(err)
				}
				before := store.Calls(repotest.Get)
				shows(t, s, user.ID, stored.Version)
				shows(t, s, user.ID, stored.Version)
				if n := store.Calls(repotest.Get) - before; n != 2 {
					t.Errorf("of 2 reads %d came to the store", n)
				}
				gate.Open()
				writer.Wait()
				shows(t, s, user.ID, user.Version+1)
				user.Version++
			}
		})
	})
	t.Run("does not lift the block of another writer of the same user", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			gate := repotest.NewGate()
			store.At(repotest.Before, repotest.Update, 1, gate.Hold)
			var writer sync.WaitGroup
			writer.Go(func() { updated(t, s, user.ID) })
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			updated(t, s, user.ID)
			before := s.Stats().Loads
			shows(t, s, user.ID, 2)
			if s.Stats().Loads != before {
				t.Error("a reader filled the entry that is being written")
			}
			gate.Open()
			writer.Wait()
			shows(t, s, user.ID, 3)
			shows(t, s, user.ID, 3)
			if s.Stats().Hits == 0 {
				t.Error("the entry stays blocked")
			}
		})
	})
	t.Run("whose outcome is unknown keeps the entry blocked", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			user := created(t, s, 1)
			shows(t, s, user.ID, 1)
			lost := errors.New("the answer got lost")
			store.At(repotest.After, repotest.Update, 1, repotest.Fail(lost))
			if _, err := s.Update(t.Context(), user.ID, next); !errors.Is(err, lost) {
				t.Fatalf("Update gives %v", err)
			}
			hits := s.Stats().Hits
			shows(t, s, user.ID, 2)
			shows(t, s, user.ID, 2)
			if s.Stats().Hits != hits {
				t.Error("the entry is kept")
			}
		})
	})
	t.Run("that is refused leaves nothing blocked", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			s := over(memory.New())
			user, other := created(t, s, 1), created(t, s, 2)
			refusal := errors.New("refused")
			for _, change := range []func(models.User) (models.User, error){
				func(user models.User) (models.User, error) { return user, refusal },
				func(user models.User) (models.User, error) { user.Email = other.Email; return user, nil },
			} {
				if _, err := s.Update(t.Context(), user.ID, change); err == nil {
					t.Fatal("Update succeeds")
				}
				shows(t, s, user.ID, 1)
				hits := s.Stats().Hits
				shows(t, s, user.ID, 1)
				if s.Stats().Hits != hits+1 {
					t.Error("the entry is not kept")
				}
			}
		})
	})
	t.Run("that panics does not leave the entry to be filled", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			s := over(memory.New())
			user := created(t, s, 1)
			func() {
				defer func() { _ = recover() }()
				_, _ = s.Update(t.Context(), user.ID, func(models.User) (models.User, error) { panic("change") })
			}()
			shows(t, s, user.ID, 1)
			if s.Stats().Loads != 0 {
				t.Error("the entry was filled")
			}
		})
	})
}

func TestStore_Delete(t *testing.T) {
	t.Run("is seen by the next reader", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			s := over(memory.New())
			user := created(t, s, 1)
			shows(t, s, user.ID, 1)
			stays := errors.New("stays")
			if err := s.Delete(t.Context(), user.ID, func(models.User) error { return stays }); !errors.Is(err, stays) {
				t.Errorf("Delete gives %v", err)
			}
			shows(t, s, user.ID, 1)
			if err := s.Delete(t.Context(), user.ID, nil); err != nil {
				t.Fatal(err)
			}
			shows(t, s, user.ID, 0)
			if got := owner(t, s, user.Email); got != 0 {
				t.Errorf("the address of the deleted user is that of %d", got)
			}
		})
	})
}

func TestStore_Batch(t *testing.T) {
	t.Run("is seen by the next reader, whichever way the store asks", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			s := over(twice{memory.New()})
			a, b, c := created(t, s, 1), created(t, s, 2), created(t, s, 3)
			for _, user := range []models.User{a, b, c} {
				shows(t, s, user.ID, 1)
				owner(t, s, user.Email)
			}
			err := s.Batch(t.Context(), func(repository.Tx) (repository.Changes, error) {
				first, second := a, b
				first.Email, second.Email = b.Email, a.Email
				first.Version, second.Version = 2, 2
				return repository.Changes{Replace: []models.User{first, second}, Delete: []int64{c.ID}}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			shows(t, s, a.ID, 2)
			shows(t, s, b.ID, 2)
			shows(t, s, c.ID, 0)
			for address, want := range map[string]int64{a.Email: b.ID, b.Email: a.ID, c.Email: 0} {
				if got := owner(t, s, address); got != want {
					t.Errorf("%s is the address of %d, want %d", address, got, want)
				}
			}
		})
	})
}

// twice is a store that asks a batch a second time, after another outcome of the first.
type twice struct{ repository.UserRepository }

func (d twice) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	conflict := errors.New("could not serialise")
	err := d.UserRepository.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		if changes, err := decide(tx); err != nil {
			return changes, err
		}
		return repository.Changes{}, conflict
	})
	if !errors.Is(err, conflict) {
		return err
	}
	return d.UserRepository.Batch(ctx, decide)
}

func TestStore_List(t *testing.T) {
	t.Run("finds an address without the store, and follows it when it moves", func(t *testing.T) {
		levels(t, func(t *testing.T, over func(repository.UserRepository) *Store) {
			store := repotest.NewFaults(memory.New())
			s := over(store)
			a, b := created(t, s, 1), created(t, s, 2)
			for range 4 {
				if got := owner(t, s, a.Email); got != a.ID {
					t.Fatalf("the address is that of %d", got)
				}
			}
			if lists, gets := store.Calls(repotest.List), store.Calls(repotest.Get); lists != 1 || gets != 1 {
				t.Errorf("the store was asked for %d lists and %d users", lists, gets)
			}
			if _, err := s.Update(t.Context(), a.ID, func(user models.User) (models.User, error) {
				user.Email = "elsewhere@example.com"
				return user, nil
			}); err != nil {
				t.Fatal(err)
			}
			if got := owner(t, s, a.Email); got != 0 {
				t.Errorf("the address that was given up is that of %d", got)
			}
			if _, err := s.Update(t.Context(), b.ID, func(user models.User) (models.User, error) {
				user.Email = a.Email
				return user, nil
			}); err != nil {
				t.Fatal(err)
			}
			if got := owner(t, s, a.Email); got != b.ID {
				t.Errorf("the address that was taken over is that of %d", got)
			}
		})
	})
	t.Run("leaves every other question to the store", func(t *testing.T) {
		store := repotest.NewFaults(memory.New())
		s := begun(t, store, Options{Local: 100})
		user := created(t, s, 1)
		key := models.EmailKey(user.Email)
		owner(t, s, user.Email)
		queries := []models.Query{
			{Limit: 1},
			{Filter: models.Filter{EmailKey: key, MinAge: 1}, Limit: 1},
			{Filter: models.Filter{EmailKey: key}, Limit: 1, WithTotal: true},
			{Filter: models.Filter{EmailKey: key}, Limit: 1, Skip: 1},
			{Filter: models.Filter{EmailKey: key}, Limit: 1, Position: models.Position{Backward: true}},
		}
		before := store.Calls(repotest.List)
		for _, query := range queries {
			if _, err := s.List(t.Context(), query); err != nil {
				t.Error(err)
			}
		}
		if n := store.Calls(repotest.List) - before; n != len(queries) {
			t.Errorf("of %d questions %d came to the store", len(queries), n)
		}
	})
}
