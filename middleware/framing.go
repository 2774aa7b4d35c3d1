package middleware

import "github.com/gin-gonic/gin"

// Framing closes the connection behind every request with a Transfer-Encoding, and behind every one of
// HTTP/1.0, where net/http drops the field unseen and goes by the length. One that has a
// Content-Length too must not be followed by another (RFC 9112, section 6.1), since a proxy in front
// may see its end elsewhere and what follows was smuggled; net/http has dropped the length by now, so
// the two cannot be told apart.
func Framing() gin.HandlerFunc {
	return func(c *gin.Context) {
		if len(c.Request.TransferEncoding) > 0 || !c.Request.ProtoAtLeast(1, 1) {
			c.Header("Connection", "close")
		}
		c.Next()
	}
}
