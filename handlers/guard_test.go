package handlers

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"userapi/handlers/problem"
	"userapi/middleware/auth"
	"userapi/models"
)

// BenchmarkGuard_step measures what a request costs more where callers are asked who they are: the router
// with a step before its handler, and without.
func BenchmarkGuard_step(b *testing.B) {
	secret, key, err := auth.NewKey("reporting", models.ScopeRead, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	authenticator, err := auth.New(auth.NewState(time.Now), auth.Options{Keys: []auth.Key{key}})
	if err != nil {
		b.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	for name, deps := range map[string]*Deps{"none": {Log: zap.NewNop()}, "API key": {Log: zap.NewNop(), Auth: authenticator}} {
		b.Run(name, func(b *testing.B) {
			engine := gin.New()
			register(deps, &engine.RouterGroup, []route{{method: http.MethodGet, path: "/users/:id/", needs: models.ScopeRead, handler: func(c *gin.Context) error {
				if models.PrincipalOf(c.Request.Context()) == nil {
					return problem.ErrUnauthenticated
				}
				return nil
			}}})
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/users/1", nil)
			request.Header.Set("X-API-Key", secret)
			recorder := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				engine.ServeHTTP(recorder, request)
			}
			if recorder.Code != http.StatusOK {
				b.Fatal(recorder.Code)
			}
		})
	}
}
