package handlers

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/middleware/metrics"
	"userapi/models"
)

func TestGuard_Vary(t *testing.T) {
	t.Parallel()
	keyOf := func(scopes models.Scopes) (string, auth.Key) {
		t.Helper()
		secret, key, err := auth.NewKey("k"+strings.ReplaceAll(scopes.String(), ":", "-"), scopes, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return secret, key
	}
	reader, readersKey := keyOf(models.ScopeRead)
	scraper, scrapersKey := keyOf(models.ScopeAdmin)
	authenticator, err := auth.New(auth.NewState(time.Now), auth.Options{Keys: []auth.Key{readersKey, scrapersKey}})
	if err != nil {
		t.Fatal(err)
	}
	for _, origins := range [][]string{nil, {"https://app.example.com"}} {
		for _, authenticator := range []*auth.Authenticator{nil, authenticator} {
			router, err := New(Deps{
				Log: zap.NewNop(), Now: time.Now, Lifecycle: new(middleware.Lifecycle), CursorKey: make([]byte, 32), MaxBodyBytes: 1 << 20,
				Compression: true, Metrics: metrics.New(metrics.Build{}), MetricsPage: true, Origins: origins, Auth: authenticator,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/metrics", "/users/none"} {
				for name, key := range map[string]string{"nobody": "", "a reader": reader, "a scraper": scraper} {
					want := []string{"Accept-Encoding"}
					if len(origins) > 0 {
						want = append(want, "Origin")
					}
					if authenticator != nil || path != "/metrics" {
						want = append(want, "Authorization")
					}
					if authenticator != nil {
						want = append(want, "X-API-Key")
					}
					request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
					request.Header.Set("X-API-Key", key)
					request.Header.Set("Accept-Encoding", "gzip")
					recorder := httptest.NewRecorder()
					router.ServeHTTP(recorder, request)
					header := recorder.Header()
					if path == "/metrics" {
						if recorder.Code == http.StatusOK {
							want = append(want, "Accept")
						}
						if header.Get("Cache-Control") != "no-store" {
							t.Errorf("%s to %s: Cache-Control %q", path, name, header.Get("Cache-Control"))
						}
					}
					got := strings.Split(header.Get("Vary"), ", ")
					slices.Sort(want)
					slices.Sort(got)
					if len(header["Vary"]) != 1 || !slices.Equal(got, want) {
						t.Errorf("%d, %s to %s: Vary %q, want %q", recorder.Code, path, name, header["Vary"], want)
					}
				}
			}
		}
	}
}

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
