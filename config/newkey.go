package config

import (
	"strings"
	"time"
)

// NewKey is what the command line says of an API key that is to be made.
type NewKey struct {
	// Name says whose it is.
	Name string
	// Scopes is what it may do, at least one word.
	Scopes []string
	// Ends is when the key ends, or Lasts how long from now; at most one of them is not zero.
	Ends  time.Time
	Lasts time.Duration
}

// readScopes reads the words of --scopes, or notes which of them is none.
func (l *loader) readScopes(text string) []string {
	value, wrong := scopes().parse(text)
	if wrong != nil {
		l.fault("", "--scopes", *wrong)
		return nil
	}
	return value.([]string)
}

// readExpiry reads the time of --expires.
func (l *loader) readExpiry(key *NewKey, text string) {
	key.Ends, key.Lasts = time.Time{}, 0
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		key.Ends = at
		return
	}
	lasts, err := time.ParseDuration(text)
	if err != nil || lasts < time.Minute {
		l.fault("", "--expires", complaint{"the value is neither a time nor a duration of a minute or more", "write it like 2027-01-31T00:00:00Z or 2160h"})
		return
	}
	key.Lasts = lasts
}

// checkNewKey notes what is missing for a new key, and what only such a one can have.
func (l *loader) checkNewKey(line *commandLine) {
	key, about := &line.newKey, func(f Fault) bool { return f.Source == "--scopes" || f.Source == "--expires" }
	for _, f := range l.faults {
		if about(f) {
			return
		}
	}
	switch {
	case line.action == ShowHelp, line.action == ShowVersion:
	case line.action == NewAPIKey && strings.TrimSpace(key.Name) == "":
		l.fault("", "--new-api-key", complaint{"the name is missing", "write --new-api-key and whose the key is"})
	case line.action == NewAPIKey && len(key.Scopes) == 0:
		l.fault("", "--new-api-key", complaint{"the key may do nothing", "write --scopes users:read, or others of " + scopeNames})
	case line.action != NewAPIKey && (key.Scopes != nil || !key.Ends.IsZero() || key.Lasts != 0):
		l.fault("", "command line", complaint{"--scopes and --expires are for a new key", "write --new-api-key and a name too, or leave them out"})
	}
}
