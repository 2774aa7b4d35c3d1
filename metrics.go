package main

import (
	"userapi/config"
	"userapi/handlers"
	"userapi/middleware"
	"userapi/middleware/metrics"
	"userapi/repository"
	"userapi/repository/observed"
	"userapi/services"
)

// newMetrics returns what counts for Prometheus, or nil when nobody is to see it: then nothing is
// counted, and nothing costs anything.
func newMetrics(settings config.Admin, linesLost func() int64) *metrics.Metrics {
	if settings.Addr == "" && !settings.MetricsOnMain {
		return nil
	}
	counted := metrics.New(build())
	counted.SetLogLinesDropped(linesLost)
	return counted
}

// observe returns the store with its operations counted, and the answers that are kept there. A nil
// counted leaves both as they are.
func observe(counted *metrics.Metrics, engine string, store repository.Store) (repository.Store, handlers.RetryService) {
	if counted == nil {
		return store, services.NewRetries(store)
	}
	store = observed.New(store, counted.Store(engine))
	return store, counted.Retries(services.NewRetries(store))
}

// watch has the lifecycle and the store asked at each scrape. It is called again when there is more to
// ask: the cache comes later than the database.
func watch(counted *metrics.Metrics, lifecycle *middleware.Lifecycle, store *storage) {
	if counted == nil {
		return
	}
	counted.SetReady(lifecycle.Serving)
	if store.memory != nil {
		counted.SetUsers(store.memory.Len)
	}
	if store.database != nil {
		counted.SetDatabase(store.databaseNumbers)
	}
	if front := store.front; front != nil {
		level := "memory"
		if store.settings.Cache.Redis != "" {
			level = "redis"
		}
		counted.SetCache(func() metrics.Cache {
			seen := front.Stats()
			return metrics.Cache{
				Level: level, Hits: seen.Hits, Misses: seen.Misses, Blocked: seen.Blocked, Bypassed: seen.Bypassed,
				Loads: seen.Loads, Suspensions: seen.Suspensions, Errors: seen.Errors,
			}
		})
	}
}

// databaseNumbers returns what the database tells of itself, without asking it anything.
func (s *storage) databaseNumbers() metrics.Database {
	stats := s.database.Stats()
	numbers := metrics.Database{
		Engine: s.settings.Storage.Engine, Retries: stats.Retries, Abandoned: stats.Abandoned,
		Refused: stats.Refused, Failures: stats.Failures,
	}
	for _, pool := range stats.Pools {
		numbers.Pools = append(numbers.Pools, metrics.Pool{
			Name: pool.Name, Used: pool.InUse, Idle: pool.Open - pool.InUse, Most: pool.Most,
			Waiting: pool.Waiting, Waits: pool.Waits, Waited: pool.Waited,
		})
	}
	return numbers
}
