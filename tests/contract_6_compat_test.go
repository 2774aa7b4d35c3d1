package tests

import (
	"net/http"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

func TestContract_6_RequestID(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	paths := []string{"/", "/health", "/users/", "/users/9", "/users/x", "/users/by-email/x", "/users/batch", "/nothing"}
	for _, id := range []string{"a", "0af7651916cd43dd8448eb211c80319c", "A.b_c-9", strings.Repeat("x", 128), "...", "-"} {
		t.Run("a sane one is kept: "+id, func(t *testing.T) {
			for _, path := range paths {
				svc.Get(t, path, "X-Request-ID: "+id).WantHeader("X-Request-ID", id)
			}
		})
	}
	for _, id := range []string{
		strings.Repeat("x", 129), "a b", "a,b", "a/b", "a:b", `a"b`, "é", "a\tb", "{}", "a;b", "<script>", "\u2028", strings.Repeat("x", 5000),
	} {
		t.Run("another one is replaced: "+id, func(t *testing.T) {
			got := svc.Get(t, "/users/9", "X-Request-ID: "+id).Header.Get("X-Request-ID")
			if got == id || len(got) != 32 {
				t.Errorf("became %q", got)
			}
		})
	}
	t.Run("two of them are replaced by one", func(t *testing.T) {
		if got := svc.Get(t, "/health", "X-Request-ID: a", "X-Request-ID: b").Header.Values("X-Request-ID"); len(got) != 1 || got[0] == "a" || got[0] == "b" {
			t.Errorf("became %q", got)
		}
	})
	t.Run("new ones are all different", func(t *testing.T) {
		seen := map[string]bool{}
		for range 200 {
			id := svc.Get(t, "/health").Header.Get("X-Request-ID")
			if seen[id] {
				t.Fatalf("%q came twice", id)
			}
			seen[id] = true
		}
	})
}

func TestContract_6_Caching(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	for says, answer := range map[string]*testkit.Response{
		"a user": svc.Get(t, "/users/1"), "a page": svc.Get(t, "/v1/users"), "a failure": svc.Get(t, "/users/9"),
		"an invalid request": svc.Get(t, "/users/x"), "a creation": svc.Post(t, "/users/", `{"name":"G","email":"g@example.com"}`),
		"a clash": svc.Post(t, "/users/", ada), "a change": svc.Put(t, "/users/1", ada), "a patch": svc.Patch(t, "/users/1", `{}`),
		"a stale change": svc.Patch(t, "/users/1", `{}`, `If-Match: "9"`), "a user who has not changed": svc.Get(t, "/users/1", "If-None-Match: *"),
		"a user by address": svc.Get(t, "/users/by-email/ada@example.com"), "nobody by address": svc.Get(t, "/users/by-email/nobody@example.com"),
		"a batch": svc.Batch(t, "", opPatch(1, `{}`)), "a batch in parts": svc.Batch(t, `"mode":"independent"`, opDelete(9)), "a rejected batch": svc.Batch(t, "", opDelete(9)),
		"the total": svc.Head(t, "/users/?include_total=true"), "a deletion": svc.Delete(t, "/users/1"),
	} {
		t.Run(says+" is nobody else's and must be asked for anew", func(t *testing.T) {
			answer.WantHeader("Cache-Control", "private, no-cache")
			if vary := answer.Header.Get("Vary"); !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "Accept-Encoding") {
				t.Errorf("Vary is %q", vary)
			}
		})
	}
}

func TestContract_6_TraceContext(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	const trace = "0af7651916cd43dd8448eb211c80319c"
	cases := map[string]string{
		"00-" + trace + "-b7ad6b7169203331-01":                   trace,
		"00-" + trace + "-b7ad6b7169203331-00":                   trace,
		"cc-" + trace + "-b7ad6b7169203331-01-extra":             trace,
		"00-" + trace + "-b7ad6b7169203331-01-extra":             "",
		"cc-" + trace + "-b7ad6b7169203331-01extra":              "",
		"ff-" + trace + "-b7ad6b7169203331-01":                   "",
		"00-" + trace + "-0000000000000000-01":                   "",
		"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01": "",
		"00-" + strings.ToUpper(trace) + "-b7ad6b7169203331-01":  "",
		"00-" + trace[:31] + "-b7ad6b7169203331-01":              "",
		"00-" + trace + "-b7ad6b7169203331":                      "",
		"00-" + trace[:31] + "g-b7ad6b7169203331-01":             "",
		"00_" + trace + "_b7ad6b7169203331_01":                   "",
		`00-` + trace[:28] + `"},{-b7ad6b7169203331-01`:          "",
		" ": "",
	}
	for header, want := range cases {
		t.Run(header, func(t *testing.T) {
			answer := svc.Get(t, "/users/9", "traceparent: "+header).Want(http.StatusNotFound)
			if got := svc.Log.Request(t, answer.Header.Get("X-Request-ID")).Text("trace_id"); got != want {
				t.Errorf("logged with trace %q, want %q", got, want)
			}
			if got := answer.Problem().TraceID; got != want {
				t.Errorf("the problem is of trace %q, want %q", got, want)
			}
		})
	}
	t.Run("two of them are none", func(t *testing.T) {
		both := "traceparent: 00-" + trace + "-b7ad6b7169203331-01"
		id := svc.Get(t, "/users/9", both, both).Want(http.StatusNotFound).Header.Get("X-Request-ID")
		if got := svc.Log.Request(t, id)["trace_id"]; got != nil {
			t.Errorf("logged with trace %v", got)
		}
	})
}
