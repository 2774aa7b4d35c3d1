package config

import (
	"errors"
	"fmt"
	"io"
)

const (
	mask           = "********" // of one length, so that it does not tell the secret's
	cursorKeyBytes = 32
)

var errCursorKey = errors.New("config: the cursor key is not 32 bytes in base64")

// Secret is text that must not be seen: whatever prints, formats or encodes it shows a mask of fixed
// length, or nothing when it is empty. Only Reveal returns the text itself.
type Secret string

// Reveal returns the secret itself. Call it where the secret is used, never where something is printed.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString returns what String does, so that %#v hides the secret too.
func (s Secret) GoString() string { return s.String() }

// MarshalText returns the mask to every encoder that asks for text, JSON and YAML among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Format writes the mask for every verb; without it %x and %d would show the bytes.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
