package tests

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"userapi/tests/testkit"
)

// secretive is a service that is told every kind of secret there is, and what those are.
type secretive struct {
	*testkit.Process
	args, environ []string
	dir           string
	// secrets are what nobody but the owner may see, by what they are.
	secrets map[string]string
	admin   string
}

// startSecretive starts a service with a database, two stores that are away and want a password, and three
// ways to say who one is.
func startSecretive(t *testing.T) *secretive {
	t.Helper()
	s := &secretive{dir: t.TempDir(), admin: testkit.FreeAddr(t), secrets: map[string]string{
		"password":       "correct-horse-battery-staple",
		"wrong password": "Tr0ub4dor-and-3-and-more",
		"token secret":   "a-secret-of-the-issuer-and-of-the-service",
		"limit password": "pa55-of-the-limiter",
		"cache password": "pa55-of-the-cache",
		"cursor key":     "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=",
		"trace token":    "pa55-of-the-collector",
	}}
	hash, err := bcrypt.GenerateFromPassword([]byte(s.secrets["password"]), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets["hash of the password"] = string(hash)
	key, line := newAPIKey(t, "app", "users:read,users:write")
	s.secrets["API key"] = key
	s.secrets["hash of the API key"] = strings.TrimPrefix(strings.Fields(line)[1], "sha256:")
	for name, content := range map[string]string{
		"users": "ada:" + string(hash) + "\n", "keys": line + "\n", "issuer": s.secrets["token secret"], "cursor": s.secrets["cursor key"],
		"cache": "redis://:" + s.secrets["cache password"] + "@127.0.0.1:1/0", "dsn": filepath.Join(s.dir, "secret-name-of-the-users.db"),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.secrets["name of the database"] = "secret-name-of-the-users"
	for key, value := range map[string]string{
		"log.level": "debug", "auth.mode": "basic,api_key,jwt", "auth.users_file": "users", "auth.api_keys_file": "keys",
		"jwt.secret_file": "issuer", "jwt.issuer": tokenIssuer, "jwt.audience": tokenAudience, "cursor.key_file": "cursor",
		"storage.engine": "sqlite", "storage.dsn_file": "dsn", "cache.redis_file": "cache", "limit.reads": "1000/1s",
		"admin.addr": s.admin, "admin.pprof": "true",
	} {
		s.args = append(s.args, "--set", key+"="+value)
	}
	s.environ = []string{
		"USERAPI_LIMIT_REDIS=redis://:" + s.secrets["limit password"] + "@127.0.0.1:1/1",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=authorization=" + s.secrets["trace token"],
	}
	s.Process = testkit.Start{Dir: s.dir, Args: s.args, Env: s.environ}.Binary(t)
	return s
}

// token returns a token that a secret has signed.
func (s *secretive) token(secret string) string {
	return signed(jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256","typ":"JWT"}`, claimsAt(time.Now()).with(nil))
}

// ask asks as everybody could who has, or has not, what it takes, and who puts it where it does not belong.
func (s *secretive) ask(t *testing.T) (answers []*testkit.Response) {
	t.Helper()
	password, wrong, key := s.secrets["password"], s.secrets["wrong password"], s.secrets["API key"]
	s.secrets["wrong API key"] = key[:len(key)-4] + "0000"
	s.secrets["token"] = s.token(s.secrets["token secret"])
	s.secrets["forged token"] = s.token("another-secret-that-the-service-does-not-know")
	ask := func(method, path, body string, headers ...string) {
		answers = append(answers, s.Do(t, method, path, body, headers...))
	}
	for _, credentials := range []string{
		basicAuth("ada", password), basicAuth("ada", wrong), basicAuth(password, wrong),
		"X-API-Key: " + key, "X-API-Key: " + s.secrets["wrong API key"], "Authorization: Bearer " + key,
		"Authorization: Bearer " + s.secrets["token"], "Authorization: Bearer " + s.secrets["forged token"],
		"Authorization: " + wrong, "Authorization: Digest username=" + password, "Proxy-" + basicAuth("ada", password),
		"Cookie: session=" + key,
	} {
		ask(http.MethodGet, "/users/?limit=1", "", credentials)
		ask(http.MethodPost, "/users/", `{"name":"Ada"`, credentials, "Content-Type: application/json")
		ask(http.MethodGet, "/readyz", "", credentials)
	}
	for _, path := range []string{"/users/?api_key=" + key, "/users/" + key, "/users/by-email/" + password, "/" + wrong, "/users/?limit=" + key} {
		ask(http.MethodGet, path, "", "X-API-Key: "+key)
		ask(http.MethodGet, path, "")
	}
	return answers
}

// TestProcess_Leaks looks for secrets, and for the persons whom the service knows, in everything that the
// service tells anybody.
func TestProcess_Leaks(t *testing.T) {
	t.Parallel()
	s := startSecretive(t)
	shown := map[string]string{}
	for i, answer := range s.ask(t) {
		header, _ := json.Marshal(answer.Header)
		// A problem says which path was asked.
		text := strings.ReplaceAll(string(header)+string(answer.Body), answer.Request.URL.EscapedPath(), "")
		shown[fmt.Sprintf("answer %d, to %s", i, answer)] = text
	}
	for _, path := range []string{
		"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/heap", "/debug/pprof/allocs",
		"/debug/pprof/block?debug=1", "/debug/pprof/mutex?debug=1", "/debug/pprof/threadcreate?debug=1",
	} {
		answer, err := http.Get("http://" + s.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		shown["admin "+path] = string(body)
	}
	code, printed, complaints := testkit.Start{Dir: s.dir, Args: append([]string{"--print-config"}, s.args...), Env: s.environ}.Run(t)
	if code != 0 || !strings.Contains(printed, "api_keys_file") {
		t.Errorf("--print-config: exit %d", code)
	}
	shown["--print-config"] = printed + complaints
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t, 20*time.Second)
	shown["standard error"] = s.Stderr()
	if s.Stderr() != "" {
		t.Errorf("standard error, beside the log: %q", s.Stderr()) // clients of stores that are away like to write there
	}
	shown["log"] = strings.Join(s.Log.Lines(), "\n")
	for place, text := range shown {
		for what, secret := range s.secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the %s", place, what)
			}
		}
	}
	if !strings.Contains(shown["admin /metrics"], "http_server_request_duration_seconds") || !strings.Contains(shown["log"], "request_headers") {
		t.Error("nothing was looked at")
	}
}
