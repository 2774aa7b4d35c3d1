package tests

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

func TestAccessLog_Line(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	cases := []struct {
		method, path, body, route string
		status                    int
	}{
		{"POST", "/users/", ada, "/users/", 201},
		{"POST", "/v1/users", ada, "/v1/users", 409},
		{"GET", "/users/1?x=1", "", "/users/:id", 200},
		{"GET", "/v1/users/1/", "", "/v1/users/:id/", 200},
		{"GET", "/users/?limit=secret", "", "/users/", 422},
		{"HEAD", "/users/1", "", "/users/:id", 200},
		{"PUT", "/users/1", `{`, "/users/:id", 400},
		{"DELETE", "/users/1", "", "/users/:id", 204},
		{"DELETE", "/users/1", "", "/users/:id", 404},
		{"POST", "/users/", ada, "/users/", 201},
		{"PATCH", "/users/2", `{"age":40}`, "/users/:id", 200},
		{"PATCH", "/v1/users/2/", `{"age":0}`, "/v1/users/:id/", 422},
		{"POST", "/users/batch", `{"operations":[{"op":"patch","id":2,"user":{"name":"Countess"}}]}`, "/users/batch", 200},
		{"POST", "/v1/users/batch/", `{"mode":"independent","operations":[{"op":"delete","id":9}]}`, "/v1/users/batch/", 207},
		{"POST", "/users/batch", `{"operations":[{"op":"delete","id":9}]}`, "/users/batch", 404},
		{"GET", "/users/by-email/ada@example.com", "", "/users/by-email/*email", 200},
		{"HEAD", "/v1/users/by-email/ada%40example.com", "", "/v1/users/by-email/*email", 200},
		{"GET", "/users/by-email/eve@example.com", "", "/users/by-email/*email", 404},
		{"GET", "/users/?q=lovelace&sort=-name&email=ada@example.com", "", "/users/", 200},
		{"PATCH", "/users/", "", "unmatched", 405},
		{"OPTIONS", "/users/", "", "unmatched", 204},
		{"GET", "/nothing/ada@example.com", "", "unmatched", 404},
		{"FROBNICATE", "/users/", "", "unmatched", 405},
	}
	for n, c := range cases {
		t.Run(fmt.Sprintf("%s %s", c.method, c.path), func(t *testing.T) {
			id := fmt.Sprintf("line-%d", n)
			answer := svc.Do(t, c.method, c.path, c.body, "X-Request-ID: "+id).Want(c.status)
			entry := svc.Log.Request(t, id)
			want := []string{"bytes", "client", "duration_us", "level", "method", "msg", "request_id", "route", "status", "time"}
			if got := slices.Sorted(maps.Keys(entry)); !slices.Equal(got, want) {
				t.Errorf("members %v, want %v", got, want)
			}
			method := c.method
			if method == "FROBNICATE" {
				method = "_OTHER"
			}
			if entry.Text("method") != method || entry.Text("route") != c.route || entry.Text("level") != "info" || entry.Text("client") != "127.0.0.1" {
				t.Errorf("logged %v", entry)
			}
			if entry.Number("status") != float64(c.status) || entry.Number("bytes") != float64(len(answer.Body)) || entry.Number("duration_us") < 0 {
				t.Errorf("logged %v for %d octets", entry, len(answer.Body))
			}
			if !timestamp.MatchString(entry.Text("time")) {
				t.Errorf("the time is %q", entry.Text("time"))
			}
		})
	}
	t.Run("one line for each request and no more", func(t *testing.T) {
		if lines := svc.Log.Lines(); len(lines) != len(cases) {
			t.Errorf("%d lines for %d requests", len(lines), len(cases))
		}
	})
}

func TestAccessLog_Cause(t *testing.T) {
	t.Parallel()
	faults := repotest.NewFaults(memory.New())
	svc := testkit.New(t, testkit.Options{Repository: faults})
	t.Run("a 5xx is an error that carries its cause", func(t *testing.T) {
		faults.At(repotest.Before, repotest.Get, 1, repotest.Fail(errors.New("disk on fire")))
		svc.Get(t, "/users/1", "X-Request-ID: cause").Want(http.StatusInternalServerError)
		entry := svc.Log.Request(t, "cause")
		if entry.Text("level") != "error" || !strings.Contains(entry.Text("error"), "disk on fire") || entry["stack"] != nil {
			t.Errorf("logged %v", entry)
		}
	})
	t.Run("readiness names the cause in the log alone", func(t *testing.T) {
		faults.At(repotest.Before, repotest.Ping, 1, repotest.Fail(errors.New("disk on fire")))
		answer := svc.Get(t, "/readyz", "X-Request-ID: ready").Want(http.StatusServiceUnavailable)
		if entry := svc.Log.Request(t, "ready"); !strings.Contains(entry.Text("error"), "disk on fire") || strings.Contains(string(answer.Body), "fire") {
			t.Errorf("logged %v for %s", entry, answer.Body)
		}
	})
	t.Run("so does a batch that failed by our fault, whatever its operations would have been", func(t *testing.T) {
		faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(errors.New("disk on fire")))
		answer := svc.Post(t, "/users/batch", `{"mode":"independent","operations":[{"op":"delete","id":1},{"op":"delete","id":2}]}`, "X-Request-ID: batch")
		answer.WantProblem(http.StatusInternalServerError, "internal_error")
		if strings.Contains(string(answer.Body), "fire") {
			t.Errorf("answered %s", answer.Body)
		}
		if entry := svc.Log.Request(t, "batch"); !strings.Contains(entry.Text("error"), "disk on fire") {
			t.Errorf("logged %v", entry)
		}
	})
	t.Run("a 4xx is no error and has none", func(t *testing.T) {
		svc.Get(t, "/users/1", "X-Request-ID: fine").Want(http.StatusNotFound)
		if entry := svc.Log.Request(t, "fine"); entry.Text("level") != "info" || entry["error"] != nil {
			t.Errorf("logged %v", entry)
		}
	})
	t.Run("a panic is one entry with its stack", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{Users: panicking{"the roof\nfell in"}})
		svc.Get(t, "/users/1", "X-Request-ID: panic").Want(http.StatusInternalServerError)
		entry := svc.Log.Request(t, "panic")
		if entry.Text("level") != "error" || entry.Text("error") != "panic: the roof\nfell in" || !strings.Contains(entry.Text("stack"), "panicking.Get") {
			t.Errorf("logged %v", entry)
		}
		if lines := svc.Log.Lines(); len(lines) != 1 {
			t.Errorf("%d lines: %s", len(lines), lines)
		}
	})
}

func TestAccessLog_Debug(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{LogLevel: zapcore.DebugLevel})
	secrets := []string{"Authorization: Bearer s3cr3t-1", "Cookie: session=s3cr3t-2", "Idempotency-Key: s3cr3t-3", "Proxy-Authorization: Basic s3cr3t-4", "X-Api-Key: s3cr3t-5", "X-Auth-Token: s3cr3t-6", "X-Original-Url: /users/?email=s3cr3t-7"}
	svc.Post(t, "/users/", ada, append(secrets, "X-Request-ID: debug", "X-Colour: blue")...).Want(http.StatusCreated)
	entry := svc.Log.Request(t, "debug")
	t.Run("it adds the sizes and the headers of both sides", func(t *testing.T) {
		sent, _ := entry["request_headers"].(map[string]any)
		got, _ := entry["response_headers"].(map[string]any)
		if entry.Number("request_bytes") != float64(len(ada)) || sent["X-Colour"] != "blue" || sent["Content-Type"] != "application/json" || got["Etag"] != `"1"` {
			t.Errorf("logged %v", entry)
		}
		for _, secret := range secrets {
			name, _, _ := strings.Cut(secret, ":")
			if sent[http.CanonicalHeaderKey(name)] != "***" {
				t.Errorf("%s is %v", name, sent[name])
			}
		}
	})
	t.Run("no secret is in the log", func(t *testing.T) {
		if log := strings.Join(svc.Log.Lines(), "\n"); strings.Contains(log, "s3cr3t") {
			t.Errorf("logged %s", log)
		}
	})
	t.Run("the headers of a page that links to others hold no query", func(t *testing.T) {
		svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
		svc.Get(t, "/users/?limit=1&include_total=true", "X-Request-ID: page").Want(http.StatusOK)
		svc.Log.Request(t, "page") // the log is judged at the end
		for n, path := range []string{"/users/?limit=1&q=s3cr3t-8", "/users/?sort=name&name=s3cr3t-8&limit=1", "/users/by-email/s3cr3t-9@example.com", "/users/by-email/s3cr3t-9%40example.com"} {
			id := fmt.Sprintf("secret-%d", n)
			svc.Get(t, path, "X-Request-ID: "+id)
			svc.Log.Request(t, id)
		}
		if log := strings.Join(svc.Log.Lines(), "\n"); strings.Contains(log, "s3cr3t") {
			t.Errorf("logged %s", log)
		}
	})
}

func TestAccessLog_Client(t *testing.T) {
	t.Parallel()
	cases := []struct {
		says      string
		trusted   []string
		forwarded []string
		client    string
	}{
		{"nobody is believed by default", nil, []string{"X-Forwarded-For: 203.0.113.7"}, "127.0.0.1"},
		{"nor by another header", nil, []string{"X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "CF-Connecting-IP: 203.0.113.7", "X-Appengine-Remote-Addr: 203.0.113.7"}, "127.0.0.1"},
		{"a listed proxy is believed", []string{"127.0.0.0/8"}, []string{"X-Forwarded-For: 203.0.113.7"}, "203.0.113.7"},
		{"a listed address too", []string{"127.0.0.1"}, []string{"X-Forwarded-For: 203.0.113.7"}, "203.0.113.7"},
		{"one that is not listed is not", []string{"10.0.0.0/8"}, []string{"X-Forwarded-For: 203.0.113.7"}, "127.0.0.1"},
		{"the rightmost address that is not trusted counts", []string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		{"a forged first entry does not", []string{"127.0.0.0/8"}, []string{"X-Forwarded-For: 1.2.3.4, 203.0.113.7"}, "203.0.113.7"},
		{"an address that is none falls back to the peer", []string{"127.0.0.0/8"}, []string{"X-Forwarded-For: ada@example.com"}, "127.0.0.1"},
		{"a line break in it cannot forge", []string{"127.0.0.0/8"}, []string{`X-Forwarded-For: 1.2.3.4","level":"error`}, "127.0.0.1"},
		{"IPv6", []string{"127.0.0.0/8"}, []string{"X-Forwarded-For: 2001:db8::7"}, "2001:db8::7"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			svc := testkit.New(t, testkit.Options{TrustedProxies: c.trusted})
			svc.Get(t, "/health", append(c.forwarded, "X-Request-ID: client")...).Want(http.StatusOK)
			if got := svc.Log.Request(t, "client").Text("client"); got != c.client {
				t.Errorf("the client is %q, want %q", got, c.client)
			}
		})
	}
	t.Run("several headers are one list", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{TrustedProxies: []string{"127.0.0.1"}})
		svc.Get(t, "/health", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 203.0.113.7", "X-Request-ID: client").Want(http.StatusOK)
		if got := svc.Log.Request(t, "client").Text("client"); got != "203.0.113.7" {
			t.Errorf("the client is %q: a proxy that adds a header of its own is not the last hop", got)
		}
	})
}

// Raw ESC, CR, LF and NUL in a header never come this far: net/http refuses them.
func TestAccessLog_CannotBeForged(t *testing.T) {
	t.Parallel()
	for _, level := range []zapcore.Level{zapcore.InfoLevel, zapcore.DebugLevel} {
		svc := testkit.New(t, testkit.Options{LogLevel: level, TrustedProxies: []string{"127.0.0.1"}})
		probes := []string{
			"forged\tforged", `"},{"msg":"forged"}`, "\u2028{\"msg\":\"forged\"}", "\u2029forged", "%0a%0dforged", `\nforged`,
			"forged\\", "\xff\xfeforged", "\u0085forged", "forged{{.}}%s%n", strings.Repeat("forged", 500),
		}
		requests := 0
		for _, probe := range probes {
			for _, name := range []string{"X-Request-ID", "traceparent", "User-Agent", "Referer", "X-Forwarded-For", "X-Real-IP", "Accept", "Content-Type", "Authorization", "X-Probe"} {
				svc.Exchange(t, "GET /users/9 HTTP/1.1", name+": "+probe)
				requests++
			}
		}
		for _, probe := range []string{"%0A", "%0D%0A", "%1B", "%E2%80%A8", "%22%7D", "%00", "%FF", "%5C", "%0a{%22msg%22:%22forged%22}"} {
			svc.Exchange(t, "GET /users/"+probe+" HTTP/1.1")
			svc.Exchange(t, "GET /nothing"+probe+" HTTP/1.1")
			svc.Exchange(t, "GET /users/?q="+probe+"&"+probe+"=1 HTTP/1.1")
			requests += 3
		}
		entries := svc.Log.Entries(t)
		if len(entries) != requests {
			t.Errorf("%d lines for %d requests", len(entries), requests)
		}
		for _, entry := range entries {
			if entry.Text("msg") != "request" {
				t.Errorf("a forged line: %v", entry)
			}
		}
		for _, line := range svc.Log.Lines() {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 }) {
				t.Errorf("a control character in a line: %q", line)
			}
		}
	}
}
