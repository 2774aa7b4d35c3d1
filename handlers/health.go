package handlers

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/middleware/auth"
	"userapi/models"
)

// pingBudget is how long the store may take to say that it is there.
const pingBudget = 2 * time.Second

// health answers probes. What is wrong is named without details: strangers may ask.
type health struct {
	store     Pinger
	lifecycle *middleware.Lifecycle
	auth      *auth.Authenticator // or nil
}

// Health is the answer of a probe that passes.
type Health struct {
	// Always pass: a probe that fails answers with a problem.
	Status string `json:"status" example:"pass" enums:"pass"`
} // @name Health

// live says that the process answers, whatever it depends on.
//
//	@Summary		Tell that the process lives
//	@Description	Passes as long as the process answers at all, whatever it depends on. `/livez` and `/health` say the same.
//	@ID				getHealth
//	@Tags			health
//	@Produce		json
//	@Success		200		{object}	Health	"The process lives"
//	@x-also			{"/livez": "getLiveness"}
//	@Router			/health [get]
func (h *health) live(c *gin.Context) error {
	writeJSON(c, http.StatusOK, []byte(`{"status":"pass"}`))
	return nil
}

// ready says that requests are wanted here.
//
//	@Summary		Tell whether requests are wanted
//	@Description	Passes while the service takes requests: neither while it starts or drains, nor without its store, nor before it has the keys that tokens are checked with. The detail of the problem names the check that fails.
//	@ID				getReadiness
//	@Tags			health
//	@Produce		json
//	@Success		200		{object}	Health			"Requests are wanted"
//	@Header			200		{string}	Cache-Control	"Always no-store"
//	@Failure		503		{object}	problem.Problem	"The problem"
//	@Header			503		{string}	Cache-Control	"Always no-store"
//	@Router			/readyz [get]
func (h *health) ready(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	if !h.lifecycle.Serving() {
		return notReady("lifecycle", nil)
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), pingBudget)
	defer cancel()
	if err := h.store.Ping(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return notReady("store", err)
	}
	if h.auth != nil {
		if err := h.auth.Ready(); err != nil {
			return notReady("auth", err)
		}
	}
	return h.live(c)
}

func notReady(check string, cause error) error {
	err := problem.ErrNotReady.Because(cause)
	err.Detail = "The check that fails: " + check + "."
	err.RetryAfter = models.ErrUnavailable.RetryAfter
	return err
}

// index returns the handler of the root path, which links to everything else.
//
//	@Summary		List where to start
//	@Description	Links to the users, the probes and the documents. Those of the documents are absent when the service does not serve them.
//	@ID				getIndex
//	@Tags			documents
//	@Produce		json
//	@Success		200		{object}	Index	"The links"
//	@Router			/ [get]
func index(documents bool) func(*gin.Context) error {
	links := Index{Users: "/users/", Health: "/health", Ready: "/readyz"}
	if documents {
		links.OpenAPI, links.Documentation = "/openapi.json", "/swagger/index.html"
	}
	return func(c *gin.Context) error {
		c.JSON(http.StatusOK, links)
		return nil
	}
}

// Index is the answer of the root path.
type Index struct {
	// The list of users.
	Users string `json:"users" format:"uri-reference" example:"/users/"`
	// Whether the process lives.
	Health string `json:"health" format:"uri-reference" example:"/health"`
	// Whether requests are wanted.
	Ready string `json:"ready" format:"uri-reference" example:"/readyz"`
	// The description of the API for programs.
	OpenAPI string `json:"openapi,omitempty" format:"uri-reference" example:"/openapi.json"`
	// The description of the API for people.
	Documentation string `json:"documentation,omitempty" format:"uri-reference" example:"/swagger/index.html"`
} // @name Index
