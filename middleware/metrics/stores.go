package metrics

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"userapi/models"
)

// mostOperations is far above the operations of all stores.
const mostOperations = 40

// result is what became of an operation of a store.
type result uint8

const (
	resultOK result = iota
	resultNotFound
	resultConflict
	resultRefused
	resultCancelled
	resultUnavailable
	resultInternal
	results
)

// String returns the word that counts.
func (r result) String() string {
	return [results]string{"ok", "not_found", "conflict", "refused", "cancelled", "unavailable", "internal"}[r]
}

// operation is what calls of a method of a store share.
type operation struct {
	engine, name string
	durations    *prometheus.HistogramVec
	// of has the series of each result that there has been.
	of [results]atomic.Pointer[prometheus.Observer]
}

// observe counts one call.
func (o *operation) observe(r result, took time.Duration) {
	series := o.of[r].Load()
	if series == nil {
		made := o.durations.WithLabelValues(o.engine, o.name, r.String()) // always the same one
		series = &made
		o.of[r].Store(series)
	}
	(*series).Observe(took.Seconds())
}

// stores counts what is asked of the store, and what the rules make of requests with a key.
type stores struct {
	durations *prometheus.HistogramVec
	retries   *prometheus.CounterVec
}

func newStores(registry prometheus.Registerer) *stores {
	s := &stores{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "userapi_store_operation_duration_seconds", Buckets: durations(),
			Help: "How long operations of the store took, cache and waiting included, by what became of them.",
		}, []string{"engine", "operation", "outcome"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "userapi_idempotent_requests_total",
			Help: "Requests with an Idempotency-Key: first and kept, replayed from what was kept, reused for another body, in_progress elsewhere, and those that leave the key free: failed, or not_kept, as a dry run.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{"failed", "first", "in_progress", "not_kept", "replayed", "reused"} {
		s.retries.WithLabelValues(outcome)
	}
	registry.MustRegister(s.durations, s.retries)
	return s
}

// Store returns what is told of the operations of a store (it is a repository/observed.Observer). What it
// returns for the end of an operation is called once and then forgotten: it is used again.
func (m *Metrics) Store(engine string) func(ctx context.Context, name string) (context.Context, func(err error)) {
	now := m.now
	operations := newChildren(mostOperations, other, func(name string) *operation {
		return &operation{engine: engine, name: name, durations: m.stores.durations}
	})
	calls := new(sync.Pool)
	calls.New = func() any {
		c := new(call)
		c.end = func(err error) {
			operation, took := c.operation, now()-c.start
			calls.Put(c)
			operation.observe(resultOf(err), took)
		}
		return c
	}
	return func(ctx context.Context, name string) (context.Context, func(err error)) {
		c := calls.Get().(*call)
		c.operation, c.start = operations.of(name), now()
		return ctx, c.end
	}
}

// call is an operation that has begun. They are kept for others, because a function that is made anew
// for each costs as much as all the counting.
type call struct {
	operation *operation
	start     time.Duration
	end       func(err error)
}

// resultOf sorts the errors of a store. That something is not there, or clashes, or is refused by the
// rules, is no failure of the store.
func resultOf(err error) result {
	if err == nil {
		return resultOK
	}
	switch models.AsError(err).Kind {
	case models.KindNotFound:
		return resultNotFound
	case models.KindConflict, models.KindStale:
		return resultConflict
	case models.KindUnavailable:
		return resultUnavailable
	case models.KindInternal:
		switch {
		case errors.Is(err, context.Canceled):
			return resultCancelled
		case errors.Is(err, context.DeadlineExceeded):
			return resultUnavailable
		}
		return resultInternal
	default:
		return resultRefused
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
