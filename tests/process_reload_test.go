package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"userapi/tests/testkit"
)

// reloadable starts a process whose config.yaml the test can change.
func reloadable(t *testing.T, yaml string, args ...string) (p *testkit.Process, rewrite func(yaml string)) {
	t.Helper()
	dir := t.TempDir()
	rewrite = func(yaml string) {
		t.Helper()
		// Put in place as a whole, as whoever cares does it: a reader sees the one or the other.
		draft := filepath.Join(dir, "draft")
		if err := os.WriteFile(draft, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(draft, filepath.Join(dir, "config.yaml")); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(yaml)
	return testkit.Start{Dir: dir, Args: args}.Binary(t), rewrite
}

// awaitSaid waits until the log has a message this many times.
func awaitSaid(t *testing.T, p *testkit.Process, message string, times int) {
	t.Helper()
	testkit.Eventually(t, "the log to say: "+message, func() bool { return len(said(t, p, message)) >= times })
}

// said returns the lines with a message.
func said(t *testing.T, p *testkit.Process, message string) (lines []testkit.Entry) {
	t.Helper()
	for _, entry := range p.Log.Entries(t) {
		if entry.Text("msg") == message {
			lines = append(lines, entry)
		}
	}
	return lines
}

const (
	readAgain   = "the settings were read again"
	needRestart = "some settings changed that only a restart brings into force"
	notFollowed = "the settings are not followed; those from before stay in force"
)

func TestProcess_Reload(t *testing.T) {
	t.Parallel()
	t.Run("SIGHUP has the file read again; what needs a restart is named, and a broken file changes nothing", func(t *testing.T) {
		t.Parallel()
		p, rewrite := reloadable(t, "log:\n  level: info\n")
		debugs := func() bool {
			id := p.Get(t, "/users/?limit=1").Want(http.StatusOK).Header.Get("X-Request-ID")
			line := p.Log.Await(t, "the line of the request", func(entry testkit.Entry) bool { return entry.Text("request_id") == id })
			_, ok := line["request_headers"]
			return ok
		}
		if debugs() {
			t.Fatal("it logs header fields at level info")
		}
		rewrite("log:\n  level: debug\nhttp:\n  swagger: false\n")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, needRestart, 1)
		if keys := said(t, p, needRestart)[0]["keys"].([]any); len(keys) != 1 || keys[0] != "http.swagger" {
			t.Errorf("a restart is needed for %v", keys)
		}
		if !debugs() {
			t.Error("it does not log at level debug")
		}
		p.Get(t, "/openapi.json").Want(http.StatusOK)

		rewrite("log:\n  level: loud\n")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, notFollowed, 1)
		if !debugs() {
			t.Error("a broken file has changed the level")
		}
	})
	t.Run("reload.poll sees a change by itself", func(t *testing.T) {
		t.Parallel()
		p, rewrite := reloadable(t, "log:\n  level: info\n", "--set", "reload.poll=1s")
		rewrite("log:\n  level: debug\n")
		awaitSaid(t, p, readAgain, 1)
	})
	t.Run("pages of an origin that is listed may, and those of one that is listed no more may not", func(t *testing.T) {
		t.Parallel()
		const one, two = "https://one.example", "https://two.example"
		p, rewrite := reloadable(t, "cors:\n  origins: ["+one+"]\n")
		allowed := func(want string, origins ...string) {
			t.Helper()
			for _, origin := range origins {
				got := p.Get(t, "/users/", "Origin: "+origin).Want(http.StatusOK).Header.Get("Access-Control-Allow-Origin")
				if (got == origin) != (origin == want) {
					t.Errorf("%s is answered %q", origin, got)
				}
			}
		}
		allowed(one, one, two)
		rewrite("cors:\n  origins: [" + two + "]\n")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, readAgain, 1)
		allowed(two, one, two)
		rewrite("cors:\n  origins: []\n")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, readAgain, 2)
		allowed("", one, two)
	})
	t.Run("no request is lost meanwhile", func(t *testing.T) {
		t.Parallel()
		p, rewrite := reloadable(t, "limit:\n  in_flight: 100\n")
		p.Create(t, ada)
		var over atomic.Bool
		var clients sync.WaitGroup
		for range 2 {
			clients.Go(func() {
				for !over.Load() {
					p.Get(t, "/users/1").Want(http.StatusOK)
				}
			})
		}
		for n := range 5 {
			rewrite(fmt.Sprintf("limit:\n  in_flight: %d\n", 101+n))
			p.Signal(t, syscall.SIGHUP)
			awaitSaid(t, p, readAgain, n+1)
		}
		over.Store(true)
		clients.Wait()
	})
}
