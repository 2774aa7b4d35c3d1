package testkit

import (
	"cmp"
	"os"
	"testing"
	"time"

	"userapi/config"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

// Memory is the engine of services for which nobody names another one.
const Memory = "memory"

// EngineVariable is the environment variable that names the engine of all services that name none.
const EngineVariable = "TEST_ENGINE"

// Engine returns the engine of all services that name none.
func Engine() string { return cmp.Or(os.Getenv(EngineVariable), Memory) }

// Engines returns all that there are, the plainest first.
func Engines() []string { return append([]string{Memory}, sqltest.Engines()...) }

// NewStore returns the empty store that New makes for these options. It ends with the test, which is
// skipped where the engine's server is not there.
func NewStore(tb testing.TB, options Options) repository.Store {
	tb.Helper()
	now := options.Now
	if now == nil {
		now = time.Now
	}
	defaults := config.Default().Idempotency
	limits := memory.KeyLimits{
		Age:   cmp.Or(options.Keys.Age, defaults.MaxAge),
		Count: cmp.Or(options.Keys.Count, defaults.MaxKeys),
		Bytes: cmp.Or(options.Keys.Bytes, defaults.MaxBytes),
	}
	engine := cmp.Or(options.Engine, Engine())
	if engine == Memory {
		store := memory.NewLimited(limits, now)
		tb.Cleanup(func() { _ = store.Close() })
		return store
	}
	settings := sqltest.Options(tb, engine)
	settings.Now = now
	settings.Keys = sql.KeyLimits{Age: limits.Age, Count: int64(limits.Count), Bytes: limits.Bytes}
	return sqltest.Open(tb, settings)
}

// Tidy has the store forget the answers that are beyond its bounds. A store in memory does so at once and
// by itself, one in a database every minute.
func (s *Service) Tidy(tb TB) {
	tb.Helper()
	if store, ok := s.store.(*sql.Store); ok {
		if err := store.Tidy(tb.Context()); err != nil {
			tb.Fatalf("Tidy: %v", err)
		}
	}
}
