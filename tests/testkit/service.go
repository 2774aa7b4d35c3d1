// Package testkit runs the service for black-box tests, in this process or as the built binary, and
// asks it questions over HTTP.
//
// It owns what every such test wants to hold beside its own point: each answer that its client
// receives is judged by the rules that no answer may break (watch.go), and each log that it captures
// by the rules that no line may break (log.go). It refuses knowledge of single routes: those are the
// tests' subject. Only tests use it.
package testkit

import (
	"cmp"
	"crypto/rand"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"userapi/config"
	"userapi/handlers"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/middleware/metrics"
	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/observed"
	"userapi/services"
)

// Options says in what a service differs from the one that main builds of the default settings over
// an empty store, which is what the zero Options stand for.
type Options struct {
	// Engine is that of the store: one of Engines, or what Engine returns if empty.
	Engine string
	// Repository is the store, which stays the caller's to close; repotest.Faults injects failures.
	Repository repository.Store
	// Users takes the place of the service for users and with it that of the rules.
	Users handlers.UserService
	// Answers is what is asked for the answers to requests with an idempotency key; the store if nil.
	Answers repository.IdempotencyRepository
	// Keys bounds what the store remembers of them; a bound of zero is that of the settings.
	Keys memory.KeyLimits
	// Now is the clock of users, of idempotency keys and of the access log.
	Now func() time.Time
	// CursorKey seals the cursors; a random one if nil.
	CursorKey []byte
	// MaxBodyBytes is http.max_body_bytes.
	MaxBodyBytes int64
	// IgnoreUnknownMembers is http.unknown_members: ignore.
	IgnoreUnknownMembers bool
	// RequireIfMatch is http.require_if_match.
	RequireIfMatch bool
	// TrustedProxies is http.trusted_proxies.
	TrustedProxies []string
	// Rates are limit.reads, limit.writes and limit.bulk.
	Rates limit.Rates
	// Flight is limit.in_flight, which is none if nil.
	Flight *limit.Flight
	// WithoutDocuments is http.swagger: false.
	WithoutDocuments bool
	// Auth knows who may send requests; if nil, everybody may.
	Auth *auth.Authenticator
	// WithoutCompression is http.compression: false.
	WithoutCompression bool
	// Origins is cors.origins.
	Origins []string
	// LogLevel is log.level; info if zero.
	LogLevel zapcore.Level
	// Metrics has everything counted, for Service.Metrics.
	Metrics bool
	// Starting leaves the service in the state before it is ready.
	Starting bool
}

// Service is a running service with a client for it.
type Service struct {
	*Client
	// Log holds what the service has logged so far.
	Log *Log
	// Lifecycle is the state that readiness tells.
	Lifecycle *middleware.Lifecycle
	// Metrics is what counts, if Options.Metrics was set.
	Metrics *metrics.Metrics

	store repository.Store
}

// New starts a service that ends with the test. It is put together as main does it, behind a plain
// httptest.Server.
func New(tb testing.TB, options Options) *Service {
	tb.Helper()
	settings := config.Default()
	now := options.Now
	if now == nil {
		now = time.Now
	}
	store := options.Repository
	if store == nil {
		store = NewStore(tb, options)
	}
	var counted *metrics.Metrics
	inner := store
	if options.Metrics {
		counted = metrics.New(metrics.Build{Version: "test"})
		store = observed.New(store, counted.Store("test"))
	}
	users := options.Users
	if users == nil {
		users = services.NewUsers(store, now)
	}
	answers := options.Answers
	if answers == nil {
		answers = store
	}
	key := options.CursorKey
	if key == nil {
		key = make([]byte, 32)
		_, _ = rand.Read(key)
	}
	limits, err := limit.New(limit.Options{Rates: options.Rates, MaxCallers: settings.Limit.MaxCallers, Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	var retries handlers.RetryService = services.NewRetries(answers)
	if counted != nil {
		retries = counted.Retries(retries)
	}
	service := &Service{Log: newLog(tb), Lifecycle: new(middleware.Lifecycle), Metrics: counted, store: inner}
	handler, err := handlers.New(handlers.Deps{
		Users:                users,
		Retries:              retries,
		Store:                store,
		Lifecycle:            service.Lifecycle,
		Log:                  zap.New(zapcore.NewCore(encoder(), service.Log, options.LogLevel)),
		Now:                  now,
		Limits:               limits,
		Flight:               options.Flight,
		MaxBodyBytes:         cmp.Or(options.MaxBodyBytes, settings.HTTP.MaxBodyBytes),
		IgnoreUnknownMembers: options.IgnoreUnknownMembers,
		RequireIfMatch:       options.RequireIfMatch,
		TrustedProxies:       options.TrustedProxies,
		CursorKey:            key,
		Documents:            !options.WithoutDocuments,
		Auth:                 options.Auth,
		Compression:          !options.WithoutCompression,
		Origins:              options.Origins,
		CORSMaxAge:           settings.CORS.MaxAge,
		Metrics:              counted,
	})
	if err != nil {
		tb.Fatalf("the router cannot be built: %v", err)
	}
	if !options.Starting {
		service.Lifecycle.Serve()
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	service.Client = newClient(tb, server.URL, service.Log)
	return service
}

// encoder writes log lines as main's does.
func encoder() zapcore.Encoder {
	shape := zap.NewProductionEncoderConfig()
	shape.TimeKey = "time"
	shape.EncodeTime = func(t time.Time, out zapcore.PrimitiveArrayEncoder) {
		out.AppendString(models.TimestampOf(t).String())
	}
	return zapcore.NewJSONEncoder(shape)
}

// Clock is a clock that moves only when a test moves it. It is safe for concurrent use.
type Clock struct{ micros atomic.Int64 }

// NewClock returns a clock that stands at an instant.
func NewClock(at time.Time) *Clock {
	c := new(Clock)
	c.Set(at)
	return c
}

// Now returns where the clock stands.
func (c *Clock) Now() time.Time { return time.UnixMicro(c.micros.Load()) }

// Set moves the clock to an instant, forwards or backwards.
func (c *Clock) Set(at time.Time) { c.micros.Store(at.UnixMicro()) }

// Add moves the clock by a duration.
func (c *Clock) Add(d time.Duration) { c.micros.Add(d.Microseconds()) }
