package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"userapi/config"
	"userapi/middleware"
	"userapi/middleware/metrics"
	"userapi/models"
	"userapi/repository/memory"
)

// recording is tracing whose spans stay in the process.
func recording() (*tracing, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	return &tracing{provider: provider, tracer: provider.Tracer(scope)}, spans
}

func texts(set []attribute.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, pair := range set {
		texts[string(pair.Key)] = pair.Value.String()
	}
	return texts
}

func TestTracing_run(t *testing.T) {
	t.Run("the environment is the one that run is given", func(t *testing.T) {
		var exported atomic.Int64
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { exported.Add(r.ContentLength) }))
		defer collector.Close()
		var stdout, stderr output
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan int)
		go func() {
			ended <- run(ctx, []string{"--addr", "127.0.0.1:0"}, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL}, &stdout, &stderr)
		}()
		eventually(t, "the service to listen", func() bool { return strings.Contains(stdout.String(), `"listening"`) })
		for _, line := range stdout.lines(t) {
			if url, ok := line["url"].(string); ok {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/livez", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Close = true
				answer, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
			}
		}
		cancel()
		if code := <-ended; code != exitOK || stderr.String() != "" || exported.Load() == 0 {
			t.Errorf("exit %d, %q, %d octets", code, stderr.String(), exported.Load())
		}
	})
	t.Run("a fault is exit 2, before anything is logged", func(t *testing.T) {
		var stdout, stderr output
		code := run(t.Context(), []string{"--addr", "127.0.0.1:0"}, []string{"OTEL_TRACES_EXPORTER=console"}, &stdout, &stderr)
		if code != exitUsage || stdout.String() != "" || !strings.Contains(stderr.String(), "OTEL_TRACES_EXPORTER") {
			t.Errorf("exit %d, %q, %q", code, stdout.String(), stderr.String())
		}
	})
}

// exporter is one that does what a test wants.
type exporter func(ctx context.Context, spans int) error

func (e exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e(ctx, len(spans))
}

func (exporter) Shutdown(context.Context) error { return nil }

// queueing is tracing by a queue of ten, in batches of five, before an exporter.
func queueing(export exporter, now func() time.Time) (*tracing, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.WarnLevel)
	queue := newSpanQueue(export, &config.Traces{Queue: 10, Batch: 5, Every: time.Hour, Patience: time.Hour}, zap.New(core), now)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(queue))
	return &tracing{provider: provider, tracer: provider.Tracer(scope), queue: queue, hangUp: func() {}}, logs
}

func (t *tracing) record(spans int) {
	for range spans {
		_, span := t.tracer.Start(context.Background(), "x")
		span.End()
	}
}

func TestSpanQueue(t *testing.T) {
	t.Run("takes what it has room for, and counts the rest", func(t *testing.T) {
		release := make(chan struct{})
		var exported atomic.Int64
		traces, logs := queueing(func(_ context.Context, spans int) error {
			<-release
			exported.Add(int64(spans))
			return nil
		}, time.Now)
		traces.record(25)
		if got := traces.dropped(); got != 15 || logs.Len() != 1 {
			t.Errorf("%d were dropped, said %d times", got, logs.Len())
		}
		close(release)
		traces.close(nil, nil)
		if exported.Load() != 10 || traces.dropped() != 15 {
			t.Errorf("%d were exported, %d dropped", exported.Load(), traces.dropped())
		}
		told := uint64(0)
		for _, entry := range logs.All() {
			told += entry.ContextMap()["spans"].(uint64)
		}
		if told != 15 || logs.Len() != 2 {
			t.Errorf("the log was told %d times of %d", logs.Len(), told)
		}
	})
	t.Run("says at most once a minute that spans are lost, and what of it was not said at the end", func(t *testing.T) {
		var clock atomic.Int64
		traces, logs := queueing(func(context.Context, int) error { return errors.New("away " + strings.Repeat("é", 500)) }, func() time.Time { return time.Unix(clock.Load(), 0) })
		lose := func(all int64) {
			t.Helper()
			traces.record(5)
			eventually(t, "an export", func() bool { return traces.dropped() == all })
		}
		clock.Store(1000)
		lose(5)
		lose(10)
		clock.Store(1059)
		lose(15)
		clock.Store(1060)
		lose(20)
		lose(25)
		traces.close(nil, nil)
		var said []string
		for _, entry := range logs.All() {
			fields := entry.ContextMap()
			said = append(said, fmt.Sprint(fields["spans"], "/", fields["since_start"]))
			if reason := fields["reason"].(string); len(reason) > longestReason+3 || strings.ContainsRune(reason, '\ufffd') {
				t.Errorf("the reason is %d octets: %s", len(reason), reason)
			}
		}
		if got := strings.Join(said, " "); got != "5/5 15/20 5/25" {
			t.Errorf("said %s", got)
		}
	})
	t.Run("a stop waits for spans that are about to end", func(t *testing.T) {
		var exported atomic.Int64
		traces, _ := queueing(func(_ context.Context, spans int) error { exported.Add(int64(spans)); return nil }, time.Now)
		_, span := traces.tracer.Start(t.Context(), "x")
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			traces.close(nil, nil)
		}()
		eventually(t, "the stop to begin", traces.queue.closing.Load)
		span.End()
		<-closed
		if exported.Load() != 1 {
			t.Errorf("%d spans", exported.Load())
		}
	})
	for says, end := range map[string]func(*tracing){
		"a stop ends an export that does not": func(traces *tracing) { traces.close(nil, nil) },
		"a signal ends the stop": func(traces *tracing) {
			signals := make(chan os.Signal, 1)
			signals <- os.Interrupt
			traces.close(nil, signals)
		},
		"a stop at once exports nothing": func(traces *tracing) { traces.close(errForced, nil) },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			traces, logs := queueing(func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }, time.Now)
			traces.record(7)
			began := time.Now()
			end(traces)
			took := time.Since(began)
			if patient := strings.HasPrefix(says, "a stop ends"); took > flushBudget+5*time.Second || patient != (took >= flushBudget) {
				t.Errorf("it took %v", took)
			}
			if got := traces.dropped(); got != 7 || logs.Len() == 0 {
				t.Errorf("%d were dropped, said %d times", got, logs.Len())
			}
		})
	}
}

func TestTracing_database(t *testing.T) {
	t.Run("an operation of a request that is recorded is a span in it", func(t *testing.T) {
		traces, spans := recording()
		settings := config.Default()
		settings.Storage.Engine = config.EnginePostgres
		store := traces.database(memory.New(), settings)
		ctx, parent := traces.tracer.Start(t.Context(), "request")
		if _, err := store.Get(ctx, 1); !errors.Is(err, models.ErrUserNotFound) {
			t.Fatal(err)
		}
		ended := spans.Ended()
		if len(ended) != 1 {
			t.Fatalf("%v", ended)
		}
		got := ended[0]
		if attributes := fmt.Sprint(texts(got.Attributes())); got.Name() != "get users" || got.SpanKind() != trace.SpanKindClient || got.Parent().SpanID() != parent.SpanContext().SpanID() ||
			got.Status().Code != codes.Unset || attributes != "map[db.operation.name:get db.system.name:postgresql]" {
			t.Errorf("%s %v %v %s", got.Name(), got.SpanKind(), got.Status(), attributes)
		}
	})
	t.Run("a store that is away is an error", func(t *testing.T) {
		traces, spans := recording()
		store := traces.database(closed(), config.Default())
		ctx, _ := traces.tracer.Start(t.Context(), "request")
		_ = store.Ping(ctx)
		got := spans.Ended()[0]
		if got.Status().Code != codes.Error || got.Status().Description != "" || texts(got.Attributes())["error.type"] != "unavailable" || got.SpanKind() != trace.SpanKindInternal {
			t.Errorf("%v %v", got.Status(), got.Attributes())
		}
	})
	t.Run("what belongs to no request, or to one that is not recorded, has no span", func(t *testing.T) {
		traces, spans := recording()
		store := traces.database(memory.New(), config.Default())
		_, _ = store.Get(t.Context(), 1)
		_, _ = store.Get(trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})), 1)
		if got := spans.Started(); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("without tracing it is the store itself", func(t *testing.T) {
		var none *tracing
		store := memory.New()
		if none.database(store, config.Default()) != store || none.cache(store, config.Default()) != store || none.requests() != nil {
			t.Error("something is there")
		}
		none.count(nil)
		none.close(nil, nil)
	})
}

func TestWatch(t *testing.T) {
	t.Run("what is traced is counted as well", func(t *testing.T) {
		traces, _ := queueing(func(context.Context, int) error { return nil }, time.Now)
		defer traces.close(nil, nil)
		store, err := newStorage(config.Default(), traces, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		counted := metrics.New(build())
		watch(counted, new(middleware.Lifecycle), store)
		traces.count(counted)
		page := httptest.NewRecorder()
		counted.Handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		for _, row := range []string{"\nuserapi_users 0\n", "\nuserapi_trace_spans_dropped_total 0\n"} {
			if !strings.Contains(page.Body.String(), row) {
				t.Errorf("no %q", row)
			}
		}
	})
}

func TestErrorType(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{models.ErrUserNotFound, ""},
		{models.ErrPreconditionFailed, ""},
		{models.ErrRequestInProgress, ""},
		{context.Canceled, ""},
		{fmt.Errorf("odd: %w", context.Canceled), ""},
		{models.ErrUnavailable, "unavailable"},
		{models.ErrUnavailable.Because(context.DeadlineExceeded), "unavailable"},
		{fmt.Errorf("odd: %w", context.DeadlineExceeded), "timeout"},
		{fmt.Errorf("ada@example.com: %w", errors.New("ada@example.com")), "*errors.errorString"},
	} {
		if got := errorType(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

func TestTracing_outgoing(t *testing.T) {
	const state = "vendor=1"
	var seen http.Header
	status := http.StatusOK
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		seen = r.Header
		if status == 0 {
			return nil, errors.New("https://ada:s3cr3t@example.com is away")
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	})
	ask := func(ctx context.Context, traces *tracing) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://ada:s3cr3t@issuer.example/keys?token=s3cr3t", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := traces.outgoing(base).RoundTrip(req)
		if err == nil {
			answer.Body.Close()
		}
		if len(req.Header) > 0 {
			t.Errorf("the caller's request was changed: %v", req.Header)
		}
	}
	for _, c := range []struct {
		status int
		kind   string
	}{{200, ""}, {404, "404"}, {503, "503"}, {0, "*errors.errorString"}} {
		traces, spans := recording()
		parsed, err := trace.ParseTraceState(state)
		if err != nil {
			t.Fatal(err)
		}
		remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: parsed, Remote: true})
		ctx, _ := traces.tracer.Start(trace.ContextWithRemoteSpanContext(t.Context(), remote), "request")
		status = c.status
		ask(ctx, traces)
		if len(spans.Ended()) != 1 {
			t.Fatalf("%d: %v", c.status, spans.Ended())
		}
		got := spans.Ended()[0]
		want := "00-" + got.SpanContext().TraceID().String() + "-" + got.SpanContext().SpanID().String() + "-01"
		if seen.Get("traceparent") != want || seen.Get("tracestate") != state {
			t.Errorf("%d: sent %v, want %s", c.status, seen, want)
		}
		attributes := texts(got.Attributes())
		if got.SpanKind() != trace.SpanKindClient || attributes["error.type"] != c.kind || attributes["server.address"] != "issuer.example" || (got.Status().Code == codes.Error) != (c.kind != "") ||
			strings.Contains(fmt.Sprint(attributes), "s3cr3t") {
			t.Errorf("%d: %v %v", c.status, got.Status(), attributes)
		}
	}
	t.Run("what belongs to no request is a trace of its own", func(t *testing.T) {
		traces, spans := recording()
		ask(t.Context(), traces)
		if got := spans.Ended(); len(got) != 1 || got[0].Parent().IsValid() || !strings.Contains(seen.Get("traceparent"), got[0].SpanContext().TraceID().String()) {
			t.Errorf("sent %v for %v", seen, got)
		}
	})
	t.Run("without tracing nothing is sent", func(t *testing.T) {
		ask(t.Context(), nil)
		if len(seen) != 0 {
			t.Errorf("sent %v", seen)
		}
	})
	t.Run("that a request is not sampled is told too", func(t *testing.T) {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
		ask(t.Context(), &tracing{tracer: provider.Tracer(scope)})
		if got := seen.Get("traceparent"); !strings.HasSuffix(got, "-00") {
			t.Errorf("sent %q", got)
		}
	})
}

func BenchmarkTracing_database(b *testing.B) {
	quiet := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(sdktrace.NewBatchSpanProcessor(tracetest.NewNoopExporter())))
	traces := &tracing{provider: quiet, tracer: quiet.Tracer(scope)}
	sampled, _ := traces.tracer.Start(context.Background(), "request")
	var none *tracing
	for name, c := range map[string]struct {
		traces *tracing
		ctx    context.Context
	}{"off": {none, context.Background()}, "unsampled": {traces, context.Background()}, "sampled": {traces, sampled}} {
		b.Run(name, func(b *testing.B) {
			store := c.traces.database(memory.New(), config.Default())
			b.ReportAllocs()
			for b.Loop() {
				_, _ = store.Get(c.ctx, 1)
			}
		})
	}
	_ = quiet.Shutdown(context.Background())
}
