package middleware

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	sentTrace = "0af7651916cd43dd8448eb211c80319c"
	sentSpan  = "b7ad6b7169203331"
)

// tracer is a stack of the steps around spans, with the spans that it made.
type tracer struct {
	engine *gin.Engine
	spans  *tracetest.SpanRecorder
	log    bytes.Buffer
}

// sampling is a rule for samples.
type sampling struct {
	byParent bool
	ratio    float64
}

// tracing returns what main makes of a rule and a processor.
func (s sampling) tracing(processor sdktrace.SpanProcessor) *Tracing {
	root := sdktrace.TraceIDRatioBased(s.ratio)
	sampler := root
	if s.byParent {
		sampler = sdktrace.ParentBased(root)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithIDGenerator(TraceIDs{}), sdktrace.WithSpanProcessor(processor))
	return &Tracing{Tracer: provider.Tracer("test"), ByParent: s.byParent, Sampled: func(id trace.TraceID) bool {
		return root.ShouldSample(sdktrace.SamplingParameters{TraceID: id}).Decision == sdktrace.RecordAndSample
	}}
}

func newTracer(rule sampling) *tracer {
	r := &tracer{spans: tracetest.NewSpanRecorder(), engine: gin.New()}
	r.engine.HandleMethodNotAllowed = true
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&r.log), zap.InfoLevel)
	r.engine.Use(RequestID(), Trace(rule.tracing(r.spans)), AccessLog(zap.New(core), time.Now), Recover(func(c *gin.Context, err error) {
		_ = c.Error(err)
		c.AbortWithStatus(http.StatusInternalServerError)
	}))
	return r
}

// serve answers a request. It returns what the stack panicked with.
func (r *tracer) serve(t *testing.T, method, target string, header ...string) (panicked any) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	defer func() { panicked = recover() }()
	r.engine.ServeHTTP(httptest.NewRecorder(), req)
	return nil
}

// span returns the only span.
func (r *tracer) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	if started, ended := r.spans.Started(), r.spans.Ended(); len(started) != 1 || len(ended) != 1 {
		t.Fatalf("%d spans began and %d ended", len(started), len(ended))
	}
	return r.spans.Ended()[0]
}

// attributes returns those of a span as text.
func attributes(set []attribute.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, pair := range set {
		texts[string(pair.Key)] = pair.Value.String()
	}
	return texts
}

func TestTrace(t *testing.T) {
	t.Parallel()
	ok := func(c *gin.Context) { c.String(http.StatusOK, "fine") }
	t.Run("a request is one span by its method and route, and nothing says who asked for what", func(t *testing.T) {
		t.Parallel()
		r := newTracer(sampling{ratio: 1})
		r.engine.GET("/users/by-email/*email", ok)
		r.serve(t, http.MethodGet, "http://api.example:8443/users/by-email/ada@example.com?q=secret", "User-Agent: spy", "Authorization: Bearer token", "baggage: user=ada")
		span := r.span(t)
		want := map[string]string{
			"http.request.method": "GET", "url.scheme": "http", "network.protocol.version": "1.1", "http.route": "/users/by-email/*email",
			"server.address": "api.example", "server.port": "8443", "http.response.status_code": "200",
		}
		if got := attributes(span.Attributes()); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("attributes %v, want %v", got, want)
		}
		if span.Name() != "GET /users/by-email/*email" || span.SpanKind() != trace.SpanKindServer || span.Parent().IsValid() || span.Status().Code != codes.Unset {
			t.Errorf("%q, kind %v, parent %v, status %v", span.Name(), span.SpanKind(), span.Parent(), span.Status())
		}
	})
	t.Run("what has no route is named by its method alone, which is HTTP when nobody knows it", func(t *testing.T) {
		t.Parallel()
		for method, want := range map[string]string{"GET": "GET", "FORGE": "HTTP"} {
			r := newTracer(sampling{ratio: 1})
			r.engine.NoRoute(func(c *gin.Context) { c.Status(http.StatusNotFound) })
			r.serve(t, method, "/ada@example.com")
			span := r.span(t)
			if got := attributes(span.Attributes()); span.Name() != want || got["http.route"] != "" || span.Status().Code != codes.Unset || strings.Contains(fmt.Sprint(got), "ada") {
				t.Errorf("%s: %q, %v, %v", method, span.Name(), got, span.Status())
			}
		}
	})
	t.Run("only a 5xx is an error", func(t *testing.T) {
		t.Parallel()
		for status, want := range map[int]codes.Code{399: codes.Unset, 404: codes.Unset, 499: codes.Unset, 500: codes.Error, 503: codes.Error} {
			r := newTracer(sampling{ratio: 1})
			r.engine.GET("/", func(c *gin.Context) { c.Status(status) })
			r.serve(t, http.MethodGet, "/")
			span := r.span(t)
			kind := ""
			if want == codes.Error {
				kind = fmt.Sprint(status)
			}
			if got := attributes(span.Attributes()); span.Status().Code != want || got["error.type"] != kind || got["http.response.status_code"] != fmt.Sprint(status) {
				t.Errorf("%d: %v, %v", status, span.Status(), got)
			}
		}
	})
	t.Run("a panic is an event with its type and stack, without its text", func(t *testing.T) {
		t.Parallel()
		r := newTracer(sampling{ratio: 1})
		r.engine.GET("/", func(*gin.Context) { panic(errors.New("ada@example.com")) })
		r.serve(t, http.MethodGet, "/")
		span := r.span(t)
		events := span.Events()
		if len(events) != 1 || events[0].Name != "exception" || span.Status().Code != codes.Error {
			t.Fatalf("events %v, status %v", events, span.Status())
		}
		got := attributes(events[0].Attributes)
		if got["exception.type"] != "*errors.errorString" || !strings.Contains(got["exception.stacktrace"], "trace_test.go") || strings.Contains(fmt.Sprint(events), "ada@") {
			t.Errorf("%v", got)
		}
	})
	t.Run("an answer that was cut off ends its span, as an error if something went wrong", func(t *testing.T) {
		t.Parallel()
		for failure, want := range map[string]codes.Code{"": codes.Unset, "half of it": codes.Error} {
			r := newTracer(sampling{ratio: 1})
			r.engine.GET("/", func(c *gin.Context) {
				c.String(http.StatusOK, "half")
				if failure != "" {
					_ = c.Error(errors.New(failure))
				}
				panic(http.ErrAbortHandler)
			})
			panicked := r.serve(t, http.MethodGet, "/")
			span := r.span(t)
			if panicked != http.ErrAbortHandler || span.Status().Code != want || (attributes(span.Attributes())["error.type"] == errorAborted) != (want == codes.Error) { //nolint:errorlint // the value itself is the signal
				t.Errorf("%q: %v: %v, %v", failure, panicked, span.Status(), span.Attributes())
			}
		}
	})
	t.Run("a Host that no server has is left out", func(t *testing.T) {
		t.Parallel()
		for host, want := range map[string]string{
			"api.example": "api.example ", "api.example:80": "api.example 80", "[::1]:80": "::1 80", "127.0.0.1": "127.0.0.1 ", "[::1]": "::1 ",
			"a_b": " ", "a:b": " ", "ada+x": " ", strings.Repeat("a", 254): " ", "a:99999": " ", "": " ",
		} {
			name, port := hostOf(host)
			if got := strings.TrimSuffix(fmt.Sprint(name, " ", port), "0"); got != want && fmt.Sprint(name, " ", port) != want {
				t.Errorf("%q: %q", host, got)
			}
		}
	})
}

func TestTrace_parent(t *testing.T) {
	t.Parallel()
	byParent := sampling{byParent: true}
	for _, c := range []struct {
		says    string
		sampler sampling
		header  []string
		parent  string // of the span; "none" for a span without, empty for no span
		state   string
	}{
		{"a sampled parent is followed", byParent, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-01"}, sentSpan, ""},
		{"flags that nobody knows are no matter", byParent, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-ff"}, sentSpan, ""},
		{"a later version is followed", byParent, []string{"traceparent: cc-" + sentTrace + "-" + sentSpan + "-01-more"}, sentSpan, ""},
		{"a parent that is not sampled is followed too", sampling{byParent: true, ratio: 1}, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-00"}, "", ""},
		{"without a parent the root decides", byParent, nil, "", ""},
		{"an invalid parent is none", sampling{byParent: true, ratio: 1}, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-0x", "tracestate: a=1"}, "none", ""},
		{"two parents are none", sampling{byParent: true, ratio: 1}, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-00", "traceparent: 00-" + sentTrace + "-" + sentSpan + "-00"}, "none", ""},
		{"a sampler that looks at no parent still has it", sampling{ratio: 1}, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-00"}, sentSpan, ""},
		{"the lines of a tracestate are one list", byParent, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-01", "tracestate: a=1", "tracestate: b=2"}, sentSpan, "a=1,b=2"},
		{"an invalid tracestate is none", byParent, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-01", "tracestate: a=1,A=2"}, sentSpan, ""},
		{"a long tracestate is none", byParent, []string{"traceparent: 00-" + sentTrace + "-" + sentSpan + "-01", "tracestate: a=" + strings.Repeat("x", 252) + ",b=" + strings.Repeat("x", 256)}, sentSpan, ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			r := newTracer(c.sampler)
			var seen string
			r.engine.GET("/", func(c *gin.Context) { seen = TraceID(c); c.Status(http.StatusOK) })
			r.serve(t, http.MethodGet, "/", c.header...)
			var line map[string]any
			if err := json.Unmarshal(r.log.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if c.parent == "" {
				if began := r.spans.Started(); len(began) != 0 || line["span_id"] != nil {
					t.Errorf("%d spans; %v", len(began), line)
				}
				want := ""
				if len(c.header) > 0 {
					want = sentTrace
				}
				if logged, _ := line["trace_id"].(string); logged != want || seen != want {
					t.Errorf("trace_id is %q in the log and %q for the rest, want %q", logged, seen, want)
				}
				return
			}
			span := r.span(t)
			id := span.SpanContext().TraceID().String()
			if parent := span.Parent(); c.parent == "none" && (parent.IsValid() || id == sentTrace) || c.parent != "none" && (parent.SpanID().String() != c.parent || id != sentTrace || !parent.IsRemote()) {
				t.Errorf("trace %s, parent %v", id, parent)
			}
			if flags := span.SpanContext().TraceFlags(); c.says == "flags that nobody knows are no matter" && flags != trace.FlagsSampled|trace.FlagsRandom {
				t.Errorf("flags %v", flags)
			}
			if got := span.SpanContext().TraceState().String(); got != c.state {
				t.Errorf("tracestate %q", got)
			}
			if line["trace_id"] != id || line["span_id"] != span.SpanContext().SpanID().String() || seen != id {
				t.Errorf("the span is %s of %s, the log says %v, the rest %s", span.SpanContext().SpanID(), id, line, seen)
			}
		})
	}
}

func TestTrace_ratio(t *testing.T) {
	t.Parallel()
	// What was decided before the span must hold for the span: a trace that is recorded under another id
	// than the sampler was asked about would be missing in every service that samples by id.
	const requests = 2000
	sampler := sdktrace.TraceIDRatioBased(0.25)
	r := newTracer(sampling{ratio: 0.25})
	r.engine.GET("/", func(c *gin.Context) { c.Status(http.StatusOK) })
	for range requests {
		r.serve(t, http.MethodGet, "/")
	}
	spans := r.spans.Ended()
	if got := len(spans); got < requests/5 || got > requests*3/10 {
		t.Errorf("%d of %d", got, requests)
	}
	ids := map[trace.TraceID]bool{}
	for _, span := range spans {
		id := span.SpanContext().TraceID()
		ids[id] = true
		if result := sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: id}); result.Decision != sdktrace.RecordAndSample {
			t.Fatalf("%v was recorded", id)
		}
	}
	if len(ids) != len(spans) {
		t.Errorf("%d ids for %d spans", len(ids), len(spans))
	}
}

func TestTrace_nothing(t *testing.T) {
	// Not parallel, since allocations of others would count.
	spans := tracetest.NewSpanRecorder()
	step := Trace(sampling{byParent: true}.tracing(spans))
	for _, sent := range []string{"", "00-" + sentTrace + "-" + sentSpan + "-00"} {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		c.Request.Header.Set("traceparent", sent)
		before := c.Request
		if allocations := testing.AllocsPerRun(100, func() { step(c) }); allocations != 0 || c.Request != before || len(spans.Started()) > 0 {
			t.Errorf("%q: %v allocations for a request that is not sampled", sent, allocations)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	for name, steps := range map[string][]gin.HandlerFunc{
		"off":             nil,
		"unsampled":       {Trace(sampling{byParent: true}.tracing(tracetest.NewSpanRecorder()))},
		"unsampledParent": {Trace(sampling{byParent: true}.tracing(tracetest.NewSpanRecorder()))},
		"sampled":         {Trace(sampling{byParent: true, ratio: 1}.tracing(sdktrace.NewBatchSpanProcessor(tracetest.NewNoopExporter())))},
	} {
		b.Run(name, func(b *testing.B) {
			engine := gin.New()
			engine.Use(steps...)
			engine.GET("/users/:id", func(c *gin.Context) { c.Status(http.StatusOK) })
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "http://127.0.0.1:8000/users/7", nil)
			if name == "unsampledParent" {
				req.Header.Set("traceparent", "00-"+sentTrace+"-"+sentSpan+"-00")
			}
			recorder := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				engine.ServeHTTP(recorder, req)
			}
		})
	}
}
