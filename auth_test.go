package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"userapi/config"
	"userapi/middleware/auth"
)

// asking returns the settings with a mode, changed.
func asking(mode string, change func(*config.Config)) config.Config {
	settings := config.Default()
	settings.Auth.Mode = []string{mode}
	settings.JWT.Issuer, settings.JWT.Audience = "https://issuer.example/", "users"
	change(&settings)
	return settings
}

// publicKey returns a public key in PEM.
func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestNewAuthenticator(t *testing.T) {
	t.Parallel()
	file := func(t *testing.T, content string) string {
		t.Helper()
		path := t.TempDir() + "/keys"
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const bcrypted = "$2y$10$abcdefghijklmnopqrstuu5Hcr8bV1pxIy7H1lFz6c5Ir2H2wAhW."
	state := auth.NewState(time.Now)
	t.Run("what is wrong is told by its setting, as bad configuration, without the secret", func(t *testing.T) {
		t.Parallel()
		for want, settings := range map[string]config.Config{
			"auth.users: line 1: the hash is neither": asking(config.AuthBasic, func(c *config.Config) { c.Auth.Users = "ada:s3cr3t" }),
			"auth.users_file: line 2: the hash is neither": asking(config.AuthBasic, func(c *config.Config) {
				c.Auth.Users, c.Auth.UsersFile = config.Secret("ada:"+bcrypted+"\neve:{SHA}s3cr3t"), "users"
			}),
			"auth.api_keys: line 1: is not `NAME":         asking(config.AuthAPIKey, func(c *config.Config) { c.Auth.APIKeys = "s3cr3t" }),
			"auth.api_keys_file: line 1: holds the key":   asking(config.AuthAPIKey, func(c *config.Config) { c.Auth.APIKeys, c.Auth.APIKeysFile = "a uak_s3cr3t admin", "keys" }),
			"jwt.key_file: the file cannot be read":       asking(config.AuthJWT, func(c *config.Config) { c.JWT.KeyFile = "nowhere" }),
			"jwt.key_file: the file is neither PEM nor a": asking(config.AuthJWT, func(c *config.Config) { c.JWT.KeyFile = file(t, "s3cr3t") }),
		} {
			_, err := newAuthenticator(state, settings, nil)
			if _, usage := err.(unusableError); !usage || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") { //nolint:errorlint // it is one
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
	t.Run("what is right is taken, and nobody is asked where none is the mode", func(t *testing.T) {
		t.Parallel()
		for name, settings := range map[string]config.Config{
			"basic":         asking(config.AuthBasic, func(c *config.Config) { c.Auth.Users = "ada:" + bcrypted }),
			"jwt by file":   asking(config.AuthJWT, func(c *config.Config) { c.JWT.KeyFile = file(t, publicKey(t)) }),
			"jwt by secret": asking(config.AuthJWT, func(c *config.Config) { c.JWT.Secret = config.Secret(strings.Repeat("s", 32)) }),
		} {
			if authenticator, err := newAuthenticator(state, settings, nil); err != nil || authenticator == nil {
				t.Errorf("%s: %v, %v", name, authenticator, err)
			}
		}
		if authenticator, err := newAuthenticator(state, config.Default(), nil); authenticator != nil || err != nil {
			t.Errorf("%v, %v", authenticator, err)
		}
	})
}

func TestNewAPIKey(t *testing.T) {
	t.Parallel()
	keyBy := func(t *testing.T, args ...string) (code int, out, complaint string) {
		t.Helper()
		var stdout, stderr output
		code = run(t.Context(), args, nil, &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	t.Run("what it says to store is what is read", func(t *testing.T) {
		t.Parallel()
		code, out, complaint := keyBy(t, "--new-api-key", "reporting", "--scopes", "users:read,users:bulk", "--expires", "2160h")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != exitOK || complaint != "" || len(lines) != 4 || !strings.HasPrefix(lines[1], "uak_") {
			t.Fatalf("exit %d, %q, %q", code, out, complaint)
		}
		settings := asking(config.AuthAPIKey, func(c *config.Config) { c.Auth.APIKeys = config.Secret(lines[2] + "\n" + lines[3]) })
		if _, err := newAuthenticator(auth.NewState(time.Now), settings, nil); err != nil {
			t.Error(err)
		}
		keys, err := auth.ParseKeys(lines[3])
		if err != nil || keys[0].Name != "reporting" || keys[0].Scopes.String() != "users:read users:bulk" {
			t.Fatalf("%+v, %v", keys, err)
		}
		if left := time.Until(keys[0].Expires); left < 2159*time.Hour || left > 2160*time.Hour {
			t.Errorf("it ends in %v", left)
		}
	})
	t.Run("what is wrong with it is exit 2, and no key is made", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"--new-api-key", "a", "--scopes", "users:raed"}, "write users:read"},
			{[]string{"--new-api-key", "a", "--scopes", "read"}, `"read" is not`},
			{[]string{"--new-api-key", "a", "--scopes", ""}, "write --scopes users:read"},
			{[]string{"--new-api-key", "a"}, "write --scopes users:read"},
			{[]string{"--new-api-key", "", "--scopes", "admin"}, "the name is missing"},
			{[]string{"--new-api-key", "a b", "--scopes", "admin"}, "the name must have"},
			{[]string{"--new-api-key", "a", "--scopes", "admin", "--expires", "tomorrow"}, "write it like 2027-01-31T00:00:00Z or 2160h"},
			{[]string{"--new-api-key", "a", "--scopes", "admin", "--expires", "-1h"}, "write it like 2027-01-31T00:00:00Z or 2160h"},
			{[]string{"--new-api-key", "a", "--scopes", "admin", "--expires", "2001-01-31T00:00:00Z"}, "the time is over"},
			{[]string{"--scopes", "admin"}, "--scopes and --expires are for a new key"},
		} {
			if code, out, complaint := keyBy(t, c.args...); code != exitUsage || out != "" || !strings.Contains(complaint, c.want) {
				t.Errorf("%q: exit %d, %q, %q", c.args, code, out, complaint)
			}
		}
	})
	t.Run("it needs no settings, which may wait for it", func(t *testing.T) {
		t.Parallel()
		if code, _, complaint := keyBy(t, "--new-api-key", "a", "--scopes", "admin", "--set", "auth.mode=api_key"); code != exitOK {
			t.Errorf("exit %d, %q", code, complaint)
		}
	})
}
