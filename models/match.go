package models

import (
	"slices"
	"strconv"
	"strings"
)

// Match is a condition on the version of a user: an If-Match (RFC 9110, section 13.1.1). The zero
// Match is no condition.
type Match struct {
	// Given says that there is a condition.
	Given bool
	// Any is the condition `*`: that the user exists.
	Any bool
	// Versions are those of which one must be the user's.
	Versions []int64
	// Unless are field values of an If-None-Match (RFC 9110, section 13.1.2), which forbids a change
	// of a user of a version that they name.
	Unless []string
}

// Check returns nil when a user of this version meets the condition, or ErrPreconditionFailed with
// the version.
func (m Match) Check(version int64) error {
	holds := !m.Given || m.Any || slices.Contains(m.Versions, version)
	if holds && !NoneMatches(m.Unless, version) {
		return nil
	}
	failed := *ErrPreconditionFailed
	failed.Version = version
	return &failed
}

// ParseMatch reads the field values of If-Match; no values are no condition. Tags are compared
// strongly, so that a weak one, or one that is not of ours, is a condition that no user meets. It
// returns false for what is not a list of entity tags (RFC 9110, section 8.8.3).
func ParseMatch(values []string) (m Match, ok bool) {
	if len(values) == 0 {
		return Match{}, true
	}
	m.Given = true
	m.Any, ok = parseTags(values, func(version int64, weak bool) {
		if !weak {
			m.Versions = append(m.Versions, version)
		}
	})
	return m, ok
}

// NoneMatches says whether a user of this version is what a client has already, by the field values
// of its If-None-Match (RFC 9110, section 13.1.2). Tags are compared weakly; what is malformed counts as absent.
func NoneMatches(values []string, version int64) bool {
	if len(values) == 0 {
		return false
	}
	found := false
	anyVersion, ok := parseTags(values, func(tag int64, _ bool) { found = found || tag == version })
	return ok && (anyVersion || found)
}

// parseTags reads a list of entity tags, or `*`, and hands over those that are versions. Empty
// elements of the list are passed over (RFC 9110, section 5.6.1.2), but there must be a tag.
func parseTags(values []string, version func(version int64, weak bool)) (anyVersion, ok bool) {
	rest := strings.Join(values, ",")
	if strings.Trim(rest, " \t") == "*" {
		return true, true
	}
	tags := 0
	for {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			return false, tags > 0
		}
		quoted, weak := strings.CutPrefix(rest, "W/")
		text, ok := strings.CutPrefix(quoted, `"`)
		if !ok {
			return false, false
		}
		end := strings.IndexFunc(text, notInTag)
		if end < 0 || text[end] != '"' {
			return false, false
		}
		if n, err := strconv.ParseInt(text[:end], 10, 64); err == nil && strconv.FormatInt(n, 10) == text[:end] {
			version(n, weak)
		}
		tags++
		rest = strings.TrimLeft(text[end+1:], " \t")
		if rest != "" && rest[0] != ',' {
			return false, false
		}
	}
}

// notInTag is false of etagc (RFC 9110, section 8.8.3), whose octets above ASCII may be anything.
func notInTag(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }
