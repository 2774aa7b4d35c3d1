package models

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxID is the largest identifier that a user can have: beyond 2^53-1 a JSON number is no longer
// exact for every reader (RFC 7493, section 2.2).
const MaxID = 1<<53 - 1

// User is one stored record (contract 1). It is a plain value: copies share nothing that can be
// changed, so whoever holds one owns it.
type User struct {
	// Counts up from 1; never given twice, also not after a delete.
	ID int64 `json:"id" example:"1" minimum:"1" maximum:"9007199254740991" readonly:"true"`
	// The name as a person reads it: 1 to 100 characters (code points), not escaped in any way.
	Name string `json:"name" example:"Ada Lovelace" minLength:"1" maxLength:"100"`
	// The address, its domain in lower case; unique among all users, letter case ignored.
	Email string `json:"email" example:"ada@example.com" format:"idn-email" minLength:"3" maxLength:"254"`
	// Age in years; null when it is not known.
	Age Age `json:"age" swaggertype:"integer" format:"int32" example:"36" minimum:"1" maximum:"150" extensions:"x-nullable"`
	// When the user was created: UTC, in microseconds.
	CreatedAt Timestamp `json:"created_at" swaggertype:"string" format:"date-time" minLength:"27" maxLength:"27" example:"2026-01-02T15:04:05.000000Z" readonly:"true"`
	// When the user last changed: UTC, in microseconds. Never moves backwards.
	UpdatedAt Timestamp `json:"updated_at" swaggertype:"string" format:"date-time" minLength:"27" maxLength:"27" example:"2026-01-02T15:04:05.000000Z" readonly:"true"`
	// Starts at 1 and grows by one at every change; the ETag is this number, quoted.
	Version int64 `json:"version" example:"1" minimum:"1" readonly:"true"`
} // @name User

// Age is an age in years from 1 to 150; the zero Age means that none is known and is null in JSON.
type Age uint8

// MarshalJSON returns the number, or null for the zero Age.
func (a Age) MarshalJSON() ([]byte, error) { return a.append(nil), nil }

func (a Age) append(dst []byte) []byte {
	if a == 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendUint(dst, uint64(a), 10)
}

// AppendJSON appends the user as JSON to dst. It writes what encoding/json would write for a User,
// without HTML escapes, several times as fast.
func (u *User) AppendJSON(dst []byte) []byte {
	var date dateText
	return u.appendJSON(dst, &date, u.needsEscape())
}

// AppendUsers appends the users as a JSON array to dst. It looks through the texts of some users before
// it writes them: those of a large store lie anywhere in memory, and a short loop lets the processor
// fetch several at a time.
func AppendUsers(dst []byte, users []User) []byte {
	const some = 64
	var date dateText
	dst = append(dst, '[')
	for start := 0; start < len(users); start += some {
		part := users[start:min(start+some, len(users))]
		var escaped uint64 // a bit for each user
		for i := range part {
			if part[i].needsEscape() {
				escaped |= 1 << i
			}
		}
		for i := range part {
			if start+i > 0 {
				dst = append(dst, ',')
			}
			dst = part[i].appendJSON(dst, &date, escaped>>i&1 != 0)
		}
	}
	return append(dst, ']')
}

func (u *User) needsEscape() bool { return needsEscape(u.Name) || needsEscape(u.Email) }

func (u *User) appendJSON(dst []byte, on *dateText, escaped bool) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, u.ID, 10)
	if escaped {
		dst = appendString(append(dst, `,"name":`...), u.Name)
		dst = appendString(append(dst, `,"email":`...), u.Email)
		dst = append(dst, `,"age":`...)
	} else {
		dst = append(append(dst, `,"name":"`...), u.Name...)
		dst = append(append(dst, `","email":"`...), u.Email...)
		dst = append(dst, `","age":`...)
	}
	dst = u.Age.append(dst)
	dst = append(dst, `,"created_at":"`...)
	start := len(dst)
	dst = u.CreatedAt.append(dst, on)
	created := dst[start:]
	dst = append(dst, `","updated_at":"`...)
	if u.UpdatedAt == u.CreatedAt {
		dst = append(dst, created...)
	} else {
		dst = u.UpdatedAt.append(dst, on)
	}
	dst = append(dst, `","version":`...)
	dst = strconv.AppendInt(dst, u.Version, 10)
	return append(dst, '}')
}

// appendString appends s, which is valid UTF-8 as all stored text, as a JSON string. Most text holds
// nothing to escape and is copied.
func appendString(dst []byte, s string) []byte {
	if needsEscape(s) {
		dst, _ = jsontext.AppendQuote(dst, s) // its error speaks of invalid UTF-8 alone
		return dst
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// needsEscape says whether s may hold a quote, a backslash or a control. It looks at eight octets at
// a time: in (w - 0x01…) &^ w & 0x80… a bit is set for each octet of w that is zero, and only
// octets above a zero one can be set wrongly (Warren, Hacker's Delight, section 6-1), so that the
// answer is never a wrong no.
func needsEscape(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := w^('"'*ones), w^('\\'*ones)
		control := (w - ' '*ones) &^ w
		if (control|(quote-ones)&^quote|(backslash-ones)&^backslash)&tops != 0 {
			return true
		}
	}
	for ; i < len(s); i++ {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' {
			return true
		}
	}
	return false
}
