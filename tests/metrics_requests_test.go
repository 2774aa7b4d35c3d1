package tests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// requests is the name of the series that counts requests with this outcome.
func requests(method, route string, status int) string {
	return fmt.Sprintf(`http_server_request_duration_seconds_count{http_request_method=%q,http_response_status_code="%d",http_route=%q}`, method, status, route)
}

func TestMetrics_Requests(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Metrics: true})
	cases := []struct {
		says, method, path, body string
		headers                  []string
		route                    string
		status                   int
	}{
		{"a create", "POST", "/users/", ada, nil, "/users/", 201},
		{"the other prefix is another route", "GET", "/v1/users/1", "", nil, "/v1/users/:id", 200},
		{"a read", "GET", "/users/1", "", nil, "/users/:id", 200},
		{"HEAD is its own method", "HEAD", "/users/1", "", nil, "/users/:id", 200},
		{"a read of nothing new", "GET", "/users/1", "", []string{`If-None-Match: "1"`}, "/users/:id", 304},
		{"a page", "GET", "/users/?limit=1&q=lovelace", "", nil, "/users/", 200},
		{"an address in the path", "GET", "/users/by-email/ada@example.com", "", nil, "/users/by-email/*email", 200},
		{"a user who is not there", "GET", "/users/77", "", nil, "/users/:id", 404},
		{"what is not valid", "POST", "/users/", `{"name":""}`, nil, "/users/", 422},
		{"what is not JSON", "PUT", "/users/1", `{`, nil, "/users/:id", 400},
		{"a stale version", "PATCH", "/users/1", `{"age":1}`, []string{`If-Match: "9"`}, "/users/:id", 412},
		{"a batch", "POST", "/users/batch", `{"operations":[{"op":"patch","id":1,"user":{"age":4}}]}`, nil, "/users/batch", 200},
		{"a batch of single operations", "POST", "/users/batch", `{"mode":"independent","operations":[{"op":"delete","id":9}]}`, nil, "/users/batch", 207},
		{"a path that is no route", "GET", "/nothing/ada@example.com", "", nil, "unmatched", 404},
		{"a method that a route has not", "PATCH", "/users/", "", nil, "unmatched", 405},
		{"a method that nobody knows", "FROBNICATE", "/users/", "", nil, "unmatched", 405},
		{"OPTIONS", "OPTIONS", "/users/1", "", nil, "unmatched", 204},
		{"a probe", "GET", "/livez", "", nil, "/livez", 200},
		{"a problem's page", "GET", "/problems/email-taken", "", nil, "/problems/:code", 200},
	}
	for _, c := range cases {
		t.Run(c.says+" is counted once", func(t *testing.T) {
			method := c.method
			if method == "FROBNICATE" {
				method = "_OTHER"
			}
			series := requests(method, c.route, c.status)
			before := svc.Samples(t)[series]
			svc.Do(t, c.method, c.path, c.body, c.headers...).Want(c.status)
			testkit.Eventually(t, series, func() bool { return svc.Samples(t)[series] == before+1 })
		})
	}
	t.Run("and nothing else is", func(t *testing.T) {
		counted, answers, bodies := 0.0, 0.0, 0.0
		for series, value := range svc.Samples(t) {
			switch name, _, _ := strings.Cut(series, "{"); name {
			case "http_server_request_duration_seconds_count":
				counted += value
			case "http_server_response_body_size_bytes_count":
				answers += value
			case "http_server_request_body_size_bytes_count":
				bodies += value
			case "userapi_aborted_requests_total", "http_server_active_requests":
				if value != 0 {
					t.Errorf("%s is %v", series, value)
				}
			}
		}
		sent := 0
		for _, c := range cases {
			if c.body != "" {
				sent++
			}
		}
		if counted != float64(len(cases)) || answers != counted || bodies != float64(sent) {
			t.Errorf("%v requests, %v answers, %v bodies; %d and %d were sent", counted, answers, bodies, len(cases), sent)
		}
	})
	t.Run("operations of the store are counted by what became of them", func(t *testing.T) {
		samples := svc.Samples(t)
		for operation, want := range map[string]float64{
			`operation="create",outcome="ok"`: 1, `operation="get",outcome="not_found"`: 1, `operation="update",outcome="conflict"`: 1, `operation="batch",outcome="ok"`: 2,
		} {
			if got := samples[`userapi_store_operation_duration_seconds_count{engine="test",`+operation+`}`]; got != want {
				t.Errorf("%s: %v, want %v", operation, got, want)
			}
		}
	})
	t.Run("so are requests with a key", func(t *testing.T) {
		body := named(1, `"Eve"`)
		first := svc.Post(t, "/users/", body, keyed("k")).Want(http.StatusCreated)
		replayed(t, svc.Post(t, "/users/", body, keyed("k")), first)
		svc.Post(t, "/users/", named(2, `"Eve"`), keyed("k")).Want(http.StatusUnprocessableEntity)
		svc.Post(t, "/users/", body, keyed("l")).Want(http.StatusConflict)
		svc.Post(t, "/users/batch", `{"dry_run":true,"operations":[{"op":"delete","id":1}]}`, keyed("m")).Want(http.StatusOK)
		samples := svc.Samples(t)
		for outcome, want := range map[string]float64{"not_kept": 1, "first": 1, "replayed": 1, "reused": 1, "failed": 1, "in_progress": 0} {
			if got := samples[`userapi_idempotent_requests_total{outcome="`+outcome+`"}`]; got != want {
				t.Errorf("%s: %v, want %v", outcome, got, want)
			}
		}
	})
}

func TestMetrics_Failures(t *testing.T) {
	t.Parallel()
	t.Run("a panic is a 500", func(t *testing.T) {
		t.Parallel()
		svc := testkit.New(t, testkit.Options{Metrics: true, Users: panicking{"the roof fell in"}})
		svc.Get(t, "/users/1").Want(http.StatusInternalServerError)
		testkit.Eventually(t, "the panic to be counted", func() bool { return svc.Samples(t)[requests("GET", "/users/:id", 500)] == 1 })
	})
	t.Run("a client that goes away is a 499, and aborted", func(t *testing.T) {
		t.Parallel()
		faults := repotest.NewFaults(memory.New())
		svc := testkit.New(t, testkit.Options{Metrics: true, Repository: faults})
		reached := make(chan struct{})
		faults.At(repotest.Before, repotest.Get, 1, func(ctx context.Context, _ context.CancelFunc) error {
			close(reached)
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-reached
			leave()
		}()
		if answer, err := svc.Try(t, svc.Request(t, http.MethodGet, "/users/1", "").WithContext(ctx)); err == nil {
			t.Fatalf("answered %d", answer.Status)
		}
		testkit.Eventually(t, "the request to be counted", func() bool {
			samples := svc.Samples(t)
			return samples[requests("GET", "/users/:id", 499)] == 1 &&
				samples[`userapi_aborted_requests_total{http_request_method="GET",http_response_status_code="499",http_route="/users/:id"}`] == 1 &&
				samples[`userapi_store_operation_duration_seconds_count{engine="test",operation="get",outcome="cancelled"}`] == 1
		})
	})
	t.Run("an answer that is cut off is aborted", func(t *testing.T) {
		t.Parallel()
		svc := testkit.New(t, testkit.Options{Metrics: true, Users: panicking{http.ErrAbortHandler}})
		if answer, err := svc.Try(t, svc.Request(t, http.MethodGet, "/users/1", "")); err == nil {
			t.Fatalf("answered %d", answer.Status)
		}
		testkit.Eventually(t, "the request to be counted", func() bool {
			return svc.Samples(t)[`userapi_aborted_requests_total{http_request_method="GET",http_response_status_code="200",http_route="/users/:id"}`] == 1
		})
	})
	t.Run("a store that fails is unavailable or internal", func(t *testing.T) {
		t.Parallel()
		faults := repotest.NewFaults(memory.New())
		svc := testkit.New(t, testkit.Options{Metrics: true, Repository: faults})
		faults.At(repotest.Before, repotest.Get, 1, repotest.Fail(errors.New("disk on fire")))
		svc.Get(t, "/users/1").Want(http.StatusInternalServerError)
		if got := svc.Samples(t)[`userapi_store_operation_duration_seconds_count{engine="test",operation="get",outcome="internal"}`]; got != 1 {
			t.Errorf("internal: %v", got)
		}
	})
}

// label matches one label of a series.
var label = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

func TestMetrics_Bounded(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Metrics: true})
	svc.Create(t, ada)
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	word := func() string {
		made := make([]byte, 1+random.IntN(12))
		for i := range made {
			made[i] = "abcdefXYZ0189-._~"[random.IntN(17)]
		}
		return string(made)
	}
	for range 600 {
		path := pick("/users/", "/v1/users/", "/", "/problems/", "/swagger/", "/users/by-email/", "/metrics/", "/debug/pprof/") + word()
		if !strings.Contains(path, "by-email") { // a slash in an address is encoded
			path += pick("", "/", "/"+word())
		}
		method := pick("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", strings.ToUpper(strings.Trim(word(), "-._~"))+"X")
		body := pick("", ada, "{", `{"operations":[]}`)
		if method == http.MethodTrace {
			body = ""
		}
		req := svc.Request(t, method, path+"?"+word()+"="+word(), body, "x"+strings.Trim(word(), ".~")+": "+word(), "X-Request-ID: "+word(), "traceparent: "+word())
		req.Host = word()
		svc.Send(t, req)
	}
	samples := svc.Samples(t)
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "_OTHER"}
	routes := []string{"unmatched", "/", "/problems/:code", "/swagger/:file", "/swagger/*any"}
	for _, prefix := range []string{"", "/v1"} {
		for _, route := range []string{"/users", "/users/batch", "/users/by-email/*email", "/users/:id"} {
			routes = append(routes, prefix+route, prefix+route+"/")
		}
	}
	t.Run("methods, routes and statuses are ours", func(t *testing.T) {
		for series := range samples {
			for _, found := range label.FindAllStringSubmatch(series, -1) {
				name, value := found[1], found[2]
				switch {
				case name == "http_request_method" && !slices.Contains(methods, value),
					name == "http_route" && !slices.Contains(routes, value),
					name == "http_response_status_code" && !regexp.MustCompile(`^[2-5]\d\d$`).MatchString(value):
					t.Errorf("%s", series)
				}
			}
		}
	})
	t.Run("their number has a bound, whatever is sent", func(t *testing.T) {
		outcomes := 0
		for series := range samples {
			if strings.HasPrefix(series, "http_server_request_duration_seconds_count") {
				outcomes++
			}
		}
		// 20 templates, of which each has at most five methods with a few statuses.
		if outcomes < 20 || outcomes > 120 || len(samples) > 40*120 {
			t.Errorf("%d outcomes, %d series", outcomes, len(samples))
		}
	})
}

func TestMetrics_Secrets(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Metrics: true})
	svc.Create(t, `{"name":"Ada Sikrit","email":"sikrit@example.com","age":137}`)
	headers := []string{
		"Authorization: Bearer s1krit", "X-Api-Key: s1krit", "Cookie: s1krit=s1krit", "Idempotency-Key: s1krit", "X-Request-ID: hush-hush",
		"User-Agent: s1krit", "Referer: s1krit", "Origin: https://s1krit.example", "X-Forwarded-For: 203.0.113.77",
	}
	for _, path := range []string{"/users/1", "/users/?q=sikrit", "/users/by-email/sikrit@example.com", "/s1krit", "/users/s1krit", "/users/987654321"} {
		for _, method := range []string{"GET", "PUT", "S1KRIT"} {
			svc.Do(t, method, path, `{"name":"Sikrit"}`, headers...)
		}
	}
	svc.Post(t, "/users/", named(1, `"Sikrit"`), headers...).Want(http.StatusCreated)
	for format, accept := range formats {
		t.Run("nothing about a person and no secret is in "+format, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
			req.Header.Set("Accept", accept)
			svc.Metrics.Handler().ServeHTTP(recorder, req)
			page := strings.ToLower(recorder.Body.String())
			if !strings.Contains(page, "http_server_request_duration_seconds") {
				t.Fatal("it has no metrics")
			}
			for _, secret := range []string{"sikrit", "s1krit", "hush-hush", "example.com", "203.0.113.77", "987654321", "127.0.0.1", "s1krit.example"} {
				if at := strings.Index(page, secret); at >= 0 {
					t.Errorf("%q is in it: …%q", secret, page[max(0, at-60):min(len(page), at+20)])
				}
			}
		})
	}
}

// formats are those that a scraper may ask for.
var formats = map[string]string{
	"text":             "text/plain;version=0.0.4",
	"OpenMetrics":      "application/openmetrics-text;version=1.0.0",
	"protocol buffers": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

func TestMetrics_Scrape(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Metrics: true})
	svc.Create(t, ada)
	t.Run("scrapes and requests do not disturb each other", func(t *testing.T) {
		const each = 100
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range each {
					svc.Get(t, "/users/1").Want(http.StatusOK)
				}
			})
		}
		all.Go(func() {
			last := 0.0
			for range 30 {
				now := svc.Samples(t)[requests("GET", "/users/:id", 200)]
				if now < last {
					t.Errorf("a counter fell from %v to %v", last, now)
				}
				last = now
			}
		})
		all.Wait()
		testkit.Eventually(t, "all requests to be counted", func() bool { return svc.Samples(t)[requests("GET", "/users/:id", 200)] == 4*each })
	})
	for format, accept := range formats {
		t.Run(format+" is answered to whom wants it", func(t *testing.T) {
			recorder := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
			req.Header.Set("Accept", accept)
			svc.Metrics.Handler().ServeHTTP(recorder, req)
			want, _, _ := strings.Cut(accept, ";")
			if got := recorder.Header().Get("Content-Type"); !strings.HasPrefix(got, want) {
				t.Errorf("Content-Type is %q", got)
			}
			if format == "OpenMetrics" && !strings.HasSuffix(recorder.Body.String(), "# EOF\n") {
				t.Error("the end is missing")
			}
		})
	}
	t.Run("promtool has nothing to say about it", func(t *testing.T) {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			sqltest.Missing(t, "promtool is not installed")
		}
		lint := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(svc.Page(t))
		if output, err := lint.CombinedOutput(); err != nil || len(output) > 0 {
			t.Errorf("%v: %s", err, output)
		}
	})
}
