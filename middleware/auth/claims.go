package auth

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"userapi/models"
)

// claims are those of a token (RFC 7519, section 4), as far as they are looked at.
type claims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience audience       `json:"aud"`
	Expires  *numericDate   `json:"exp"`
	Begins   *numericDate   `json:"nbf"`
	Issued   *numericDate   `json:"iat"`
	Scope    jsontext.Value `json:"scope"`
	Scp      jsontext.Value `json:"scp"`

	// What tells tokens of another kind: those that say who logged in, that renew others, that log out, and
	// those that are good only with a key, which nobody here asks for.
	Kind         string         `json:"typ"`       // Keycloak
	Use          string         `json:"token_use"` // Cognito
	HashOfAccess jsontext.Value `json:"at_hash"`   // an ID token
	HashOfCode   jsontext.Value `json:"c_hash"`    // an ID token
	Events       jsontext.Value `json:"events"`    // a logout token
	Confirmation jsontext.Value `json:"cnf"`       // bound to a key (RFC 7800)
}

// numericDate is seconds since 1970, whole or not.
type numericDate float64

func (d *numericDate) date() *jwt.NumericDate {
	if d == nil {
		return nil
	}
	seconds, fraction := math.Modf(float64(*d))
	return &jwt.NumericDate{Time: time.Unix(int64(seconds), int64(fraction*1e9))}
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

// UnmarshalJSON implements json.Unmarshaler.
func (d *numericDate) UnmarshalJSON(text []byte) error {
	var value float64
	if err := json.Unmarshal(text, &value); err != nil || jsontext.Value(text).Kind() != '0' || value < 0 || value > maxDate {
		return errors.New("not a date")
	}
	*d = numericDate(value)
	return nil
}

// audience is one value, or a list of them.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(text []byte) error {
	if jsontext.Value(text).Kind() == '[' {
		return json.Unmarshal(text, (*[]string)(a))
	}
	*a = audience{""}
	return json.Unmarshal(text, &(*a)[0])
}

// GetExpirationTime implements jwt.Claims, as do the other getters.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires.date(), nil }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.Begins.date(), nil }

// GetIssuedAt implements jwt.Claims.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.Issued.date(), nil }

// GetIssuer implements jwt.Claims.
func (c *claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject implements jwt.Claims.
func (c *claims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience implements jwt.Claims.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings(c.Audience), nil }

// read returns who a token is about, and when it ends.
func (r *tokenReader) read(text []byte) (*models.Principal, time.Time, *Refusal) {
	never := time.Time{}
	said := new(claims)
	if err := json.Unmarshal(text, said); err != nil {
		return nil, never, refuseToken(ReasonBadClaims, "they cannot be read")
	}
	if err := r.validator.Validate(said); err != nil {
		if errors.Is(err, jwt.ErrTokenExpired) {
			return nil, never, refuseToken(ReasonExpired, "")
		}
		return nil, never, refuseToken(ReasonBadClaims, "for somebody else, or not yet")
	}
	if said.ofAnotherKind() {
		return nil, never, refuseToken(ReasonBadClaims, "a token of another kind")
	}
	if !printable(said.Subject) {
		return nil, never, refuseToken(ReasonBadClaims, "no subject, or one that cannot be shown")
	}
	scopes, err := said.scopes()
	if err != nil {
		return nil, never, refuseToken(ReasonBadClaims, "the scopes cannot be read")
	}
	return &models.Principal{Name: said.Subject, Method: MethodToken, Scopes: scopes}, said.Expires.date().Time, nil
}

// ofAnotherKind says whether a token is no access token, by the claims in which issuers say so.
func (c *claims) ofAnotherKind() bool {
	switch strings.ToLower(c.Kind) {
	case "", "bearer", "jwt", "at+jwt":
	default:
		return true
	}
	return c.Use != "" && c.Use != "access" || c.HashOfAccess != nil || c.HashOfCode != nil || c.Events != nil || c.Confirmation != nil
}

// scopes returns those that are known here: scope has words with spaces between them (RFC 8693, section
// 4.2), scp has a list, or words too.
func (c *claims) scopes() (found models.Scopes, err error) {
	for _, claim := range []jsontext.Value{c.Scope, c.Scp} {
		var words []string
		switch claim.Kind() {
		case '"':
			var text string
			err = json.Unmarshal(claim, &text)
			words = strings.Fields(text)
		case '[':
			err = json.Unmarshal(claim, &words)
		case 0:
		default:
			err = errors.New("neither text nor a list")
		}
		if err != nil {
			return 0, err
		}
		for _, word := range words {
			scope, _ := models.ParseScope(word) // those of other services are not ours to judge
			found |= scope
		}
	}
	return found, nil
}
