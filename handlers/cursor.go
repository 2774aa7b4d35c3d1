package handlers

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"userapi/models"
)

// cursors seals positions of a walk into opaque words and opens them again. A cursor is encrypted
// and authenticated (AES-GCM with a random nonce), so that nothing can be read out of it or made up,
// and it is bound to the list that it was made for: under another order or filter it does not open.
// It is safe for concurrent use.
type cursors struct{ aead cipher.AEAD }

// cursorVersion is the first octet of what is sealed; another layout takes another number. Behind it
// come the flags, the id, and the values of the keys of the order.
const cursorVersion = 1

// The flags of a cursor.
const (
	flagBackward = 1 << iota
	flagInclusive
)

const (
	// nonceSize and tagSize are those of AES-GCM, in octets.
	nonceSize, tagSize = 12, 16
	// maxCursor is the length past which nothing is a cursor. The longest one holds a name, an address
	// and a time, and has 944 characters.
	maxCursor = 1024
)

// newCursors takes a key of 16, 24 or 32 octets.
func newCursors(key []byte) (*cursors, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cursor key: %w", err)
	}
	return &cursors{aead}, nil
}

// listing names a list by its order and filter: it is what a cursor is bound to. The whole list by id
// is nil.
func listing(query *models.Query) []byte {
	if len(query.Order) == 0 && query.Filter.IsZero() {
		return nil
	}
	name := append([]byte(query.Order.String()), 0)
	return query.Filter.Append(name)
}

// seal returns the cursor of a position in a list of an order. A nonce must differ from all others and
// need not be secret, so it is taken from the runtime's ChaCha8 generator, which asks the system only
// once.
func (c *cursors) seal(at *models.Position, order models.Order, list []byte) string {
	plain := appendPosition(make([]byte, 0, 16), at, order)
	sealed := make([]byte, nonceSize, nonceSize+len(plain)+tagSize)
	binary.LittleEndian.PutUint64(sealed, rand.Uint64())     //nolint:gosec // see above
	binary.LittleEndian.PutUint32(sealed[8:], rand.Uint32()) //nolint:gosec // see above
	sealed = c.aead.Seal(sealed, sealed, plain, list)        //nolint:gosec // the nonce is filled
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open returns the position in a cursor and whether it is one of ours, for this list.
func (c *cursors) open(cursor string, order models.Order, list []byte) (models.Position, bool) {
	sealed, ok := unwrap(cursor)
	if !ok {
		return models.Position{}, false
	}
	plain, err := c.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], list)
	if err != nil {
		return models.Position{}, false
	}
	return readPosition(plain, order)
}

// unwrap returns what is sealed in a cursor, and false for what has not the form of one.
func unwrap(cursor string) ([]byte, bool) {
	if len(cursor) > maxCursor || strings.ContainsAny(cursor, "\r\n") { // base64 passes over line ends
		return nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	return sealed, err == nil && len(sealed) > nonceSize+tagSize
}

// appendPosition appends what a cursor holds to dst.
func appendPosition(dst []byte, at *models.Position, order models.Order) []byte {
	var flags byte
	if at.Backward {
		flags |= flagBackward
	}
	if at.Inclusive {
		flags |= flagInclusive
	}
	dst = append(dst, cursorVersion, flags)
	dst = binary.AppendVarint(dst, at.At.ID)
	for _, sort := range order {
		switch sort.Key {
		case models.KeyID: // is there already
		case models.KeyName:
			dst = appendText(dst, at.At.Name)
		case models.KeyEmail:
			dst = appendText(dst, at.At.Email)
		case models.KeyAge:
			dst = append(dst, byte(at.At.Age))
		case models.KeyCreatedAt:
			dst = binary.AppendVarint(dst, int64(at.At.CreatedAt))
		case models.KeyUpdatedAt:
			dst = binary.AppendVarint(dst, int64(at.At.UpdatedAt))
		}
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// readPosition undoes appendPosition, and returns false for another layout.
func readPosition(plain []byte, order models.Order) (models.Position, bool) {
	if len(plain) < 2 || plain[0] != cursorVersion {
		return models.Position{}, false
	}
	at := models.Position{Backward: plain[1]&flagBackward != 0, Inclusive: plain[1]&flagInclusive != 0}
	r := layoutReader{rest: plain[2:]}
	at.At.ID = r.number()
	for _, sort := range order {
		switch sort.Key {
		case models.KeyID:
		case models.KeyName:
			at.At.Name = r.text()
		case models.KeyEmail:
			at.At.Email = r.text()
		case models.KeyAge:
			at.At.Age = models.Age(r.octet())
		case models.KeyCreatedAt:
			at.At.CreatedAt = models.Timestamp(r.number())
		case models.KeyUpdatedAt:
			at.At.UpdatedAt = models.Timestamp(r.number())
		}
	}
	if r.short || len(r.rest) > 0 {
		return models.Position{}, false
	}
	return at, true
}

// layoutReader reads what appendPosition wrote. Once something is missing it is short, and all that
// it returns is empty.
type layoutReader struct {
	rest  []byte
	short bool
}

func (r *layoutReader) number() int64 {
	value, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return value
}

func (r *layoutReader) octet() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	value := r.rest[0]
	r.rest = r.rest[1:]
	return value
}

func (r *layoutReader) text() string {
	length, n := binary.Uvarint(r.rest)
	if n <= 0 || length > uint64(len(r.rest)-n) { //nolint:gosec // n is at most the length
		r.fail()
		return ""
	}
	value := string(r.rest[n:][:length])
	r.rest = r.rest[n:][length:]
	return value
}

func (r *layoutReader) fail() { r.rest, r.short = nil, true }
