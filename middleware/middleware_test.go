package middleware

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// stack runs a handler behind the steps in their order and returns the answer and the log.
type stack struct {
	log   bytes.Buffer
	level zapcore.Level
	now   func() time.Time
}

// serve answers one request. It returns what the stack panicked with, which net/http would catch.
func (s *stack) serve(t *testing.T, req *http.Request, handler gin.HandlerFunc) (recorder *httptest.ResponseRecorder, panicked any) {
	t.Helper()
	recorder = httptest.NewRecorder()
	_, engine := gin.CreateTestContext(recorder)
	now := s.now
	if now == nil {
		now = time.Now
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&s.log), s.level)
	engine.Use(RequestID(), AccessLog(zap.New(core), now), Recover(func(c *gin.Context, err error) {
		_ = c.Error(err)
		c.AbortWithStatus(http.StatusInternalServerError)
	}), Drain(new(Lifecycle)), Framing())
	engine.Handle(req.Method, "/things/:id", handler)
	defer func() { panicked = recover() }()
	engine.ServeHTTP(recorder, req)
	return recorder, nil
}

// line returns the one line of the log.
func (s *stack) line(t *testing.T) map[string]any {
	t.Helper()
	var entry map[string]any
	if err := json.Unmarshal(s.log.Bytes(), &entry); err != nil {
		t.Fatalf("not one line: %v: %s", err, s.log.String())
	}
	return entry
}

func request(t *testing.T, method string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), method, "/things/7?secret=1", nil)
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	t.Run("the duration is that of the clock", func(t *testing.T) {
		t.Parallel()
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		s := &stack{now: func() time.Time { at = at.Add(1500 * time.Microsecond); return at }}
		s.serve(t, request(t, http.MethodGet), func(c *gin.Context) { c.String(http.StatusOK, "four") })
		if entry := s.line(t); entry["duration_us"] != 1500.0 || entry["bytes"] != 4.0 || entry["route"] != "/things/:id" {
			t.Errorf("%v", entry)
		}
	})
	t.Run("a panic is one line with its stack", func(t *testing.T) {
		t.Parallel()
		s := new(stack)
		recorder, panicked := s.serve(t, request(t, http.MethodGet), func(*gin.Context) { panic(errors.New("on\nfire")) })
		entry := s.line(t)
		if panicked != nil || recorder.Code != 500 || entry["level"] != "error" || entry["status"] != 500.0 || entry["error"] != "panic: on\nfire" || !strings.Contains(entry["stack"].(string), "middleware_test.go") {
			t.Errorf("%v: %d: %v", panicked, recorder.Code, entry)
		}
	})
	t.Run("an answer that its handler cuts off has its line, and net/http hears of it", func(t *testing.T) {
		t.Parallel()
		s := new(stack)
		_, panicked := s.serve(t, request(t, http.MethodGet), func(c *gin.Context) {
			_ = c.Error(errors.New("half of it"))
			c.String(http.StatusOK, "half")
			panic(http.ErrAbortHandler)
		})
		if entry := s.line(t); panicked != http.ErrAbortHandler || entry["status"] != 200.0 || entry["level"] != "error" || entry["error"] != "half of it" { //nolint:errorlint // the value itself is the signal
			t.Errorf("%v: %v", panicked, entry)
		}
	})
	t.Run("HEAD sends no octets", func(t *testing.T) {
		t.Parallel()
		s := new(stack)
		s.serve(t, request(t, http.MethodHead), func(c *gin.Context) { c.String(http.StatusOK, "never sent") })
		if entry := s.line(t); entry["bytes"] != 0.0 || entry["method"] != "HEAD" {
			t.Errorf("%v", entry)
		}
	})
	t.Run("a method that nobody knows is not spelled out", func(t *testing.T) {
		t.Parallel()
		s := new(stack)
		s.serve(t, request(t, "FORGE"), func(c *gin.Context) { c.Status(http.StatusOK) })
		if entry := s.line(t); entry["method"] != "_OTHER" {
			t.Errorf("%v", entry)
		}
	})
	t.Run("below its level there is no line", func(t *testing.T) {
		t.Parallel()
		s := &stack{level: zapcore.WarnLevel}
		s.serve(t, request(t, http.MethodGet), func(c *gin.Context) { c.Status(http.StatusOK) })
		if s.log.Len() > 0 {
			t.Errorf("%s", s.log.String())
		}
		s.serve(t, request(t, http.MethodGet), func(c *gin.Context) { c.Status(http.StatusBadGateway) })
		if entry := s.line(t); entry["level"] != "error" {
			t.Errorf("%v", entry)
		}
	})
	t.Run("at debug level headers are shown, secrets masked and what cannot be printed replaced", func(t *testing.T) {
		t.Parallel()
		s := &stack{level: zapcore.DebugLevel}
		req := request(t, http.MethodGet)
		for _, name := range []string{"authorization", "proxy-authorization", "cookie", "idempotency-key", "x-api-key", "referer", "from"} {
			req.Header.Set(name, "s3cr3t")
		}
		req.Header["X-Odd"] = []string{"a\u0085\u2028\x1bb", "c"}
		s.serve(t, req, func(c *gin.Context) {
			c.Header("Set-Cookie", "s3cr3t")
			c.Header("Link", "</x?s3cr3t>")
			c.Header("ETag", `"1"`)
			c.Status(http.StatusOK)
		})
		entry := s.line(t)
		if strings.Contains(s.log.String(), "s3cr3t") {
			t.Errorf("a secret: %v", entry)
		}
		if got := entry["request_headers"].(map[string]any)["X-Odd"]; got != "a\ufffd\ufffd\ufffdb, c" {
			t.Errorf("%q", got)
		}
		if got := entry["response_headers"].(map[string]any)["Etag"]; got != `"1"` {
			t.Errorf("%v", entry)
		}
	})
	t.Run("the client is the peer", func(t *testing.T) {
		t.Parallel()
		for peer, want := range map[string]string{"192.0.2.7:1234": "192.0.2.7", "[2001:db8::7]:80": "2001:db8::7", "[fe80::1%eth0]:80": "fe80::1%eth0"} {
			s := new(stack)
			req := request(t, http.MethodGet)
			req.RemoteAddr = peer
			s.serve(t, req, func(c *gin.Context) { c.Status(http.StatusOK) })
			if entry := s.line(t); entry["client"] != want {
				t.Errorf("%s: %v", peer, entry["client"])
			}
		}
	})
}

func TestRecover(t *testing.T) {
	t.Parallel()
	t.Run("what was panicked with stays in the error for the log", func(t *testing.T) {
		t.Parallel()
		recorder := httptest.NewRecorder()
		_, engine := gin.CreateTestContext(recorder)
		var caught error
		engine.Use(Recover(func(c *gin.Context, err error) { caught = err; c.AbortWithStatus(http.StatusTeapot) }))
		engine.GET("/", func(*gin.Context) { panic(7) })
		engine.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		panicked, ok := errors.AsType[*PanicError](caught)
		if !ok || panicked.Value != 7 || panicked.Error() != "panic: 7" || panicked.Stack == "" || recorder.Code != http.StatusTeapot {
			t.Errorf("%v: %d", caught, recorder.Code)
		}
	})
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	lifecycle := new(Lifecycle)
	closes := func() bool {
		recorder := httptest.NewRecorder()
		_, engine := gin.CreateTestContext(recorder)
		engine.Use(Drain(lifecycle))
		engine.GET("/", func(c *gin.Context) { c.Status(http.StatusOK) })
		engine.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return recorder.Header().Get("Connection") == "close"
	}
	if lifecycle.Serving() || closes() {
		t.Error("a new one serves or drains")
	}
	lifecycle.Serve()
	if !lifecycle.Serving() || closes() {
		t.Error("after Serve it does not serve")
	}
	lifecycle.Drain()
	if lifecycle.Serving() || !closes() {
		t.Error("after Drain it does not drain")
	}
}

func TestFraming(t *testing.T) {
	t.Parallel()
	for coding, closes := range map[string]string{"": "", "chunked": "close"} {
		recorder := httptest.NewRecorder()
		_, engine := gin.CreateTestContext(recorder)
		engine.Use(Framing())
		engine.POST("/", func(c *gin.Context) { c.Status(http.StatusOK) })
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if coding != "" {
			req.TransferEncoding = []string{coding}
		}
		engine.ServeHTTP(recorder, req)
		if got := recorder.Header().Get("Connection"); got != closes {
			t.Errorf("%q: Connection is %q", coding, got)
		}
	}
}
