package middleware

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

const app = "https://app.example.com"

// letIn is an engine that lets the pages of app in, and answers as the router does.
func letIn(t *testing.T, maxAge time.Duration) *gin.Engine {
	t.Helper()
	step, err := CrossOrigin([]string{app, "http://localhost:3000"}, maxAge)
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(RequestID(), Protect(0), Recover(func(c *gin.Context, _ error) { c.AbortWithStatus(http.StatusInternalServerError) }), step)
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	engine.DELETE("/", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	engine.GET("/panic", func(*gin.Context) { panic("x") })
	engine.NoMethod(func(c *gin.Context) {
		if c.Request.Method == http.MethodOptions {
			c.Status(http.StatusNoContent)
		}
	})
	return engine
}

func from(t *testing.T, engine http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	recorder := httptest.NewRecorder()
	engine.ServeHTTP(recorder, req)
	return recorder.Result()
}

// fields returns the names of the fields of the CORS protocol.
func fields(header http.Header) []string {
	var found []string
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") {
			found = append(found, strings.TrimPrefix(name, "Access-Control-"))
		}
	}
	slices.Sort(found)
	return found
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	engine := letIn(t, 10*time.Minute)
	t.Run("a listed origin may read every answer, errors too", func(t *testing.T) {
		t.Parallel()
		for path, status := range map[string]int{"/": 200, "/nothing": 404, "/panic": 500} {
			got := from(t, engine, http.MethodGet, path, "Origin: "+app)
			if got.StatusCode != status || got.Header.Get("Access-Control-Allow-Origin") != app || !strings.Contains(strings.ToLower(got.Header.Get("Access-Control-Expose-Headers")), "etag") {
				t.Errorf("%s: %d, %v", path, got.StatusCode, got.Header)
			}
		}
	})
	t.Run("nobody else may", func(t *testing.T) {
		t.Parallel()
		for _, origin := range []string{
			"https://evil.example", "null", "*", "", "http://app.example.com", app + ":443", app + ":8443", app + ".evil.example", "https://xapp.example.com",
			"https://APP.example.com", app + "/", "https://app.example.com@evil.example", "https://example.com", app + " ", "http://localhost", "http://localhost:30000",
		} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				got := from(t, engine, method, "/", "Origin: "+origin, "Access-Control-Request-Method: DELETE")
				if found := fields(got.Header); len(found) > 0 {
					t.Errorf("%s for %q: %v", method, origin, got.Header)
				}
			}
		}
	})
	t.Run("caches are told that it depends on the origin, whoever asks", func(t *testing.T) {
		t.Parallel()
		for _, origin := range []string{app, "https://evil.example", ""} {
			got := from(t, engine, http.MethodGet, "/", "Origin: "+origin)
			if vary := got.Header.Values("Vary"); len(vary) != 1 || vary[0] != "Accept-Encoding, Origin" || !VariesByOrigin(got.Header) {
				t.Errorf("%q: Vary is %q", origin, vary)
			}
		}
		if VariesByOrigin(http.Header{"Vary": {"Accept-Encoding"}}) || VariesByOrigin(http.Header{}) {
			t.Error("without the step an answer does not vary by origin")
		}
	})
	t.Run("a preflight for what the API takes is allowed and answered at once", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/", "/nothing"} {
			got := from(t, engine, http.MethodOptions, path, "Origin: "+app, "Access-Control-Request-Method: PATCH",
				"Access-Control-Request-Headers: authorization,content-type,idempotency-key,if-match,if-none-match,traceparent,tracestate,x-api-key,x-request-id")
			want := []string{"Allow-Headers", "Allow-Methods", "Allow-Origin", "Max-Age"}
			if got.StatusCode != http.StatusNoContent || !slices.Equal(fields(got.Header), want) || got.Header.Get("Access-Control-Max-Age") != "600" {
				t.Errorf("%s: %d, %v", path, got.StatusCode, got.Header)
			}
			if got.Header.Get("X-Request-ID") == "" || got.Header.Get("Allow") != "" {
				t.Errorf("%s: %v", path, got.Header)
			}
		}
	})
	t.Run("one for a header or a method that the API does not take is answered as any OPTIONS", func(t *testing.T) {
		t.Parallel()
		for _, asks := range [][]string{
			{"Access-Control-Request-Method: TRACE"},
			{"Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: x-forwarded-for"},
			{"Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: authorization,cookie"},
		} {
			got := from(t, engine, http.MethodOptions, "/", append(asks, "Origin: "+app)...)
			if got.StatusCode != http.StatusNoContent || len(fields(got.Header)) > 0 || got.Header.Get("Allow") == "" {
				t.Errorf("%q: %d, %v", asks, got.StatusCode, got.Header)
			}
		}
	})
	t.Run("OPTIONS without an origin is a question about the path", func(t *testing.T) {
		t.Parallel()
		got := from(t, engine, http.MethodOptions, "/")
		if got.StatusCode != http.StatusNoContent || got.Header.Get("Allow") == "" || len(fields(got.Header)) > 0 {
			t.Errorf("%d, %v", got.StatusCode, got.Header)
		}
	})
	t.Run("credentials that a browser keeps are never let in", func(t *testing.T) {
		t.Parallel()
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			if got := from(t, engine, method, "/", "Origin: "+app, "Access-Control-Request-Method: PUT"); got.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v", got.Header)
			}
		}
	})
	t.Run("a time of zero has browsers ask each time", func(t *testing.T) {
		t.Parallel()
		got := from(t, letIn(t, 0), http.MethodOptions, "/", "Origin: "+app, "Access-Control-Request-Method: PUT")
		if got.Header.Get("Access-Control-Max-Age") != "0" {
			t.Errorf("%v", got.Header)
		}
	})
	t.Run("what is no origin is a fault", func(t *testing.T) {
		t.Parallel()
		for _, origin := range []string{"*x", "null", app + "/", "app.example.com", "https://*:x", ""} {
			if _, err := CrossOrigin([]string{origin}, time.Minute); !errors.Is(err, ErrOrigins) {
				t.Errorf("%q: %v", origin, err)
			}
		}
	})
}

func TestProtect(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	engine.Use(Protect(time.Hour))
	engine.GET("/", func(c *gin.Context) { c.Status(http.StatusOK) })
	t.Run("every answer says that it is nothing for a page, and to who shows pages that it may do nothing", func(t *testing.T) {
		t.Parallel()
		for accept, policy := range map[string]string{
			"text/html,application/xhtml+xml,*/*;q=0.8": "default-src 'none'; frame-ancestors 'none'", "*/*": "", "application/json": "",
		} {
			for _, path := range []string{"/", "/nothing"} {
				recorder := httptest.NewRecorder()
				request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				request.Header.Set("Accept", accept)
				engine.ServeHTTP(recorder, request)
				header := recorder.Header()
				if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") != policy || header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s for %s: %v", path, accept, header)
				}
			}
		}
	})
	t.Run("browsers are bound to TLS over TLS only", func(t *testing.T) {
		t.Parallel()
		if got := from(t, engine, http.MethodGet, "/"); got.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%v", got.Header)
		}
		if got := from(t, engine, http.MethodGet, "https://x/"); got.Header.Get("Strict-Transport-Security") != "max-age=3600" {
			t.Errorf("%v", got.Header)
		}
	})
}

func BenchmarkProtect(b *testing.B) {
	engine := gin.New()
	engine.GET("/bare", func(*gin.Context) {})
	engine.Use(Protect(0))
	engine.GET("/protected", func(*gin.Context) {})
	for _, path := range []string{"/bare", "/protected"} {
		b.Run(path, func(b *testing.B) {
			w, req := &discarded{header: http.Header{}}, httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				engine.ServeHTTP(w, req)
			}
		})
	}
}
