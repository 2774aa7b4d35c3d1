package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"userapi/models"
)

// mostOperations is far above the operations of all stores times what becomes of them.
const mostOperations = 300

// operation is what calls of a store share.
type operation struct{ engine, name, outcome string }

// stores counts what is asked of the store, and what the rules make of requests with a key.
type stores struct {
	operations *children[operation, prometheus.Observer]
	retries    *prometheus.CounterVec
}

func newStores(registry prometheus.Registerer) *stores {
	durations := prometheus.NewHistogramVec(duration("userapi_store_operation_duration_seconds",
		"How long operations of the store took, cache and waiting included, by what became of them."), []string{"engine", "operation", "outcome"})
	s := &stores{
		operations: newChildren(mostOperations, operation{other, other, other}, func(key operation) prometheus.Observer {
			return durations.WithLabelValues(key.engine, key.name, key.outcome)
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "userapi_idempotent_requests_total",
			Help: "Requests with an Idempotency-Key: first and kept, replayed from what was kept, reused for another body, in_progress elsewhere, and those that leave the key free: failed, or not_kept, as a dry run.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{"failed", "first", "in_progress", "not_kept", "replayed", "reused"} {
		s.retries.WithLabelValues(outcome)
	}
	registry.MustRegister(durations, s.retries)
	return s
}

// Store returns what is told of the operations of a store (it is a repository/observed.Observer).
func (m *Metrics) Store(engine string) func(ctx context.Context, name string) (context.Context, func(err error)) {
	s, now := m.stores, m.now
	return func(ctx context.Context, name string) (context.Context, func(err error)) {
		start := now()
		return ctx, func(err error) {
			s.operations.of(operation{engine, name, outcomeOf(err)}).Observe((now() - start).Seconds())
		}
	}
}

// outcomeOf sorts the errors of a store. That something is not there, or clashes, or is refused by the
// rules, is no failure of the store.
func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	known := models.AsError(err)
	switch known.Kind {
	case models.KindNotFound:
		return "not_found"
	case models.KindConflict, models.KindStale:
		return "conflict"
	case models.KindUnavailable:
		return "unavailable"
	case models.KindInternal:
		switch {
		case errors.Is(err, context.Canceled):
			return "cancelled"
		case errors.Is(err, context.DeadlineExceeded):
			return "unavailable"
		}
		return "internal"
	default:
		return "refused"
	}
}

// retrier is the service that answers requests which are sent again.
type retrier interface {
	Do(ctx context.Context, keep *models.Keep, run func(ctx context.Context) (models.Answer, error)) (models.Answer, bool, error)
}

// Retries returns a service that counts what becomes of requests with a key.
func (m *Metrics) Retries(inner retrier) CountedRetries {
	return CountedRetries{inner, m.stores.retries}
}

// CountedRetries counts what becomes of requests with an idempotency key.
type CountedRetries struct {
	retrier
	counts *prometheus.CounterVec
}

// Do implements handlers.RetryService.
func (r CountedRetries) Do(
	ctx context.Context, keep *models.Keep, run func(ctx context.Context) (models.Answer, error),
) (models.Answer, bool, error) {
	answer, replayed, err := r.retrier.Do(ctx, keep, run)
	outcome := "failed"
	switch {
	case errors.Is(err, models.ErrKeyReused):
		outcome = "reused"
	case errors.Is(err, models.ErrRequestInProgress):
		outcome = "in_progress"
	case err != nil:
	case replayed:
		outcome = "replayed"
	case keep.Kept:
		outcome = "first"
	default:
		outcome = "not_kept"
	}
	r.counts.WithLabelValues(outcome).Inc()
	return answer, replayed, err
}
