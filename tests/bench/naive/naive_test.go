package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
)

// TestRouter guards the honesty of the comparison: a baseline that did less than its routes
// promise would make every ratio worthless.
func TestRouter(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	r := router(newStore())
	send := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w
	}

	for _, step := range []struct {
		name, method, path, body string
		status                   int
		holds                    string
	}{
		{"a user is created", "POST", "/users/", `{"name":"Ada","email":"ada@example.com","age":36}`, 201, `"id":1,`},
		{"an address is taken once, whatever its case", "POST", "/users/", `{"name":"Eve","email":"ADA@example.com"}`, 409, "email"},
		{"a bad address is refused", "POST", "/users/", `{"name":"Bob","email":"bob"}`, 422, "email"},
		{"a second user has the next id and a null age", "POST", "/users/", `{"name":"Bob","email":"bob@example.com"}`, 201, `"id":2,"name":"Bob","email":"bob@example.com","age":null,`},
		{"a user is read", "GET", "/users/1", "", 200, `"age":36,`},
		{"a page skips", "GET", "/users/?skip=1&limit=50", "", 200, `{"items":[{"id":2,`},
		{"a page past the end is empty", "GET", "/users/?skip=9", "", 200, `"items":[]`},
		{"a change moves the version", "PUT", "/users/1", `{"name":"Ada L","email":"ada@example.com"}`, 200, `"version":2`},
		{"a taken address is refused in a change", "PUT", "/users/1", `{"name":"Ada","email":"bob@example.com"}`, 409, "email"},
		{"a patch of one member leaves the others", "PATCH", "/users/1", `{"age":37}`, 200, `"name":"Ada L","email":"ada@example.com","age":37`},
		{"a patch of no user finds nothing", "PATCH", "/users/9", `{"age":37}`, 404, "not found"},
		{"a patch takes no address of another", "PATCH", "/users/1", `{"email":"bob@example.com"}`, 409, "email"},
		{"a bad age is refused in a patch", "PATCH", "/users/1", `{"age":151}`, 422, "Age"},
		{"a page of an age leaves out who has none", "GET", "/users/?age_min=37&sort=-created_at", "", 200, `{"items":[{"id":1,"name":"Ada L","email":"ada@example.com","age":37`},
		{"a page of an age leaves out who is younger", "GET", "/users/?age_min=38", "", 200, `"items":[]`},
		{"a page by falling time begins with the newest", "GET", "/users/?sort=-created_at", "", 200, `{"items":[{"id":2,`},
		{"an unknown order is refused", "GET", "/users/?sort=shoe", "", 422, "Sort"},
		{"a user is deleted", "DELETE", "/users/1", "", 204, ""},
		{"a deleted user is gone", "GET", "/users/1", "", 404, "not found"},
		{"a second delete finds nothing", "DELETE", "/users/1", "", 404, "not found"},
		{"a deleted address is free, its id is not", "POST", "/users/", `{"name":"Ada","email":"ada@example.com"}`, 201, `"id":3,`},
	} {
		t.Run(step.name, func(t *testing.T) {
			w := send(step.method, step.path, step.body)
			if w.Code != step.status || !strings.Contains(w.Body.String(), step.holds) {
				t.Errorf("answered %d %s, want %d with %s", w.Code, w.Body, step.status, step.holds)
			}
		})
	}
}

func TestStore_patch(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	r := router(newStore())
	send := func(method, path, match, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("If-Match", match)
		r.ServeHTTP(w, req)
		return w
	}
	send("POST", "/users/", "", `{"name":"Ada","email":"ada@example.com"}`)

	t.Run("a version that the user has lets the change through", func(t *testing.T) {
		if w := send("PATCH", "/users/1", `"1"`, `{"age":36}`); w.Code != 200 || w.Header().Get("ETag") != `"2"` {
			t.Errorf("answered %d, ETag %s", w.Code, w.Header().Get("ETag"))
		}
	})
	t.Run("a version that it had before does not", func(t *testing.T) {
		if w := send("PATCH", "/users/1", `"1"`, `{"age":37}`); w.Code != 412 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}
