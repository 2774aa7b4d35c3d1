package models

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// textError is a rule of CheckText that a text breaks.
type textError string

func (e textError) Error() string { return string(e) }

// The rules of contract 1 for every text member. They are clauses of which the member is the
// subject, as in Fault.
const (
	errNotUTF8      textError = "must be valid UTF-8 without surrogates"
	errControl      textError = "must not contain control characters such as line breaks, tabs or NUL"
	errDirection    textError = "must not contain characters that override or isolate the writing direction"
	errNoncharacter textError = "must not contain code points that Unicode reserves as noncharacters"
)

// Trim returns s without the white space around it, where white space is what has the Unicode
// property White_Space. The result shares the memory of s.
func Trim(s string) string { return strings.TrimSpace(s) }

// CheckText returns nil for a text that a member may hold, or an error that names the rule of
// contract 1 that the first bad character breaks, in words for a person and without that
// character. Whatever can be displayed passes as typed: emoji and their joiners, right-to-left
// letters, and the marks U+200E and U+200F that plain right-to-left text needs.
func CheckText(s string) error {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if isControl(rune(c)) {
				return errControl
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return errNotUTF8
		case isControl(r):
			return errControl
		case isDirectionControl(r):
			return errDirection
		case isNoncharacter(r):
			return errNoncharacter
		}
		i += size
	}
	return nil
}

// isControl is true of the C0 and C1 controls and of DEL between them.
func isControl(r rune) bool { return r < ' ' || '\x7f' <= r && r < '\u00a0' }

// isDirectionControl is true of the explicit embeddings, overrides and isolates of UAX 9, which can
// make a text display as another one.
func isDirectionControl(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// isNoncharacter is true of the 66 code points that no text may interchange (Unicode, chapter 23.7):
// a run of 32, and the last two of every plane.
func isNoncharacter(r rune) bool {
	return '\ufdd0' <= r && r <= '\ufdef' || r&0xfffe == 0xfffe
}

// FoldName returns the form of a text under which letter case makes no difference: names are
// sorted, matched and searched by it in every store. It is the full case folding of Unicode, so
// that ß is ss, and changes nothing else. It returns s itself when it has nothing to change.
func FoldName(s string) string {
	if folded, plain := foldASCII(s); plain {
		return folded
	}
	folded := strings.Map(foldCherokee, cases.Fold().String(s))
	if folded == s {
		return s
	}
	return folded
}

// foldCherokee mends what the cases package does to Cherokee: there the capital letters are the
// folded ones (Unicode, CaseFolding.txt), but it exchanges capital and small ones.
func foldCherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

// foldASCII returns a text of ASCII alone in lower case, itself if it is that already; or any other
// text as it is, and false.
func foldASCII(s string) (folded string, plain bool) {
	capital := false
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return s, false
		}
		if 'A' <= c && c <= 'Z' {
			capital = true
		}
	}
	if capital {
		return strings.ToLower(s), true
	}
	return s, true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
