package cached

import (
	"sync/atomic"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
)

// BenchmarkStore_Get measures a read that the cache answers, and one that it does not, beside one
// without a cache. The store behind is in memory, which no cache makes faster: what counts is what the
// cache adds.
func BenchmarkStore_Get(b *testing.B) {
	read := func(b *testing.B, store repository.UserRepository, ids int64) {
		b.Helper()
		b.ReportAllocs()
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := store.Get(b.Context(), n.Add(1)%ids+1); err != nil {
					b.Error(err)
				}
			}
		})
	}
	filled := func(b *testing.B) *memory.Store {
		b.Helper()
		store := memory.New()
		for i := range 1000 {
			created(b, store, i)
		}
		return store
	}
	overRedis := func(b *testing.B, ttl time.Duration) *Store {
		b.Helper()
		s := begun(b, filled(b), Options{
			Redis: named(b), Prefix: prefix(b), Coordinator: new(coordinator), Timeout: longestTimeout, TTL: ttl, times: quick(),
		})
		ready(b, s)
		return s
	}
	b.Run("no cache", func(b *testing.B) { read(b, filled(b), 1000) })
	b.Run("local hit", func(b *testing.B) { read(b, begun(b, filled(b), Options{Local: 10_000}), 1000) })
	b.Run("local miss", func(b *testing.B) { read(b, begun(b, filled(b), Options{Local: 1}), 1000) })
	b.Run("redis hit", func(b *testing.B) { read(b, overRedis(b, 0), 100) })
	b.Run("redis miss", func(b *testing.B) { read(b, overRedis(b, time.Millisecond), 1000) })
	b.Run("redis away", func(b *testing.B) {
		s := begun(b, filled(b), Options{Redis: "127.0.0.1:1", Coordinator: new(coordinator), times: quick()})
		read(b, s, 1000)
	})
}

func BenchmarkStore_Update(b *testing.B) {
	write := func(b *testing.B, store repository.UserRepository) {
		b.Helper()
		id := created(b, store, 1).ID
		b.ReportAllocs()
		for b.Loop() {
			if _, err := store.Update(b.Context(), id, func(user models.User) (models.User, error) { return next(user) }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("no cache", func(b *testing.B) { write(b, memory.New()) })
	b.Run("local", func(b *testing.B) { write(b, begun(b, memory.New(), Options{Local: 100})) })
	b.Run("redis", func(b *testing.B) {
		s := begun(b, memory.New(), Options{
			Redis: named(b), Prefix: prefix(b), Coordinator: new(coordinator), Timeout: longestTimeout, times: quick(),
		})
		ready(b, s)
		write(b, s)
	})
}
