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
