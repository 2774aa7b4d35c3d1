package auth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"userapi/models"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock moves when a test moves it. It is safe for concurrent use.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(1_800_000_000 * int64(time.Second))
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.nanos.Load()) }
func (c *clock) move(by time.Duration) { c.nanos.Add(int64(by)) }

func newState(t testing.TB, at *clock) *State {
	t.Helper()
	state := NewState(at.now)
	t.Cleanup(state.Close)
	return state
}

func newAuthenticator(t testing.TB, state *State, options Options) *Authenticator {
	t.Helper()
	a, err := New(state, options)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sent is a request and where it is from.
type sent struct {
	*http.Request
	address string
}

func (s *sent) ClientIP() string { return s.address }

// from returns a request with header fields, each `Name: value`, that comes from an address.
func from(t testing.TB, address string, fields ...string) *sent {
	t.Helper()
	c := &sent{httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/1", nil), address}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		c.Header.Add(name, value)
	}
	return c
}

func request(t testing.TB, fields ...string) *sent {
	t.Helper()
	return from(t, "192.0.2.1", fields...)
}

func basic(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func (a *Authenticator) authenticate(c *sent) (*models.Principal, error) {
	return a.Authenticate(c.Request, c)
}

// reasonOf returns why a request is not let in, or ReasonOK.
func reasonOf(t testing.TB, a *Authenticator, c *sent) string {
	t.Helper()
	principal, err := a.Authenticate(c.Request, c)
	if err == nil {
		if principal == nil {
			t.Fatal("somebody is let in who is nobody")
		}
		return ReasonOK
	}
	var refusal *Refusal
	if principal != nil || !errors.As(err, &refusal) {
		t.Fatalf("%v, %v", principal, err)
	}
	return refusal.Reason
}

// bcrypted returns a user with a hash of bcrypt that is cheaper than those that are read.
func bcrypted(t testing.TB, name, password string) []User {
	t.Helper()
	sum, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return []User{{name, models.ScopeRead, &hash{bcrypt: sum, cost: bcrypt.MinCost}, string(sum)}}
}

func usersOf(t testing.TB, lines ...string) []User {
	t.Helper()
	users, err := ParseUsers(strings.Join(lines, "\n"), models.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func newKey(t testing.TB, expires time.Time) (string, Key) {
	t.Helper()
	secret, key, err := NewKey("reporting", models.ScopeRead, expires)
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

func TestNew(t *testing.T) {
	t.Run("what lets nobody in is refused", func(t *testing.T) {
		state := newState(t, newClock())
		for _, options := range []Options{
			{},
			{Tokens: &Tokens{Secret: make([]byte, 32), Audience: "a"}},
			{Tokens: &Tokens{Secret: make([]byte, 31), Issuer: "i", Audience: "a"}},
			{Tokens: &Tokens{Issuer: "i", Audience: "a"}},
			{Tokens: &Tokens{JWKSURL: "http://issuer.example/jwks", Issuer: "i", Audience: "a"}},
			{Keys: []Key{{Name: "a"}, {Name: "b"}}},
		} {
			if _, err := New(state, options); err == nil {
				t.Errorf("%+v is taken", options)
			}
		}
	})
}

func TestAuthenticator_Authenticate(t *testing.T) {
	at := newClock()
	secret, key := newKey(t, time.Time{})
	other, _ := newKey(t, time.Time{})
	a := newAuthenticator(t, newState(t, at), Options{Keys: []Key{key}, Users: cheap("ada", "correct horse")})
	onlyKeys := newAuthenticator(t, newState(t, at), Options{Keys: []Key{key}})
	onlyUsers := newAuthenticator(t, newState(t, at), Options{Users: cheap("ada", "correct horse")})

	for _, c := range []struct {
		name   string
		a      *Authenticator
		fields []string
		want   string
	}{
		{"nothing", a, nil, ReasonMissing},
		{"a key as bearer", a, []string{"Authorization: Bearer " + secret}, ReasonOK},
		{"a scheme in another case", a, []string{"Authorization: bEARER " + secret}, ReasonOK},
		{"several spaces", a, []string{"Authorization: Bearer   " + secret}, ReasonOK},
		{"a key in its own field", a, []string{"X-API-Key: " + secret}, ReasonOK},
		{"the same key twice", a, []string{"X-API-Key: " + secret, "Authorization: Bearer " + secret}, ReasonOK},
		{"two keys", a, []string{"X-API-Key: " + secret, "Authorization: Bearer " + other}, ReasonMalformed},
		{"a key and a password", a, []string{"X-API-Key: " + secret, basic("ada", "correct horse")}, ReasonMalformed},
		{"two authorizations", a, []string{"Authorization: Bearer " + secret, "Authorization: Bearer " + secret}, ReasonMalformed},
		{"two keys in their field", a, []string{"X-API-Key: " + secret, "X-API-Key: " + secret}, ReasonMalformed},
		{"two in one field", a, []string{"Authorization: Bearer " + secret + ", Basic YTpi"}, ReasonMalformed},
		{"a key that nobody has", a, []string{"Authorization: Bearer " + other}, ReasonUnknown},
		{"a key without its scheme", a, []string{"Authorization: " + secret}, ReasonMalformed},
		{"a key of another kind in the field of keys", a, []string{"X-API-Key: eyJhbGciOiJub25lIn0.e30."}, ReasonMalformed},
		{"an empty field", a, []string{"Authorization: "}, ReasonMalformed},
		{"a scheme alone", a, []string{"Authorization: Bearer"}, ReasonMalformed},
		{"an empty key", a, []string{"X-API-Key: "}, ReasonMalformed},
		{"another scheme", a, []string{"Authorization: Digest abc"}, ReasonMalformed},
		{"a tab for a space", a, []string{"Authorization: Bearer\t" + secret}, ReasonMalformed},
		{"something behind the key", a, []string{"Authorization: Bearer " + secret + " x"}, ReasonMalformed},
		{"more than anybody sends", a, []string{"Authorization: Bearer " + strings.Repeat("a", maxCredentials+1)}, ReasonMalformed},
		{"a password", a, []string{basic("ada", "correct horse")}, ReasonOK},
		{"a wrong password", a, []string{basic("ada", "correct horse ")}, ReasonUnknown},
		{"a name that nobody has", a, []string{basic("eve", "correct horse")}, ReasonUnknown},
		{"a password that is no base64", a, []string{"Authorization: Basic a.b"}, ReasonMalformed},
		{"a name without a password", a, []string{"Authorization: Basic YWRh"}, ReasonMalformed},
		{"a control character", a, []string{basic("ada", "a\x00b")}, ReasonMalformed},
		{"what is not UTF-8", a, []string{basic("ada", "\xff")}, ReasonMalformed},
		{"a password as long as a book", a, []string{basic("ada", strings.Repeat("a", 2000))}, ReasonMalformed},
		{"a password where none are taken", onlyKeys, []string{basic("ada", "correct horse")}, ReasonMalformed},
		{"a key where none are taken", onlyUsers, []string{"Authorization: Bearer " + secret}, ReasonMalformed},
		{"a key in its field where none are taken", onlyUsers, []string{"X-API-Key: " + secret}, ReasonMalformed},
	} {
		t.Run(c.name+" is "+c.want, func(t *testing.T) {
			if got := reasonOf(t, c.a, request(t, c.fields...)); got != c.want {
				t.Errorf("%s", got)
			}
		})
	}
	t.Run("whoever is let in has a name, a method and scopes", func(t *testing.T) {
		byKey, _ := a.authenticate(request(t, "X-API-Key: "+secret))
		byPassword, _ := a.authenticate(request(t, basic("ada", "correct horse")))
		if want := (models.Principal{Name: "reporting", Method: MethodKey, Scopes: models.ScopeRead}); *byKey != want {
			t.Errorf("%+v", byKey)
		}
		if want := (models.Principal{Name: "ada", Method: MethodBasic, Scopes: models.ScopeRead}); *byPassword != want {
			t.Errorf("%+v", byPassword)
		}
	})
	t.Run("the hook is told each reason in words that are listed", func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		hooked := newAuthenticator(t, newState(t, at), Options{Keys: []Key{key}, Observe: func(method, reason string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, method+" "+reason)
		}})
		for _, fields := range [][]string{{"X-API-Key: " + secret}, nil, {"X-API-Key: " + other}, {"X-API-Key: uak_"}} {
			_, _ = hooked.authenticate(request(t, fields...))
		}
		if want := []string{"api_key ok", "none missing", "api_key unknown", "api_key malformed"}; !slices.Equal(told, want) {
			t.Errorf("%q", told)
		}
		for _, line := range told {
			if _, reason, _ := strings.Cut(line, " "); !slices.Contains(Reasons(), reason) {
				t.Errorf("%s is not listed", reason)
			}
		}
	})
}

func TestAuthenticator_Remarks(t *testing.T) {
	state := newState(t, newClock())
	_, key := newKey(t, time.Time{})
	for _, c := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"all is well", Options{Users: cheap("ada", "x"), Keys: []Key{key}}, nil},
		{"nobody is left", Options{Users: []User{}, Keys: []Key{}}, []string{"basic lets nobody in", "api_key lets nobody in"}},
		{"works differ", Options{Users: append(bcrypted(t, "ada", "x"), cheap("grace", "y")...)}, []string{"the passwords of users are stored with different work (argon2id m=8,t=1,p=1; bcrypt 4)"}},
	} {
		t.Run("say when "+c.name, func(t *testing.T) {
			got := newAuthenticator(t, state, c.options).Remarks()
			if len(got) != len(c.want) {
				t.Fatalf("%q", got)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestAuthenticator_Challenges(t *testing.T) {
	state := newState(t, newClock())
	_, key := newKey(t, time.Time{})
	users := cheap("ada", "x")
	for _, c := range []struct {
		name          string
		options       Options
		missing, rest []string
	}{
		{"users", Options{Users: users}, []string{`Basic realm="users", charset="UTF-8"`}, []string{`Basic realm="users", charset="UTF-8"`}},
		{"keys", Options{Keys: []Key{key}}, []string{`Bearer realm="users"`}, []string{`Bearer realm="users", error="invalid_token"`}},
		{
			"both",
			Options{Users: users, Keys: []Key{key}},
			[]string{`Bearer realm="users"`, `Basic realm="users", charset="UTF-8"`},
			[]string{`Bearer realm="users", error="invalid_token"`, `Basic realm="users", charset="UTF-8"`},
		},
	} {
		t.Run("name the ways in for "+c.name+", and are the same whatever is wrong", func(t *testing.T) {
			a := newAuthenticator(t, state, c.options)
			for _, reason := range Reasons() {
				want := c.rest
				if reason == ReasonMissing {
					want = c.missing
				}
				if got := a.Challenges(&Refusal{Reason: reason}); !slices.Equal(got, want) {
					t.Errorf("%s: %q", reason, got)
				}
			}
		})
	}
	t.Run("whoever lacks a scope is asked for the same kind of credentials, with the scope named as RFC 6750 has it", func(t *testing.T) {
		const bearer = `Bearer realm="users", error="insufficient_scope", scope="users:write users:bulk"`
		for method, want := range map[string]string{MethodKey: bearer, MethodToken: bearer, MethodBasic: challengeBasic} {
			if got := InsufficientScope(method, models.ScopeWrite|models.ScopeBulk); got != want {
				t.Errorf("%s: %s", method, got)
			}
		}
	})
}
