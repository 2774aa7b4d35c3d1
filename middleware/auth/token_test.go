package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"userapi/models"
)

const (
	ofIssuer   = "https://issuer.example/"
	ofAudience = "users"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// sign returns a token of a header and claims, each as JSON text.
func sign(t testing.TB, key any, head, said string) string {
	t.Helper()
	var parsed struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal([]byte(head), &parsed); err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(head)) + "." + b64([]byte(said))
	signature, err := jwt.GetSigningMethod(parsed.Alg).Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(signature)
}

// said returns claims that are good at an instant, with changes; nil takes a claim away.
func said(t testing.TB, now time.Time, changes map[string]any) string {
	t.Helper()
	members := map[string]any{
		"iss": ofIssuer, "aud": ofAudience, "sub": "ada", "scope": "openid users:read",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func edKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func edJWK(id string, public ed25519.PublicKey) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"use":"sig","alg":"EdDSA","x":%q}`, id, b64(public))
}

func keySet(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// publisher is an issuer over HTTP whose answers a test sets. It is safe for concurrent use.
type publisher struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newPublisher(t testing.TB, set string) *publisher {
	t.Helper()
	p := new(publisher)
	p.publish(set)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) respond(handler http.HandlerFunc) { p.answer.Store(&handler) }

func (p *publisher) publish(set string) {
	p.respond(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) })
}

func tokensAt(url string) *Tokens {
	return &Tokens{JWKSURL: url, Refresh: time.Hour, Issuer: ofIssuer, Audience: ofAudience, Leeway: 30 * time.Second}
}

// eventually waits for a condition and ends the test when it does not come within ten seconds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited ten seconds for %s", what)
		}
	}
}

func TestTokenReader_verify(t *testing.T) {
	at := newClock()
	public, private := edKey(t)
	issuer := newPublisher(t, keySet(edJWK("one", public)))
	state := newState(t, at)
	a := newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL)})
	token := func(t *testing.T, changes map[string]any) string {
		t.Helper()
		return sign(t, private, `{"alg":"EdDSA","kid":"one","typ":"at+jwt"}`, said(t, at.now(), changes))
	}
	reason := func(t *testing.T, token string) string {
		t.Helper()
		return reasonOf(t, a, request(t, "Authorization: Bearer "+token))
	}

	t.Run("who is let in has the name and the scopes that the token says", func(t *testing.T) {
		for _, c := range []struct {
			changes map[string]any
			want    models.Scopes
		}{
			{nil, models.ScopeRead},
			{map[string]any{"scope": "users:write users:delete"}, models.ScopeWrite | models.ScopeDelete},
			{map[string]any{"scope": nil, "scp": []string{"admin", "other"}}, models.ScopeAdmin},
			{map[string]any{"scope": nil, "scp": "users:bulk"}, models.ScopeBulk},
			{map[string]any{"scope": nil}, 0},
			{map[string]any{"scope": "USERS:READ users users:*"}, 0},
			{map[string]any{"aud": []string{"others", ofAudience}}, models.ScopeRead},
			{map[string]any{"iat": nil, "nbf": at.now().Unix()}, models.ScopeRead},
		} {
			principal, err := a.authenticate(request(t, "Authorization: Bearer "+token(t, c.changes)))
			if err != nil || *principal != (models.Principal{Name: "ada", Method: MethodToken, Scopes: c.want}) {
				t.Errorf("%v: %+v, %v", c.changes, principal, err)
			}
		}
	})
	t.Run("clocks may differ by 30 s and no more, on either side", func(t *testing.T) {
		for _, c := range []struct {
			claim string
			by    time.Duration
			want  string
		}{
			{"exp", -29 * time.Second, ReasonOK},
			{"exp", -30 * time.Second, ReasonExpired},
			{"exp", -31 * time.Second, ReasonExpired},
			{"nbf", 29 * time.Second, ReasonOK},
			{"nbf", 30 * time.Second, ReasonOK},
			{"nbf", 31 * time.Second, ReasonBadClaims},
			{"iat", 30 * time.Second, ReasonOK},
			{"iat", 31 * time.Second, ReasonBadClaims},
		} {
			if got := reason(t, token(t, map[string]any{c.claim: at.now().Add(c.by).Unix()})); got != c.want {
				t.Errorf("%s %v: %s, want %s", c.claim, c.by, got, c.want)
			}
		}
	})
	t.Run("a token that was good is refused at its end, also when it is remembered", func(t *testing.T) {
		ending := token(t, map[string]any{"exp": at.now().Add(10 * time.Second).Unix()})
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, ReasonOK}, {39 * time.Second, ReasonOK}, {time.Second, ReasonExpired}} {
			at.move(step.after)
			if got := reason(t, ending); got != step.want {
				t.Errorf("after %v: %s", step.after, got)
			}
		}
	})
	t.Run("an hour of tokens that differ does not grow what is remembered past its bound", func(t *testing.T) {
		known := a.tokens.known.Load()
		for i := range 3 * maxTokens {
			var mark digest
			mark[0], mark[1], mark[2] = byte(i), byte(i>>8), byte(i>>16)
			known.put(&mark, &models.Principal{}, at.now(), at.now().Add(time.Minute))
		}
		if n := known.len(); n > maxTokens {
			t.Errorf("%d tokens", n)
		}
	})
}
