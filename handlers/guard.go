package handlers

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/models"
)

// guard lets only those pass who may. Without an authenticator there is none: everybody may do
// everything with users.
type guard struct {
	authenticator *auth.Authenticator
	limits        *limit.Limiter
	log           *zap.Logger
}

// step returns the step before a route that needs scopes, or nil when everybody may pass. It answers
// before a body is read and before anything is looked up, so that strangers learn nothing of users.
func (g *guard) step(needs models.Scopes, budget middleware.Budget) gin.HandlerFunc {
	if g.authenticator == nil || needs == 0 {
		return nil
	}
	return problem.Handle(func(c *gin.Context) error {
		dependOnKey(c.Writer.Header())
		principal, err := g.authenticator.Authenticate(c.Request, c)
		if err != nil {
			return g.refuse(c, budget, err)
		}
		c.Request = c.Request.WithContext(models.WithPrincipal(c.Request.Context(), principal))
		return nil
	})
}

// permit returns the step that compares what a caller may do with what a route needs, or nil when
// everybody may pass. It is apart from step, so that a caller who may not is charged for asking.
func (g *guard) permit(needs models.Scopes) gin.HandlerFunc {
	if g.authenticator == nil || needs == 0 {
		return nil
	}
	return problem.Handle(func(c *gin.Context) error {
		if !models.PrincipalOf(c.Request.Context()).Scopes.Has(needs) {
			return lacking(c, needs)
		}
		return nil
	})
}

// varyOnKeyAndOrigin is varyOnKey where pages of other origins are let in.
//
//nolint:gochecknoglobals // never written
var varyOnKeyAndOrigin = []string{"Authorization, X-API-Key, Accept-Encoding, Origin"}

// dependOnKey says that the answer depends on who asks, by a key or otherwise.
func dependOnKey(header http.Header) {
	vary := header["Vary"]
	switch {
	case len(vary) == 1 && vary[0] == varyOnCaller[0]:
		header["Vary"] = varyOnKey
	case len(vary) == 1 && vary[0] == varyOnOrigin[0]:
		header["Vary"] = varyOnKeyAndOrigin
	default:
		varyBy(header, "Authorization", "X-API-Key")
	}
}

// refuse returns the answer to a request that is not let in. It is the same whatever is wrong with the
// credentials; the reason is for the log at its most talkative. It costs the budget for failures that the
// address has. Only failures do, and only they are refused for want of it: a password that is guessed is
// slowed down by package auth, and for an API key or a signature it does not matter who tries how often.
func (g *guard) refuse(c *gin.Context, budget middleware.Budget, err error) error {
	var refusal *auth.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	if entry := g.log.Check(zap.DebugLevel, "not let in"); entry != nil {
		entry.Write(zap.String("request_id", c.Writer.Header().Get("X-Request-ID")), zap.Error(refusal))
	}
	switch refusal.Reason {
	case auth.ReasonThrottled:
		limited := problem.ErrRateLimited.Because(refusal)
		limited.Detail, limited.RetryAfter = "There were too many failed attempts from this address.", refusal.RetryAfter
		return limited
	case auth.ReasonBusy:
		return problem.ErrOverloaded.Because(refusal)
	case auth.ReasonNoKeys:
		return models.ErrUnavailable.Because(refusal)
	}
	if wait, ok := g.limits.Fail(c, budget); !ok {
		return rateLimited(wait)
	}
	c.Writer.Header()["Www-Authenticate"] = g.authenticator.Challenges(refusal)
	return problem.ErrUnauthenticated
}

// lacking returns the answer to somebody known who may not do what needs scopes.
func lacking(c *gin.Context, needs models.Scopes) error {
	principal := models.PrincipalOf(c.Request.Context())
	missing := needs &^ principal.Scopes
	c.Writer.Header()["Www-Authenticate"] = []string{auth.InsufficientScope(principal.Method, missing)}
	forbidden := *problem.ErrInsufficientScope
	forbidden.Detail = "The credentials lack a scope that this needs: " + missing.String() + "."
	return &forbidden
}

// mayRun returns nil when whoever sends a batch may do all that is in it. One operation that is not
// allowed refuses the whole, whatever the mode: it is the request that lacks the scope.
func mayRun(c *gin.Context, batch *models.Batch) error {
	var needs models.Scopes
	for i := range batch.Operations {
		if batch.Operations[i].Op == models.OpDelete {
			needs |= models.ScopeDelete
		} else {
			needs |= models.ScopeWrite
		}
	}
	if models.PrincipalOf(c.Request.Context()).Scopes.Has(needs) {
		return nil
	}
	return lacking(c, needs)
}
