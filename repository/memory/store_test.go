package memory_test

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	repotest.Run(t, func(testing.TB) repository.UserRepository { return memory.New() })
}

func TestStore_List(t *testing.T) {
	t.Run("answers exactly over many pages of the ledger", func(t *testing.T) {
		store := memory.New()
		var users []models.User
		for i := range 3000 {
			user, err := store.Create(t.Context(), repotest.Sample(i))
			if err != nil {
				t.Fatal(err)
			}
			// One page of the ledger is empty, one has a single user, one is full, the rest has gaps.
			if id := user.ID; 513 <= id && id <= 1024 || 1025 <= id && id <= 1536 && id != 1300 || id > 2048 && id%3 == 0 {
				if err := store.Delete(t.Context(), id, nil); err != nil {
					t.Fatal(err)
				}
				continue
			}
			users = append(users, user)
		}
		for _, limit := range []int{1, 7, models.MaxLimit} {
			for skip := int64(0); skip <= int64(len(users))+1; skip += 13 {
				holds(t, store, users, models.Query{Limit: limit, Skip: skip, WithTotal: true})
			}
			for id := int64(-5); id < 3600; id += 17 {
				at := models.Position{At: models.User{ID: id}, Inclusive: id%2 == 0}
				holds(t, store, users, models.Query{Limit: limit, Position: at})
				at.Backward = true
				holds(t, store, users, models.Query{Limit: limit, Position: at})
			}
		}
	})
}

// holds fails the test unless the store answers the query as a store of these users does.
func holds(t *testing.T, store *memory.Store, users []models.User, query models.Query) {
	t.Helper()
	got, err := store.List(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	want := repotest.PageOf(users, query)
	if !slices.Equal(got.Users, want.Users) || got.More != want.More || got.Before != want.Before || got.Total != want.Total {
		t.Fatalf("List(%+v) = %v, want %v", query, got, want)
	}
}

func TestStore_Close(t *testing.T) {
	t.Run("gives the memory back while somebody still holds the store", func(t *testing.T) {
		store := filled(t, 20_000)
		before := liveHeap()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if after := liveHeap(); after+20_000*100 > before {
			t.Errorf("%d bytes before Close and %d after it", before, after)
		}
		runtime.KeepAlive(store)
	})
	t.Run("says in the cause that it is the store that is closed", func(t *testing.T) {
		store := memory.New()
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		known := models.AsError(store.Ping(t.Context()))
		if known.Kind != models.KindUnavailable || known.Cause == nil {
			t.Errorf("Ping gives %+v, want an unavailable store with a cause", known)
		}
		if _, err := store.Get(t.Context(), math.MaxInt64); errors.Is(err, models.ErrUserNotFound) {
			t.Errorf("Get gives %v: a closed store knows of nobody's absence", err)
		}
	})
}
