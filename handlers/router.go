// Package handlers is the HTTP edge: it turns requests into calls of the services and their results
// into answers.
//
// It owns the routes, strict reading of bodies, paths and queries, and the form of every answer. It
// refuses rules and storage: a handler binds, calls one method, writes, and returns its error, which
// handlers/problem turns into an answer. main uses it.
package handlers

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/middleware/metrics"
	"userapi/models"
)

// Deps is what the router is built of. All of it stays the caller's.
type Deps struct {
	Users     UserService
	Retries   RetryService
	Store     Pinger
	Lifecycle *middleware.Lifecycle
	Log       *zap.Logger
	// Limits holds callers to rates, and Flight the service to a number of requests at a time; nil is no
	// limit. They outlive the router.
	Limits *limit.Limiter
	Flight *limit.Flight
	// Now is the clock by which requests are timed.
	Now func() time.Time
	// Tracing records spans of requests; nil for none.
	Tracing *middleware.Tracing

	// MaxBodyBytes is the size past which a body is refused.
	MaxBodyBytes int64
	// IgnoreUnknownMembers accepts members of a body that nobody knows.
	IgnoreUnknownMembers bool
	// RequireIfMatch refuses changes of a user without an If-Match header.
	RequireIfMatch bool
	// TrustedProxies lists the addresses and networks whose X-Forwarded-For is believed.
	TrustedProxies []string
	// CursorKey is the AES key, of 16, 24 or 32 octets, that seals cursors.
	CursorKey []byte
	// Documents says whether the API description and its UI are served.
	Documents bool
	// Compression says whether answers are compressed for those who ask for it.
	Compression bool
	// Origins are those whose pages may use the API from a browser, for CORSMaxAge without asking again.
	Origins    []string
	CORSMaxAge time.Duration
	// HSTS is how long browsers that came over TLS keep to it; 0 is for not at all.
	HSTS time.Duration
	// Metrics counts requests; nil does not.
	Metrics *metrics.Metrics
	// MetricsPage says whether the metrics are served here too.
	MetricsPage bool
	// Auth knows who may send requests about users; if nil, everybody may.
	Auth *auth.Authenticator
}

// Pinger is what readiness needs of the store.
type Pinger interface {
	Ping(ctx context.Context) error
}

// route is one line of the list of routes.
type route struct {
	method string
	path   string
	// needs are the scopes without which nobody may ask; none where everybody may.
	needs models.Scopes
	// budget is what a request is charged to.
	budget  middleware.Budget
	handler func(*gin.Context) error
}

// open is a route that everybody may ask, as often as they like.
func open(path string, handler func(*gin.Context) error) route {
	return route{http.MethodGet, path, 0, middleware.BudgetNone, handler}
}

// New returns the handler of the whole service. Its errors are those of a wrong Deps.
func New(deps Deps) (http.Handler, error) {
	if err := registerRules(); err != nil {
		return nil, err
	}
	cursors, err := newCursors(deps.CursorKey)
	if err != nil {
		return nil, err
	}
	if err := deps.unlimited(); err != nil {
		return nil, err
	}
	users := &users{
		service:        deps.Users,
		retries:        deps.Retries,
		limits:         deps.Limits,
		lane:           newLane(),
		body:           newStrictJSON(deps.MaxBodyBytes, deps.IgnoreUnknownMembers),
		patchBody:      newMergePatch(deps.MaxBodyBytes, deps.IgnoreUnknownMembers),
		batchBody:      newBatchBody(deps.MaxBodyBytes, deps.IgnoreUnknownMembers, deps.RequireIfMatch),
		cursors:        cursors,
		requireIfMatch: deps.RequireIfMatch,
	}
	health := &health{store: deps.Store, lifecycle: deps.Lifecycle, auth: deps.Auth}

	engine, err := newEngine(&deps)
	if err != nil {
		return nil, err
	}
	// Every path below also answers HEAD where it has GET, and OPTIONS; those of users also stand
	// under /v1 and with and without a slash at the end.
	for _, prefix := range []string{"", "/v1"} {
		register(&deps, engine.Group(prefix, aboutUsers, deps.Flight.Step(problem.ErrOverloaded, problem.Write)), []route{
			{http.MethodPost, "/users/", models.ScopeWrite, middleware.BudgetWrites, users.create},
			{http.MethodGet, "/users/", models.ScopeRead, middleware.BudgetReads, users.list},
			{http.MethodPost, "/users/batch/", models.ScopeBulk, middleware.BudgetBulk, users.batch},
			{http.MethodGet, "/users/by-email/*email", models.ScopeRead, middleware.BudgetReads, users.byEmail},
			{http.MethodGet, "/users/:id/", models.ScopeRead, middleware.BudgetReads, users.get},
			{http.MethodPut, "/users/:id/", models.ScopeWrite, middleware.BudgetWrites, users.update},
			{http.MethodPatch, "/users/:id/", models.ScopeWrite, middleware.BudgetWrites, users.patch},
			{http.MethodDelete, "/users/:id/", models.ScopeDelete, middleware.BudgetWrites, users.delete},
		})
	}
	register(&deps, &engine.RouterGroup, []route{
		open("/", index(deps.Documents)),
		open("/health", health.live),
		open("/livez", health.live),
		open("/readyz", health.ready),
		open("/problems/:code", problem.Page(deps.Documents)),
	})
	if deps.Documents {
		register(&deps, engine.Group("", protectDocuments), documents(deps.Compression))
	}
	if deps.MetricsPage {
		register(&deps, engine.Group("", notStored), []route{
			{http.MethodGet, "/metrics", models.ScopeAdmin, middleware.BudgetNone, metricsPage(deps.Metrics)},
		})
	}
	if deps.Compression {
		return middleware.Compress(engine)
	}
	return engine, nil
}

// newEngine returns a gin engine that redirects nothing, with the middleware in the order that
// package middleware gives.
func newEngine(deps *Deps) (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode) // or gin prints every route to standard output
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"} // X-Real-IP says less and is spoofed as easily
	if err := engine.SetTrustedProxies(deps.TrustedProxies); err != nil {
		return nil, err
	}
	engine.Use(middleware.RequestID(), middleware.Protect(deps.HSTS))
	if deps.Tracing != nil {
		engine.Use(middleware.Trace(deps.Tracing))
	}
	engine.Use(middleware.AccessLog(deps.Log, deps.Now))
	if deps.Metrics != nil {
		engine.Use(deps.Metrics.Requests())
	}
	if deps.Compression {
		engine.Use(middleware.Send())
	}
	engine.Use(
		middleware.Recover(problem.Write),
		middleware.Drain(deps.Lifecycle),
		middleware.Framing(),
	)
	if len(deps.Origins) > 0 {
		crossOrigin, err := middleware.CrossOrigin(deps.Origins, deps.CORSMaxAge)
		if err != nil {
			return nil, err
		}
		engine.Use(crossOrigin)
	}
	engine.Use(problem.Handle(wholePath))
	engine.NoRoute(problem.Handle(noRoute))
	engine.NoMethod(problem.Handle(allowed))
	return engine, nil
}

// wholePath refuses paths with two slashes and nothing between them, which gin would take for an empty
// parameter. An address may have them, when they are encoded.
func wholePath(c *gin.Context) error {
	if !strings.Contains(c.Request.URL.Path, "//") {
		return nil
	}
	if rest, ok := underUsers(c.Request.URL.Path); ok && strings.HasPrefix(rest, "/by-email/") && !strings.Contains(c.Request.URL.EscapedPath(), "//") {
		return nil
	}
	return problem.ErrRouteNotFound
}

// noRoute answers for every path that is not in the list, and for `OPTIONS *` (RFC 9110, section
// 9.3.7), which asks about the server as a whole.
func noRoute(c *gin.Context) error {
	if c.Request.Method == http.MethodOptions && c.Request.RequestURI == "*" {
		c.Header("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		c.Status(http.StatusNoContent)
		return nil
	}
	return problem.ErrRouteNotFound
}

// register adds routes to a group: a path that ends in a slash without it too, and HEAD beside GET.
func register(deps *Deps, group *gin.RouterGroup, routes []route) {
	for _, r := range routes {
		steps := deps.steps(&r)
		paths := []string{r.path}
		if short := strings.TrimSuffix(r.path, "/"); short != r.path && short != "" {
			paths = append(paths, short)
		}
		methods := []string{r.method}
		if r.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, path := range paths {
			for _, method := range methods {
				group.Handle(method, path, steps...)
			}
		}
	}
}

// steps returns what happens to a request for a route, its handler at the end.
func (d *Deps) steps(r *route) []gin.HandlerFunc {
	var steps []gin.HandlerFunc
	guard := guard{authenticator: d.Auth, limits: d.Limits, log: d.Log}
	if step := guard.step(r.needs, r.budget); step != nil {
		steps = append(steps, step)
	}
	if r.budget != middleware.BudgetNone {
		steps = append(steps, d.Limits.Step(r.budget, refuse))
	}
	if permit := guard.permit(r.needs); permit != nil {
		steps = append(steps, permit)
	}
	return append(steps, problem.Handle(r.handler))
}
