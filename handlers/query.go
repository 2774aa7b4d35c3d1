package handlers

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"

	"userapi/models"
)

// maxParameters is how many parameters one path can have.
const maxParameters = 16

// parameters reads the query of a request as strictly as the body is read: each parameter at most
// once, known, not empty and of its type. It collects the faults, so that all are told at once; a
// getter returns the fallback for a parameter that is absent or faulty. Gin's query binding does none
// of this and loses the parameter's name.
//
// A parameter goes by its index among the known names. The zero parameters have to be read before
// anything else.
type parameters struct {
	known  []string
	values [maxParameters]string
	given  uint // the set of those that are there, as bits
	faults []models.Fault
}

// read splits a raw query and refuses what is not among the known names.
func (p *parameters) read(rawQuery string, known []string) {
	p.known = known
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair != "" {
			p.readPair(pair)
		}
	}
}

// readPair takes one pair of name and value.
func (p *parameters) readPair(pair string) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	if nameErr != nil {
		name = rawName
	}
	at := slices.Index(p.known, name)
	if nameErr != nil || at < 0 {
		p.unknown(name)
		return
	}
	value, valueErr := url.QueryUnescape(rawValue)
	switch {
	case p.has(at):
		p.refuse(at, "repeated_parameter", "must be given once")
	case valueErr != nil:
		p.refuse(at, "malformed_parameter", "is not percent-encoded as RFC 3986 prescribes")
	case value == "":
		p.refuse(at, "empty_parameter", "must not be empty")
	}
	p.values[at] = value
	p.given |= 1 << at
}

// err returns everything wrong with the query, or nil.
func (p *parameters) err() error {
	if len(p.faults) == 0 {
		return nil
	}
	return models.ErrInvalid.With(p.faults...)
}

// unknown refuses a name that is not known.
func (p *parameters) unknown(name string) {
	if name == "" {
		name = "=" // so that the fault has a place
	}
	if p.room(name) { // looking for what was meant costs more than reading
		p.faults = append(p.faults, models.Fault{
			Parameter: name, Code: "unknown_parameter", Detail: "is not a parameter that this path has" + meant(name, p.known),
		})
	}
}

// refuse notes what is wrong with a parameter, unless something is known to be wrong with it already.
func (p *parameters) refuse(at int, code, detail string) {
	if name := p.known[at]; p.room(name) {
		p.faults = append(p.faults, models.Fault{Parameter: name, Code: code, Detail: detail})
	}
}

// room says whether a fault of a parameter is to be noted.
func (p *parameters) room(name string) bool {
	return len(p.faults) < maxFaults && !p.faulty(name)
}

func (p *parameters) faulty(name string) bool {
	return slices.ContainsFunc(p.faults, func(f models.Fault) bool { return f.Parameter == name })
}

// has says whether a parameter is there.
func (p *parameters) has(at int) bool { return p.given>>at&1 != 0 }

// sound returns the value of a parameter that is there and has no fault so far.
func (p *parameters) sound(at int) (string, bool) {
	if !p.has(at) || len(p.faults) > 0 && p.faulty(p.known[at]) {
		return "", false
	}
	return p.values[at], true
}

// integer returns a whole number within bounds.
func (p *parameters) integer(at int, fallback, least, most int64) int64 {
	text, ok := p.sound(at)
	if !ok {
		return fallback
	}
	value, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil && !isDecimal(text):
		p.refuse(at, "wrong_type", "must be a whole number")
	case err != nil || value < least || value > most:
		p.refuse(at, "out_of_range", "must be "+between(least, most))
	default:
		return value
	}
	return fallback
}

// boolean returns a truth value in the spellings that pydantic knows.
func (p *parameters) boolean(at int) bool {
	text, ok := p.sound(at)
	if !ok {
		return false
	}
	switch strings.ToLower(text) {
	case "true", "1", "on", "t", "y", "yes":
		return true
	case "false", "0", "off", "f", "n", "no":
		return false
	}
	p.refuse(at, "wrong_type", "must be true or false")
	return false
}

// folded returns a text of at most a number of characters in the form in which texts are compared.
func (p *parameters) folded(at, most int) string {
	text, ok := p.sound(at)
	if !ok {
		return ""
	}
	if err := models.CheckText(text); err != nil {
		p.refuse(at, "forbidden_character", err.Error())
		return ""
	}
	if utf8.RuneCountInString(text) > most {
		p.refuse(at, "too_long", "must have at most "+strconv.Itoa(most)+" characters")
		return ""
	}
	return models.FoldName(text)
}

// pathID reads the id in a path. An id that no user can have is not found; what is no decimal
// integer, or past 63 bits, is invalid (contract 2).
func pathID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && id > 0:
		return id, nil
	case isDecimal(text) && (err == nil || text[0] == '-'):
		return 0, models.ErrUserNotFound
	case isDecimal(text):
		return 0, models.ErrInvalid.With(models.Fault{Parameter: "id", Code: "out_of_range", Detail: "must be " + between(1, math.MaxInt64)})
	}
	return 0, models.ErrInvalid.With(models.Fault{Parameter: "id", Code: "wrong_type", Detail: "must be a decimal integer"})
}

// isDecimal says whether text is digits with at most a sign before them.
func isDecimal(text string) bool {
	digits := text
	if text != "" && (text[0] == '-' || text[0] == '+') {
		digits = text[1:]
	}
	return isDigits(digits)
}

func isDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func between(least, most int64) string {
	return strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
}

// longestName is beyond every name that is known, in octets.
const longestName = 64

// meant names the known word that is nearest to a misspelt one, when one is near. When a third of its
// letters are others, the first one must be right: short words are near to too many.
func meant(name string, known []string) string {
	if len(name) > longestName {
		return ""
	}
	name = strings.ToLower(name)
	best, distance, length := "", min(3, 1+len(name)/3), utf8.RuneCountInString(name)
	for _, word := range known {
		if length-len(word) > distance || len(word)-length > distance {
			continue
		}
		d := levenshtein.ComputeDistance(name, word)
		if d <= distance && (3*d < len(word) || strings.HasPrefix(name, word[:1])) {
			best, distance = word, d-1
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
