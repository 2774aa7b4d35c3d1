package memory_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"userapi/models"
	"userapi/repository/memory"
)

// sizes are the numbers of users between which no cost may grow.
var sizes = [...]int{1_000, 1_000_000}

// person returns the user number n, below ten million, with a name and an address of twenty
// characters each, in memory of their own as those of a request are.
func person(n int) models.User {
	return models.User{
		Name:      fmt.Sprintf("Ada Lovelace %07d", n),
		Email:     fmt.Sprintf("a%07d@example.com", n),
		Age:       36,
		CreatedAt: models.Timestamp(1_767_366_245_000_000 + n),
		UpdatedAt: models.Timestamp(1_767_366_245_000_000 + n),
		Version:   1,
	}
}

// filled returns a store that holds the persons 0 to n-1 under the ids 1 to n.
func filled(tb testing.TB, n int) *memory.Store {
	tb.Helper()
	store := memory.New()
	for i := range n {
		if _, err := store.Create(tb.Context(), person(i)); err != nil {
			tb.Fatal(err)
		}
	}
	return store
}

// atSizes runs a benchmark on a store of every size, which is filled once.
func atSizes(b *testing.B, run func(b *testing.B, store *memory.Store, size int)) {
	b.Helper()
	for _, size := range sizes {
		store := sync.OnceValue(func() *memory.Store { return filled(b, size) })
		b.Run(fmt.Sprintf("users=%d", size), func(b *testing.B) {
			users := store()
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			run(b, users, size)
		})
	}
}

func BenchmarkStore_Get(b *testing.B) {
	atSizes(b, func(b *testing.B, store *memory.Store, size int) {
		random := rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			if _, err := store.Get(b.Context(), random.Int64N(int64(size))+1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStore_Create keeps the store at its size: what a batch adds goes, untimed, before the
// next.
func BenchmarkStore_Create(b *testing.B) {
	atSizes(b, func(b *testing.B, store *memory.Store, size int) {
		var batch, created [100]models.User
		for i := range batch {
			batch[i] = person(size + i)
		}
		for left := b.N; left > 0; left -= len(batch) {
			users := batch[:min(left, len(batch))]
			for i, user := range users {
				var err error
				if created[i], err = store.Create(b.Context(), user); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			for i := range users {
				if err := store.Delete(b.Context(), created[i].ID); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	})
}

func BenchmarkStore_Update(b *testing.B) {
	atSizes(b, func(b *testing.B, store *memory.Store, size int) {
		random := rand.New(rand.NewPCG(1, 2))
		next := func(user models.User) (models.User, error) {
			user.Version++
			return user, nil
		}
		for b.Loop() {
			if _, err := store.Update(b.Context(), random.Int64N(int64(size))+1, next); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStore_List(b *testing.B) {
	queries := map[string]func(random *rand.Rand, size int64) models.Query{
		"skip": func(random *rand.Rand, size int64) models.Query {
			return models.Query{Limit: models.DefaultLimit, Skip: random.Int64N(size - models.DefaultLimit)}
		},
		"position": func(random *rand.Rand, size int64) models.Query {
			at := &models.Position{ID: random.Int64N(size - models.DefaultLimit)}
			return models.Query{Limit: models.DefaultLimit, Position: at}
		},
	}
	for name, query := range queries {
		b.Run(name, func(b *testing.B) {
			atSizes(b, func(b *testing.B, store *memory.Store, size int) {
				random := rand.New(rand.NewPCG(1, 2))
				for b.Loop() {
					page, err := store.List(b.Context(), query(random, int64(size)))
					if err != nil || len(page.Users) != models.DefaultLimit {
						b.Fatalf("%d users, error %v", len(page.Users), err)
					}
				}
			})
		})
	}
}

// heapPerUser returns the bytes of heap that a store of n users keeps alive, for each of them.
func heapPerUser(tb testing.TB, n int) float64 {
	tb.Helper()
	before := liveHeap()
	store := filled(tb, n)
	after := liveHeap()
	runtime.KeepAlive(store)
	return float64(after-before) / float64(n)
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one only swept
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkStore_heap reports heap-B/user; its times are those of filling a store.
func BenchmarkStore_heap(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("users=%d", size), func(b *testing.B) {
			var perUser float64
			for b.Loop() {
				perUser = heapPerUser(b, size)
			}
			b.ReportMetric(perUser, "heap-B/user")
		})
	}
}

func TestStore_heap(t *testing.T) {
	t.Run("a user of twenty and twenty characters costs less than 300 bytes", func(t *testing.T) {
		const most = 300
		if got := heapPerUser(t, 100_000); got > most {
			t.Errorf("%.0f bytes for each user, want at most %d", got, most)
		}
	})
}
