package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// newAPIKey has the program make a key, and returns the key and the line to store.
func newAPIKey(t *testing.T, name, scopes string) (key, line string) {
	t.Helper()
	code, stdout, stderr := testkit.Start{Args: []string{"--new-api-key", name, "--scopes", scopes}}.Run(t)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || stderr != "" || len(lines) != 4 {
		t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
	}
	return lines[1], lines[3]
}

func TestProcess_Auth(t *testing.T) {
	t.Parallel()
	t.Run("nobody is let in by accident: where others can connect it does not start, and says what to do", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := testkit.Start{Args: []string{"--addr", "0.0.0.0:0"}}.Run(t)
		if code != 2 || !strings.Contains(stderr, "auth.mode") || !strings.Contains(stderr, "auth.allow_anonymous: true") {
			t.Errorf("exit %d: %q", code, stderr)
		}
	})
	t.Run("a file that holds what it should not is exit 2, by its line, and the secret is not repeated", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/users", []byte("# ours\nada:{SHA}s3cr3t\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := testkit.Start{Dir: dir, Args: []string{"--set", "auth.mode=basic", "--set", "auth.users_file=users"}}.Run(t)
		if code != 2 || strings.Contains(stderr, "s3cr3t") || !strings.Contains(stderr, "auth.users_file: line 2:") || !strings.Contains(stderr, "htpasswd -B") {
			t.Errorf("exit %d: %q", code, stderr)
		}
	})
	t.Run("a key that it made lets in; a file without it locks out, at once and for good", func(t *testing.T) {
		t.Parallel()
		key, line := newAPIKey(t, "reporting", "users:read,users:write")
		other, otherLine := newAPIKey(t, "other", "admin")
		dir := t.TempDir()
		store := func(lines ...string) {
			t.Helper()
			if err := os.WriteFile(dir+"/keys.new", []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir+"/keys.new", dir+"/keys"); err != nil {
				t.Fatal(err)
			}
		}
		store(line)
		p := testkit.Start{Dir: dir, Args: []string{"--addr", "0.0.0.0:0", "--set", "auth.mode=api_key", "--set", "auth.api_keys_file=keys"}}.Binary(t)
		p.Get(t, "/users/").Want(http.StatusUnauthorized)
		p.Log.Await(t, "the warning that there is no TLS", func(entry testkit.Entry) bool {
			return entry.Text("level") == "warn" && strings.Contains(entry.Text("msg"), "can be read on the way")
		})
		made := p.Post(t, "/users/", ada, "X-API-Key: "+key).Want(http.StatusCreated)
		if actor := p.Log.Request(t, made.Header.Get("X-Request-ID")).Text("actor"); actor != "reporting" {
			t.Errorf("the actor is %q", actor)
		}
		p.Delete(t, "/users/1", bearer(key)).Want(http.StatusForbidden)
		p.Get(t, "/users/1", bearer(other)).Want(http.StatusUnauthorized)

		store(otherLine)
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, readAgain, 1)
		p.Get(t, "/users/1", bearer(key)).Want(http.StatusUnauthorized)
		p.Get(t, "/users/1", bearer(other)).Want(http.StatusOK)

		store(otherLine, "nonsense")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, notFollowed, 1)
		if told := said(t, p, notFollowed)[0].Text("credentials"); told != "those taken out are still believed" {
			t.Errorf("of credentials it says %q", told)
		}
		p.Get(t, "/users/1", bearer(other)).Want(http.StatusOK)

		store("# nobody any more")
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, readAgain, 2)
		p.Get(t, "/users/1", bearer(other)).Want(http.StatusUnauthorized)
		awaitSaid(t, p, "api_key lets nobody in: there is no key", 1)
		for _, entry := range p.Log.Entries(t) {
			if strings.Contains(entry.Text("msg"), "nobody is asked") {
				t.Errorf("it says that it is open: %v", entry)
			}
		}
		p.Signal(t, syscall.SIGINT)
		if code := p.Wait(t, 10*time.Second); code != 0 {
			t.Errorf("exit %d", code)
		}
	})
	t.Run("a user and a key of the issuer that are taken out of their files are out, though both were remembered", func(t *testing.T) {
		t.Parallel()
		i, dir := newIssuer(t), t.TempDir()
		f := &forger{i, claimsAt(time.Now())}
		store := func(name, content string) {
			t.Helper()
			if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal([]byte(i.set), &set); err != nil {
			t.Fatal(err)
		}
		store("users", adaOfBasic)
		store("keys", i.set)
		p := testkit.Start{Dir: dir, Args: []string{
			"--set", "auth.mode=basic,jwt", "--set", "auth.users_file=users", "--set", "jwt.key_file=keys",
			"--set", "jwt.issuer=" + tokenIssuer, "--set", "jwt.audience=" + tokenAudience,
		}}.Binary(t)
		password, byRSA, byEC := basicAuth("ada", "correct horse"), bearer(f.by(nil)), bearer(f.about(nil))
		for _, who := range []string{password, byRSA, byEC} {
			p.Get(t, "/users/", who).Want(http.StatusOK)
		}
		store("users", "")
		store("keys", `{"keys":[`+string(set.Keys[1])+`]}`)
		p.Signal(t, syscall.SIGHUP)
		awaitSaid(t, p, readAgain, 1)
		p.Get(t, "/users/", password).Want(http.StatusUnauthorized)
		p.Get(t, "/users/", byRSA).Want(http.StatusUnauthorized)
		p.Get(t, "/users/", byEC).Want(http.StatusOK)
	})
	t.Run("tokens are believed as soon as the issuer is there, and /readyz and the health check wait for that", func(t *testing.T) {
		t.Parallel()
		i := newIssuer(t)
		f := &forger{i, claimsAt(time.Now())}
		set, addr := i.set, testkit.FreeAddr(t)
		p := testkit.Start{Args: []string{
			"--set", "auth.mode=jwt", "--set", "jwt.jwks_url=http://" + addr + "/keys", "--set", "jwt.issuer=" + tokenIssuer, "--set", "jwt.audience=" + tokenAudience,
		}}.Binary(t)
		if problem := p.Get(t, "/readyz").Want(http.StatusServiceUnavailable).Problem(); problem.Detail != "The check that fails: auth." {
			t.Errorf("%+v", problem)
		}
		p.Get(t, "/users/", bearer(f.by(nil))).Want(http.StatusServiceUnavailable)
		serveAt(t, addr, set)
		testkit.Eventually(t, "the keys", func() bool { return p.Get(t, "/readyz").Status == http.StatusOK })
		p.Get(t, "/users/", bearer(f.by(nil))).Want(http.StatusOK)
		p.Get(t, "/users/", bearer(f.by(members{"kid": "other"}))).Want(http.StatusUnauthorized)
	})
}
