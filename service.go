package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"userapi/config"
	"userapi/handlers"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/middleware/metrics"
	"userapi/repository"
	"userapi/services"
)

// service is the router over a store, of which there can be another one later, as there can be other
// settings. It is safe for concurrent use.
type service struct {
	log       *zap.Logger
	level     zap.AtomicLevel
	lifecycle *middleware.Lifecycle
	callers   *auth.State
	limits    *limit.Limiter
	flight    *limit.Flight
	metrics   *metrics.Metrics // or nil
	router    exchange
	// certificate is what the service shows over TLS, or nil.
	certificate *certificate
	traces      *tracing // or nil
	// load reads the settings again.
	load func() (config.Loaded, error)

	mu        sync.Mutex
	settings  config.Config
	store     repository.Store
	cursorKey []byte
	// authenticator is who is let in now, or nil for everybody.
	authenticator *auth.Authenticator
}

// newService returns a service that has no store yet.
func newService(settings config.Config, log *zap.Logger, level zap.AtomicLevel) *service {
	callers := auth.NewState(time.Now)
	callers.Issuer = tellOfIssuer(log)
	return &service{log: log, level: level, lifecycle: new(middleware.Lifecycle), callers: callers, settings: settings}
}

// begin has requests answered: from the store if it is there soon, else as if it were away, until it is.
func (s *service) begin(preparing *preparation, store *storage, server *server) error {
	key, err, done := preparing.look(firstLook)
	switch {
	case err != nil:
		return err
	case done:
		return s.open(store, key)
	}
	server.opening = func(ctx context.Context) error {
		key, err := preparing.wait(ctx)
		if err != nil {
			return err
		}
		return s.open(store, key) //nolint:contextcheck // what it starts ends with the service
	}
	return s.open(closed(), make([]byte, 32))
}

// open has requests answered from a store.
func (s *service) open(store repository.Store, cursorKey []byte) error {
	if known, ok := store.(*storage); ok {
		watch(s.metrics, s.lifecycle, known)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store, s.cursorKey = store, cursorKey
	return s.route(s.settings)
}

// apply has requests answered by other settings. Those that are being answered keep theirs.
func (s *service) apply(settings config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, err := zapcore.ParseLevel(settings.Log.Level)
	if err != nil {
		return err
	}
	if s.certificate != nil {
		s.certificate.follow()
	}
	if err := s.route(settings); err != nil {
		return err
	}
	s.level.SetLevel(level)
	s.limits.Configure(ratesOf(settings.Limit))
	s.flight.Configure(settings.Limit.InFlight)
	s.settings = settings
	s.callers.Renew()
	warnOf(s.authenticator, s.log)
	return nil
}

// follow has the service follow its settings until what it returns is called, which waits for the end.
func (s *service) follow(ctx context.Context, hangups <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	reloader := newReloader(s.settings, s.load, s.apply, s.log)
	go func() {
		defer close(done)
		reloader.follow(ctx, hangups, reloader.running.Reload.Poll)
	}()
	return func() {
		cancel()
		<-done
	}
}

// route puts a new router in the place of the old one, or leaves that with an error.
func (s *service) route(settings config.Config) error {
	authenticator, err := newAuthenticator(s.callers, settings, s.metrics.Auth)
	if err != nil {
		return err
	}
	store, retries := observe(s.metrics, settings.Storage.Engine, s.store)
	router, err := handlers.New(handlers.Deps{
		Users:                services.NewUsers(store, time.Now),
		Retries:              retries,
		Store:                store,
		Lifecycle:            s.lifecycle,
		Log:                  s.log,
		Limits:               s.limits,
		Flight:               s.flight,
		Now:                  time.Now,
		Tracing:              s.traces.requests(),
		MaxBodyBytes:         settings.HTTP.MaxBodyBytes,
		IgnoreUnknownMembers: settings.HTTP.UnknownMembers == config.UnknownIgnore,
		RequireIfMatch:       settings.HTTP.RequireIfMatch,
		TrustedProxies:       settings.HTTP.TrustedProxies,
		CursorKey:            s.cursorKey,
		Documents:            settings.HTTP.Swagger,
		Auth:                 authenticator,
		Compression:          settings.HTTP.Compression,
		Origins:              settings.CORS.Origins,
		CORSMaxAge:           settings.CORS.MaxAge,
		HSTS:                 settings.TLS.HSTS,
		Metrics:              s.metrics,
		MetricsPage:          settings.Admin.MetricsOnMain,
	})
	if errors.Is(err, middleware.ErrOrigins) {
		return unusableError{fmt.Errorf("cors.origins: %w; write each as a browser does, like https://app.example.com", err)}
	}
	if err != nil {
		return err
	}
	s.router.set(router)
	s.authenticator = authenticator
	asked := readiness{lifecycle: s.lifecycle, store: s.store, auth: authenticator, now: time.Now}
	s.metrics.SetReady(asked.ready)
	return nil
}

// exchange is a handler that can be replaced while requests come in. It is safe for concurrent use.
type exchange struct{ current atomic.Pointer[http.Handler] }

func (e *exchange) set(handler http.Handler) { e.current.Store(&handler) }

// ServeHTTP implements http.Handler.
func (e *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*e.current.Load()).ServeHTTP(w, r)
}
