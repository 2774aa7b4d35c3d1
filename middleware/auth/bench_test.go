package auth

import (
	"testing"
	"time"

	"userapi/models"
)

// benchmark measures what it costs to find out who sends a request.
func benchmark(b *testing.B, a *Authenticator, fields ...string) {
	b.Helper()
	c := request(b, fields...)
	if got := reasonOf(b, a, c); got != ReasonOK {
		b.Fatal(got)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(c.Request, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticator_Authenticate(b *testing.B) {
	at := newClock()
	secret, key := newKey(b, time.Time{})
	state := newState(b, at)
	public, private := edKey(b)
	keys, err := ParsePublicKeys([]byte(keySet(edJWK("one", public))))
	if err != nil {
		b.Fatal(err)
	}
	a := newAuthenticator(b, state, Options{
		Users: usersOf(b, argon("ada", "correct horse")), Keys: []Key{key},
		Tokens: &Tokens{Keys: keys, Issuer: ofIssuer, Audience: ofAudience, Leeway: 30 * time.Second},
	})
	long := map[string]any{"realm_access": make([]string, 150), "scope": "users:read"} // as large as Keycloak's
	token := sign(b, private, `{"alg":"EdDSA","kid":"one"}`, said(b, at.now(), long))
	b.Run("API key", func(b *testing.B) { benchmark(b, a, "X-API-Key: "+secret) })
	b.Run("API key as bearer", func(b *testing.B) { benchmark(b, a, "Authorization: Bearer "+secret) })
	b.Run("token that is known", func(b *testing.B) { benchmark(b, a, "Authorization: Bearer "+token) })
	b.Run("password that is known", func(b *testing.B) { benchmark(b, a, basic("ada", "correct horse")) })
	b.Run("password that is wrong, in its queue", func(b *testing.B) {
		for b.Loop() {
			state.failures = newThrottle(maxFailures, state.mark)
			reasonOf(b, a, request(b, basic("ada", "wrong")))
		}
	})
	b.Run("token that is new", func(b *testing.B) {
		c := request(b, "Authorization: Bearer "+token)
		b.ReportAllocs()
		for b.Loop() {
			a.tokens.known.Store(&knownTokens{a.tokens.ring, newCache[*models.Principal](16)})
			if _, err := a.Authenticate(c.Request, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
