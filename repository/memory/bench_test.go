package memory_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
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
		Age:       models.Age(n*7919%150 + 1),
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

// stores are filled once for all benchmarks that leave them as they are.
var stores sync.Map

// atSizes runs a benchmark on a store of every size.
func atSizes(b *testing.B, name string, run func(b *testing.B, store *memory.Store, size int)) {
	b.Helper()
	for _, size := range sizes {
		b.Run(fmt.Sprintf("%s/users=%d", name, size), func(b *testing.B) {
			made, _ := stores.LoadOrStore(size, sync.OnceValue(func() *memory.Store { return filled(b, size) }))
			users := made.(func() *memory.Store)()
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			run(b, users, size)
		})
	}
}

func BenchmarkStore_Get(b *testing.B) {
	atSizes(b, "store", func(b *testing.B, store *memory.Store, size int) {
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
	atSizes(b, "store", func(b *testing.B, store *memory.Store, size int) {
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
				if err := store.Delete(b.Context(), created[i].ID, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	})
}

func BenchmarkStore_Update(b *testing.B) {
	atSizes(b, "store", func(b *testing.B, store *memory.Store, size int) {
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

// BenchmarkStore_List reads pages of fifty that begin anywhere: in every order of one key, some of
// several, and by every filter.
func BenchmarkStore_List(b *testing.B) {
	by := func(sorts ...models.Sort) models.Order { return sorts }
	asked := func(filter models.Filter, order models.Order) models.Query {
		return models.Query{Limit: models.DefaultLimit, Filter: filter, Order: order}
	}
	queries := map[string]func(random *rand.Rand, size int) models.Query{
		"skip": func(random *rand.Rand, size int) models.Query {
			query := asked(models.Filter{}, nil)
			query.Skip = int64(random.IntN(size - models.DefaultLimit))
			return query
		},
		"filter=age": func(random *rand.Rand, _ int) models.Query {
			return asked(models.Filter{MinAge: 36, MaxAge: 36}, nil)
		},
		"filter=age_min": func(random *rand.Rand, size int) models.Query {
			return from(asked(models.Filter{MinAge: 30}, nil), random.IntN(size/2))
		},
		"filter=age_min,sort=age": func(random *rand.Rand, size int) models.Query {
			return from(asked(models.Filter{MinAge: 30}, by(models.Sort{Key: models.KeyAge})), random.IntN(size/2))
		},
		"filter=created": func(random *rand.Rand, size int) models.Query {
			after := person(random.IntN(size - 100)).CreatedAt
			return asked(models.Filter{CreatedAfter: &after}, nil)
		},
		"filter=created,sort=-created_at": func(random *rand.Rand, size int) models.Query {
			before := person(random.IntN(size-100) + 100).CreatedAt
			return asked(models.Filter{CreatedBefore: &before}, by(models.Sort{Key: models.KeyCreatedAt, Descending: true}))
		},
		"filter=name": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{Name: models.FoldName(person(random.IntN(size)).Name)}, nil)
		},
		"filter=email": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{EmailKey: models.EmailKey(person(random.IntN(size)).Email)}, nil)
		},
		"filter=ids": func(random *rand.Rand, size int) models.Query {
			filter := models.Filter{}
			for range models.DefaultLimit {
				filter.IDs = append(filter.IDs, random.Int64N(int64(size))+1)
			}
			slices.Sort(filter.IDs)
			filter.IDs = slices.Compact(filter.IDs)
			return asked(filter, nil)
		},
		"q=few": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{Search: fmt.Sprintf("%07d", random.IntN(size))}, nil)
		},
		"q=three": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{Search: fmt.Sprintf("%03d", random.IntN(1000))}, nil)
		},
		"q=few,sort=name": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{Search: fmt.Sprintf("%07d", random.IntN(size))}, by(models.Sort{Key: models.KeyName}))
		},
		"q=many": func(random *rand.Rand, size int) models.Query {
			return asked(models.Filter{Search: "love"}, nil)
		},
		"total=age": func(random *rand.Rand, size int) models.Query {
			query := asked(models.Filter{MinAge: 36}, nil)
			query.WithTotal = true
			return query
		},
	}
	for _, key := range []models.Key{models.KeyID, models.KeyName, models.KeyEmail, models.KeyAge, models.KeyCreatedAt, models.KeyUpdatedAt} {
		for _, descending := range []bool{false, true} {
			order := by(models.Sort{Key: key, Descending: descending}).Normal()
			queries["sort="+order.String()] = func(random *rand.Rand, size int) models.Query {
				return from(asked(models.Filter{}, order), random.IntN(size-2*models.DefaultLimit)+models.DefaultLimit)
			}
		}
	}
	for _, order := range []models.Order{
		by(models.Sort{Key: models.KeyAge}, models.Sort{Key: models.KeyName}),
		by(models.Sort{Key: models.KeyAge, Descending: true}, models.Sort{Key: models.KeyName, Descending: true}, models.Sort{Key: models.KeyEmail}),
	} {
		queries["sort="+order.String()] = func(random *rand.Rand, size int) models.Query {
			return from(asked(models.Filter{}, order), random.IntN(size-2*models.DefaultLimit)+models.DefaultLimit)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(queries)) {
		query := queries[name]
		atSizes(b, name, func(b *testing.B, store *memory.Store, size int) {
			random := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				if _, err := store.List(b.Context(), query(random, size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// from lets a query begin at a person.
func from(query models.Query, n int) models.Query {
	query.Position.At = person(n)
	query.Position.At.ID = int64(n) + 1
	return query
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
