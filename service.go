package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/handlers"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/repository"
	"userapi/services"
)

// service is the router over a store, of which there can be another one later.
type service struct {
	settings  config.Config
	log       *zap.Logger
	lifecycle *middleware.Lifecycle
	auth      *auth.Authenticator // or nil
	router    exchange
}

// open has requests answered from a store.
func (s *service) open(store repository.Store, cursorKey []byte) error {
	router, err := handlers.New(handlers.Deps{
		Users:                services.NewUsers(store, time.Now),
		Retries:              services.NewRetries(store),
		Store:                store,
		Lifecycle:            s.lifecycle,
		Log:                  s.log,
		Now:                  time.Now,
		MaxBodyBytes:         s.settings.HTTP.MaxBodyBytes,
		IgnoreUnknownMembers: s.settings.HTTP.UnknownMembers == config.UnknownIgnore,
		RequireIfMatch:       s.settings.HTTP.RequireIfMatch,
		TrustedProxies:       s.settings.HTTP.TrustedProxies,
		CursorKey:            cursorKey,
		Documents:            s.settings.HTTP.Swagger,
		Auth:                 s.auth,
	})
	if err != nil {
		return err
	}
	s.router.set(router)
	return nil
}

// exchange is a handler that can be replaced while requests come in. It is safe for concurrent use.
type exchange struct{ current atomic.Pointer[http.Handler] }

func (e *exchange) set(handler http.Handler) { e.current.Store(&handler) }

// ServeHTTP implements http.Handler.
func (e *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*e.current.Load()).ServeHTTP(w, r)
}
