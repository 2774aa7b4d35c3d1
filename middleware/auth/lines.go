package auth

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"userapi/models"
)

// maxName is how many octets the name of a principal may have.
const maxName = 255

// lines returns the lines of a text that say something, with their numbers from 1.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(text) {
			number++
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(number, line) {
				return
			}
		}
	}
}

var errName = errors.New("the name must have 1 to 255 octets of printable characters without a space or a colon")

// checkName says whether something can be called by a name, in a line of a file and in one of a log.
func checkName(name string) error {
	if !printable(name) || strings.ContainsAny(name, " :") {
		return errName
	}
	return nil
}

// printable says whether text is short, not empty, and shows as what it is.
func printable(text string) bool {
	return text != "" && len(text) <= maxName && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// ParseScopes reads words with commas between them, at least one.
func ParseScopes(text string) (models.Scopes, error) {
	var scopes models.Scopes
	for word := range strings.SplitSeq(text, ",") {
		scope, ok := models.ParseScope(strings.TrimSpace(word))
		if !ok {
			return 0, fmt.Errorf("a scope is none of %s", strings.ReplaceAll(allScopes().String(), " ", ", "))
		}
		scopes |= scope
	}
	return scopes, nil
}

func allScopes() models.Scopes {
	return models.ScopeRead | models.ScopeWrite | models.ScopeDelete | models.ScopeBulk | models.ScopeAdmin
}
