package tests

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// parentSpan is the span that the requests of these tests come from.
const parentSpan = "b7ad6b7169203331"

// newTrace returns the id of a trace and the header that names it.
func newTrace(flags string) (id, header string) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	id = hex.EncodeToString(random[:])
	return id, "traceparent: 00-" + id + "-" + parentSpan + "-" + flags
}

// traced starts a process whose spans go to the collector soon. The environment may say more.
func traced(t *testing.T, collector *testkit.Collector, env ...string) *testkit.Process {
	t.Helper()
	env = append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_BSP_SCHEDULE_DELAY=20"}, env...)
	return testkit.Start{Env: env}.Binary(t)
}

// wantSpan judges what every span of a request and its parts has.
func wantSpan(t *testing.T, span testkit.Span, kind, name, parent string, attributes map[string]string) {
	t.Helper()
	if span.Kind != kind || span.Name != name || span.Parent != parent || span.Began == 0 || span.Ended < span.Began || span.Description != "" || span.DroppedAttributeCount != 0 {
		t.Errorf("%+v, want %s %q of %s", span, kind, name, parent)
	}
	if got, want := fmt.Sprint(span.Attributes), fmt.Sprint(attributes); got != want {
		t.Errorf("%q has %s, want %s", name, got, want)
	}
}

func TestProcessTraces(t *testing.T) {
	t.Parallel()
	collector := testkit.NewCollector(t, false)
	p := traced(t, collector, "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test%2C1,service.name=other", "OTEL_SERVICE_NAME=users")
	host, port, _ := strings.Cut(p.Addr, ":")
	user := p.Create(t, `{"name":"Ada Lovelace","email":"ada.secret@example.com"}`)

	type wanted struct {
		method, path, body string
		status             int
		server, store      string // the names of the spans; no store for an empty one
		header             []string
	}
	id := fmt.Sprintf("/users/%d", user.ID)
	secrets := []string{"authorization: Bearer s3cr3t-token", "User-Agent: s3cr3t-agent", "baggage: s3cr3t-baggage=1", "Cookie: s3cr3t-cookie", "X-Forwarded-For: 203.0.113.77"}
	for _, want := range []wanted{
		{"GET", id, "", 200, "GET /users/:id", "get users", nil},
		{"HEAD", "/v1" + id + "/", "", 200, "HEAD /v1/users/:id/", "get users", nil},
		{"GET", "/users/999", "", 404, "GET /users/:id", "get users", nil},
		{"GET", "/users/s3cr3t-id", "", 422, "GET /users/:id", "", nil},
		{"GET", "/users/by-email/ada.secret@example.com", "", 200, "GET /users/by-email/*email", "list users", nil},
		{"GET", "/users/?q=s3cr3t-query", "", 200, "GET /users/", "list users", nil},
		{"PUT", id, `{"name":"s3cr3t name","email":"s3cr3t@example.com"}`, 200, "PUT /users/:id", "update users", nil},
		{"PATCH", id, `{"age":9}`, 412, "PATCH /users/:id", "update users", []string{`If-Match: "77"`}},
		{"POST", "/users/", `{"name":"s3cr3t name","email":"s3cr3t@example.com"}`, 409, "POST /users/", "create users", nil},
		{"DELETE", "/users/999", "", 404, "DELETE /users/:id", "delete users", nil},
		{"GET", "/s3cr3t-path", "", 404, "GET", "", nil},
		{"DELETE", "/users/", "", 405, "DELETE", "", nil},
		{"OPTIONS", "/users/", "", 204, "OPTIONS", "", nil},
		{"GET", "/livez", "", 200, "GET /livez", "", nil},
	} {
		t.Run(want.method+" "+want.path, func(t *testing.T) {
			trace, parent := newTrace("01")
			answer := p.Do(t, want.method, want.path, want.body, append(append([]string{parent, "tracestate: vendor=1"}, secrets...), want.header...)...).Want(want.status)
			spans := 1
			if want.store != "" {
				spans = 2
			}
			got := collector.Of(t, trace, spans)
			method, route, _ := strings.Cut(want.server, " ")
			attributes := map[string]string{
				"http.request.method": method, "url.scheme": "http", "network.protocol.version": "1.1", "server.address": host, "server.port": port,
				"http.response.status_code": fmt.Sprint(want.status),
			}
			if route != "" {
				attributes["http.route"] = route
			}
			wantSpan(t, got[0], "SERVER", want.server, parentSpan, attributes)
			if want.store != "" {
				operation, _, _ := strings.Cut(want.store, " ")
				wantSpan(t, got[1], "INTERNAL", want.store, got[0].ID, map[string]string{"db.system.name": "memory", "db.operation.name": operation})
			}
			for _, span := range got {
				if span.Failed || span.State != "vendor=1" || span.Resource["service.name"] != "users" || span.Resource["deployment.environment.name"] != "test,1" || span.Resource["telemetry.sdk.language"] != "go" {
					t.Errorf("%+v", span)
				}
			}
			line := p.Log.Request(t, answer.Header.Get("X-Request-ID"))
			if line.Text("trace_id") != trace || line.Text("span_id") != got[0].ID {
				t.Errorf("the span is %s of %s; the log says %v", got[0].ID, trace, line)
			}
			if want.status >= 400 && want.method != "HEAD" && answer.Problem().TraceID != trace {
				t.Errorf("the problem is of the trace %q", answer.Problem().TraceID)
			}
		})
	}
	t.Run("a trace that begins here is one of its own, and the problem names it", func(t *testing.T) {
		answer := p.Get(t, "/users/998", "traceparent: 00-zz-01").Want(http.StatusNotFound)
		trace := answer.Problem().TraceID
		if got := collector.Of(t, trace, 2); got[0].Parent != "" || len(trace) != 32 {
			t.Errorf("%v", got)
		}
	})
	t.Run("nothing of what clients sent is exported", func(t *testing.T) {
		text := collector.Text()
		for _, secret := range []string{"s3cr3t", "Ada", "Lovelace", "ada.secret", "@example.com", "203.0.113.77", "vendor=2", "999"} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%q is exported: %q", secret, text[max(0, at-60):min(len(text), at+60)])
			}
		}
	})
}

func TestProcessTraces_Stores(t *testing.T) {
	t.Parallel()
	// trace sends a request and returns the spans that come of it as kind and name, each with the system,
	// and behind those the span in which they are.
	trace := func(t *testing.T, p *testkit.Process, collector *testkit.Collector, spans int, method, path string) string {
		t.Helper()
		id, parent := newTrace("01")
		p.Do(t, method, path, "", parent)
		names, lines := map[string]string{}, []string{}
		for _, span := range collector.Of(t, id, spans) {
			names[span.ID] = span.Name
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s in %s", span.Kind, span.Attributes["db.system.name"], span.Name, names[span.Parent])))
		}
		return strings.Join(lines, "; ")
	}
	settle := func(t *testing.T, env ...string) (*testkit.Process, *testkit.Collector) {
		t.Helper()
		collector := testkit.NewCollector(t, false)
		p := traced(t, collector, env...)
		ready(t, p)
		return p, collector
	}
	judge := func(t *testing.T, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("\n%s, want\n%s", got, want)
		}
	}
	t.Run("a cache in the process before SQLite", func(t *testing.T) {
		t.Parallel()
		p, collector := settle(t, "USERAPI_STORAGE_ENGINE=sqlite", "USERAPI_STORAGE_DSN="+filepath.Join(t.TempDir(), "users.db"), "USERAPI_CACHE_LOCAL=100")
		path := fmt.Sprintf("/users/%d", p.Create(t, ada).ID)
		p.Do(t, http.MethodPatch, path, `{"age":7}`, "Content-Type: application/merge-patch+json").Want(http.StatusOK)
		judge(t, trace(t, p, collector, 3, "GET", path), "SERVER  GET /users/:id in; INTERNAL memory get cache in GET /users/:id; CLIENT sqlite get users in get cache")
		judge(t, trace(t, p, collector, 2, "GET", path), "SERVER  GET /users/:id in; INTERNAL memory get cache in GET /users/:id")
		judge(t, trace(t, p, collector, 3, "DELETE", path), "SERVER  DELETE /users/:id in; INTERNAL memory delete cache in DELETE /users/:id; CLIENT sqlite delete users in delete cache")
	})
	t.Run("Redis before PostgreSQL", func(t *testing.T) {
		t.Parallel()
		p, collector := settle(t, sharedRedis(t), "USERAPI_STORAGE_ENGINE=postgres", "USERAPI_STORAGE_DSN="+sqltest.DSN(t, sql.Postgres))
		path := fmt.Sprintf("/users/%d", p.Create(t, ada).ID)
		missed := "SERVER  GET /users/:id in; CLIENT redis get cache in GET /users/:id; CLIENT postgresql get users in get cache"
		judge(t, trace(t, p, collector, 3, "GET", path), missed)
		for _, secret := range []string{"postgres@", "127.0.0.1:5432", "127.0.0.1:6379", "sslmode", "SELECT"} {
			if strings.Contains(collector.Text(), secret) {
				t.Errorf("%q is exported", secret)
			}
		}
	})
}

func TestProcessTraces_Sampler(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{ // which of these requests are exported: without a parent, with a sampled one, with another
		"OTEL_TRACES_SAMPLER=always_on":                                          "root yes no",
		"OTEL_TRACES_SAMPLER=parentbased_always_off":                             "yes",
		"OTEL_TRACES_SAMPLER=traceidratio":                                       "root yes no",
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0": "yes",
		"OTEL_TRACES_SAMPLER=ParentBased_Always_On":                              "root yes",
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			collector := testkit.NewCollector(t, false)
			p := traced(t, collector, strings.Fields(env)...)
			sampled, yes := newTrace("01")
			not, no := newTrace("00")
			p.Get(t, "/livez")
			p.Get(t, "/livez", yes)
			answer := p.Get(t, "/users/9", no)
			p.Signal(t, syscall.SIGINT)
			stopped(t, p, 10*time.Second)
			if line := p.Log.Request(t, answer.Header.Get("X-Request-ID")); line.Text("trace_id") != not || answer.Problem().TraceID != not {
				t.Errorf("a trace that others record is %q in the problem, and in the log %v", answer.Problem().TraceID, line)
			}
			found := map[string]bool{}
			for _, span := range collector.Spans() {
				switch {
				case span.Kind != "SERVER":
				case span.Trace == sampled:
					found["yes"] = true
				case span.Trace == not:
					found["no"] = true
				default:
					found["root"] = true
				}
			}
			got := []string{}
			for _, which := range []string{"root", "yes", "no"} {
				if found[which] {
					got = append(got, which)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("exported: %v, want %s", got, want)
			}
		})
	}
}

func TestProcessTraces_Away(t *testing.T) {
	t.Parallel()
	const requests = 60 // more than the queue takes
	queue := []string{"OTEL_BSP_MAX_QUEUE_SIZE=20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10", "OTEL_EXPORTER_OTLP_HEADERS=api-key=s3cr3t%2Ckey"}
	for says, collect := range map[string]func(*testing.T) *testkit.Collector{
		"a collector that is away": func(t *testing.T) *testkit.Collector {
			collector := testkit.NewCollector(t, false)
			collector.Server.Close()
			return collector
		},
		"a collector that never answers": func(t *testing.T) *testkit.Collector {
			collector := testkit.NewCollector(t, false)
			release := make(chan struct{})
			collector.Answer(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-release:
				}
			})
			t.Cleanup(func() { close(release) })
			return collector
		},
		"a collector that refuses, and repeats what it was sent": func(t *testing.T) *testkit.Collector {
			collector := testkit.NewCollector(t, false)
			collector.Answer(func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "no: "+r.Header.Get("Api-Key"), http.StatusInternalServerError)
			})
			return collector
		},
		"a collector that takes nothing, and says so in a success": func(t *testing.T) *testkit.Collector {
			collector := testkit.NewCollector(t, false)
			collector.Answer(func(w http.ResponseWriter, r *http.Request) { testkit.Reject(w, r, "no: "+r.Header.Get("Api-Key")) })
			return collector
		},
		"a collector that sends elsewhere": func(t *testing.T) *testkit.Collector {
			elsewhere, collector := testkit.NewCollector(t, false), testkit.NewCollector(t, false)
			elsewhere.Answer(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it was followed with %v", r.Header) })
			collector.Answer(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			})
			return collector
		},
	} {
		t.Run(says+" costs no request anything", func(t *testing.T) {
			t.Parallel()
			p := traced(t, collect(t), queue...)
			for range requests {
				begun := time.Now()
				p.Get(t, "/livez").Want(http.StatusOK)
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("a request took %v", took)
				}
			}
			p.Log.Await(t, "the loss to be said", func(entry testkit.Entry) bool { return entry.Text("msg") == "spans were dropped" })
			p.Signal(t, syscall.SIGINT)
			stopped(t, p, 10*time.Second)
			said, dropped := 0, 0.0
			for _, entry := range p.Log.Entries(t) {
				if entry.Text("msg") == "spans were dropped" {
					said++
					dropped += entry.Number("spans")
					if entry.Number("since_start") != dropped || entry.Text("reason") == "" {
						t.Errorf("%v after %v", entry, dropped)
					}
				}
			}
			if said > 2 || dropped != requests {
				t.Errorf("%v spans were dropped, which was said %d times", dropped, said)
			}
			if strings.Contains(strings.Join(p.Log.Lines(), "\n"), "s3cr3t") {
				t.Error("the log holds the key of the collector")
			}
		})
	}
}

func TestProcessTraces_Stop(t *testing.T) {
	t.Parallel()
	t.Run("SIGTERM has the last spans exported, packed and by TLS", func(t *testing.T) {
		t.Parallel()
		collector := testkit.NewCollector(t, true)
		authority := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: collector.Server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		p := testkit.Start{Env: []string{
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + collector.URL + "/v1/traces", "OTEL_EXPORTER_OTLP_CERTIFICATE=" + authority, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
			"OTEL_EXPORTER_OTLP_HEADERS=api-key=other", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=Api-Key=a%2Cb, x-scope=1", "OTEL_BSP_SCHEDULE_DELAY=600000", "USERAPI_SHUTDOWN_DRAIN=0s",
		}}.Binary(t)
		for range 5 {
			p.Get(t, "/livez").Want(http.StatusOK)
		}
		if spans := collector.Spans(); len(spans) > 0 {
			t.Errorf("%d spans came too early", len(spans))
		}
		p.Signal(t, syscall.SIGTERM)
		stopped(t, p, 10*time.Second)
		if spans := collector.Spans(); len(spans) != 5 {
			t.Errorf("%d spans", len(spans))
		}
		for _, header := range collector.Headers() {
			if header.Get("Api-Key") != "a,b" || header.Get("X-Scope") != "1" || header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%v", header)
			}
		}
	})
	t.Run("an answer that is cut off has its span", func(t *testing.T) {
		t.Parallel()
		collector := testkit.NewCollector(t, false)
		p := traced(t, collector, "USERAPI_SHUTDOWN_TIMEOUT=1s")
		wire, _ := posting(t, p, 1)
		testkit.Eventually(t, "the request to begin", func() bool { return p.Get(t, "/livez").Status == http.StatusOK })
		p.Signal(t, syscall.SIGINT)
		stopped(t, p, 10*time.Second)
		_ = wire
		var ended []testkit.Span
		for _, span := range collector.Spans() {
			if span.Name == "POST /users/" {
				ended = append(ended, span)
			}
		}
		if len(ended) != 1 {
			t.Errorf("%v", ended)
		}
	})
}

func TestProcessTraces_Off(t *testing.T) {
	t.Parallel()
	for env := range map[string]bool{"": true, "OTEL_SDK_DISABLED=TRUE": true, "OTEL_TRACES_EXPORTER=none": true} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			collector := testkit.NewCollector(t, false)
			start := testkit.Start{Env: strings.Fields(env)}
			if env != "" {
				start.Env = append(start.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_TRACES_SAMPLER=nonsense")
			}
			p := start.Binary(t)
			answer := p.Get(t, "/users/9").Want(http.StatusNotFound)
			if strings.Contains(string(answer.Body), "trace_id") {
				t.Errorf("%s", answer.Body)
			}
			trace, parent := newTrace("01")
			if got := p.Get(t, "/users/9", parent).Problem().TraceID; got != trace {
				t.Errorf("the problem is of the trace %q", got)
			}
			p.Signal(t, syscall.SIGINT)
			stopped(t, p, 10*time.Second)
			if len(collector.Headers()) > 0 {
				t.Error("something was exported")
			}
		})
	}
}

func TestProcessTraces_Refused(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := testkit.Start{Args: []string{"--addr", "127.0.0.1:0"}, Env: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://ada:s3cr3t@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS=s3cr3t", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_SAMPLER=sometimes",
	}}.Run(t)
	if code != 2 || stdout != "" || strings.Contains(stderr, "s3cr3t") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	for _, part := range []string{
		"the configuration has 4 faults", "OTEL_EXPORTER_OTLP_ENDPOINT: it holds credentials", "OTEL_EXPORTER_OTLP_HEADERS: pair 1 cannot be read",
		`OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported; set it to http/protobuf`, `OTEL_TRACES_SAMPLER: "sometimes" is not supported; set it to parentbased_always_on, `,
	} {
		if !strings.Contains(stderr, part) {
			t.Errorf("no %q in %s", part, stderr)
		}
	}
}

func TestProcessTraces_Issuer(t *testing.T) {
	t.Parallel()
	// What is asked for the keys of tokens is told the trace that it is a part of.
	collector := testkit.NewCollector(t, false)
	asked := make(chan string, 1)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Header.Get("traceparent"):
		default:
		}
		http.Error(w, "no keys", http.StatusInternalServerError)
	}))
	defer issuer.Close()
	p := traced(t, collector, "USERAPI_AUTH_MODE=jwt", "USERAPI_JWT_JWKS_URL="+issuer.URL+"/s3cr3t-keys", "USERAPI_JWT_ISSUER=https://issuer.example", "USERAPI_JWT_AUDIENCE=users")
	told := <-asked
	version, rest, _ := strings.Cut(told, "-")
	trace, rest, _ := strings.Cut(rest, "-")
	span, flags, _ := strings.Cut(rest, "-")
	if version != "00" || flags != "01" {
		t.Fatalf("the issuer was told %q", told)
	}
	got := collector.Of(t, trace, 1)[0]
	want := map[string]string{"http.request.method": "GET", "http.response.status_code": "500", "server.address": "127.0.0.1", "error.type": "500"}
	if got.ID != span || got.Kind != "CLIENT" || got.Name != "GET" || got.Parent != "" || !got.Failed || fmt.Sprint(got.Attributes) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	p.Signal(t, syscall.SIGINT)
	stopped(t, p, 10*time.Second)
	if strings.Contains(collector.Text(), "s3cr3t") {
		t.Error("the place of the keys is exported")
	}
}
