package config

import (
	"net"
	"slices"
)

// agreementsOfGuarding are the rules about who may do what: that nobody is let in by accident.
func agreementsOfGuarding() []agreement {
	material := []string{"auth.mode", "auth.users", "auth.users_file", "auth.api_keys", "auth.api_keys_file", "jwt.jwks_url", "jwt.key_file", "jwt.secret", "jwt.secret_file"}
	return []agreement{
		{about: []string{"auth.mode"}, judge: func(c Config) *complaint {
			if len(c.Auth.Mode) < 2 || !c.Auth.has(AuthNone) {
				return nil
			}
			return &complaint{"none lets everybody in, so that the others would ask nobody", "remove none, or all the others"}
		}},
		{serving: true, about: []string{"http.addr", "auth.mode", "auth.allow_anonymous"}, judge: func(c Config) *complaint {
			if !c.Auth.has(AuthNone) || c.Auth.AllowAnonymous || c.HTTP.onLoopback() {
				return nil
			}
			return &complaint{
				"others than this machine can connect, and nobody is asked who they are",
				"set auth.mode to basic, api_key or jwt, or listen on 127.0.0.1, or say by auth.allow_anonymous: true that it is meant",
			}
		}},
		{about: material, judge: func(c Config) *complaint {
			if !c.Auth.has(AuthNone) || !c.Auth.hasUsers() && !c.Auth.hasAPIKeys() && c.JWT.sources() == 0 {
				return nil
			}
			return &complaint{"there are users, keys or tokens, but nobody is asked for them", "set it to basic, api_key or jwt, or remove auth.users, auth.api_keys and the keys of jwt"}
		}},
		{about: []string{"auth.mode", "auth.users", "auth.users_file"}, judge: func(c Config) *complaint {
			if !c.Auth.has(AuthBasic) || c.Auth.hasUsers() {
				return nil
			}
			return &complaint{"basic has no users", "set auth.users_file to a file made by htpasswd -B, or remove basic"}
		}},
		{about: []string{"auth.mode", "auth.api_keys", "auth.api_keys_file"}, judge: func(c Config) *complaint {
			if !c.Auth.has(AuthAPIKey) || c.Auth.hasAPIKeys() {
				return nil
			}
			return &complaint{"api_key has no keys", "set auth.api_keys_file to a file with what --new-api-key prints, or remove api_key"}
		}},
		{about: []string{"auth.mode", "jwt.jwks_url", "jwt.key_file", "jwt.secret", "jwt.secret_file"}, judge: func(c Config) *complaint {
			if !c.Auth.has(AuthJWT) {
				return nil
			}
			switch c.JWT.sources() {
			case 0:
				return &complaint{"jwt has no keys to check tokens with", "set one of jwt.jwks_url, jwt.key_file and jwt.secret_file, or remove jwt"}
			case 1:
				return nil
			}
			return &complaint{"jwt has keys from several places, of which each could be meant", "keep one of jwt.jwks_url, jwt.key_file and jwt.secret"}
		}},
		{about: []string{"jwt.issuer", "auth.mode"}, judge: func(c Config) *complaint { return c.needed(c.JWT.Issuer, "of other issuers") }},
		{about: []string{"jwt.audience", "auth.mode"}, judge: func(c Config) *complaint { return c.needed(c.JWT.Audience, "for other services") }},
	}
}

// needed complains of a claim that the mode jwt cannot do without.
func (c Config) needed(claim, whose string) *complaint {
	if !c.Auth.has(AuthJWT) || claim != "" {
		return nil
	}
	return &complaint{"without it tokens " + whose + " would be good here", "set it to what your tokens have"}
}

func (a Auth) has(mode string) bool { return slices.Contains(a.Mode, mode) }

// hasUsers says whether it is told who may come by Basic, be it that nobody may: a file without a line.
func (a Auth) hasUsers() bool { return a.Users != "" || a.UsersFile != "" }

// hasAPIKeys says whether it is told which keys are good, be it that none is.
func (a Auth) hasAPIKeys() bool { return a.APIKeys != "" || a.APIKeysFile != "" }

// sources returns how many places keys of tokens come from.
func (j JWT) sources() int {
	found := 0
	for _, given := range []bool{j.JWKSURL != "", j.KeyFile != "", j.Secret != ""} {
		if given {
			found++
		}
	}
	return found
}

// onLoopback says whether nobody but this machine can connect.
func (h HTTP) onLoopback() bool {
	host, _, err := net.SplitHostPort(h.Addr)
	return err == nil && isLoopback(host)
}
