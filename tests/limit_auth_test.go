package tests

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/models"
	"userapi/tests/testkit"
)

// TestLimit_Auth looks at who is charged where callers say who they are.
func TestLimit_Auth(t *testing.T) {
	t.Parallel()
	authenticated := func(t *testing.T) (svc *testkit.Service, reader, deleter string) {
		t.Helper()
		reading, first, err := auth.NewKey("reader", models.ScopeRead, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		deleting, second, err := auth.NewKey("deleter", models.ScopeDelete, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		authenticator, err := auth.New(auth.NewState(time.Now), auth.Options{Keys: []auth.Key{first, second}})
		if err != nil {
			t.Fatal(err)
		}
		svc, _ = limited(t, testkit.Options{Auth: authenticator, Rates: limit.Rates{Reads: perHour(3)}})
		return svc, "X-API-Key: " + reading, "X-API-Key: " + deleting
	}
	t.Run("each principal has a budget, and who may not pays for asking", func(t *testing.T) {
		t.Parallel()
		svc, reader, deleter := authenticated(t)
		for range 3 {
			svc.Get(t, "/users/", reader).Want(http.StatusOK)
			svc.Get(t, "/users/", deleter).WantProblem(http.StatusForbidden, "insufficient_scope")
		}
		for _, who := range []string{reader, deleter} {
			svc.Get(t, "/users/", who).WantProblem(http.StatusTooManyRequests, "rate_limited")
		}
	})
	t.Run("failures are charged to the address, and lock nobody out who is good", func(t *testing.T) {
		t.Parallel()
		svc, reader, _ := authenticated(t)
		svc.Get(t, "/users/", reader).Want(http.StatusOK).WantHeader("RateLimit", `"reads";r=2;t=1200`)
		for range 3 {
			svc.Get(t, "/users/").WantHeader("RateLimit", "").WantProblem(http.StatusUnauthorized, "unauthenticated")
		}
		forged := "X-API-Key: " + strings.Repeat("x", 50)
		for _, who := range [][]string{nil, {forged}, {"Authorization: Bearer x"}} {
			svc.Get(t, "/users/", who...).
				WantHeader("Retry-After", "1200").WantHeader("RateLimit", `"reads";r=0;t=1200`).WantHeader("WWW-Authenticate", "").
				WantProblem(http.StatusTooManyRequests, "rate_limited")
		}
		svc.Get(t, "/users/", reader).Want(http.StatusOK).WantHeader("RateLimit", `"reads";r=1;t=1200`)
		svc.Get(t, "/users/").Want(http.StatusTooManyRequests)
		svc.Post(t, "/users/", ada).WantProblem(http.StatusUnauthorized, "unauthenticated") // that budget is not limited
		svc.Get(t, "/health").Want(http.StatusOK)
	})
}
