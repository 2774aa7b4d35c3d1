package auth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"userapi/models"
)

// FuzzAuthenticator sends whatever there is as credentials: only the right ones let anybody in, and a
// refusal is in words that are known and repeats nothing.
func FuzzAuthenticator(f *testing.F) {
	at := newClock()
	secret, key := newKey(f, time.Time{})
	public, private := edKey(f)
	keys, err := ParsePublicKeys([]byte(keySet(edJWK("one", public))))
	if err != nil {
		f.Fatal(err)
	}
	token := sign(f, private, `{"alg":"EdDSA","kid":"one"}`, said(f, at.now(), nil))
	state := newState(f, at)
	a := newAuthenticator(f, state, Options{
		Users: []User{{"ada", models.ScopeRead, &hash{sum: []byte{1}}, "x"}}, Keys: []Key{key},
		Tokens: &Tokens{Keys: keys, Issuer: ofIssuer, Audience: ofAudience},
	})
	// Whoever is checked by a hash would make this slow: the queue is full, so that nobody is.
	for range cap(state.queue) {
		state.queue <- struct{}{}
	}
	good := []string{"Bearer " + secret, "Bearer " + token}
	for _, seed := range [][2]string{
		{"", ""},
		{good[0], ""},
		{"", secret},
		{good[0], secret},
		{good[1], ""},
		{good[1], secret},
		{"Basic " + base64.StdEncoding.EncodeToString([]byte("ada:x")), ""},
		{"Basic", ""},
		{"Basic YQ==", ""},
		{"bearer  a.b.c", ""},
		{"Bearer ..", ""},
		{"Bearer " + strings.Repeat("a.", 5000), ""},
		{"Bearer " + token + ".", ""},
		{"Digest x", "x"},
		{"Bearer uak_", "uak_"},
		{"Bearer\t" + secret, "\x00"},
		{"Bearer " + secret + "\n", secret + " "},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, authorization, apiKey string) {
		r := &http.Request{Header: http.Header{}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		if apiKey != "" {
			r.Header["X-Api-Key"] = []string{apiKey}
		}
		principal, err := a.Authenticate(r.WithContext(t.Context()), &sent{address: "192.0.2.1"})
		scheme, text, _ := strings.Cut(authorization, " ")
		text = strings.TrimLeft(text, " ")
		byBearer := strings.EqualFold(scheme, "Bearer") && (text == secret || text == token)
		right := authorization == "" && apiKey == secret || apiKey == "" && byBearer || byBearer && text == secret && apiKey == secret
		if (err == nil) != right || (principal != nil) != right {
			t.Fatalf("%q and %q: %v, %v", authorization, apiKey, principal, err)
		}
		var refusal *Refusal
		if err != nil && (!errors.As(err, &refusal) || !slices.Contains(Reasons(), refusal.Reason) || refusal.Reason == ReasonOK) {
			t.Fatalf("%q and %q: %v", authorization, apiKey, err)
		}
	})
}

// FuzzTokenReader_open holds tokens that are taken apart to their form (RFC 7515, section 3.1).
func FuzzTokenReader_open(f *testing.F) {
	form := regexp.MustCompile(`\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\z`)
	at := newClock()
	state := newState(f, at)
	public, private := edKey(f)
	r, err := newTokenReader(state, Tokens{Keys: Keyring{&keyring{[]verifyKey{{public: public}}}}, Issuer: "i", Audience: "a"})
	if err != nil {
		f.Fatal(err)
	}
	for _, head := range []string{
		`{"alg":"EdDSA"}`, `{"alg":"none"}`, `{"alg":"EdDSA","crit":[]}`, `{"alg":"EdDSA","alg":"EdDSA"}`, `{"alg":"EdDSA","jwk":null}`,
		`{"alg":"EdDSA","typ":"JWT"}`, `[]`, `{"ALG":"EdDSA"}`, `{"alg":"EdDSA","kid":"\ud800"}`, "{\"alg\":\"EdDSA\",\"kid\":\"\xff\"}", `{"alg":"EdDSA"}x`,
	} {
		f.Add(b64([]byte(head)) + "." + b64([]byte(`{}`)) + "." + b64(make([]byte, 64)))
	}
	f.Add(sign(f, private, `{"alg":"EdDSA"}`, said(f, at.now(), nil)))
	f.Add("e30..AA")
	f.Add("e30.e30.A")
	f.Fuzz(func(t *testing.T, text string) {
		head, parts, refusal := r.open(text)
		if (head == nil) != (refusal != nil) || (parts == nil) != (refusal != nil) {
			t.Fatalf("%q: %v, %v, %v", text, head, parts, refusal)
		}
		if refusal != nil {
			return
		}
		if !form.MatchString(text) || !slices.Contains(asymmetric(), head.Alg) || !strings.HasPrefix(text, parts.signed+".") {
			t.Fatalf("%q: %+v, %+v", text, head, parts)
		}
		if key, _ := r.ring.find(head.ID, head.Alg); key != nil && parts.checkSignature(head, key) == nil {
			if _, _, refusal := r.read(parts.claims); refusal == nil {
				t.Fatalf("%q is for somebody else, and taken", text)
			}
		}
	})
}

// FuzzParseUsers holds that a line which is taken has a name and a hash within the bounds, and that one
// which is not taken is not repeated.
func FuzzParseUsers(f *testing.F) {
	for _, seed := range []string{argon("ada", "x"), "ada:$2y$10$abcdefghijklmnopqrstuu5Hcr8bV1pxIy7H1lFz6c5Ir2H2wAhW.:admin", "ada:x", "::", "a:$argon2id$v=19$m=1,t=1,p=1$$", "#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		users, err := ParseUsers(text, models.ScopeRead)
		for _, user := range users {
			h := user.hash
			if !printable(user.Name) || h.bcrypt == nil && (h.memory > mostArgonMemory || h.passes > mostArgonPasses || h.passes == 0 || h.lanes == 0) || h.cost > mostBcryptCost {
				t.Fatalf("%q: %+v", text, h)
			}
		}
		if err != nil && len(text) > 300 && strings.Contains(err.Error(), text) {
			t.Fatalf("%q is repeated: %v", text, err)
		}
	})
}
