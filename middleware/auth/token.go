package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"userapi/models"
)

// Tokens says whose JWTs are believed. Exactly one of JWKSURL, Keys and Secret is set.
type Tokens struct {
	// JWKSURL is where the issuer publishes its keys; https, or http on this machine.
	JWKSURL string
	// Refresh is how often they are read again.
	Refresh time.Duration
	// Keys are the keys of the issuer.
	Keys Keyring
	// Secret is what the issuer signs with by HS256, of at least 32 octets.
	Secret []byte
	// Issuer is what iss must be, and Audience what must be in aud.
	Issuer, Audience string
	// Leeway is how far the clock of the issuer may be from ours.
	Leeway time.Duration
}

const (
	leastSecret = 32 // octets; RFC 7518, section 3.2
	// maxTokens is how many tokens that were checked are remembered.
	maxTokens = 10_000
	// maxHeader bounds the first part of a token, in octets.
	maxHeader = 2 << 10
)

// tokenReader checks JWTs as RFC 8725 wants it. It is safe for concurrent use.
type tokenReader struct {
	issuer    *issuer  // or nil
	ring      *keyring // of Keys or Secret
	methods   []string
	validator *jwt.Validator
	leeway    time.Duration
	now       func() time.Time
	known     atomic.Pointer[knownTokens]
}

// knownTokens are the tokens that were checked by some keys.
type knownTokens struct {
	ring *keyring
	*cache[*models.Principal]
}

func newTokenReader(state *State, options Tokens) (*tokenReader, error) {
	if options.Issuer == "" || options.Audience == "" {
		return nil, errors.New("auth: tokens need an issuer and an audience")
	}
	r := &tokenReader{now: state.now, leeway: options.Leeway, methods: asymmetric(), validator: jwt.NewValidator(
		jwt.WithTimeFunc(state.now), jwt.WithLeeway(options.Leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(options.Issuer), jwt.WithAudience(options.Audience),
	)}
	switch {
	case options.JWKSURL != "":
		var err error
		if r.issuer, err = state.issuerAt(options.JWKSURL, options.Refresh); err != nil {
			return nil, err
		}
	case options.Keys.ring != nil:
		r.ring = options.Keys.ring
	case len(options.Secret) >= leastSecret:
		r.ring = &keyring{[]verifyKey{{secret: options.Secret}}}
		r.methods = []string{jwt.SigningMethodHS256.Alg()}
	default:
		return nil, errors.New("auth: tokens need keys, or a secret of 32 octets")
	}
	r.known.Store(&knownTokens{r.ring, newCache[*models.Principal](maxTokens)})
	return r, nil
}

// asymmetric returns the algorithms for which a public key is enough.
func asymmetric() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (r *tokenReader) ready() error {
	if r.issuer == nil {
		return nil
	}
	return r.issuer.failure()
}

func refuseToken(reason, cause string) *Refusal {
	return &Refusal{Method: MethodToken, Reason: reason, cause: cause}
}

// rememberedFor is how long a token that was checked is not checked again, unless the keys change.
const rememberedFor = time.Minute

func (r *tokenReader) verify(ctx context.Context, text string) (*models.Principal, *Refusal) {
	ring := r.ring
	if r.issuer != nil {
		var err error
		if ring, err = r.issuer.keys(ctx); err != nil {
			return nil, &Refusal{Method: MethodToken, Reason: ReasonNoKeys, RetryAfter: time.Second}
		}
	}
	known, now := r.knownBy(ring), r.now()
	mark := markOf(text)
	if principal, ok := known.get(&mark, now); ok {
		return principal, nil
	}
	head, parts, refusal := r.open(text)
	if refusal != nil {
		return nil, refusal
	}
	key, ring, refusal := r.keyOf(ctx, ring, head)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := parts.checkSignature(head, key); refusal != nil {
		return nil, refusal
	}
	principal, ends, refusal := r.read(parts.claims)
	if refusal != nil {
		return nil, refusal
	}
	until := ends.Add(r.leeway)
	if soon := now.Add(rememberedFor); soon.Before(until) {
		until = soon
	}
	r.knownBy(ring).put(&mark, principal, now, until)
	return principal, nil
}

// ordinaryToken is how long a token may be, in octets, for which nothing is allocated.
const ordinaryToken = 2 << 10

// markOf returns what stands for a token where those are remembered.
func markOf(text string) digest {
	if len(text) > ordinaryToken {
		return sha256.Sum256([]byte(text))
	}
	var octets [ordinaryToken]byte
	return sha256.Sum256(octets[:copy(octets[:], text)])
}

// knownBy returns the tokens that were checked by the keys of a ring: none when those are new.
func (r *tokenReader) knownBy(ring *keyring) *knownTokens {
	known := r.known.Load()
	if known.ring == ring {
		return known
	}
	fresh := &knownTokens{ring, newCache[*models.Principal](maxTokens)}
	r.known.CompareAndSwap(known, fresh) // or somebody else has just done so
	return fresh
}

// header is that of a token (RFC 7515, section 4.1), as far as it is looked at. What may be in it that is
// here has to be absent: it would bring its own key, or ask for what is not known here.
type header struct {
	Alg  string `json:"alg"`
	ID   string `json:"kid"`
	Type string `json:"typ"`

	Content     jsontext.Value `json:"cty"`
	Critical    jsontext.Value `json:"crit"`
	Key         jsontext.Value `json:"jwk"`
	KeysURL     jsontext.Value `json:"jku"`
	Chain       jsontext.Value `json:"x5c"`
	ChainURL    jsontext.Value `json:"x5u"`
	Unencoded   jsontext.Value `json:"b64"`
	Compression jsontext.Value `json:"zip"`
	Encryption  jsontext.Value `json:"enc"`
}

// parts is a token taken apart.
type parts struct {
	signed            string
	claims, signature []byte
}

// open takes a token apart, and refuses what its header alone shows to be none of ours.
func (r *tokenReader) open(text string) (*header, *parts, *Refusal) {
	pieces := strings.SplitN(text, ".", 4)
	if strings.ContainsAny(text, "\r\n") || len(pieces) != 3 || len(pieces[0]) > maxHeader || len(pieces[2]) == 0 {
		return nil, nil, refuseToken(ReasonMalformed, "not three parts")
	}
	var decoded [3][]byte
	for i, piece := range pieces {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(piece); err != nil {
			return nil, nil, refuseToken(ReasonMalformed, "a part is not base64url")
		}
	}
	head := new(header)
	if err := json.Unmarshal(decoded[0], head); err != nil {
		return nil, nil, refuseToken(ReasonMalformed, "the header is not one")
	}
	for _, forbidden := range []jsontext.Value{
		head.Content, head.Critical, head.Key, head.KeysURL, head.Chain, head.ChainURL, head.Unencoded, head.Compression, head.Encryption,
	} {
		if forbidden != nil {
			return nil, nil, refuseToken(ReasonBadHeader, "a member is not allowed")
		}
	}
	switch kind := strings.TrimPrefix(strings.ToLower(head.Type), "application/"); {
	case !slices.Contains(r.methods, head.Alg):
		return nil, nil, refuseToken(ReasonBadHeader, "the algorithm is not allowed")
	case kind != "" && kind != "jwt" && kind != "at+jwt":
		return nil, nil, refuseToken(ReasonBadHeader, "the type is another one")
	}
	return head, &parts{text[:len(pieces[0])+1+len(pieces[1])], decoded[1], decoded[2]}, nil
}

// keyOf returns the key that a token names, and the keys among which it is.
func (r *tokenReader) keyOf(ctx context.Context, ring *keyring, head *header) (*verifyKey, *keyring, *Refusal) {
	key, known := ring.find(head.ID, head.Alg)
	if !known && r.issuer != nil {
		ring = r.issuer.renewed(ctx)
		key, known = ring.find(head.ID, head.Alg)
	}
	switch {
	case !known:
		return nil, nil, refuseToken(ReasonUnknown, "there is no such key")
	case key == nil:
		return nil, nil, refuseToken(ReasonBadHeader, "the key is not for this, or not named")
	}
	return key, ring, nil
}

func (p *parts) checkSignature(head *header, key *verifyKey) *Refusal {
	method := jwt.GetSigningMethod(head.Alg)
	var by any = key.public
	if key.secret != nil {
		by = key.secret
	}
	if method == nil || method.Verify(p.signed, p.signature, by) != nil {
		return refuseToken(ReasonBadSignature, "")
	}
	return nil
}
