package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
	"time"

	"userapi/models"
)

// An API key is `uak_`, 256 random bits and a checksum, both in base 62: it can be selected with a
// double click, found by scanners of secrets, and a typing error is told without a look at any store.
const (
	keyPrefix      = "uak_"
	keyDigits      = 43 // of 256 bits
	checksumDigits = 6  // of 32 bits
	keyLength      = len(keyPrefix) + keyDigits + checksumDigits
)

// Key is an API key as it is known here: by its SHA-256. A hash without salt and work is enough for 256
// random bits.
type Key struct {
	Name   string
	Hash   [sha256.Size]byte
	Scopes models.Scopes
	// Expires is when the key ends; the zero time never comes.
	Expires time.Time
}

// NewKey returns a key that nobody has, and what is to be stored of it.
func NewKey(name string, scopes models.Scopes, expires time.Time) (secret string, key Key, err error) {
	if err := checkName(name); err != nil {
		return "", Key{}, err
	}
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails
	secret = sealKey(bits)
	return secret, Key{Name: name, Hash: sha256.Sum256([]byte(secret)), Scopes: scopes, Expires: expires}, nil
}

func sealKey(bits [32]byte) string {
	body := keyPrefix + base62(new(big.Int).SetBytes(bits[:]), keyDigits)
	return body + checksum(body)
}

// checksum returns the last digits of a key whose rest is body.
func checksum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checksumDigits)
}

func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}

// Line returns the key as ParseKeys reads it.
func (k Key) Line() string {
	line := k.Name + " sha256:" + hex.EncodeToString(k.Hash[:]) + " " + strings.ReplaceAll(k.Scopes.String(), " ", ",")
	if !k.Expires.IsZero() {
		line += " expires " + k.Expires.UTC().Format(time.RFC3339)
	}
	return line
}

// ParseKeys reads keys, one a line: NAME sha256:HEX scope,scope [expires RFC3339]. Empty lines and those
// that begin with # are passed over. Two keys may have one name, while one takes the place of the other.
// A text without a key is no error, since the last key must be as easy to take away as any other: what
// comes back is empty and not nil.
// The error names the line and repeats nothing of it but words for scopes.
func ParseKeys(text string) ([]Key, error) {
	keys, seen := []Key{}, map[[sha256.Size]byte]int{}
	for number, line := range lines(text) {
		key, err := parseKey(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if before := seen[key.Hash]; before > 0 {
			return nil, fmt.Errorf("line %d: the key is that of line %d; remove one of them", number, before)
		}
		seen[key.Hash] = number
		keys = append(keys, key)
	}
	return keys, nil
}

var errKeyForm = errors.New("is not `NAME sha256:HEX scope,scope [expires RFC3339]`; make one with --new-api-key NAME --scopes users:read")

func parseKey(fields []string) (Key, error) {
	if slices.ContainsFunc(fields, looksLikeKey) {
		return Key{}, errors.New("holds the key itself; store what --new-api-key says to store, and make a new key, since this one was written down")
	}
	if len(fields) != 3 && (len(fields) != 5 || fields[3] != "expires") {
		return Key{}, errKeyForm
	}
	key := Key{Name: fields[0]}
	sum, ok := strings.CutPrefix(fields[1], "sha256:")
	if !ok || len(sum) != hex.EncodedLen(len(key.Hash)) {
		return Key{}, errKeyForm
	}
	if _, err := hex.Decode(key.Hash[:], []byte(sum)); err != nil {
		return Key{}, errKeyForm
	}
	if err := checkName(key.Name); err != nil {
		return Key{}, err
	}
	var err error
	if key.Scopes, err = ParseScopes(fields[2]); err != nil {
		return Key{}, err
	}
	if len(fields) == 5 {
		if key.Expires, err = time.Parse(time.RFC3339, fields[4]); err != nil {
			return Key{}, errors.New("the time after expires is not RFC 3339; write it like 2027-01-31T00:00:00Z")
		}
	}
	return key, nil
}

// keyTable finds API keys. It is safe for concurrent use.
type keyTable struct{ entries map[digest]*keyEntry }

type keyEntry struct {
	hash      digest
	expires   time.Time
	principal models.Principal
}

func newKeyTable(keys []Key) (*keyTable, error) {
	t := &keyTable{entries: make(map[digest]*keyEntry, len(keys))}
	for _, key := range keys {
		if t.entries[key.Hash] != nil {
			return nil, errors.New("auth: a key stands twice")
		}
		t.entries[key.Hash] = &keyEntry{key.Hash, key.Expires, models.Principal{Name: key.Name, Method: MethodKey, Scopes: key.Scopes}}
	}
	return t, nil
}

// looksLikeKey says whether a bearer token claims to be an API key.
func looksLikeKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

// wellFormed says whether text can be a key: its checksum is right. It is told from one without looking
// any key up, so that how long that takes says nothing of those that exist.
func wellFormed(text string) bool {
	if len(text) != keyLength || !looksLikeKey(text) {
		return false
	}
	sum := uint64(0)
	for _, c := range []byte(text[keyLength-checksumDigits:]) {
		digit := digitOf(c)
		if digit < 0 {
			return false
		}
		sum = sum*62 + uint64(digit)
	}
	crc := ^uint32(0) // by hand: package crc32 would have the text copied to the heap
	for _, c := range []byte(text[:keyLength-checksumDigits]) {
		crc = crc32.IEEETable[crc&0xff^uint32(c)] ^ crc>>8
	}
	return sum == uint64(^crc)
}

// digitOf returns the value of a digit in the base 62 of package big, or -1.
func digitOf(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 36
	}
	return -1
}

func (t *keyTable) verify(text string, now time.Time) (*models.Principal, *Refusal) {
	if !wellFormed(text) {
		return nil, &Refusal{Method: MethodKey, Reason: ReasonMalformed}
	}
	var octets [keyLength]byte
	copy(octets[:], text)
	sum := digest(sha256.Sum256(octets[:]))
	// The time that a map takes depends on the hash of what was sent, which says nothing of a key.
	entry := t.entries[sum]
	if entry == nil || subtle.ConstantTimeCompare(entry.hash[:], sum[:]) != 1 {
		return nil, &Refusal{Method: MethodKey, Reason: ReasonUnknown}
	}
	if !entry.expires.IsZero() && !now.Before(entry.expires) {
		return nil, &Refusal{Method: MethodKey, Reason: ReasonExpired}
	}
	return &entry.principal, nil
}
