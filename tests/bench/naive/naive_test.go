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
