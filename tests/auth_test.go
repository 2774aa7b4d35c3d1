package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/middleware/auth"
	"userapi/models"
	"userapi/tests/testkit"
)

const (
	askBearer = `Bearer realm="users"`
	badBearer = `Bearer realm="users", error="invalid_token"`
	askBasic  = `Basic realm="users", charset="UTF-8"`
)

func TestAuth_Refusals(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	reader := d.key(t, "reader", models.ScopeRead)
	service := d.open(t, auth.Options{Users: usersOf(t, adaOfBasic)}, testkit.Options{LogLevel: zap.DebugLevel})

	t.Run("name every way in, and say the same whatever is wrong", func(t *testing.T) {
		wantRefused(t, service.Get(t, "/users/1"), askBearer, askBasic)
		for _, fields := range [][]string{
			{basicAuth("ada", "wrong")},
			{basicAuth("nobody", "correct horse")},
			{"Authorization: Basic %%%"},
			{"Authorization: Digest username=ada"},
			{bearer("uak_nothing")},
			{bearer("a.b.c")},
			{"X-API-Key: uak_nothing"},
			{reader, basicAuth("ada", "correct horse")},
			{reader, "X-API-Key: " + d.keys["reader"]},
		} {
			wantRefused(t, service.Get(t, "/users/1", fields...), badBearer, askBasic)
		}
	})
	t.Run("come before the body is read and before a user is looked up, and tell nothing of either", func(t *testing.T) {
		for _, path := range []string{"/users/1", "/users/99", "/users/x", "/v1/users/1/"} {
			wantRefused(t, service.Get(t, path), askBearer, askBasic)
		}
		wantRefused(t, service.Post(t, "/users/", "{", "Content-Type: text/plain"), askBearer, askBasic)
		service.Post(t, "/users/", "{", reader).Want(http.StatusForbidden)
		service.Delete(t, "/users/99", reader).Want(http.StatusForbidden)
		service.Put(t, "/users/x", "{", reader, `If-Match: nonsense`).Want(http.StatusForbidden)
	})
	t.Run("leave paths and methods that there are not as they are, and OPTIONS needs nothing", func(t *testing.T) {
		service.Get(t, "/nothing").Want(http.StatusNotFound)
		service.Get(t, "/users/1/nothing").Want(http.StatusNotFound)
		service.Do(t, "BREW", "/users/1", "").Want(http.StatusMethodNotAllowed)
		service.Get(t, "/users/batch").Want(http.StatusMethodNotAllowed)
		service.Do(t, http.MethodOptions, "/users/1", "").Want(http.StatusNoContent)
		service.Head(t, "/users/1").Want(http.StatusUnauthorized)
	})
	t.Run("a password opens what its line says", func(t *testing.T) {
		ada := service.Post(t, "/users/", ada, basicAuth("ada", "correct horse")).Want(http.StatusCreated)
		service.Get(t, ada.Header.Get("Location"), basicAuth("ada", "correct horse")).Want(http.StatusOK)
		forbidden := service.Delete(t, ada.Header.Get("Location"), basicAuth("ada", "correct horse")).Want(http.StatusForbidden)
		forbidden.WantHeader("WWW-Authenticate", askBasic)
	})
	t.Run("answers differ by who asks, which a cache is told", func(t *testing.T) {
		if vary := service.Get(t, "/users/", reader).Want(http.StatusOK).Header.Get("Vary"); !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "X-API-Key") {
			t.Errorf("%q", vary)
		}
	})
}

func TestAuth_Actor(t *testing.T) {
	t.Parallel()
	d, i := newDoor(t), newIssuer(t)
	reader := d.key(t, "reporting", models.ScopeRead)
	service := d.open(t, auth.Options{Users: usersOf(t, adaOfBasic), Tokens: i.tokens()}, testkit.Options{})
	f := &forger{i, claimsAt(d.Now())}
	actorOf := func(answer *testkit.Response) any {
		return service.Log.Request(t, answer.Header.Get("X-Request-ID"))["actor"]
	}
	t.Run("is in the line of a request, by name", func(t *testing.T) {
		for field, want := range map[string]string{
			reader: "reporting", basicAuth("ada", "correct horse"): "ada", bearer(f.about(nil)): "auth0|ada",
			bearer(f.about(members{"sub": "it's \"me\" {}"})):  `it's "me" {}`,
			bearer(f.about(members{"sub": "ada@example.com"})): "sha256:b5fc85e55755f9e0",
		} {
			if got := actorOf(service.Get(t, "/users/", field)); fmt.Sprint(got) != want {
				t.Errorf("%v, want %s", got, want)
			}
		}
	})
	t.Run("is there when the scope is missing, and not when nobody is known", func(t *testing.T) {
		if got := actorOf(service.Post(t, "/users/", ada, reader).Want(http.StatusForbidden)); got != "reporting" {
			t.Errorf("%v", got)
		}
		for _, fields := range [][]string{nil, {basicAuth("ada", "wrong")}, {basicAuth("{\"msg\":\"forged\"}\u2028", "x")}} {
			if got := actorOf(service.Get(t, "/users/", fields...).Want(http.StatusUnauthorized)); got != nil {
				t.Errorf("%v", got)
			}
		}
		if got := actorOf(service.Get(t, "/health", reader)); got != nil {
			t.Errorf("%v", got)
		}
	})
}

func TestAuth_Idempotency(t *testing.T) {
	t.Parallel()
	t.Run("contract 3: a key belongs to its caller", func(t *testing.T) {
		t.Parallel()
		d := newDoor(t)
		one, two := d.key(t, "one", models.ScopeWrite), d.key(t, "two", models.ScopeWrite)
		again := d.key(t, "one", models.ScopeWrite) // one has a new key by now
		service := d.open(t, auth.Options{}, testkit.Options{})
		const retry = "Idempotency-Key: the-same"
		first := service.Post(t, "/users/", ada, one, retry).Want(http.StatusCreated)
		for _, who := range []string{one, again} {
			service.Post(t, "/users/", ada, who, retry).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "true")
		}
		if problem := service.Post(t, "/users/", ada, two, retry).Want(http.StatusConflict).Problem(); problem.Code != "email_taken" {
			t.Errorf("somebody else is told %+v", problem)
		}
		other := service.Post(t, "/users/", `{"name":"Two","email":"two@example.com"}`, two, retry).Want(http.StatusCreated)
		if other.User().ID == first.User().ID {
			t.Error("somebody else has got the answer")
		}
	})
}

func TestAuth_Guessing(t *testing.T) {
	t.Parallel()
	t.Run("ends after ten failures with 429, from this address, for a quarter of an hour", func(t *testing.T) {
		t.Parallel()
		d := newDoor(t)
		service := d.open(t, auth.Options{Users: usersOf(t, adaOfBasic)}, testkit.Options{TrustedProxies: []string{"127.0.0.1"}})
		right, from := basicAuth("ada", "correct horse"), "X-Forwarded-For: 192.0.2.1"
		for n := range 10 {
			wantRefused(t, service.Get(t, "/users/", basicAuth("ada", fmt.Sprint("guess", n)), from), askBasic)
		}
		problem := service.Get(t, "/users/", right, from).Want(http.StatusTooManyRequests).WantHeader("Retry-After", "900").Problem()
		if problem.Code != "rate_limited" || problem.Detail != "There were too many failed attempts from this address." {
			t.Errorf("%+v", problem)
		}
		service.Get(t, "/users/", right, "X-Forwarded-For: 192.0.2.2").Want(http.StatusOK)
		d.Add(15*time.Minute - time.Second)
		service.Get(t, "/users/", right, from).Want(http.StatusTooManyRequests).WantHeader("Retry-After", "1")
		d.Add(time.Second)
		service.Get(t, "/users/", right, from).Want(http.StatusOK)
	})
}

func TestAuth_Ready(t *testing.T) {
	t.Parallel()
	t.Run("a service that has no keys of the issuer is not ready, says why, and takes no token for bad", func(t *testing.T) {
		t.Parallel()
		d, i := newDoor(t), newIssuer(t)
		f := &forger{i, claimsAt(d.Now())}
		i.Close()
		tokens := i.tokens()
		tokens.JWKSURL = "http://" + testkit.FreeAddr(t)
		service := d.open(t, auth.Options{Tokens: tokens}, testkit.Options{})
		if problem := service.Get(t, "/readyz").Want(http.StatusServiceUnavailable).Problem(); problem.Detail != "The check that fails: auth." {
			t.Errorf("%+v", problem)
		}
		service.Get(t, "/users/", bearer(f.by(nil))).Want(http.StatusServiceUnavailable)
		service.Get(t, "/livez").Want(http.StatusOK)
		wantRefused(t, service.Get(t, "/users/"), askBearer)
	})
}
