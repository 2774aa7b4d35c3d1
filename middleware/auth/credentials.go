package auth

import (
	"net/http"
	"strings"
)

type scheme uint8

const (
	schemeNone scheme = iota
	schemeBasic
	schemeBearer
	schemeOther
)

// maxCredentials bounds the octets of credentials, which is far above any real token.
const maxCredentials = 8 << 10

// credentials are what a request says of its sender, not checked yet.
type credentials struct {
	scheme scheme
	text   string
	// fromKeyField says that they are from X-API-Key, which has API keys only.
	fromKeyField bool
}

// readCredentials reads the header fields that say who sends a request. Of two that differ none is
// believed: a proxy before us may have looked at the other one.
func readCredentials(header http.Header) (credentials, *Refusal) {
	fields, keys := header["Authorization"], header["X-Api-Key"]
	switch {
	case len(fields) == 0 && len(keys) == 0:
		return credentials{}, &Refusal{Method: MethodNone, Reason: ReasonMissing}
	case len(fields) > 1 || len(keys) > 1:
		return credentials{}, malformed("a field stands twice")
	}
	var sent credentials
	if len(fields) == 1 {
		sent.scheme, sent.text = splitScheme(fields[0])
	}
	if len(keys) == 1 {
		if len(fields) == 1 && (sent.scheme != schemeBearer || sent.text != keys[0]) {
			return credentials{}, malformed("two fields differ")
		}
		sent = credentials{scheme: schemeBearer, text: keys[0], fromKeyField: true}
	}
	if sent.text == "" || len(sent.text) > maxCredentials {
		return credentials{}, malformed("they are empty, or too long")
	}
	return sent, nil
}

func malformed(cause string) *Refusal {
	return &Refusal{Method: MethodNone, Reason: ReasonMalformed, cause: cause}
}

// splitScheme takes an Authorization apart (RFC 9110, section 11.4): a scheme in any case, spaces, and
// what belongs to it.
func splitScheme(value string) (scheme, string) {
	word, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	switch {
	case len(word) == len("Bearer") && strings.EqualFold(word, "Bearer"):
		return schemeBearer, rest
	case len(word) == len("Basic") && strings.EqualFold(word, "Basic"):
		return schemeBasic, rest
	}
	return schemeOther, rest
}
