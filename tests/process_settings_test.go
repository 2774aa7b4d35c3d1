package tests

import (
	"net/http"
	"slices"
	"testing"

	"userapi/tests/testkit"
)

// TestProcess_Settings asks the built binary whether the settings reach what they are about.
func TestProcess_Settings(t *testing.T) {
	t.Parallel()
	const key = "cursor.key=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
	start := func(settings ...string) *testkit.Process {
		args := []string{}
		for _, setting := range settings {
			args = append(args, "--set", setting)
		}
		p := testkit.Start{Args: args}.Binary(t)
		for n := range 3 {
			p.Create(t, named(n, `"Ada"`))
		}
		return p
	}
	first, second := start(key, "http.require_if_match=true", "idempotency.max_keys=1"), start(key)
	t.Run("http.require_if_match", func(t *testing.T) {
		first.Patch(t, "/users/1", `{"age":1}`).WantProblem(http.StatusPreconditionRequired, "precondition_required")
		second.Patch(t, "/users/1", `{"age":1}`).Want(http.StatusOK)
	})
	t.Run("idempotency.max_keys", func(t *testing.T) {
		for _, c := range []struct {
			p    *testkit.Process
			kept bool
		}{{first, false}, {second, true}} {
			one := c.p.Post(t, "/users/", named(10, `"Eve"`), keyed("one")).Want(http.StatusCreated)
			c.p.Post(t, "/users/", named(11, `"Eve"`), keyed("two")).Want(http.StatusCreated)
			again := c.p.Post(t, "/users/", named(10, `"Eve"`), keyed("one"))
			if c.kept {
				replayed(t, again, one)
			} else {
				again.WantProblem(http.StatusConflict, "email_taken")
			}
		}
	})
	t.Run("cursor.key: a cursor outlives the process, and goes from one instance to another", func(t *testing.T) {
		for _, query := range []string{"", "&sort=-name,email", "&q=ada&sort=-id"} {
			path := "/users/?limit=1" + query
			cursor := *first.Get(t, path).Want(http.StatusOK).Page().NextCursor
			page := second.Get(t, path+"&cursor="+cursor).Want(http.StatusOK).Page()
			if want := first.Get(t, path+"&cursor="+cursor).Page(); !slices.Equal(page.IDs(), want.IDs()) {
				t.Errorf("%s: it leads to %v, want %v", query, page.IDs(), want.IDs())
			}
		}
		cursor := *first.Get(t, "/users/?limit=1").Page().NextCursor
		start().Get(t, "/users/?cursor="+cursor).WantInvalid("?cursor invalid_cursor")
	})
}
