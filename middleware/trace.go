package middleware

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// errorAborted is the error.type of an answer that was cut off.
const errorAborted = "aborted"

// Tracing is what Trace makes spans of. It outlives the router.
type Tracing struct {
	// Tracer makes the spans. Its provider samples by the same rule, and takes the ids from TraceIDs.
	Tracer trace.Tracer
	// ByParent says whether a request with a traceparent is sampled as that says.
	ByParent bool
	// Sampled says whether all other traces are.
	Sampled func(id trace.TraceID) bool
}

// sampled says whether the request that has this parent, if it is a valid one, is recorded as a part of a
// trace.
func (t *Tracing) sampled(parent trace.SpanContext, id trace.TraceID) bool {
	if t.ByParent && parent.IsValid() {
		return parent.IsSampled()
	}
	return t.Sampled(id)
}

// Trace records one span for each request that is sampled, as a child of what the request's traceparent
// names, with the attributes of OpenTelemetry's semantic conventions for HTTP. It is named by method and
// route. What could say something about a person is not in it: neither the path nor the query, the
// address of the client or its User-Agent; nor is the text of an error.
//
// Whether a request is sampled is asked before anything is made, so that one that is not costs next to
// nothing and has no span at all.
func Trace(tracing *Tracing) gin.HandlerFunc {
	return func(c *gin.Context) {
		parent := parentOf(c.Request.Header)
		id := parent.TraceID()
		if !parent.IsValid() {
			id = newTraceID()
		}
		if !tracing.sampled(parent, id) {
			c.Next()
			return
		}
		ctx := c.Request.Context()
		if parent.IsValid() {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent.WithTraceState(stateOf(c.Request.Header)))
		}
		ctx, span := tracing.Tracer.Start(context.WithValue(ctx, decidedKey{}, id), spanName(c),
			trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(asked(c)...))
		c.Request = c.Request.WithContext(ctx)
		whole := false
		defer func() {
			// Deferred, so that the span of an answer cut off by http.ErrAbortHandler ends too.
			conclude(span, c, whole)
			span.End()
		}()
		c.Next()
		whole = true
	}
}

// TraceID returns the id by which the traces of a request are found: that of its span, or else that which
// its traceparent names. It is empty when there is neither.
func TraceID(c *gin.Context) string {
	if span := trace.SpanContextFromContext(c.Request.Context()); span.IsSampled() {
		return span.TraceID().String()
	}
	id, _ := traceID(c.Request.Header)
	return id
}

// spanName is that of the semantic conventions, which call a method that nobody knows HTTP.
func spanName(c *gin.Context) string {
	name := method(c.Request.Method)
	if name == "_OTHER" {
		name = "HTTP"
	}
	if route := c.FullPath(); route != "" {
		name += " " + route
	}
	return name
}

// asked are the attributes that are known when a request comes.
func asked(c *gin.Context) []attribute.KeyValue {
	scheme := "http"
	if c.Request.TLS != nil {
		scheme = "https"
	}
	attributes := make([]attribute.KeyValue, 0, 8)
	attributes = append(attributes, semconv.HTTPRequestMethodKey.String(method(c.Request.Method)), semconv.URLScheme(scheme),
		semconv.NetworkProtocolVersion(protocolVersion(c.Request)))
	if route := c.FullPath(); route != "" {
		attributes = append(attributes, semconv.HTTPRoute(route))
	}
	if host, port := hostOf(c.Request.Host); host != "" {
		attributes = append(attributes, semconv.ServerAddress(host))
		if port > 0 {
			attributes = append(attributes, semconv.ServerPort(port))
		}
	}
	return attributes
}

func protocolVersion(r *http.Request) string {
	switch {
	case r.ProtoMajor >= 2:
		return strconv.Itoa(r.ProtoMajor)
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// hostOf returns the name and the port of a Host header, when it is one that a server can have: a client
// can put anything there.
func hostOf(header string) (name string, port int) {
	name = header
	if host, text, err := net.SplitHostPort(header); err == nil {
		number, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return "", 0
		}
		name, port = host, int(number)
	} else {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	}
	const longest = 253 // of a name in the DNS
	if len(name) > longest || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" {
		return "", 0
	}
	return name, port
}

// conclude writes down what became of a request. An answer that was cut off is an error whatever its status
// says, unless nothing went wrong but that the client went away.
func conclude(span trace.Span, c *gin.Context, whole bool) {
	status := c.Writer.Status()
	attributes := append(make([]attribute.KeyValue, 0, 2), semconv.HTTPResponseStatusCode(status))
	switch {
	case status >= http.StatusInternalServerError:
		attributes = append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	case !whole && len(c.Errors) > 0:
		attributes = append(attributes, semconv.ErrorTypeKey.String(errorAborted))
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(attributes...)
	for _, err := range c.Errors {
		if panicked, ok := errors.AsType[*PanicError](err.Err); ok {
			// The text of a panic may repeat what a client sent, and stays in the log.
			span.AddEvent("exception", trace.WithAttributes(
				semconv.ExceptionType(fmt.Sprintf("%T", panicked.Value)), semconv.ExceptionStacktrace(panicked.Stack)))
		}
	}
}

// decidedKey is that under which Trace tells TraceIDs the id that it has asked the sampler about.
type decidedKey struct{}

// TraceIDs makes the ids of traces and spans. A trace gets the id under which Trace has decided to record
// it. It implements the IDGenerator of OpenTelemetry's SDK and is safe for concurrent use.
type TraceIDs struct{}

// NewIDs returns the ids of a trace and its first span.
func (t TraceIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, ok := ctx.Value(decidedKey{}).(trace.TraceID)
	if !ok {
		id = newTraceID()
	}
	return id, t.NewSpanID(ctx, id)
}

// NewSpanID returns the id of a span.
func (TraceIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	var id trace.SpanID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:], rand.Uint64()) //nolint:gosec // no secret
	}
	return id
}

// newTraceID returns 128 random bits. W3C Trace Context, level 2, asks it of the last 56 (section
// 3.2.2.3.1); the sampler of a part of all traces goes by the first 63 of the last 64.
func newTraceID() trace.TraceID {
	var id trace.TraceID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // no secret
		binary.BigEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // no secret
	}
	return id
}
