package models

import "testing"

func TestScopes(t *testing.T) {
	t.Run("have a name each, which leads back to them", func(t *testing.T) {
		for _, scope := range []Scopes{ScopeRead, ScopeWrite, ScopeDelete, ScopeBulk, ScopeAdmin} {
			if got, known := ParseScope(scope.String()); !known || got != scope {
				t.Errorf("%d is %q, which is %d, %t", scope, scope, got, known)
			}
		}
		for _, word := range []string{"", "users", "users:read users:write", "USERS:READ", "admin ", "users:*"} {
			if got, known := ParseScope(word); known || got != 0 {
				t.Errorf("%q is %d", word, got)
			}
		}
	})
	t.Run("are written as OAuth does", func(t *testing.T) {
		for scopes, want := range map[Scopes]string{
			0: "", ScopesOfUsers: "users:read users:write users:delete users:bulk", ScopeAdmin | ScopeRead: "users:read admin",
		} {
			if scopes.String() != want {
				t.Errorf("%d is %q", scopes, scopes)
			}
		}
	})
	t.Run("allow what is among them, and admin everything", func(t *testing.T) {
		for _, c := range []struct {
			has, want Scopes
			allowed   bool
		}{
			{ScopeRead, ScopeRead, true},
			{ScopeRead, ScopeWrite, false},
			{ScopeRead | ScopeBulk, ScopeBulk | ScopeWrite, false},
			{ScopesOfUsers, ScopeBulk | ScopeWrite, true},
			{ScopesOfUsers, ScopeAdmin, false},
			{ScopeAdmin, ScopesOfUsers | ScopeAdmin, true},
			{0, ScopeRead, false},
			{0, 0, true},
		} {
			if got := c.has.Has(c.want); got != c.allowed {
				t.Errorf("%q has %q: %t", c.has, c.want, got)
			}
		}
	})
}

func TestPrincipalOf(t *testing.T) {
	t.Run("is who was put there", func(t *testing.T) {
		ada := &Principal{Name: "ada", Method: "basic", Scopes: ScopeRead}
		if got := PrincipalOf(WithPrincipal(t.Context(), ada)); got != ada {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("is nobody known, and no administrator, when nobody was asked", func(t *testing.T) {
		got := PrincipalOf(t.Context())
		if got.Name != "" || got.Method != "" || got.Scopes.Has(ScopeAdmin) || !got.Scopes.Has(ScopesOfUsers) {
			t.Errorf("got %+v", got)
		}
	})
}
