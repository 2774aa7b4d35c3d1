package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware/auth"
	"userapi/models"
)

// newAuthenticator returns who is let in, as the settings say, or nil for everybody. It can be called
// again, with other settings and the same state, for one that takes the place of the first. observe, if
// not nil, is told what becomes of each request. An error is an unusableError that says which setting has
// to change.
func newAuthenticator(state *auth.State, settings config.Config, observe func(method, reason string)) (*auth.Authenticator, error) {
	options, wanted := auth.Options{Observe: observe}, settings.Auth
	if slices.Contains(wanted.Mode, config.AuthNone) {
		return nil, nil //nolint:nilnil // nobody is asked
	}
	var err error
	for _, mode := range wanted.Mode {
		switch mode {
		case config.AuthBasic:
			options.Users, err = auth.ParseUsers(wanted.Users.Reveal(), scopesOf(wanted.BasicScopes))
			err = about(keyOr("auth.users", wanted.UsersFile), err)
		case config.AuthAPIKey:
			options.Keys, err = auth.ParseKeys(wanted.APIKeys.Reveal())
			err = about(keyOr("auth.api_keys", wanted.APIKeysFile), err)
		case config.AuthJWT:
			options.Tokens, err = tokensOf(settings.JWT)
		}
		if err != nil {
			return nil, err
		}
	}
	authenticator, err := auth.New(state, options)
	return authenticator, about("auth.mode", err)
}

// warnOf says in the log what an operator should know of who is let in.
func warnOf(authenticator *auth.Authenticator, log *zap.Logger) {
	if authenticator == nil {
		return
	}
	for _, remark := range authenticator.Remarks() {
		log.Warn(remark)
	}
}

// tellOfIssuer says in the log when the keys of the issuer could not be read: those from before are good for
// as long as that lasts, also one that was revoked.
func tellOfIssuer(log *zap.Logger) func(error) {
	return func(err error) {
		if err == nil {
			log.Info("the keys of the issuer of tokens can be read again")
			return
		}
		log.Warn("the keys of the issuer of tokens could not be read; those from before stay good", zap.Error(err))
	}
}

// tokensOf returns whose tokens are believed.
func tokensOf(wanted config.JWT) (*auth.Tokens, error) {
	tokens := &auth.Tokens{
		JWKSURL: wanted.JWKSURL, Refresh: wanted.Refresh, Secret: []byte(wanted.Secret.Reveal()),
		Issuer: wanted.Issuer, Audience: wanted.Audience, Leeway: wanted.Leeway,
	}
	if wanted.KeyFile == "" {
		return tokens, nil
	}
	content, err := config.ReadFile(wanted.KeyFile)
	if err != nil {
		return nil, about("jwt.key_file", errors.New("the file cannot be read; name one that can"))
	}
	tokens.Keys, err = auth.ParsePublicKeys(content)
	return tokens, about("jwt.key_file", err)
}

// scopesOf returns the set of some words, which the settings have judged.
func scopesOf(words []string) (scopes models.Scopes) {
	for _, word := range words {
		scope, _ := models.ParseScope(word)
		scopes |= scope
	}
	return scopes
}

// keyOr returns the setting that a secret was given by: itself, or the file that it names.
func keyOr(key, file string) string {
	if file != "" {
		return key + "_file"
	}
	return key
}

// about says which setting an error is about.
func about(key string, err error) error {
	if err == nil {
		return nil
	}
	return unusableError{fmt.Errorf("%s: %s", key, strings.TrimPrefix(err.Error(), "auth: "))}
}

// newAPIKey is the program that makes an API key. The key is on standard output and nowhere else.
func newAPIKey(wanted config.NewKey, now time.Time, stdout, stderr io.Writer) int {
	fail := func(flag string, err error) int {
		fmt.Fprintf(stderr, "userapi: %s: %v\n", flag, err)
		return exitUsage
	}
	ends := wanted.Ends
	if wanted.Lasts > 0 {
		ends = now.Add(wanted.Lasts).Truncate(time.Second)
	}
	if !ends.IsZero() && !ends.After(now) {
		return fail("--expires", errors.New("the time is over; write a later one"))
	}
	secret, key, err := auth.NewKey(wanted.Name, scopesOf(wanted.Scopes), ends)
	if err != nil {
		return fail("--new-api-key", err)
	}
	fmt.Fprintf(stdout, "# The key, which is shown this once: give it to %s.\n%s\n", wanted.Name, secret)
	fmt.Fprintf(stdout, "# What to store of it: add this line to auth.api_keys, or to the file that auth.api_keys_file names.\n%s\n", key.Line())
	return exitOK
}
