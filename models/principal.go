package models

import (
	"context"
	"strings"
)

// Scopes is a set of things that a caller may do.
type Scopes uint8

// The scopes. A caller with ScopeAdmin may do everything.
const (
	ScopeRead   Scopes = 1 << iota // users:read: see users
	ScopeWrite                     // users:write: create and change users
	ScopeDelete                    // users:delete: delete users
	ScopeBulk                      // users:bulk: send batches, of what the other scopes allow
	ScopeAdmin                     // admin: everything

	// ScopesOfUsers are all but ScopeAdmin.
	ScopesOfUsers = ScopeRead | ScopeWrite | ScopeDelete | ScopeBulk
)

// scopeWords returns the names of the scopes, in the order of their bits.
func scopeWords() [5]string {
	return [...]string{"users:read", "users:write", "users:delete", "users:bulk", "admin"}
}

// ParseScope returns the scope with a name, and whether there is one.
func ParseScope(word string) (scope Scopes, known bool) {
	for i, name := range scopeWords() {
		if name == word {
			return 1 << i, true
		}
	}
	return 0, false
}

// Has says whether all scopes that are wanted are in the set, or admin is.
func (s Scopes) Has(want Scopes) bool { return s&want == want || s&ScopeAdmin != 0 }

// String returns the names with spaces between them, as OAuth writes a list of scopes (RFC 6749, section
// 3.3).
func (s Scopes) String() string {
	var names []string
	for i, name := range scopeWords() {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// Principal is who sends a request. It is never changed once made, so that requests can share it.
type Principal struct {
	// Name tells callers apart who have proved who they are by the same method; empty for whoever has not.
	Name string
	// Method is how the caller did: basic, api_key or jwt; empty for whoever has not.
	Method string
	Scopes Scopes
}

// anonymous is whoever was not asked.
//
//nolint:gochecknoglobals // never written
var anonymous = &Principal{Scopes: ScopesOfUsers}

// principalKey is where a context has its principal.
type principalKey struct{}

// WithPrincipal returns a context in which somebody asks.
func WithPrincipal(ctx context.Context, principal *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, principal)
}

// PrincipalOf returns who asks in a context: nobody known, who may do everything with users, when nobody
// was asked who they are. What it returns must not be changed.
func PrincipalOf(ctx context.Context) *Principal {
	if principal, ok := ctx.Value(principalKey{}).(*Principal); ok {
		return principal
	}
	return anonymous
}
