package cached

import (
	"context"
	"errors"
	"sync"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

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
