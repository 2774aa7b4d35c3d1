package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func TestKeyring_find(t *testing.T) {
	public, _ := edKey(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := &private.PublicKey
	for _, c := range []struct {
		name    string
		keys    []verifyKey
		id, alg string
		found   bool
		known   bool
	}{
		{"one key, no kid", []verifyKey{{id: "a", public: public}}, "", "EdDSA", true, true},
		{"one key without a kid", []verifyKey{{public: public}}, "b", "EdDSA", true, true},
		{"one key, another kid", []verifyKey{{id: "a", public: public}}, "b", "EdDSA", false, false},
		{"one key for something else", []verifyKey{{id: "a", public: public}}, "a", "ES256", false, true},
		{"one key for another algorithm", []verifyKey{{id: "a", alg: "ES384", public: ec}}, "a", "ES256", false, true},
		{"two keys, no kid", []verifyKey{{id: "a", public: public}, {id: "b", public: ec}}, "", "EdDSA", false, true},
		{"two keys, the second", []verifyKey{{id: "a", public: public}, {id: "b", public: ec}}, "b", "ES256", true, true},
		{"two keys, one that suits not", []verifyKey{{id: "a", public: public}, {id: "b", public: ec}}, "a", "ES256", false, true},
		{"two keys, neither", []verifyKey{{id: "a", public: public}, {id: "b", public: ec}}, "c", "ES256", false, false},
		{"two keys with one kid", []verifyKey{{id: "a", public: public}, {id: "a", public: ec}}, "a", "ES256", true, true},
		{"a curve of another size", []verifyKey{{public: ec}}, "", "ES384", false, true},
		{"a public key for HS256", []verifyKey{{public: ec}}, "", "HS256", false, true},
		{"a secret for ES256", []verifyKey{{secret: make([]byte, 32)}}, "", "ES256", false, true},
		{"a secret", []verifyKey{{secret: make([]byte, 32)}}, "any", "HS256", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring := &keyring{c.keys}
			if key, known := ring.find(c.id, c.alg); (key != nil) != c.found || known != c.known {
				t.Errorf("%v, %v", key, known)
			}
		})
	}
}

func TestParsePublicKeys(t *testing.T) {
	public, private := edKey(t)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkix := func(key crypto.PublicKey) string {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return block("PUBLIC KEY", der)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	oldCurve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"nothing", "", "neither PEM nor a JWKS"},
		{"text", "ssh-ed25519 AAAA", "neither PEM nor a JWKS"},
		{"a private key", block("PRIVATE KEY", der), "holds a private key"},
		{"a private key behind a public one", pkix(public) + block("EC PRIVATE KEY", der), "holds a private key"},
		{"two keys", pkix(public) + pkix(public), "can be one only"},
		{"something behind it", pkix(public) + "x", "neither PEM nor a JWKS"},
		{"a curve that is not taken", pkix(&oldCurve.PublicKey), "a key is neither RSA nor"},
		{"another kind of PEM", block("CERTIFICATE REQUEST", der), "another kind than PUBLIC KEY"},
		{"a certificate that is damaged", block("CERTIFICATE", der), "damaged"},
		{"a private JWK", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + b64(public) + `","d":"` + b64(private[:32]) + `"}]}`, "holds a private key"},
		{"a secret JWK", `{"keys":[{"kty":"oct","k":"` + b64(private) + `"}]}`, "holds a private key"},
		{"no JWKS", `{"keys":1}`, "not a JWKS"},
		{"a member twice", `{"keys":[],"keys":[]}`, "not a JWKS"},
		{"an empty JWKS", `{"keys":[]}`, "no public key"},
		{"a key for encryption", keySet(strings.Replace(edJWK("a", public), `"sig"`, `"enc"`, 1)), "no public key"},
		{"a key to sign with", keySet(strings.Replace(edJWK("a", public), `"use":"sig"`, `"key_ops":["sign"]`, 1)), "no public key"},
		{"a key that is cut off", keySet(edJWK("a", public[:31])), "no public key"},
		{"a point that is on no curve", keySet(`{"kty":"EC","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}`), "no public key"},
		{"an RSA key that is short", keySet(`{"kty":"RSA","n":"` + b64(append([]byte{0x80}, make([]byte, 127)...)) + `","e":"AQAB"}`), "no public key"},
		{"an RSA key with an even exponent", keySet(`{"kty":"RSA","n":"` + b64(append([]byte{0x80}, make([]byte, 255)...)) + `","e":"AQAA"}`), "no public key"},
		{"more keys than anybody has", keySet(strings.Split(strings.Repeat(edJWK("a", public)+"\n", mostKeys+1), "\n")[:mostKeys+1]...), "more than"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			if _, err := ParsePublicKeys([]byte(c.content)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a key in PEM and one in a JWKS are the same", func(t *testing.T) {
		at := newClock()
		token := sign(t, private, `{"alg":"EdDSA"}`, said(t, at.now(), nil))
		for _, content := range []string{pkix(public), "\n" + keySet(edJWK("a", public))} {
			keys, err := ParsePublicKeys([]byte(content))
			if err != nil {
				t.Fatal(err)
			}
			a := newAuthenticator(t, newState(t, at), Options{Tokens: &Tokens{Keys: keys, Issuer: ofIssuer, Audience: ofAudience}})
			if got := reasonOf(t, a, request(t, "Authorization: Bearer "+token)); got != ReasonOK {
				t.Error(got)
			}
		}
	})
}
