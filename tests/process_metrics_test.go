package tests

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// adminURL waits until the admin side of a process listens.
func adminURL(t *testing.T, p *testkit.Process) string {
	t.Helper()
	return p.Log.Await(t, "the admin side to listen", func(entry testkit.Entry) bool { return entry.Text("msg") == "admin listening" }).Text("url")
}

// TestProcess_Internal holds that nothing internal is at the public address (OWASP ASVS 5.0, 13.4.5).
func TestProcess_Internal(t *testing.T) {
	t.Parallel()
	internal := []string{
		"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/cmdline", "/debug/vars", "/config", "/config.yaml",
		"/.git/HEAD", "/.env", "/admin", "/v1/metrics", "/metrics/",
	}
	for says, args := range map[string][]string{
		"by default":                {},
		"beside an admin side":      {"--set", "admin.addr=127.0.0.1:0", "--set", "admin.pprof=true"},
		"without the documentation": {"--set", "http.swagger=false"},
	} {
		t.Run(says+" nothing internal is at the public address", func(t *testing.T) {
			t.Parallel()
			p := testkit.Start{Args: args}.Binary(t)
			for _, path := range internal {
				p.Get(t, path).WantProblem(http.StatusNotFound, "route_not_found")
			}
		})
	}
}

func TestProcess_Admin(t *testing.T) {
	t.Parallel()
	t.Run("it has the metrics and nothing of the service", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0"}}.Binary(t)
		admin := adminURL(t, p)
		p.Create(t, ada)
		p.Get(t, "/users/1").Want(http.StatusOK)
		status, header, page := testkit.Fetch(t, http.MethodGet, admin+"/metrics")
		if status != http.StatusOK || header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d, %v", status, header)
		}
		samples := testkit.ParseSamples(t, page)
		for series, want := range map[string]float64{
			requests("POST", "/users/", 201): 1, requests("GET", "/users/:id", 200): 1, "userapi_users": 1, "userapi_ready": 1,
			"userapi_log_lines_dropped_total": 0, `userapi_store_operation_duration_seconds_count{engine="memory",operation="create",outcome="ok"}`: 1,
		} {
			if got, ok := samples[series]; !ok || got != want {
				t.Errorf("%s is %v (there: %v), want %v", series, got, ok, want)
			}
		}
		if !strings.Contains(page, "userapi_build_info{go_version=\"go") || !strings.Contains(page, "process_resident_memory_bytes") || !strings.Contains(page, "go_goroutines") {
			t.Error("the program, the process or the runtime is missing")
		}
		for _, path := range []string{"/users/", "/", "/debug/pprof/", "/readyz", "/swagger/index.html"} {
			if status, _, _ := testkit.Fetch(t, http.MethodGet, admin+path); status != http.StatusNotFound {
				t.Errorf("%s is %d", path, status)
			}
		}
	})
	t.Run("the database and the cache are asked at each scrape", func(t *testing.T) {
		t.Parallel()
		dsn := "storage.dsn=" + filepath.Join(t.TempDir(), "users.db")
		p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0", "--set", "storage.engine=sqlite", "--set", dsn, "--set", "cache.local=100"}}.Binary(t)
		admin := adminURL(t, p)
		p.Create(t, ada)
		for range 3 {
			p.Get(t, "/users/1").Want(http.StatusOK)
		}
		_, _, page := testkit.Fetch(t, http.MethodGet, admin+"/metrics")
		samples := testkit.ParseSamples(t, page)
		hits, misses := samples[`userapi_cache_reads_total{level="memory",result="hit"}`], samples[`userapi_cache_reads_total{level="memory",result="miss"}`]
		if hits+misses != 3 || hits < 2 {
			t.Errorf("%v hits and %v misses of 3 reads", hits, misses)
		}
		for _, pool := range []string{"read", "write"} {
			open := samples[`userapi_store_connections{engine="sqlite",pool="`+pool+`",state="idle"}`] + samples[`userapi_store_connections{engine="sqlite",pool="`+pool+`",state="used"}`]
			most := samples[`userapi_store_connections_limit{engine="sqlite",pool="`+pool+`"}`]
			if open < 1 || most < open {
				t.Errorf("%s: %v connections of %v", pool, open, most)
			}
		}
		if _, there := samples["userapi_users"]; there {
			t.Error("the users of a database are counted at each scrape")
		}
	})
	t.Run("profiles are there when they are wanted", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0", "--set", "admin.pprof=true"}}.Binary(t)
		if status, _, page := testkit.Fetch(t, http.MethodGet, adminURL(t, p)+"/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(page, "goroutine profile") {
			t.Errorf("%d: %.200s", status, page)
		}
	})
	t.Run("a port alone is loopback, and a busy one is exit 1 and names the setting", func(t *testing.T) {
		t.Parallel()
		busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		port := fmt.Sprint(busy.Addr().(*net.TCPAddr).Port)
		code, _, stderr := testkit.Start{Args: []string{"--addr", "127.0.0.1:0", "--set", "admin.addr=" + port}}.Run(t)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "admin.addr: 127.0.0.1:"+port+" is in use") {
			t.Errorf("exit %d: %q", code, stderr)
		}
	})
	t.Run("an address that others can reach is warned of", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "admin.addr=0.0.0.0:0"}}.Binary(t)
		p.Log.Await(t, "the warning", func(entry testkit.Entry) bool {
			return entry.Text("level") == "warn" && strings.Contains(entry.Text("msg"), "admin.addr")
		})
	})
	t.Run("what was counted outlives a change of settings", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0"}}.Binary(t)
		admin := adminURL(t, p)
		p.Get(t, "/users/1").Want(http.StatusNotFound)
		p.Signal(t, syscall.SIGHUP)
		p.Log.Await(t, "the reload", func(entry testkit.Entry) bool { return strings.Contains(entry.Text("msg"), "settings") })
		p.Get(t, "/users/1").Want(http.StatusNotFound)
		_, _, page := testkit.Fetch(t, http.MethodGet, admin+"/metrics")
		if n := testkit.ParseSamples(t, page)[requests("GET", "/users/:id", 404)]; n != 2 {
			t.Errorf("%v of 2 requests are counted", n)
		}
	})
	t.Run("the drain can be watched to its end", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "admin.addr=127.0.0.1:0", "--set", "shutdown.drain=1s"}}.Binary(t)
		admin := adminURL(t, p)
		p.Signal(t, syscall.SIGTERM)
		testkit.Eventually(t, "the drain", func() bool { return p.Get(t, "/readyz").Status == http.StatusServiceUnavailable })
		_, _, page := testkit.Fetch(t, http.MethodGet, admin+"/metrics")
		if ready, there := testkit.ParseSamples(t, page)["userapi_ready"]; !there || ready != 0 {
			t.Errorf("userapi_ready is %v while it drains", ready)
		}
		stopped(t, p, 10*time.Second)
	})
	t.Run("a store that is away can be watched from the start", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{
			"--set", "admin.addr=127.0.0.1:0", "--set", "storage.engine=postgres", "--set", "storage.dsn=postgres://nobody@" + testkit.FreeAddr(t) + "/none?sslmode=disable",
		}}.Binary(t)
		_, _, page := testkit.Fetch(t, http.MethodGet, adminURL(t, p)+"/metrics")
		samples := testkit.ParseSamples(t, page)
		if ready, there := samples["userapi_ready"]; !there || ready != 0 || samples[`userapi_store_failures_total{engine="postgres"}`] == 0 {
			t.Errorf("ready is %v; failures %v", ready, samples[`userapi_store_failures_total{engine="postgres"}`])
		}
	})
}

func TestProcess_MetricsOnMain(t *testing.T) {
	t.Parallel()
	p := testkit.Start{Args: []string{"--set", "admin.metrics_on_main=true"}}.Binary(t)
	p.Create(t, ada)
	t.Run("the metrics are at the main address, with what every answer has", func(t *testing.T) {
		status, header, page := testkit.Fetch(t, http.MethodGet, p.URL+"/metrics")
		if status != http.StatusOK || header.Get("X-Request-ID") == "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d, %v", status, header)
		}
		if testkit.ParseSamples(t, page)[requests("POST", "/users/", 201)] != 1 {
			t.Error("the request is not counted")
		}
	})
	t.Run("HEAD, and no other method", func(t *testing.T) {
		if status, _, body := testkit.Fetch(t, http.MethodHead, p.URL+"/metrics"); status != http.StatusOK || body != "" {
			t.Errorf("HEAD: %d, %q", status, body)
		}
		if status, header, _ := testkit.Fetch(t, http.MethodPost, p.URL+"/metrics"); status != http.StatusMethodNotAllowed || header.Get("Allow") == "" {
			t.Errorf("POST: %d, %v", status, header)
		}
	})
	t.Run("others who can reach them are warned of", func(t *testing.T) {
		open := testkit.Start{Args: []string{"--addr", "0.0.0.0:0", "--set", "admin.metrics_on_main=true", "--set", "auth.allow_anonymous=true"}}.Binary(t)
		open.Log.Await(t, "the warning", func(entry testkit.Entry) bool {
			return entry.Text("level") == "warn" && strings.Contains(entry.Text("msg"), "admin.metrics_on_main")
		})
	})
	t.Run("the profiles are not", func(t *testing.T) {
		p.Get(t, "/debug/pprof/").Want(http.StatusNotFound)
	})
}
