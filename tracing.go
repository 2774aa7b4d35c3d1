package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"userapi/config"
	"userapi/middleware"
	"userapi/middleware/metrics"
)

const (
	// scope names what makes the spans.
	scope = "userapi"
	// flushBudget is how long the spans of the last requests may take to be exported.
	flushBudget = 2 * time.Second
)

// tracing is what makes spans and where they go. A nil one is none: what its methods return then costs
// nothing. It sets nothing that is global in OpenTelemetry's SDK.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	byParent bool
	root     sdktrace.Sampler // of traces that begin here
	queue    *spanQueue
	// hangUp closes the connections to the collector.
	hangUp func()
}

// traced has a service traced as the environment says for as long as it runs, and exports what is left when
// it has ended. Its error is that of the run, or an unusableError.
func traced(service *service, environ []string, signals <-chan os.Signal, run func() error) error {
	traces, err := newTracing(environ, service.log)
	if err != nil {
		return unusableError{err}
	}
	service.traces = traces
	traces.count(service.metrics)
	service.callers.Around = traces.outgoing
	err = run()
	traces.close(err, signals)
	return err
}

// newTracing returns the tracing that the environment asks for, or nil. It asks nothing of the endpoint.
//
// The SDK reads the environment too, but that of the process, and takes what it cannot use for not given.
// So everything is read and judged by config.ReadTraces, and handed over by options, which come first.
func newTracing(environ []string, log *zap.Logger) (*tracing, error) {
	settings, err := config.ReadTraces(environ)
	if settings == nil || err != nil {
		return nil, err
	}
	var queue *spanQueue
	client, hangUp := exportClient(settings, func(spans int) { queue.lose(spans, "the collector rejected them") })
	headers := otlptracehttp.WithHeaders(settings.Headers)
	compression := otlptracehttp.NoCompression
	if settings.Gzip {
		compression = otlptracehttp.GzipCompression
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(settings.Endpoint.String()), headers,
		otlptracehttp.WithCompression(compression), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf), otlptracehttp.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	queue = newSpanQueue(exporter, settings, log, time.Now)
	root := sdktrace.TraceIDRatioBased(settings.Ratio)
	sampler := root
	if settings.ByParent {
		sampler = sdktrace.ParentBased(root)
	}
	limits := sdktrace.SpanLimits{
		AttributeValueLengthLimit: settings.Limits.ValueLength, AttributeCountLimit: settings.Limits.Attributes,
		EventCountLimit: settings.Limits.Events, AttributePerEventCountLimit: settings.Limits.EventAttributes,
		LinkCountLimit: settings.Limits.Links, AttributePerLinkCountLimit: settings.Limits.LinkAttributes,
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithRawSpanLimits(limits), sdktrace.WithIDGenerator(middleware.TraceIDs{}),
		sdktrace.WithResource(describe(settings.Attributes)), sdktrace.WithSpanProcessor(queue))
	log.Info("traces are exported", zap.String("host", settings.Endpoint.Host), zap.String("sampler", sampler.Description()))
	tracer := provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	return &tracing{provider: provider, tracer: tracer, byParent: settings.ByParent, root: root, queue: queue, hangUp: hangUp}, nil
}

// exportClient returns the client that spans are posted by. It follows no redirect, which would take the
// headers to somebody else, and hands on nothing of what an answer says: a collector may repeat there what it
// was sent, and the exporter would put that into its error, and so into the log. How many spans an answer
// rejects is told to a function.
func exportClient(settings *config.Traces, rejected func(spans int)) (client *http.Client, hangUp func()) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings.TLS
	client = &http.Client{
		Timeout:       settings.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			answer, err := transport.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			if answer.StatusCode/100 == 2 {
				if spans := rejections(answer.Body); spans > 0 {
					rejected(spans)
				}
			}
			_ = answer.Body.Close()
			answer.Body = http.NoBody
			return answer, nil
		}),
	}
	return client, transport.CloseIdleConnections
}

// rejections returns how many spans a collector says in its answer that it has not taken (OTLP, "partial
// success"). One that cannot be read says nothing.
func rejections(body io.Reader) int {
	const longest = 64 << 10
	text, err := io.ReadAll(io.LimitReader(body, longest))
	var answer collectorpb.ExportTraceServiceResponse
	if err != nil || proto.Unmarshal(text, &answer) != nil {
		return 0
	}
	return int(max(answer.GetPartialSuccess().GetRejectedSpans(), 0))
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// describe returns what spans say about the service, of which an operator may say anything else. It asks
// nothing of the machine: the command line, for one, may hold a secret.
func describe(given map[string]string) *resource.Resource {
	attributes := []attribute.KeyValue{semconv.ServiceName(scope)}
	if info, ok := debug.ReadBuildInfo(); ok {
		attributes = append(attributes, semconv.ServiceVersion(info.Main.Version))
	}
	for name, value := range given {
		attributes = append(attributes, attribute.String(name, value)) // the last of one name counts
	}
	known, err := resource.New(context.Background(), resource.WithSchemaURL(semconv.SchemaURL), resource.WithTelemetrySDK(),
		resource.WithService(), resource.WithAttributes(attributes...))
	if err != nil { // what the SDK knows of itself is not worth a start that fails
		return resource.NewWithAttributes(semconv.SchemaURL, attributes...)
	}
	return known
}

// requests returns what the router traces requests by, or nil.
func (t *tracing) requests() *middleware.Tracing {
	if t == nil {
		return nil
	}
	return &middleware.Tracing{Tracer: t.tracer, ByParent: t.byParent, Sampled: func(id trace.TraceID) bool {
		return t.root.ShouldSample(sdktrace.SamplingParameters{TraceID: id}).Decision == sdktrace.RecordAndSample
	}}
}

// dropped is the number of spans so far that were not exported, because there were too many or nobody took
// them.
func (t *tracing) dropped() int64 { return int64(t.queue.dropped.Load()) } //nolint:gosec // it counts from zero

// count has the spans counted that are dropped.
func (t *tracing) count(counted *metrics.Metrics) {
	if t != nil {
		counted.SetSpansDropped(t.dropped)
	}
}

// close exports what is left, for as long as the budget and the signals allow, and ends the tracing; after
// a stop that was to be at once, nothing. No request may begin any more.
func (t *tracing) close(stopped error, signals <-chan os.Signal) {
	if t == nil {
		return
	}
	budget := flushBudget
	if errors.Is(stopped, errForced) {
		budget = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	t.queue.settle(ctx) // the requests that were cut off are about to end
	// The provider would leave a goroutine behind, and an exporter that is not shut down, when its context
	// ended before it was done. What ends instead are the exports.
	defer context.AfterFunc(ctx, t.queue.abandon)()
	_ = t.provider.Shutdown(context.Background()) // the queue has told what went wrong
	t.queue.farewell()
	t.hangUp()
}
