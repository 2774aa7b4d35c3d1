package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"userapi/config"
)

const (
	// complainsOfExportEvery is how often the log says that spans are lost.
	complainsOfExportEvery = time.Minute
	// longestReason bounds what the log repeats of an exporter's error, in octets.
	longestReason = 300
)

// spanQueue stands before and behind the SDK's batch processor, which drops what does not fit without a
// word, and would tell of what cannot be exported by a handler that is global. It takes spans while fewer
// wait than may, hands them to the processor, and has its exports from it. Whatever is lost is counted, and
// said at most once a minute. Nothing in it blocks a request. It is safe for concurrent use.
type spanQueue struct {
	sdktrace.SpanProcessor // the batch processor
	exporter               sdktrace.SpanExporter

	most    int64
	open    atomic.Int64 // spans that have not ended
	waiting atomic.Int64
	dropped atomic.Uint64

	closing atomic.Bool
	settled chan struct{} // hears, while closing, that no span is open

	// ended is done when nothing is exported any more.
	ended   context.Context
	abandon context.CancelFunc

	log *zap.Logger
	now func() time.Time
	// quietUntil is when the log may hear of it again, in nanoseconds of Unix time.
	quietUntil atomic.Int64
	mu         sync.Mutex
	told       uint64 // what of dropped the log has heard of
}

// newSpanQueue returns a queue before an exporter, which it shuts down at its own Shutdown.
func newSpanQueue(exporter sdktrace.SpanExporter, settings *config.Traces, log *zap.Logger, now func() time.Time) *spanQueue {
	q := &spanQueue{exporter: exporter, most: int64(settings.Queue), settled: make(chan struct{}, 1), log: log, now: now}
	q.ended, q.abandon = context.WithCancel(context.Background()) //nolint:gosec // whoever closes the tracing calls it
	q.SpanProcessor = sdktrace.NewBatchSpanProcessor(behind{q}, sdktrace.WithMaxQueueSize(settings.Queue), sdktrace.WithMaxExportBatchSize(settings.Batch),
		sdktrace.WithBatchTimeout(settings.Every), sdktrace.WithExportTimeout(settings.Patience))
	return q
}

// OnStart implements sdktrace.SpanProcessor.
func (q *spanQueue) OnStart(context.Context, sdktrace.ReadWriteSpan) { q.open.Add(1) }

// OnEnd implements sdktrace.SpanProcessor. A span waits until its export has ended, so that the processor's
// own queue, which is as long, is never full.
func (q *spanQueue) OnEnd(span sdktrace.ReadOnlySpan) {
	q.take(span)
	if q.open.Add(-1) == 0 && q.closing.Load() {
		select {
		case q.settled <- struct{}{}:
		default:
		}
	}
}

// settle waits until no span is open, or ctx ends.
func (q *spanQueue) settle(ctx context.Context) {
	q.closing.Store(true)
	for q.open.Load() > 0 && ctx.Err() == nil {
		select {
		case <-q.settled:
		case <-ctx.Done():
		}
	}
}

func (q *spanQueue) take(span sdktrace.ReadOnlySpan) {
	if q.waiting.Add(1) > q.most {
		q.waiting.Add(-1)
		q.lose(1, "too many spans wait to be exported")
		return
	}
	q.SpanProcessor.OnEnd(span)
}

// behind is the queue as the exporter of the batch processor.
type behind struct{ queue *spanQueue }

// ExportSpans implements sdktrace.SpanExporter. It has no errors: it has told of them.
func (b behind) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	q := b.queue
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ended, cancel)() //nolint:contextcheck // the one that ends first counts
	err := q.ended.Err()
	if err == nil {
		err = q.exporter.ExportSpans(ctx, spans)
	}
	q.waiting.Add(-int64(len(spans)))
	if err != nil {
		q.lose(len(spans), err.Error())
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (b behind) Shutdown(ctx context.Context) error { return b.queue.exporter.Shutdown(ctx) }

// lose counts spans that are lost, and says so now and then.
func (q *spanQueue) lose(spans int, reason string) {
	q.dropped.Add(uint64(spans)) //nolint:gosec // never negative
	now := q.now()
	quiet := q.quietUntil.Load()
	if now.UnixNano() >= quiet && q.quietUntil.CompareAndSwap(quiet, now.Add(complainsOfExportEvery).UnixNano()) {
		q.complain(reason)
	}
}

// farewell says what was lost since the log heard of it last. Nothing waits by then.
func (q *spanQueue) farewell() { q.complain("the process ends") }

func (q *spanQueue) complain(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.dropped.Load()
	if all == q.told {
		return
	}
	if len(reason) > longestReason {
		reason = strings.ToValidUTF8(reason[:longestReason], "") + "…"
	}
	q.log.Warn("spans were dropped", zap.Uint64("spans", all-q.told), zap.Uint64("since_start", all), zap.String("reason", reason))
	q.told = all
}
