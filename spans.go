package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"userapi/config"
	"userapi/models"
	"userapi/repository"
	"userapi/repository/observed"
)

// database returns the store with its operations traced, as children of the requests that they are for; the
// store itself when nothing is traced.
func (t *tracing) database(store repository.Store, settings config.Config) repository.Store {
	if t == nil {
		return store
	}
	system, kind := semconv.DBSystemNameKey.String("memory"), trace.SpanKindInternal
	switch settings.Storage.Engine {
	case config.EngineSQLite:
		system, kind = semconv.DBSystemNameSQLite, trace.SpanKindClient
	case config.EnginePostgres:
		system, kind = semconv.DBSystemNamePostgreSQL, trace.SpanKindClient
	case config.EngineMySQL:
		system, kind = semconv.DBSystemNameMySQL, trace.SpanKindClient
	}
	return observed.New(store, t.observer("users", system, kind))
}

// cache is database for a store that is read through a cache. A read that the cache can answer has one span,
// another one has that of the store in it.
func (t *tracing) cache(store repository.UserRepository, settings config.Config) repository.UserRepository {
	if t == nil {
		return store
	}
	system, kind := semconv.DBSystemNameKey.String("memory"), trace.SpanKindInternal
	if settings.Cache.Redis != "" {
		system, kind = semconv.DBSystemNameRedis, trace.SpanKindClient
	}
	whole := struct {
		repository.UserRepository
		repository.IdempotencyRepository // which has no cache
	}{UserRepository: store}
	return observed.New(whole, t.observer("cache", system, kind))
}

// observer makes a span of each operation that belongs to a request which is sampled. It says which
// operation it was, never of what: no statement, no value, no name of a server.
func (t *tracing) observer(target string, system attribute.KeyValue, kind trace.SpanKind) observed.Observer {
	return func(ctx context.Context, operation string) (context.Context, func(error)) {
		if !trace.SpanContextFromContext(ctx).IsSampled() {
			return ctx, unheard
		}
		ctx, span := t.tracer.Start(ctx, spanName(operation, target), trace.WithSpanKind(kind),
			trace.WithAttributes(system, semconv.DBOperationName(operation)))
		return ctx, func(err error) {
			if kind := errorType(err); kind != "" {
				span.SetAttributes(semconv.ErrorTypeKey.String(kind))
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	}
}

func unheard(error) {}

// spanName is that of the semantic conventions: the operation and what it is done to.
func spanName(operation, target string) string {
	switch operation {
	case "begin", "release":
		target = "idempotency keys"
	case "ping":
		return operation
	}
	return operation + " " + target
}

// errorType returns what kind of failure an error is; nothing for what a store is there to say, such as that
// a user does not exist, and for a caller who went away.
func errorType(err error) string {
	known := models.AsError(err)
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return ""
	case known.Kind == models.KindUnavailable:
		return known.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case known.Kind == models.KindInternal:
		return semconv.ErrorType(err).Value.AsString()
	}
	return ""
}

// outgoing returns a transport that records a span of each request that is sampled, and tells the other side
// of it by traceparent and tracestate (W3C Trace Context); the transport itself when nothing is traced. It is
// for what the service asks by itself, such as the keys of an issuer: each is a trace of its own. What is
// asked within a request that is not sampled would be one too, since such a request leaves no mark.
func (t *tracing) outgoing(transport http.RoundTripper) http.RoundTripper {
	if t == nil {
		return transport
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		ctx, span := t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.ServerAddress(r.URL.Hostname())))
		defer span.End()
		r = r.Clone(ctx) // a transport must not change what it is given
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
		answer, err := transport.RoundTrip(r)
		switch {
		case err != nil:
			span.SetAttributes(semconv.ErrorType(err))
			span.SetStatus(codes.Error, "")
		case answer.StatusCode >= http.StatusBadRequest:
			span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode), semconv.ErrorTypeKey.String(strconv.Itoa(answer.StatusCode)))
			span.SetStatus(codes.Error, "")
		default:
			span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode))
		}
		return answer, err
	})
}
