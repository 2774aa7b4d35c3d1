package middleware

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"github.com/gin-gonic/gin"
)

// RequestIDHeader carries the request id both ways. The response header is also where the rest of
// the service reads it: it is there before anything else happens and costs no context value.
const RequestIDHeader = "X-Request-ID"

// requestIDKey is RequestIDHeader in the form in which net/http keeps it.
const requestIDKey = "X-Request-Id"

// RequestID gives every response an id: that of the request when it is sane (contract 6), else a
// new one of 128 random bits in hex. Ids name requests in logs; they are no secrets.
func RequestID() gin.HandlerFunc {
	return func(c *gin.Context) {
		var id string
		if sent := c.Request.Header[requestIDKey]; len(sent) == 1 && saneRequestID(sent[0]) {
			id = sent[0]
		} else {
			id = newRequestID()
		}
		c.Writer.Header()[requestIDKey] = []string{id}
		c.Next()
	}
}

func saneRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}

func newRequestID() string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64()) //nolint:gosec // no secret
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64()) //nolint:gosec // no secret
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}
