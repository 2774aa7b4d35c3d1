// Package auth says who sends a request: nobody else may, whatever the route.
//
// It owns the three ways to say it (Basic, API keys, JWT), what they are checked against, and what keeps
// guessing slow. It refuses to know routes, answers and the configuration: handlers asks it and writes
// the answer, main makes it of plain values. No secret that it reads is ever in an error, a reason or a
// log line.
package auth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"userapi/models"
)

// The ways to say who one is, as Principal.Method and the hook have them.
const (
	MethodNone  = "none" // no credentials, or none that can be read
	MethodBasic = "basic"
	MethodKey   = "api_key"
	MethodToken = "jwt"
)

// The reasons that the hook is told; there are no others. Clients never see one.
const (
	ReasonOK           = "ok"
	ReasonMissing      = "missing"       // no credentials
	ReasonMalformed    = "malformed"     // not credentials, or of a scheme that is not on offer
	ReasonUnknown      = "unknown"       // nobody has such a name, password or key; no key has such a kid
	ReasonExpired      = "expired"       // they were good once
	ReasonBadSignature = "bad_signature" // a token that nobody of ours has signed
	ReasonBadHeader    = "bad_header"    // a token whose header asks for what is refused
	ReasonBadClaims    = "bad_claims"    // a token for somebody else, of another kind, or not yet
	ReasonThrottled    = "throttled"     // too many failures
	ReasonBusy         = "busy"          // too many passwords to check
	ReasonNoKeys       = "no_keys"       // the keys of the issuer could not be had yet
)

// Reasons returns every reason, for whoever counts them.
func Reasons() []string {
	return []string{
		ReasonOK, ReasonMissing, ReasonMalformed, ReasonUnknown, ReasonExpired, ReasonBadSignature,
		ReasonBadHeader, ReasonBadClaims, ReasonThrottled, ReasonBusy, ReasonNoKeys,
	}
}

// Options are the ways on offer; what is nil is not on offer. All of it stays unchanged after New.
type Options struct {
	// Users are who may come by Basic: nobody may when it is empty and not nil, though asked.
	Users []User
	// Keys are the API keys, of which there may be none as well.
	Keys []Key
	// Tokens is whose JWTs are believed.
	Tokens *Tokens
	// Observe, if not nil, is told of every request what became of it, in one of the words above. It is
	// called from many goroutines and must not block.
	Observe func(method, reason string)
}

// Authenticator knows who may send requests. It never changes; a new one over the same State takes its
// place when the settings change. It is safe for concurrent use.
type Authenticator struct {
	state      *State
	users      *directory
	keys       *keyTable
	tokens     *tokenReader
	observe    func(method, reason string)
	challenges []string
	refused    []string // the challenges to somebody whose token is not good
}

// New returns an Authenticator. Its error says which setting has to change, in the words of Options.
func New(state *State, options Options) (*Authenticator, error) {
	if options.Users == nil && options.Keys == nil && options.Tokens == nil {
		return nil, errors.New("auth: no way in is on offer")
	}
	a := &Authenticator{state: state, observe: options.Observe}
	if a.observe == nil {
		a.observe = func(string, string) {}
	}
	var err error
	if options.Users != nil {
		a.users = newDirectory(state, options.Users)
	}
	if options.Keys != nil {
		if a.keys, err = newKeyTable(options.Keys); err != nil {
			return nil, err
		}
	}
	if options.Tokens != nil {
		if a.tokens, err = newTokenReader(state, *options.Tokens); err != nil {
			return nil, err
		}
	}
	if a.keys != nil || a.tokens != nil {
		a.challenges = append(a.challenges, challengeBearer)
		a.refused = append(a.refused, challengeBearer+`, error="invalid_token"`)
	}
	if a.users != nil {
		a.challenges = append(a.challenges, challengeBasic)
		a.refused = append(a.refused, challengeBasic)
	}
	return a, nil
}

const (
	challengeBasic  = `Basic realm="users", charset="UTF-8"` // RFC 7617
	challengeBearer = `Bearer realm="users"`                 //nolint:gosec // RFC 6750: it asks for credentials
)

// Refusal is why a request is not let in. Its text is for the log and holds nothing of the request.
type Refusal struct {
	// Method is the way that was tried.
	Method string
	// Reason is one of the words above, but not ReasonOK.
	Reason string
	// RetryAfter is how long to wait, for ReasonThrottled, ReasonBusy and ReasonNoKeys.
	RetryAfter time.Duration
	cause      string // a word more for the log, from a fixed list
}

// Error implements error.
func (r *Refusal) Error() string {
	text := "auth: " + r.Method + ": " + r.Reason
	if r.cause != "" {
		text += ": " + r.cause
	}
	return text
}

// Client is where a request comes from, behind proxies that are believed; a gin.Context is one. It is asked
// only where that matters.
type Client interface{ ClientIP() string }

// Authenticate returns who sends a request; the principal is shared and must not be changed. Its error
// is a *Refusal.
func (a *Authenticator) Authenticate(r *http.Request, client Client) (*models.Principal, error) {
	principal, refusal := a.decide(r, client)
	if refusal != nil {
		a.observe(refusal.Method, refusal.Reason)
		return nil, refusal
	}
	a.observe(principal.Method, ReasonOK)
	return principal, nil
}

func (a *Authenticator) decide(r *http.Request, client Client) (*models.Principal, *Refusal) {
	sent, refusal := readCredentials(r.Header)
	switch {
	case refusal != nil:
		return nil, refusal
	case sent.scheme == schemeBasic && a.users != nil:
		return a.users.verify(sent.text, client.ClientIP())
	case sent.scheme == schemeBearer && a.keys != nil && looksLikeKey(sent.text):
		return a.keys.verify(sent.text, a.state.now())
	case sent.scheme == schemeBearer && a.tokens != nil && !sent.fromKeyField:
		return a.tokens.verify(r.Context(), sent.text)
	case sent.scheme == schemeBearer && a.keys != nil:
		return nil, &Refusal{Method: MethodKey, Reason: ReasonMalformed}
	}
	return nil, &Refusal{Method: MethodNone, Reason: ReasonMalformed, cause: "this scheme is not on offer"}
}

// Challenges returns the values of WWW-Authenticate (RFC 9110, section 11.6.1) for a refusal. They tell
// whether credentials came, and nothing of what is wrong with them. The slice must not be changed.
func (a *Authenticator) Challenges(refusal *Refusal) []string {
	if refusal.Reason == ReasonMissing {
		return a.challenges
	}
	return a.refused
}

// InsufficientScope returns the value of WWW-Authenticate for a principal who came by a method and may not
// do what needs a scope (RFC 6750, section 3.1). It offers that method again, with other credentials:
// others may not be on offer. Basic has no words for what is missing.
func InsufficientScope(method string, missing models.Scopes) string {
	if method == MethodBasic {
		return challengeBasic
	}
	return challengeBearer + `, error="insufficient_scope", scope="` + missing.String() + `"`
}

// Remarks returns what whoever runs the service should know of the ways on offer: one that lets nobody in,
// and stored passwords whose checks take times that differ.
func (a *Authenticator) Remarks() []string {
	remarks := []string{}
	if a.users != nil && len(a.users.entries) == 0 {
		remarks = append(remarks, "basic lets nobody in: there is no user")
	}
	if a.keys != nil && len(a.keys.entries) == 0 {
		remarks = append(remarks, "api_key lets nobody in: there is no key")
	}
	if a.users != nil {
		if works := a.users.works(); len(works) > 1 {
			remarks = append(remarks, "the passwords of users are stored with different work ("+strings.Join(works, "; ")+
				"), so that the time of an answer hints at who is a user: set them anew with the same")
		}
	}
	return remarks
}

// Ready returns nil when requests can be told apart, or why they cannot: no key of the issuer of tokens
// was had yet.
func (a *Authenticator) Ready() error {
	if a.tokens == nil {
		return nil
	}
	return a.tokens.ready()
}
