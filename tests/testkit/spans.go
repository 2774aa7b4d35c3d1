package testkit

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one span as a collector receives it.
type Span struct {
	Name string
	// Kind is SERVER, CLIENT or INTERNAL.
	Kind                  string
	Trace, ID, Parent     string
	State                 string
	Attributes            map[string]string
	Failed                bool
	Description           string
	Events                []string
	Resource              map[string]string
	Began, Ended          uint64
	DroppedAttributeCount uint32
}

// Collector is a server that takes spans by OTLP over HTTP, as Jaeger, Tempo and OpenTelemetry's collector
// do. It is safe for concurrent use.
type Collector struct {
	// URL is the base of its paths.
	URL string
	// Server is what listens.
	Server *httptest.Server

	mu      sync.Mutex
	spans   []Span
	text    bytes.Buffer
	headers []http.Header
	answer  func(w http.ResponseWriter, r *http.Request)
}

// NewCollector starts a collector that ends with the test; by TLS if that is wanted.
func NewCollector(tb testing.TB, secure bool) *Collector {
	tb.Helper()
	c := new(Collector)
	c.Server = httptest.NewUnstartedServer(c)
	if secure {
		c.Server.StartTLS()
	} else {
		c.Server.Start()
	}
	c.URL = c.Server.URL
	tb.Cleanup(c.Server.Close)
	return c
}

// Answer has all further requests answered by a function, and their spans forgotten.
func (c *Collector) Answer(answer func(http.ResponseWriter, *http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answer := c.answer
	c.headers = append(c.headers, r.Header.Clone())
	c.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if err := c.take(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
}

// Reject takes none of the spans of a request, as a collector does it that could read them.
func Reject(w http.ResponseWriter, r *http.Request, message string) {
	spans := 0
	sent, _, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, resource := range sent.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			spans += len(scope.Spans)
		}
	}
	answer, _ := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: int64(spans), ErrorMessage: message}})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// read returns what a request exports, and its octets before compression.
func read(r *http.Request) (*collectorpb.ExportTraceServiceRequest, []byte, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return nil, nil, fmt.Errorf("%s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	var reader io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, err
		}
		reader = unpacked
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, nil, err
	}
	sent := new(collectorpb.ExportTraceServiceRequest)
	return sent, body, proto.Unmarshal(body, sent)
}

func (c *Collector) take(r *http.Request) error {
	sent, body, err := read(r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(body)
	for _, resource := range sent.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, received(span, texted(resource.Resource.GetAttributes())))
			}
		}
	}
	return nil
}

func received(span *tracepb.Span, resource map[string]string) Span {
	s := Span{
		Name: span.Name, Kind: span.Kind.String()[len("SPAN_KIND_"):], Trace: hex.EncodeToString(span.TraceId), ID: hex.EncodeToString(span.SpanId),
		Parent: hex.EncodeToString(span.ParentSpanId), State: span.TraceState, Attributes: texted(span.Attributes), Resource: resource,
		Failed: span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, Description: span.Status.GetMessage(),
		Began: span.StartTimeUnixNano, Ended: span.EndTimeUnixNano, DroppedAttributeCount: span.DroppedAttributesCount,
	}
	for _, event := range span.Events {
		s.Events = append(s.Events, event.Name)
	}
	return s
}

func texted(attributes []*commonpb.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, pair := range attributes {
		switch value := pair.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			texts[pair.Key] = value.StringValue
		case *commonpb.AnyValue_IntValue:
			texts[pair.Key] = fmt.Sprint(value.IntValue)
		default:
			texts[pair.Key] = fmt.Sprintf("%v", pair.Value)
		}
	}
	return texts
}

// Spans returns what has come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Of waits for a number of spans of one trace and returns them, the first to begin first.
func (c *Collector) Of(tb TB, trace string, count int) []Span {
	tb.Helper()
	var found []Span
	Eventually(tb, fmt.Sprintf("%d spans of the trace %s", count, trace), func() bool {
		found = found[:0]
		for _, span := range c.Spans() {
			if span.Trace == trace {
				found = append(found, span)
			}
		}
		return len(found) >= count
	})
	if len(found) != count {
		tb.Errorf("%d spans of the trace %s, want %d: %v", len(found), trace, count, found)
	}
	slices.SortStableFunc(found, func(a, b Span) int {
		switch {
		case a.Began < b.Began || a.Began == b.Began && b.Parent == a.ID:
			return -1
		case a.Began > b.Began || a.Parent == b.ID:
			return 1
		}
		return 0
	})
	return found
}

// Text returns all octets that came, as they were before compression.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Headers returns the header of each request that came.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.headers)
}

// String shows a span in a failure.
func (s Span) String() string {
	return fmt.Sprintf("%s %q %s<-%s failed=%v %v", s.Kind, s.Name, s.ID, s.Parent, s.Failed, slices.Sorted(maps.Keys(s.Attributes)))
}
