package tests

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"userapi/middleware/auth"
	"userapi/models"
	"userapi/tests/testkit"
)

// openToAll are the routes that everybody may ask. A route that is not in here asks who is there.
var openToAll = []string{
	"GET /", "GET /health", "GET /livez", "GET /readyz", "GET /problems/:code",
	"GET /openapi.json", "GET /swagger", "GET /swagger/", "GET /swagger/doc.json", "GET /swagger/:file",
}

// aim returns a path that a route, or a path of the document, has.
func aim(path string) string {
	for name, value := range map[string]string{
		":id": "1", "{id}": "1", "*email": "a@example.com", ":email": "a@example.com", "{email}": "a@example.com", ":code": "x", "{code}": "x", ":file": "index.html",
	} {
		path = strings.ReplaceAll(path, name, value)
	}
	return path
}

// bodyFor returns a body that an operation reads without a fault of form, and which needs no more than
// the operation itself.
func bodyFor(method string) string {
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete {
		return ""
	}
	return `{"operations":[]}`
}

func TestAuth_Matrix(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	callers := map[string]string{}
	scopes := map[string]models.Scopes{
		"nothing": 0, "read": models.ScopeRead, "write": models.ScopeWrite, "delete": models.ScopeDelete, "bulk": models.ScopeBulk,
		"admin": models.ScopeAdmin, "all": models.ScopesOfUsers,
	}
	for name, scope := range scopes {
		callers[name] = d.key(t, name, scope)
	}
	service := d.open(t, auth.Options{}, testkit.Options{})

	t.Run("every operation lets in those who have its scope, and nobody else", func(t *testing.T) {
		_, doc := description(t)
		cells := 0
		for id, op := range operations(doc) {
			word, guarded := op.Extensions["x-needs"].(string)
			needs, known := models.ParseScope(word)
			route := op.method + " " + strings.NewReplacer("{id}", ":id", "{code}", ":code").Replace(op.path)
			if guarded != known || guarded == slices.Contains(openToAll, route) {
				t.Errorf("%s needs the scope %q, and must either need one or be listed as open", id, word)
			}
			if guarded == (len(*op.Security) == 0) {
				t.Errorf("%s needs %q, and the document says of it %v", id, word, *op.Security)
			}
			for _, prefix := range []string{"", "/v1"} {
				path := aim(op.path)
				if prefix != "" && !strings.HasPrefix(path, "/users") {
					continue
				}
				if status := service.Do(t, op.method, prefix+path, bodyFor(op.method)).Status; (status == http.StatusUnauthorized) != guarded {
					t.Errorf("%s%s without credentials: %d", prefix, id, status)
				}
				for name, scope := range scopes {
					cells++
					answer := service.Do(t, op.method, prefix+path, bodyFor(op.method), callers[name])
					allowed := answer.Status != http.StatusForbidden && answer.Status != http.StatusUnauthorized
					if allowed != (!guarded || scope.Has(needs)) {
						t.Errorf("%s%s by one who may %s: %d", prefix, id, name, answer.Status)
					}
					if answer.Status == http.StatusForbidden {
						answer.WantHeader("WWW-Authenticate", `Bearer realm="users", error="insufficient_scope", scope="`+word+`"`)
						if got := answer.Problem().Detail; op.method != http.MethodHead && got != "The credentials lack a scope that this needs: "+word+"." {
							t.Errorf("%s: %q", id, got)
						}
					}
				}
			}
		}
		if cells < 140 {
			t.Errorf("%d cells", cells)
		}
	})
	t.Run("a route that is not listed as open asks who is there, whatever its method", func(t *testing.T) {
		guarded := 0
		for _, route := range routes(t) {
			method, path, _ := strings.Cut(route, " ")
			if strings.TrimSuffix(path, "/") == "/swagger" {
				continue // leads people to the page, which is in the list too
			}
			open := slices.Contains(openToAll, strings.Replace(route, "HEAD ", "GET ", 1))
			status := service.Do(t, method, aim(path), bodyFor(method)).Status
			if (status != http.StatusUnauthorized) != open {
				t.Errorf("%s: %d", route, status)
			}
			if !open {
				guarded++
			}
		}
		if guarded < 30 {
			t.Errorf("%d routes are guarded", guarded)
		}
	})
	t.Run("a batch needs what is in it too", func(t *testing.T) {
		const create, remove = `{"op":"create","user":{"name":"A","email":"a@example.com"}}`, `{"op":"delete","id":99}`
		d := newDoor(t)
		bulk := d.key(t, "bulk", models.ScopeBulk)
		writer := d.key(t, "writer", models.ScopeBulk|models.ScopeWrite)
		remover := d.key(t, "remover", models.ScopeBulk|models.ScopeDelete)
		all := d.key(t, "all", models.ScopesOfUsers)
		service := d.open(t, auth.Options{}, testkit.Options{})
		for _, c := range []struct {
			who, operations, lacks string
		}{
			{bulk, create, "users:write"},
			{bulk, remove, "users:delete"},
			{bulk, create + "," + remove, "users:write users:delete"},
			{writer, create, ""},
			{writer, create + "," + remove, "users:delete"},
			{remover, remove, ""},
			{remover, `{"op":"patch","id":99,"user":{"age":1}}`, "users:write"},
			{remover, `{"op":"update","id":99,"user":{"name":"B","email":"b@example.com"}}`, "users:write"},
			{all, create + "," + remove, ""},
		} {
			for _, mode := range []string{"atomic", "independent"} {
				answer := service.Post(t, "/users/batch", `{"dry_run":true,"mode":"`+mode+`","operations":[`+c.operations+`]}`, c.who)
				if c.lacks == "" {
					if answer.Status == http.StatusForbidden {
						t.Errorf("%s: %d", c.operations, answer.Status)
					}
					continue
				}
				answer.Want(http.StatusForbidden).WantHeader("WWW-Authenticate", `Bearer realm="users", error="insufficient_scope", scope="`+c.lacks+`"`)
			}
		}
	})
}
