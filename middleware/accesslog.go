package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"userapi/models"
)

// AccessLog writes one line for every request when it is done: at error level with the cause for a
// 5xx, at info level for the rest. The line holds the route's template and never the path, the
// query, a body or an e-mail address; the name of who asks if that is known, as actor says it.
// duration_us is in microseconds; aborted says that the connection was cut before the answer was whole.
//
// While the logger is at debug level the line also has the header fields of both sides and the size
// of the request body. Fields that hold secrets are masked.
func AccessLog(log *zap.Logger, now func() time.Time) gin.HandlerFunc {
	lines := &accessLines{core: log.Core(), fields: sync.Pool{New: func() any { return new([]zap.Field) }}}
	return func(c *gin.Context) {
		start, whole := now(), false
		defer func() {
			// Deferred, so that an answer cut off by http.ErrAbortHandler has its line too.
			end := now()
			lines.write(c, end, end.Sub(start), whole)
		}()
		c.Next()
		whole = true
	}
}

// accessLines writes the lines. It goes to zap's core directly, since the entry has its time
// already, and lets the core encode what all requests of a route with the same outcome share only
// once: that halves what a line costs, and the line is most of what a request costs here beyond
// net/http.
type accessLines struct {
	core zapcore.Core
	// outcomes holds a zapcore.Core with its fields encoded for each outcome. Routes, methods and
	// statuses are few, whatever clients send.
	outcomes sync.Map
	// fields holds *[]zap.Field: they escape to the encoder, and a line has a kilobyte of them.
	fields sync.Pool
}

// outcome is what requests share.
type outcome struct {
	method, route string
	status        int
}

func (l *accessLines) write(c *gin.Context, end time.Time, took time.Duration, whole bool) {
	entry := zapcore.Entry{Level: zapcore.InfoLevel, Time: end.UTC(), Message: "request"}
	if c.Writer.Status() >= http.StatusInternalServerError || len(c.Errors) > 0 {
		entry.Level = zapcore.ErrorLevel
	}
	if !l.core.Enabled(entry.Level) {
		return
	}
	checked := l.coreFor(c).Check(entry, nil)
	if checked == nil {
		return
	}
	size := c.Writer.Size()
	if c.Request.Method == http.MethodHead {
		size = 0
	}
	pooled := l.fields.Get().(*[]zap.Field)
	fields := (*pooled)[:0]
	fields = append(fields,
		zap.Int("bytes", max(size, 0)),
		zap.Int64("duration_us", took.Microseconds()),
		zap.String("client", client(c)),
		zap.String("request_id", c.Writer.Header()[requestIDKey][0]),
	)
	if principal := models.PrincipalOf(c.Request.Context()); principal.Method != "" {
		fields = append(fields, zap.String("actor", actor(principal.Name)))
	}
	if span := trace.SpanContextFromContext(c.Request.Context()); span.IsSampled() {
		fields = append(fields, zap.String("trace_id", span.TraceID().String()), zap.String("span_id", span.SpanID().String()))
	} else if id, ok := traceID(c.Request.Header); ok {
		fields = append(fields, zap.String("trace_id", id))
	}
	if !whole {
		fields = append(fields, zap.Bool("aborted", true))
	}
	for _, err := range c.Errors {
		fields = append(fields, zap.String("error", err.Err.Error()))
		if panicked, ok := errors.AsType[*PanicError](err.Err); ok {
			fields = append(fields, zap.String("stack", panicked.Stack))
		}
	}
	if l.core.Enabled(zapcore.DebugLevel) {
		fields = append(fields,
			zap.Int64("request_bytes", c.Request.ContentLength),
			zap.Any("request_headers", maskHeaders(c.Request.Header)),
			zap.Any("response_headers", maskHeaders(c.Writer.Header())))
	}
	checked.Write(fields...)
	clear(fields)
	*pooled = fields
	l.fields.Put(pooled)
}

// coreFor returns a core that has the fields of the request's outcome.
func (l *accessLines) coreFor(c *gin.Context) zapcore.Core {
	key := outcome{method(c.Request.Method), c.FullPath(), c.Writer.Status()}
	if core, ok := l.outcomes.Load(key); ok {
		return core.(zapcore.Core)
	}
	route := key.route
	if route == "" {
		route = "unmatched"
	}
	core, _ := l.outcomes.LoadOrStore(key, l.core.With([]zap.Field{
		zap.String("method", key.method), zap.String("route", route), zap.Int("status", key.status),
	}))
	return core.(zapcore.Core)
}

// method returns a method that the service knows, or "_OTHER" as OpenTelemetry's semantic
// conventions name all others.
func method(sent string) string {
	switch sent {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return sent
	}
	return "_OTHER"
}

// secret says whether no log may hold the value of a header field, given in canonical form: one that
// is named like a credential, or that may hold a query or an address.
func secret(field string) bool {
	switch field {
	case "From", "Link", "Referer":
		return true
	}
	for _, word := range []string{"auth", "cookie", "key", "password", "secret", "session", "token", "uri", "url"} {
		if strings.Contains(strings.ToLower(field), word) {
			return true
		}
	}
	return false
}

// maskHeaders returns the fields as a line may show them: secrets masked, and what could end a line
// for some reader, or hide in it, replaced.
func maskHeaders(header http.Header) map[string]string {
	visible := func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}
	shown := make(map[string]string, len(header))
	for name, values := range header {
		if secret(name) {
			shown[name] = "***"
		} else {
			shown[name] = strings.Map(visible, strings.Join(values, ", "))
		}
	}
	return shown
}

// actor returns the name of who asks as a line may show it. An address is personal: it is told apart from
// others by a part of its SHA-256.
func actor(name string) string {
	if strings.ContainsRune(name, '@') {
		sum := sha256.Sum256([]byte(name))
		return "sha256:" + hex.EncodeToString(sum[:8])
	}
	return name
}

// client returns the address of the client behind trusted proxies. Without a header that names
// another it is the peer's, which gin would take apart, parse and print again.
func client(c *gin.Context) string {
	if c.Request.Header["X-Forwarded-For"] != nil {
		return c.ClientIP()
	}
	host := c.Request.RemoteAddr
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	return strings.Trim(host, "[]")
}
