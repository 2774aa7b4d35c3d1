package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jub0bs/cors"
)

// ErrOrigins says that origins are not what a browser can send.
var ErrOrigins = errors.New("the origins cannot be used")

// CrossOrigin lets the pages of some origins, each written as scheme://host or scheme://host:port, use
// the API from a browser (the CORS protocol of the Fetch standard). Those of all others cannot read an
// answer, nor send anything that a form could not.
//
// Every answer to a listed origin says so, errors too. A preflight is answered at once, without asking
// who it is, since browsers send no credentials with it. One that is refused is answered as any other
// OPTIONS, and the browser misses what it asked for. Cookies and passwords that a browser keeps are never
// asked for: a page sends its Authorization itself. The error is an ErrOrigins.
func CrossOrigin(origins []string, maxAge time.Duration) (gin.HandlerFunc, error) {
	seconds := int(maxAge / time.Second)
	if seconds == 0 {
		seconds = -1 // package cors would leave it to the browser, which remembers for five seconds
	}
	rules, err := cors.NewMiddleware(cors.Config{
		Origins: origins,
		Methods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		RequestHeaders: []string{
			"Authorization", "X-API-Key", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key",
			RequestIDHeader, "traceparent", "tracestate",
		},
		MaxAgeInSeconds: seconds,
		ResponseHeaders: []string{
			"ETag", "Location", "Link", "Retry-After", RequestIDHeader, "X-Total-Count", "Idempotency-Replayed",
			"RateLimit", "RateLimit-Policy", "WWW-Authenticate", "Allow", "Accept-Patch",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrigins, err)
	}
	judge := rules.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.(*verdict).passed = true }))
	return func(c *gin.Context) {
		v := &verdict{ResponseWriter: c.Writer}
		judge.ServeHTTP(v, c.Request)
		c.Writer.Header()["Vary"] = variesByOrigin
		if v.allowed {
			delete(c.Writer.Header(), "Allow") // gin's, which is not the whole
			c.AbortWithStatus(http.StatusNoContent)
			return
		}
		c.Next()
	}, nil
}

// verdict is what package cors writes to. It takes the header fields and keeps the rest from the client.
type verdict struct {
	http.ResponseWriter
	passed  bool // it is no preflight
	allowed bool // it is one, and it is allowed
}

// WriteHeader implements http.ResponseWriter. Only preflights are answered by package cors.
func (v *verdict) WriteHeader(status int) { v.allowed = !v.passed && status < http.StatusBadRequest }
