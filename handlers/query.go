package handlers

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"userapi/models"
)

// parameters reads the query of a request as strictly as the body is read: each parameter at most
// once, known, not empty and of its type. It collects the faults, so that all are told at once; a
// getter returns the fallback for a parameter that is absent or faulty. Gin's query binding does none
// of this and loses the parameter's name.
type parameters struct {
	known  []string
	values []string // by the index of the name in known
	given  []bool
	faults []models.Fault
}

// readParameters splits a raw query and refuses what is not among the known names.
func readParameters(rawQuery string, known ...string) *parameters {
	p := &parameters{known: known, values: make([]string, len(known)), given: make([]bool, len(known))}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair != "" {
			p.read(pair)
		}
	}
	return p
}

// read takes one pair of name and value.
func (p *parameters) read(pair string) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	if nameErr != nil {
		name = rawName
	}
	value, valueErr := url.QueryUnescape(rawValue)
	index := slices.Index(p.known, name)
	if name == "" {
		name = "=" // so that the fault has a place
	}
	switch {
	case nameErr != nil || index < 0:
		p.fault(name, "unknown_parameter", "is not a parameter that this path has"+meant(name, p.known))
		return
	case p.given[index]:
		p.fault(name, "repeated_parameter", "must be given once")
	case valueErr != nil:
		p.fault(name, "malformed_parameter", "is not percent-encoded as RFC 3986 prescribes")
	case value == "":
		p.fault(name, "empty_parameter", "must not be empty")
	}
	p.values[index], p.given[index] = value, true
}

// err returns everything wrong with the query, or nil.
func (p *parameters) err() error {
	if len(p.faults) == 0 {
		return nil
	}
	return models.ErrInvalid.With(p.faults...)
}

func (p *parameters) fault(name, code, detail string) {
	at := func(f models.Fault) bool { return f.Parameter == name }
	if len(p.faults) < maxFaults && !slices.ContainsFunc(p.faults, at) {
		p.faults = append(p.faults, models.Fault{Parameter: name, Code: code, Detail: detail})
	}
}

// value returns the value of a parameter and whether it is there.
func (p *parameters) value(name string) (string, bool) {
	index := slices.Index(p.known, name)
	return p.values[index], p.given[index]
}

// integer returns a whole number within bounds.
func (p *parameters) integer(name string, fallback, least, most int64) int64 {
	text, ok := p.value(name)
	if !ok {
		return fallback
	}
	value, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil && !isDecimal(text):
		p.fault(name, "wrong_type", "must be a whole number")
	case err != nil || value < least || value > most:
		p.fault(name, "out_of_range", "must be "+between(least, most))
	default:
		return value
	}
	return fallback
}

// boolean returns a truth value in the spellings that pydantic knows.
func (p *parameters) boolean(name string) bool {
	text, ok := p.value(name)
	if !ok {
		return false
	}
	switch strings.ToLower(text) {
	case "true", "1", "on", "t", "y", "yes":
		return true
	case "false", "0", "off", "f", "n", "no":
		return false
	}
	p.fault(name, "wrong_type", "must be true or false")
	return false
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
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

func between(least, most int64) string {
	return strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
}

// longestName is beyond every name that is known, in octets.
const longestName = 64

// meant names the known word that is nearest to a misspelt one, when one is near.
func meant(name string, known []string) string {
	if len(name) > longestName {
		return ""
	}
	best, distance := "", min(3, 1+len(name)/3)
	for _, word := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), word); d <= distance {
			best, distance = word, d-1
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}
