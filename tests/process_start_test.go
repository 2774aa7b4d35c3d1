package tests

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

func TestProcess_Answers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		flag, says string
		holds      []string
	}{
		{"--help", "the help names every flag and key", []string{"--addr", "--config", "--set", "--log-level", "--print-config", "--version", "http.max_body_bytes", "USERAPI_", "shutdown.drain"}},
		{"-h", "the short form helps too", []string{"--addr"}},
		{"--version", "the version names program and Go release", []string{"userapi ", "go1."}},
		{"--print-config", "the settings are printed with their origin", []string{"http:", "addr:", "default", "shutdown:"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := testkit.Start{Args: []string{c.flag}}.Run(t)
			if code != 0 || stderr != "" {
				t.Errorf("exit %d, stderr %q", code, stderr)
			}
			for _, part := range c.holds {
				if !strings.Contains(stdout, part) {
					t.Errorf("%q is not in\n%s", part, stdout)
				}
			}
		})
	}
	t.Run("help wins over faults", func(t *testing.T) {
		t.Parallel()
		if code, _, stderr := (testkit.Start{Args: []string{"--addr", "nonsense", "--help"}}).Run(t); code != 0 {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
	})
	t.Run("a secret is masked and every source is named", func(t *testing.T) {
		t.Parallel()
		const key = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
		_, stdout, _ := testkit.Start{
			Args: []string{"--print-config", "--addr", "[::1]:9000", "--set", "shutdown.drain=1s"},
			Env:  []string{"USERAPI_CURSOR_KEY=" + key, "USERAPI_LOG_LEVEL=warn"},
		}.Run(t)
		if strings.Contains(stdout, key) {
			t.Errorf("the key is printed:\n%s", stdout)
		}
		for _, part := range []string{"--addr", "--set", "USERAPI_LOG_LEVEL", "USERAPI_CURSOR_KEY"} {
			if !strings.Contains(stdout, part) {
				t.Errorf("%q is not in\n%s", part, stdout)
			}
		}
	})
}

func TestProcess_Faults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("http:\n  addr: 8080\n  max_body_byte: 7\nshutdown:\n  drain: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("every fault of file, environment and flags is named at once, exit 2", func(t *testing.T) {
		t.Parallel()
		start := time.Now()
		code, stdout, stderr := testkit.Start{
			Args: []string{"--set", "http.idle_timeout=soon", "--set", "nothing=1", "--log-level", "loud", "--frobnicate"},
			Env:  []string{"USERAPI_HTTP_SWAGGER=perhaps"},
			Dir:  dir,
		}.Run(t)
		if code != 2 || stdout != "" || time.Since(start) > 5*time.Second {
			t.Errorf("exit %d after %v, stdout %q", code, time.Since(start), stdout)
		}
		for _, part := range []string{
			"http.addr", "http.max_body_byte", "http.max_body_bytes", "shutdown.drain", "3s", "http.idle_timeout", "nothing", "log.level", "--frobnicate", "http.swagger", "config.yaml",
		} {
			if !strings.Contains(stderr, part) {
				t.Errorf("%q is not in\n%s", part, stderr)
			}
		}
	})
	t.Run("a file that is named must be there, exit 2", func(t *testing.T) {
		t.Parallel()
		if code, _, stderr := (testkit.Start{Args: []string{"--config", "missing.yaml"}}).Run(t); code != 2 || !strings.Contains(stderr, "missing.yaml") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("a file that is no YAML, exit 2", func(t *testing.T) {
		t.Parallel()
		broken := filepath.Join(t.TempDir(), "broken.yaml")
		if err := os.WriteFile(broken, []byte("http: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := (testkit.Start{Args: []string{"--config", broken}}).Run(t); code != 2 || !strings.Contains(stderr, "broken.yaml") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
}

func TestProcess_Start(t *testing.T) {
	t.Parallel()
	t.Run("in a folder without config.yaml and with an empty environment it serves", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		p.Create(t, ada)
		p.Get(t, "/readyz").Want(http.StatusOK)
	})
	t.Run("config.yaml of the folder is read", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("http:\n  max_body_bytes: 1024\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := testkit.Start{Dir: dir}.Binary(t)
		p.Post(t, "/users/", `{"name":"`+strings.Repeat(" ", 1024)).Want(http.StatusRequestEntityTooLarge)
	})
	t.Run("an unknown USERAPI_ variable only warns, and names the nearest", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Env: []string{"USERAPI_HTTP_ADR=:1", "USERAPI_SERVICE_PORT=80"}}.Binary(t)
		p.Log.Await(t, "the warning", func(entry testkit.Entry) bool {
			return entry.Text("level") == "warn" && strings.Contains(entry.Text("msg"), "USERAPI_HTTP_ADR") && strings.Contains(entry.Text("msg"), "USERAPI_HTTP_ADDR")
		})
		p.Get(t, "/health").Want(http.StatusOK)
	})
	t.Run("a busy port is exit 1 and one line that says what to do", func(t *testing.T) {
		t.Parallel()
		busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		code, _, stderr := testkit.Start{Args: []string{"--addr", busy.Addr().String()}}.Run(t)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "in use") || !strings.Contains(stderr, "--addr") {
			t.Errorf("exit %d: %q", code, stderr)
		}
	})
	t.Run("an address that is not of this machine is exit 1 and one line", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := testkit.Start{Args: []string{"--addr", "192.0.2.1:8080", "--set", "auth.allow_anonymous=true"}}.Run(t)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "--addr") {
			t.Errorf("exit %d: %q", code, stderr)
		}
	})
	t.Run("an address that others can reach is warned of", func(t *testing.T) {
		t.Parallel()
		unguarded := func(entry testkit.Entry) bool {
			return entry.Text("level") == "warn" && strings.Contains(entry.Text("msg"), "nobody is asked who they are")
		}
		open := testkit.Start{Args: []string{"--addr", "0.0.0.0:0", "--set", "auth.allow_anonymous=true"}}.Binary(t)
		open.Log.Await(t, "the warning", unguarded)
		closed := testkit.Start{}.Binary(t)
		closed.Signal(t, syscall.SIGINT)
		closed.Wait(t, 10*time.Second)
		for _, entry := range closed.Log.Entries(t) {
			if unguarded(entry) {
				t.Errorf("warned of loopback: %v", entry)
			}
		}
	})
	t.Run("unknown members are ignored when http.unknown_members says so", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "http.unknown_members=ignore", "--set", "http.swagger=false"}}.Binary(t)
		p.Create(t, `{"name":"Ada","email":"ada@example.com","nick":"A"}`)
		p.Get(t, "/openapi.json").Want(http.StatusNotFound)
	})
	t.Run("standard error stays empty", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		p.Create(t, ada)
		p.Signal(t, syscall.SIGINT)
		if code := p.Wait(t, 10*time.Second); code != 0 || p.Stderr() != "" {
			t.Errorf("exit %d: %q", code, p.Stderr())
		}
	})
}
