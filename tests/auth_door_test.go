package tests

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"userapi/middleware/auth"
	"userapi/models"
	"userapi/tests/testkit"
)

// door is who may come in to a service of a test, by what, at a clock that the test moves.
type door struct {
	*testkit.Clock
	state *auth.State
	// keys are API keys by what they are called.
	keys   map[string]string
	stored []auth.Key
}

func newDoor(t testing.TB) *door {
	t.Helper()
	clock := testkit.NewClock(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC))
	d := &door{Clock: clock, state: auth.NewState(clock.Now), keys: map[string]string{}}
	t.Cleanup(d.state.Close)
	return d
}

// key makes an API key, and returns the header field that it is sent in.
func (d *door) key(t testing.TB, name string, scopes models.Scopes) string {
	t.Helper()
	secret, stored, err := auth.NewKey(name, scopes, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	d.keys[name], d.stored = secret, append(d.stored, stored)
	return "X-API-Key: " + secret
}

// open starts a service behind the door, which takes the keys that were made and more.
func (d *door) open(t *testing.T, options auth.Options, service testkit.Options) *testkit.Service {
	t.Helper()
	options.Keys = d.stored
	authenticator, err := auth.New(d.state, options)
	if err != nil {
		t.Fatal(err)
	}
	service.Auth, service.Now = authenticator, d.Now
	return testkit.New(t, service)
}

// adaOfBasic is ada with the password correct horse, by argon2id at its cheapest; it may read and write.
const adaOfBasic = "ada:$argon2id$v=19$m=7168,t=1,p=1$c2l4dGVlbiBvY3RldHMgLi4$J3fRN9+xHUxp9n/fqlej/qQLl7XwPHJhOrllKY+zFIw:users:read,users:write"

func usersOf(t testing.TB, lines string) []auth.User {
	t.Helper()
	users, err := auth.ParseUsers(lines, models.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func basicAuth(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// signers are the keys of an issuer of tokens; made once, since those of RSA take a while.
type signers struct {
	rsa, otherRSA *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
}

var signersOnce = sync.OnceValues(func() (*signers, error) {
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &signers{one, two, ec}, err
})

const (
	tokenIssuer   = "https://issuer.example/"
	tokenAudience = "https://users.example"
)

// issuer publishes the keys of tokens and signs with them.
type issuer struct {
	*signers
	*httptest.Server
	set string
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	keys, err := signersOnce()
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{signers: keys, set: keySetOf(keys)}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(i.set)) }))
	t.Cleanup(i.Close)
	return i
}

// serveAt publishes a set of keys at an address until the test ends.
func serveAt(t *testing.T, addr, set string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) }))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}

// keySetOf is a JWKS with a key of RSA, one on P-256, and one that is for encryption.
func keySetOf(keys *signers) string {
	n, point := unsigned(keys.rsa.N.Bytes()), must(keys.ec.PublicKey.Bytes())
	return fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"rsa","alg":"RS256","use":"sig","n":%q,"e":"AQAB"},`+
		`{"kty":"EC","crv":"P-256","kid":"ec","use":"sig","x":%q,"y":%q},`+
		`{"kty":"RSA","kid":"enc","use":"enc","n":%q,"e":"AQAB"}]}`, n, unsigned(point[1:33]), unsigned(point[33:]), n)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func unsigned(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// tokens says whose tokens are believed.
func (i *issuer) tokens() *auth.Tokens {
	return &auth.Tokens{JWKSURL: i.URL, Refresh: time.Hour, Issuer: tokenIssuer, Audience: tokenAudience, Leeway: 30 * time.Second}
}

// members is a JSON object in the making; a value of nil takes a member away.
type members map[string]any

func (m members) with(changes members) string {
	all := maps.Clone(m)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return string(must(json.Marshal(all)))
}

// claimsAt are claims that are good at an instant.
func claimsAt(now time.Time) members {
	return members{
		"iss": tokenIssuer, "aud": tokenAudience, "sub": "auth0|ada", "scope": "users:read users:write",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

// signed returns a token with the signature of a method over its header and claims.
func signed(method jwt.SigningMethod, key any, header, claims string) string {
	text := unsigned([]byte(header)) + "." + unsigned([]byte(claims))
	return text + "." + unsigned(must(method.Sign(text, key)))
}

// derOf returns a signature of ECDSA in the form that JWS does not have.
func derOf(key *ecdsa.PrivateKey, header, claims string) string {
	text := unsigned([]byte(header)) + "." + unsigned([]byte(claims))
	sum := crypto.SHA256.New()
	_, _ = sum.Write([]byte(text))
	return text + "." + unsigned(must(ecdsa.SignASN1(rand.Reader, key, sum.Sum(nil))))
}

// jwkOf returns a public key of RSA as a member of a header.
func jwkOf(key *rsa.PrivateKey) map[string]any {
	return map[string]any{"kty": "RSA", "n": unsigned(key.N.Bytes()), "e": unsigned(big.NewInt(int64(key.E)).Bytes())}
}

// wantRefused ends the test unless a request is refused as one without good credentials is.
func wantRefused(t *testing.T, answer *testkit.Response, challenges ...string) {
	t.Helper()
	problem := answer.Want(http.StatusUnauthorized).Problem()
	if problem.Code != "unauthenticated" || problem.Detail != "The request has no credentials that this service accepts." {
		t.Errorf("%s: %+v", answer, problem)
	}
	answer.WantHeader("WWW-Authenticate", strings.Join(challenges, " | "))
}
