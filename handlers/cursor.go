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
// and authenticated (AES-GCM with a random nonce), so that nothing can be read out of it or made up.
// It is safe for concurrent use.
type cursors struct{ aead cipher.AEAD }

// cursorVersion is the first octet of what is sealed; another layout takes another number.
const cursorVersion = 1

// nonceSize is that of AES-GCM, in octets.
const nonceSize = 12

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

// seal returns the cursor of a position. A nonce must differ from all others and need not be secret,
// so it is taken from the runtime's ChaCha8 generator, which asks the system only once.
func (c *cursors) seal(at models.Position) string {
	sealed := make([]byte, nonceSize, 64)
	binary.LittleEndian.PutUint64(sealed, rand.Uint64())     //nolint:gosec // see above
	binary.LittleEndian.PutUint32(sealed[8:], rand.Uint32()) //nolint:gosec // see above
	plain := append(make([]byte, 0, 16), cursorVersion, 0)
	if at.Backward {
		plain[1] = 1
	}
	plain = binary.AppendVarint(plain, at.ID)
	sealed = c.aead.Seal(sealed, sealed, plain, nil) //nolint:gosec // the nonce is filled
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open returns the position in a cursor and whether it is one of ours.
func (c *cursors) open(cursor string) (models.Position, bool) {
	if len(cursor) > 1024 || strings.ContainsAny(cursor, "\r\n") { // base64 passes over line ends
		return models.Position{}, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) < nonceSize {
		return models.Position{}, false
	}
	plain, err := c.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], nil)
	if err != nil || len(plain) < 3 || plain[0] != cursorVersion {
		return models.Position{}, false
	}
	id, n := binary.Varint(plain[2:])
	return models.Position{ID: id, Backward: plain[1] == 1}, n > 0
}
