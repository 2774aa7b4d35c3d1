package tests

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"userapi/middleware/auth"
	"userapi/tests/testkit"
)

// forgery is a token that must not be taken.
type forgery struct{ name, token string }

// forger makes forgeries out of what a good token has.
type forger struct {
	*issuer
	claims members
}

// by returns a token that differs from a good one of RSA in its header.
func (f *forger) by(header members) string {
	return signed(jwt.SigningMethodRS256, f.rsa, members{"alg": "RS256", "kid": "rsa", "typ": "JWT"}.with(header), f.claims.with(nil))
}

// about returns a token that differs from a good one in its claims.
func (f *forger) about(claims members) string {
	return signed(jwt.SigningMethodES256, f.ec, `{"alg":"ES256","kid":"ec"}`, f.claims.with(claims))
}

// unsigned returns a token with a header and a signature of the forger's choice.
func (f *forger) unsigned(header, signature string) string {
	return unsigned([]byte(header)) + "." + unsigned([]byte(f.claims.with(nil))) + "." + signature
}

// sharing returns a token that is signed by HMAC with what everybody knows.
func (f *forger) sharing(secret []byte) string {
	return signed(jwt.SigningMethodHS256, secret, `{"alg":"HS256","kid":"rsa"}`, f.claims.with(nil))
}

// algorithms are forgeries by the choice of the algorithm or the signature (RFC 8725, sections 2.1 and 3.1).
func (f *forger) algorithms() []forgery {
	good := strings.Split(f.by(nil), ".")
	der := must(x509.MarshalPKIXPublicKey(&f.rsa.PublicKey))
	ecDER := must(x509.MarshalPKIXPublicKey(&f.ec.PublicKey))
	rs, es := `{"alg":"RS256","kid":"rsa"}`, `{"alg":"ES256","kid":"ec"}`
	flipped := must(base64.RawURLEncoding.DecodeString(good[2]))
	flipped[17] ^= 1
	return []forgery{
		{"alg none, no signature", f.unsigned(`{"alg":"none","kid":"rsa"}`, "")},
		{"alg None, no signature", f.unsigned(`{"alg":"None","kid":"rsa"}`, "")},
		{"alg NONE, a signature", f.unsigned(`{"alg":"NONE","kid":"rsa"}`, good[2])},
		{"alg nOnE, a signature", f.unsigned(`{"alg":"nOnE","kid":"rsa"}`, "AA")},
		{"alg empty", f.unsigned(`{"alg":"","kid":"rsa"}`, good[2])},
		{"alg absent", f.unsigned(`{"kid":"rsa"}`, good[2])},
		{"alg null", f.unsigned(`{"alg":null,"kid":"rsa"}`, good[2])},
		{"alg a number", f.unsigned(`{"alg":256,"kid":"rsa"}`, good[2])},
		{"alg in another case", f.unsigned(`{"alg":"rs256","kid":"rsa"}`, good[2])},
		{"HMAC with the public key in PEM", f.sharing(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
		{"HMAC with the public key in DER", f.sharing(der)},
		{"HMAC with the public key of a curve", f.sharing(ecDER)},
		{"HMAC with the modulus", f.sharing(f.rsa.N.Bytes())},
		{"HMAC with the set of keys", f.sharing([]byte(f.set))},
		{"HMAC with nothing", f.sharing([]byte{})},
		{"RS512 by a key for RS256", signed(jwt.SigningMethodRS512, f.rsa, `{"alg":"RS512","kid":"rsa"}`, f.claims.with(nil))},
		{"PS256 by a key for RS256", signed(jwt.SigningMethodPS256, f.rsa, `{"alg":"PS256","kid":"rsa"}`, f.claims.with(nil))},
		{"RS256 by a key of somebody else", signed(jwt.SigningMethodRS256, f.otherRSA, rs, f.claims.with(nil))},
		{"RS256 under the kid of a curve", f.unsigned(`{"alg":"RS256","kid":"ec"}`, good[2])},
		{"ES384 under the kid of P-256", f.unsigned(`{"alg":"ES384","kid":"ec"}`, unsigned(make([]byte, 96)))},
		{"an empty signature", f.unsigned(rs, "")},
		{"a signature of zeros (CVE-2022-21449)", f.unsigned(es, unsigned(make([]byte, 64)))},
		{"a signature of ECDSA in DER", derOf(f.ec, es, f.claims.with(nil))},
		{"a signature that is cut off", good[0] + "." + good[1] + "." + good[2][:40]},
		{"a signature with one other bit", good[0] + "." + good[1] + "." + unsigned(flipped)},
		{"claims that were changed afterwards", good[0] + "." + unsigned([]byte(f.claims.with(members{"scope": "admin"}))) + "." + good[2]},
		{"a header that was changed afterwards", unsigned([]byte(`{"alg":"RS256","kid":"rsa","typ":"at+jwt"}`)) + "." + good[1] + "." + good[2]},
	}
}

// headers are forgeries by what a header asks for.
func (f *forger) headers() []forgery {
	foreign := signed(jwt.SigningMethodRS256, f.otherRSA, members{"alg": "RS256", "jwk": jwkOf(f.otherRSA)}.with(nil), f.claims.with(nil))
	return []forgery{
		{"a key of its own", foreign},
		{"a key of its own beside a good kid", f.by(members{"jwk": jwkOf(f.otherRSA)})},
		{"where its keys are", f.by(members{"jku": f.URL})},
		{"a certificate of its own", f.by(members{"x5c": []string{"MIIB"}})},
		{"where its certificate is", f.by(members{"x5u": "https://evil.example/"})},
		{"a critical member that nobody knows", f.by(members{"crit": []string{"tenant"}, "tenant": "a"})},
		{"a critical member that is known", f.by(members{"crit": []string{"exp"}, "exp": 1})},
		{"an empty list of critical members", f.by(members{"crit": []string{}})},
		{"claims that are not encoded", f.by(members{"b64": false})},
		{"claims that are compressed", f.by(members{"zip": "DEF"})},
		{"a token within", f.by(members{"cty": "JWT"})},
		{"encryption", f.by(members{"enc": "A256GCM"})},
		{"no kid, where there are several keys", f.by(members{"kid": nil})},
		{"an empty kid", f.by(members{"kid": ""})},
		{"a kid that nobody has", f.by(members{"kid": "other"})},
		{"a kid that is a path", f.by(members{"kid": "../../../../dev/null"})},
		{"a kid that is SQL", f.by(members{"kid": "x' UNION SELECT 'a"})},
		{"a kid that is a line of a log", f.by(members{"kid": "x\n{\"level\":\"info\",\"msg\":\"forged\"}"})},
		{"a kid as long as a book", f.by(members{"kid": strings.Repeat(".", 1800)})},
		{"a kid that is a number", f.by(members{"kid": 1})},
		{"the kid of a key for encryption", f.by(members{"kid": "enc"})},
		{"the type of one that renews others", f.by(members{"typ": "refresh+jwt"})},
		{"the type of one that logs out", f.by(members{"typ": "logout+jwt"})},
		{"the type of a proof", f.by(members{"typ": "dpop+jwt"})},
		{"a member twice", f.unsigned(`{"alg":"RS256","alg":"none","kid":"rsa"}`, "AA")},
		{"no object", f.unsigned(`["RS256"]`, "AA")},
		{"no JSON", f.unsigned(`RS256`, "AA")},
	}
}

// shapes are forgeries by their form.
func (f *forger) shapes() []forgery {
	good := f.by(nil)
	parts := strings.Split(good, ".")
	return []forgery{
		{"one part", parts[0]},
		{"two parts", parts[0] + "." + parts[1]},
		{"two signatures", good + "." + parts[2]},
		{"five parts, as encrypted ones have", good + ".AA.AA"},
		{"padding", good + "=="},
		{"padding within", parts[0] + "=." + parts[1] + "." + parts[2]},
		{"digits of another alphabet", parts[0] + "." + parts[1] + ".+/+/"},
		{"dots", strings.Repeat(".", 1000)},
		{"more than anybody sends", good + strings.Repeat("A", 9000)},
		{"no token", "null"},
		{"claims that are no JSON", signed(jwt.SigningMethodES256, f.ec, `{"alg":"ES256","kid":"ec"}`, `{"sub":`)},
		{"claims that are a list", signed(jwt.SigningMethodES256, f.ec, `{"alg":"ES256","kid":"ec"}`, `[]`)},
		{"a claim twice", signed(jwt.SigningMethodES256, f.ec, `{"alg":"ES256","kid":"ec"}`, strings.Replace(f.claims.with(nil), `{`, `{"sub":"eve",`, 1))},
		{"claims that are not UTF-8", signed(jwt.SigningMethodES256, f.ec, `{"alg":"ES256","kid":"ec"}`, strings.Replace(f.claims.with(nil), `auth0|ada`, "\xff", 1))},
	}
}

// contents are tokens that the issuer has signed, but not for this.
func (f *forger) contents(now time.Time) []forgery {
	return []forgery{
		{"no end", f.about(members{"exp": nil})},
		{"an end that is over", f.about(members{"exp": now.Add(-31 * time.Second).Unix()})},
		{"an end that is text", f.about(members{"exp": "9999999999"})},
		{"an end before all", f.about(members{"exp": -1})},
		{"an end past all", f.about(members{"exp": json.RawMessage("1e300")})},
		{"a beginning to come", f.about(members{"nbf": now.Add(31 * time.Second).Unix()})},
		{"made in the future", f.about(members{"iat": now.Add(time.Hour).Unix()})},
		{"made at no time", f.about(members{"iat": "today"})},
		{"for nobody", f.about(members{"aud": nil})},
		{"for others", f.about(members{"aud": "https://others.example"})},
		{"for several others", f.about(members{"aud": []string{"a", tokenAudience + "/"}})},
		{"for an empty list", f.about(members{"aud": []string{}})},
		{"for a number", f.about(members{"aud": 1})},
		{"by nobody", f.about(members{"iss": nil})},
		{"by another issuer", f.about(members{"iss": "https://evil.example/"})},
		{"by an issuer that begins alike", f.about(members{"iss": tokenIssuer + "x"})},
		{"by two issuers", f.about(members{"iss": []string{tokenIssuer}})},
		{"about nobody", f.about(members{"sub": nil})},
		{"about an empty name", f.about(members{"sub": ""})},
		{"about a number", f.about(members{"sub": 7})},
		{"about two lines", f.about(members{"sub": "ada\nforged"})},
		{"about what hides in a line", f.about(members{"sub": "ada\u202eadmin"})},
		{"about a book", f.about(members{"sub": strings.Repeat("a", 300)})},
		{"scopes that are a number", f.about(members{"scope": 7})},
		{"scopes that are a list of numbers", f.about(members{"scope": nil, "scp": []int{7}})},
		{"one that renews others, as Keycloak says it", f.about(members{"typ": "Refresh"})},
		{"one that says who logged in, as Cognito says it", f.about(members{"token_use": "id"})},
		{"one that says who logged in", f.about(members{"at_hash": "AA"})},
		{"one that logs out", f.about(members{"events": members{}})},
		{"one that needs a key", f.about(members{"cnf": members{"jkt": "AA"}})},
	}
}

func TestAuth_Tokens(t *testing.T) {
	t.Parallel()
	d, i := newDoor(t), newIssuer(t)
	service := d.open(t, auth.Options{Tokens: i.tokens()}, testkit.Options{LogLevel: zap.DebugLevel})
	f := &forger{i, claimsAt(d.Now())}
	testkit.Eventually(t, "the keys", func() bool { return service.Get(t, "/readyz").Status == http.StatusOK })

	t.Run("good ones are taken, so that what is wrong with the others is what their name says", func(t *testing.T) {
		for name, token := range map[string]string{
			"RSA": f.by(nil), "ECDSA": f.about(nil), "a type of its own": f.by(members{"typ": "application/at+jwt"}),
			"29 s late": f.about(members{"exp": d.Now().Add(-29 * time.Second).Unix()}),
		} {
			if status := service.Get(t, "/users/", bearer(token)).Status; status != http.StatusOK {
				t.Errorf("%s: %d", name, status)
			}
		}
	})
	forgeries := append(append(append(f.algorithms(), f.headers()...), f.shapes()...), f.contents(d.Now())...)
	if len(forgeries) < 90 {
		t.Fatalf("%d forgeries", len(forgeries))
	}
	bodies := map[string]string{}
	for _, c := range forgeries {
		t.Run("refuses "+c.name, func(t *testing.T) {
			answer := service.Get(t, "/users/", bearer(c.token), "X-Request-ID: forged")
			wantRefused(t, answer, `Bearer realm="users", error="invalid_token"`)
			bodies[string(bytes.TrimSpace(answer.Body))] = c.name
		})
	}
	t.Run("no answer tells what is wrong", func(t *testing.T) {
		if len(bodies) != 1 {
			t.Errorf("they differ: %v", bodies)
		}
	})
	t.Run("the log tells it at its most talkative, and no token", func(t *testing.T) {
		// The kit looks for tokens in every line when the test ends.
		reasons := map[string]bool{}
		for _, entry := range service.Log.Entries(t) {
			if entry.Text("msg") == "not let in" {
				reasons[entry.Text("error")] = true
			}
		}
		if len(reasons) < 10 {
			t.Errorf("%v", reasons)
		}
	})
}
