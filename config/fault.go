package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that is wrong with the configuration. No text in it holds a secret, nor a value
// whose key is unknown, since that might have been meant as one.
type Fault struct {
	Key     string // the setting at fault, such as http.addr, or empty when none can be named
	Source  string // where it came from: config.yaml:3, USERAPI_HTTP_ADDR, --addr
	Problem string // what is wrong
	Mend    string // what to do about it
}

// String returns the fault as one line of printable text.
func (f Fault) String() string {
	subject := f.Source
	if f.Key != "" {
		subject = f.Key + " (" + f.Source + ")"
	}
	return subject + ": " + f.Problem + "; " + f.Mend
}

// Error is everything that is wrong with the configuration, at least one fault. The command line comes
// first, then the file from top to bottom, then the environment by name, then what does not go together.
type Error struct {
	Faults []Fault
}

// Error returns a headline and one indented line per fault, without a newline at the end.
func (e *Error) Error() string {
	headline := "the configuration has 1 fault:"
	if n := len(e.Faults); n != 1 {
		headline = fmt.Sprintf("the configuration has %d faults:", n)
	}
	lines := []string{headline}
	for _, f := range e.Faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// printedRunes bounds what a fault repeats of somebody's text.
const printedRunes = 60

// quote returns the text in quotes, without control characters and not too long. It leaves out what looks
// like an address with a password, which may have been given to a wrong key.
func quote(text string) string {
	if holdsPassword(text) {
		return `"…"`
	}
	return strconv.Quote(shorten(text))
}

// shown returns a name as it is when it is plain, else quoted, so that it stays on its line.
func shown(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" || strings.ContainsAny(name, " #:;()") {
		return q
	}
	return name
}

// named returns a name that is no key, unless it looks like a secret value in the place of a key.
func named(name string) string {
	if holdsPassword(name) {
		return quote(name)
	}
	return shown(shorten(name))
}

func shorten(text string) string {
	if utf8.RuneCountInString(text) <= printedRunes {
		return text
	}
	return string([]rune(text)[:printedRunes]) + "…"
}
