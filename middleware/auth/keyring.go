package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
)

// Bounds of keys. An RSA key that is too large makes every forged token expensive.
const (
	leastRSABits = 2048
	mostRSABits  = 8192
	mostKeys     = 100
)

// keyring is the keys that tokens may be signed with. It never changes.
type keyring struct{ keys []verifyKey }

// verifyKey is a key, and what it is for.
type verifyKey struct {
	id     string // kid, or empty
	alg    string // the only algorithm that it is for, or empty
	public crypto.PublicKey
	secret []byte // of HS256, instead of public
}

// suits says whether signatures of an algorithm can be checked with the key.
func (k *verifyKey) suits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch public := k.public.(type) {
	case nil:
		return alg == jwt.SigningMethodHS256.Alg()
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return alg == curves()[public.Curve]
	case ed25519.PublicKey:
		return alg == jwt.SigningMethodEdDSA.Alg()
	}
	return false
}

// curves returns the algorithm of each curve (RFC 7518, section 3.4).
func curves() map[elliptic.Curve]string {
	return map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}
}

// find returns the key that a token names. A token without a kid is right where there is one key only,
// and a key without one where it is alone.
func (r *keyring) find(id, alg string) (key *verifyKey, known bool) {
	if len(r.keys) == 1 {
		only := &r.keys[0]
		switch {
		case id != "" && only.id != "" && only.id != id:
			return nil, false
		case !only.suits(alg):
			return nil, true
		}
		return only, true
	}
	if id == "" {
		return nil, true // and will not be known either when the keys are read again
	}
	for i := range r.keys {
		if r.keys[i].id != id {
			continue
		}
		known = true
		if r.keys[i].suits(alg) {
			return &r.keys[i], true
		}
	}
	return nil, known
}

// ParsePublicKeys reads the public keys of an issuer, in PEM or as a JWKS (RFC 7517). It refuses
// private ones: whoever has them can sign tokens.
func ParsePublicKeys(content []byte) (Keyring, error) {
	trimmed := bytes.TrimSpace(content)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		ring, err := parseJWKS(trimmed, true)
		return Keyring{ring}, err
	}
	ring, err := parsePEM(trimmed)
	return Keyring{ring}, err
}

// Keyring is what ParsePublicKeys read.
type Keyring struct{ ring *keyring }

func parsePEM(content []byte) (*keyring, error) {
	ring := new(keyring)
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE") {
			return nil, errPrivate
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		if err := checkPublic(public); err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, verifyKey{public: public})
	}
	switch {
	case len(ring.keys) == 0 || len(bytes.TrimSpace(content)) > 0:
		return nil, errors.New("the file is neither PEM nor a JWKS; get the public key of the issuer")
	case len(ring.keys) > 1:
		return nil, errors.New("keys in PEM have no kid, so that there can be one only; write several as a JWKS")
	}
	return ring, nil
}

var errPrivate = errors.New("the file holds a private key; leave that with the issuer, and name a file with the public one")

func parseBlock(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("the certificate in the file is damaged")
		}
		return certificate.PublicKey, nil
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	return nil, errors.New("the file holds PEM of another kind than PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE")
}

// checkPublic says whether a key is of a kind, and a size, that tokens may be signed with.
func checkPublic(public crypto.PublicKey) error {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < leastRSABits || bits > mostRSABits || public.E < 3 || public.E%2 == 0 {
			return fmt.Errorf("an RSA key must have %d to %d bits", leastRSABits, mostRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if curves()[public.Curve] != "" {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("a key is neither RSA nor on P-256, P-384, P-521 or Ed25519")
}

// jwk is a JSON Web Key, as far as it is looked at.
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Alg        string   `json:"alg"`
	Operations []string `json:"key_ops"`
	Curve      string   `json:"crv"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
	D          string   `json:"d"`
	K          string   `json:"k"`
}

// parseJWKS reads a set of keys, and passes over those that are for something else. strict refuses the
// whole for a private key.
func parseJWKS(content []byte, strict bool) (*keyring, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, errors.New("it is not a JWKS")
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("it has more than %d keys", mostKeys)
	}
	ring := new(keyring)
	for i := range set.Keys {
		key := &set.Keys[i]
		if strict && (key.D != "" || key.K != "") {
			return nil, errPrivate
		}
		if key.D != "" || key.Use != "" && key.Use != "sig" || key.Operations != nil && !slices.Contains(key.Operations, "verify") || len(key.ID) > maxName {
			continue
		}
		if public, err := key.public(); err == nil && checkPublic(public) == nil {
			ring.keys = append(ring.keys, verifyKey{id: key.ID, alg: key.Alg, public: public})
		}
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("it has no public key for signatures that can be used")
	}
	return ring, nil
}

var errJWK = errors.New("the key is damaged")

// public returns the key itself (RFC 7518, section 6; RFC 8037).
func (k *jwk) public() (crypto.PublicKey, error) {
	switch k.Type {
	case "RSA":
		n, nErr := unpack(k.N)
		e, eErr := unpack(k.E)
		if nErr != nil || eErr != nil || len(e) > 4 {
			return nil, errJWK
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent > 1<<31-1 {
			return nil, errJWK
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
	case "EC":
		return k.point()
	case "OKP":
		x, err := unpack(k.X)
		if err != nil || k.Curve != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, errJWK
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errJWK
}

// point returns a key on a curve; it is on the curve indeed.
func (k *jwk) point() (crypto.PublicKey, error) {
	x, xErr := unpack(k.X)
	y, yErr := unpack(k.Y)
	if xErr != nil || yErr != nil {
		return nil, errJWK
	}
	for curve := range curves() {
		size := (curve.Params().BitSize + 7) / 8
		if curve.Params().Name == k.Curve && len(x) == size && len(y) == size {
			return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
		}
	}
	return nil, errJWK
}

func unpack(text string) ([]byte, error) {
	if len(text) > mostRSABits {
		return nil, errJWK
	}
	return base64.RawURLEncoding.DecodeString(text)
}
