package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

const ada = `{"name":"Ada Lovelace","email":"ada@example.com","age":36}`

func TestContract_2_Routes(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"/users", "/v1/users"} {
		for _, slash := range []string{"", "/"} {
			t.Run(prefix+slash, func(t *testing.T) { lifeOfUser(t, prefix, slash) })
		}
	}
}

// lifeOfUser runs the life of a user under one spelling of the paths.
func lifeOfUser(t *testing.T, prefix, slash string) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	list, one := prefix+slash, prefix+"/1"+slash

	created := svc.Post(t, list, ada).Want(http.StatusCreated).
		WantHeader("Location", prefix+"/1").
		WantHeader("ETag", `"1"`).
		WantHeader("Content-Type", "application/json; charset=utf-8")
	if user := created.User(); user.ID != 1 || user.Name != "Ada Lovelace" || user.Email != "ada@example.com" || *user.Age != 36 {
		t.Errorf("created %+v", user)
	}
	got := svc.Get(t, one).Want(http.StatusOK).WantHeader("ETag", `"1"`).WantHeader("Content-Type", "application/json; charset=utf-8")
	if string(got.Body) != string(created.Body) {
		t.Errorf("GET answered %s after %s", got.Body, created.Body)
	}
	page := svc.Get(t, list).Want(http.StatusOK).Page()
	if len(page.Items) != 1 || !page.Items[0].Equal(created.User()) || page.NextCursor != nil || page.PrevCursor != nil || page.Total != nil {
		t.Errorf("the list is %+v", page)
	}
	svc.Do(t, http.MethodHead, one, "").Want(http.StatusOK).WantHeader("ETag", `"1"`)

	replaced := svc.Put(t, one, `{"name":"Ada King","email":"king@example.com"}`).Want(http.StatusOK).WantHeader("ETag", `"2"`).User()
	if replaced.Age != nil {
		t.Errorf("PUT replaces: an absent age becomes null, not %d", *replaced.Age)
	}
	if replaced.Name != "Ada King" || replaced.Email != "king@example.com" || replaced.ID != 1 || replaced.Version != 2 {
		t.Errorf("replaced by %+v", replaced)
	}
	patched := svc.Patch(t, one, `{"age":36}`).Want(http.StatusOK).WantHeader("ETag", `"3"`).User()
	if patched.Name != "Ada King" || *patched.Age != 36 || patched.Version != 3 {
		t.Errorf("patched to %+v", patched)
	}
	found := svc.Get(t, prefix+"/by-email/King%40example.com"+slash).Want(http.StatusOK).WantHeader("ETag", `"3"`).User()
	if !found.Equal(patched) {
		t.Errorf("found %+v", found)
	}
	batch := svc.Post(t, prefix+"/batch"+slash, `{"operations":[{"op":"patch","id":1,"user":{"age":37}}]}`).WantResults("atomic", 200)
	if user := batch.Results[0].User; *user.Age != 37 || user.Version != 4 {
		t.Errorf("the batch made %+v", user)
	}
	gone := svc.Delete(t, one).Want(http.StatusNoContent)
	if gone.Header.Get("Content-Type") != "" || gone.Header.Get("Content-Length") != "" {
		t.Errorf("204 with a content: %v", gone.Header)
	}
	svc.Get(t, one).WantProblem(http.StatusNotFound, "user_not_found")
	svc.Put(t, one, ada).WantProblem(http.StatusNotFound, "user_not_found")
	svc.Patch(t, one, `{}`).WantProblem(http.StatusNotFound, "user_not_found")
	svc.Delete(t, one).WantProblem(http.StatusNotFound, "user_not_found")
	if page := svc.Get(t, list).Page(); len(page.Items) != 0 {
		t.Errorf("after the delete the list is %+v", page)
	}
}

func TestContract_2_PathID(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	for n := range 5 {
		svc.Create(t, named(n, `"Ada"`))
	}
	const found, unknown, wrong, far = "200", "404 user_not_found", "?id wrong_type", "?id out_of_range"
	cases := map[string]string{
		"5": found, "05": found, "+5": found, "%35": found, "0000000000000000000000005": found,
		"6": unknown, "0": unknown, "-0": unknown, "-1": unknown, "-5": unknown, "9007199254740992": unknown,
		"9223372036854775807": unknown, "-9223372036854775808": unknown, "-9223372036854775809": unknown,
		"9223372036854775808": far, "18446744073709551617": far, "+9223372036854775808": far, strings.Repeat("9", 400): far,
		"abc": wrong, "1.5": wrong, "5.0": wrong, "1e0": wrong, "0x5": wrong, "5_0": wrong, "5,0": wrong, "%205": wrong, "5%20": wrong,
		"5%0A": wrong, "5%00": wrong, "--5": wrong, "+": wrong, "-": wrong, "%EF%BC%95": wrong, "%D9%A5": wrong, "null": wrong, "5;x": wrong,
		"by-email": wrong, "Batch": wrong, "batches": wrong, "%FF": wrong, "*": wrong, "..%2e": wrong,
	}
	for id, want := range cases {
		for _, prefix := range []string{"/users/", "/v1/users/"} {
			t.Run(fmt.Sprintf("%s%.30s", prefix, id), func(t *testing.T) {
				answer := svc.Get(t, prefix+id)
				switch want {
				case found:
					answer.Want(http.StatusOK)
				case unknown:
					answer.WantProblem(http.StatusNotFound, "user_not_found")
					svc.Put(t, prefix+id, ada).WantProblem(http.StatusNotFound, "user_not_found")
					svc.Patch(t, prefix+id, `{}`).WantProblem(http.StatusNotFound, "user_not_found")
					svc.Delete(t, prefix+id).WantProblem(http.StatusNotFound, "user_not_found")
				default:
					answer.WantInvalid(want)
					svc.Put(t, prefix+id, ada).WantInvalid(want)
					svc.Patch(t, prefix+id, `{}`).WantInvalid(want)
					svc.Delete(t, prefix+id).WantInvalid(want)
				}
			})
		}
	}
}

func TestContract_2_UnknownPaths(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	paths := []string{
		"/nothing", "/user", "/Users/", "/USERS/1", "/users/1/x", "/users//", "/users//1", "//users/", "/v1", "/v1/", "/v2/users/",
		"/v1/v1/users/", "/users/1/1/", "/users/a%2Fb", "/favicon.ico", "/.git/HEAD", "/metrics", "/debug/pprof/", "/debug/vars",
		"/config", "/admin", "/problems/no-such-thing", "/users/../users/1", "/./users/", "/users/batch/1", "/users/batch//", "/users/by-email//ada@example.com", "/v1/users/1/by-email/x", "/health/", "/%2e%2e/etc/passwd",
	}
	for _, path := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodDelete, http.MethodOptions} {
			t.Run(method+" "+path, func(t *testing.T) {
				answer := svc.Do(t, method, path, "")
				if strings.HasPrefix(path, "/problems/n") && method != http.MethodGet && method != http.MethodHead {
					return // a path that is known
				}
				answer.Want(http.StatusNotFound)
				if method != http.MethodHead {
					answer.WantProblem(http.StatusNotFound, "route_not_found")
				}
			})
		}
	}
}

func TestContract_2_Methods(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	const one = "DELETE GET HEAD OPTIONS PATCH PUT"
	paths := map[string]string{
		"/users/": "GET HEAD OPTIONS POST", "/users": "GET HEAD OPTIONS POST", "/v1/users/": "GET HEAD OPTIONS POST", "/v1/users": "GET HEAD OPTIONS POST",
		"/users/1": one, "/users/1/": one, "/v1/users/1": one, "/v1/users/1/": one, "/users/abc": one, "/users/999": one, "/users/batches": one,
		"/users/batch": "OPTIONS POST", "/users/batch/": "OPTIONS POST", "/v1/users/batch": "OPTIONS POST", "/v1/users/batch/": "OPTIONS POST",
		"/users/by-email/ada@example.com": "GET HEAD OPTIONS", "/v1/users/by-email/nobody/": "GET HEAD OPTIONS",
		"/": "GET HEAD OPTIONS", "/health": "GET HEAD OPTIONS", "/livez": "GET HEAD OPTIONS", "/readyz": "GET HEAD OPTIONS",
		"/problems/email-taken": "GET HEAD OPTIONS",
	}
	for path, methods := range paths {
		allowed := strings.Fields(methods)
		allow := func(answer *testkit.Response) {
			got := strings.Split(answer.Header.Get("Allow"), ", ")
			slices.Sort(got)
			if !slices.Equal(got, allowed) {
				t.Errorf("%s: Allow is %q, want %q", answer, got, allowed)
			}
		}
		t.Run("OPTIONS "+path+" is 204 with Allow", func(t *testing.T) {
			answer := svc.Do(t, http.MethodOptions, path, "").Want(http.StatusNoContent)
			allow(answer)
			if tells := strings.Contains(answer.Header.Get("Accept-Patch"), "merge-patch"); tells != slices.Contains(allowed, http.MethodPatch) {
				t.Errorf("Accept-Patch is %q (RFC 5789, section 3.1)", answer.Header.Get("Accept-Patch"))
			}
		})
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "get", "FOO", "QUERY"} {
			if slices.Contains(allowed, method) || method == "CONNECT" { // CONNECT's target is no path
				continue
			}
			t.Run(method+" "+path+" is 405 with Allow", func(t *testing.T) {
				answer := svc.Exchange(t, method+" "+path+" HTTP/1.1").Want(http.StatusMethodNotAllowed)
				if method != http.MethodHead {
					answer.WantProblem(http.StatusMethodNotAllowed, "method_not_allowed")
				}
				allow(answer)
			})
		}
	}
}

func TestContract_2_Head(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	for n := range 40 { // a page longer than what net/http knows the length of by itself
		svc.Create(t, named(n, `"Ada Lovelace"`))
	}
	paths := []string{
		"/", "/health", "/livez", "/readyz", "/users/1", "/users/999", "/users/abc", "/users/", "/v1/users?limit=1000&include_total=true",
		"/users/?limit=0", "/users/?skip=100000", "/nothing", "/problems/email-taken", "/problems/none", "/users/batch",
		"/users/by-email/case7@example.com", "/users/by-email/nobody@example.com", "/users/?sort=-name&q=ada&include_total=true", "/users/?sort=x",
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			get := svc.Get(t, path, "X-Request-ID: head")
			head := svc.Do(t, http.MethodHead, path, "", "X-Request-ID: head").Want(get.Status)
			if len(head.Body) > 0 {
				t.Errorf("a body: %q", head.Body)
			}
			names := map[string]bool{}
			for name := range get.Header {
				names[name] = true
			}
			for name := range head.Header {
				names[name] = true
			}
			for name := range names {
				if got, want := head.Header.Get(name), get.Header.Get(name); got != want && name != "Date" && name != "Link" {
					t.Errorf("%s is %q, that of GET %q", name, got, want)
				}
			}
			if head.Header.Get("Link") == "" != (get.Header.Get("Link") == "") {
				t.Errorf("Link is %q, that of GET %q", head.Header.Get("Link"), get.Header.Get("Link"))
			}
		})
	}
}

func TestContract_2_Health(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Starting: true})
	live := func(t *testing.T) {
		for _, path := range []string{"/health", "/livez"} {
			if body := string(svc.Get(t, path).Want(http.StatusOK).Body); body != `{"status":"pass"}` {
				t.Errorf("%s answers %s", path, body)
			}
		}
	}
	unready := func(t *testing.T, check string) {
		answer := svc.Get(t, "/readyz").WantHeader("Cache-Control", "no-store")
		if detail := answer.WantProblem(http.StatusServiceUnavailable, "not_ready").Detail; !strings.Contains(detail, check) {
			t.Errorf("the failing check is not named: %q", detail)
		}
	}
	t.Run("starting: alive, not ready, and requests are answered", func(t *testing.T) {
		live(t)
		unready(t, "lifecycle")
		if svc.Get(t, "/users/").Want(http.StatusOK).Close {
			t.Error("the connection is closed")
		}
	})
	t.Run("serving: ready", func(t *testing.T) {
		svc.Lifecycle.Serve()
		live(t)
		if body := string(svc.Get(t, "/readyz").Want(http.StatusOK).Body); body != `{"status":"pass"}` {
			t.Errorf("answers %s", body)
		}
	})
	t.Run("draining: alive, not ready, and every answer closes its connection", func(t *testing.T) {
		svc.Lifecycle.Drain()
		live(t)
		unready(t, "lifecycle")
		for _, path := range []string{"/users/", "/users/1", "/nothing", "/readyz", "/health"} {
			if answer := svc.Get(t, path); !answer.Close {
				t.Errorf("%s leaves its connection open", path)
			}
		}
	})
}

func TestContract_2_Index(t *testing.T) {
	t.Parallel()
	t.Run("GET / links to what is served", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{})
		members := svc.Get(t, "/").Want(http.StatusOK).WantHeader("Content-Type", "application/json; charset=utf-8").Members()
		if len(members) != 5 {
			t.Errorf("links are %s", members)
		}
		for name, link := range members {
			path := strings.Trim(string(link), `"`)
			if name == "documentation" || name == "openapi" {
				continue // served by handlers that have tests of their own
			}
			svc.Get(t, path).Want(http.StatusOK)
		}
	})
	t.Run("without documents it does not link to them", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{WithoutDocuments: true})
		if members := svc.Get(t, "/").Want(http.StatusOK).Members(); len(members) != 3 {
			t.Errorf("links are %s", members)
		}
		for _, path := range []string{"/openapi.json", "/swagger", "/swagger/", "/swagger/index.html", "/swagger/doc.json"} {
			svc.Get(t, path).WantProblem(http.StatusNotFound, "route_not_found")
		}
	})
}
