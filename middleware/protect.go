package middleware

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// Values of header fields that answers share. net/http only reads them, and its Header.Add copies a
// full slice before it appends.
//
//nolint:gochecknoglobals // never written
var (
	nosniff        = []string{"nosniff"}
	nothingAllowed = []string{"default-src 'none'; frame-ancestors 'none'"}
	variesByCoding = []string{"Accept-Encoding"}
	variesByOrigin = []string{"Accept-Encoding, Origin"}
)

// Protect says of every answer what a browser that has been led to it may do with it: take it for nothing
// but what it is declared as. To one that would show it as a page, which is who accepts HTML, it says too
// that the page may neither load, run nor frame anything; a program has no use for that, and an answer with
// more than eight fields costs it a larger map, twice. The page of the documents, which has scripts, says
// something else afterwards.
//
// Over TLS, with an hsts above zero, it also has browsers come back over TLS only, for so long (RFC 6797).
// Without TLS such a field means nothing, and a proxy in front that ends TLS knows better.
//
// It is also where Vary begins: every answer may come in another coding.
func Protect(hsts time.Duration) gin.HandlerFunc {
	var transport []string
	if hsts > 0 {
		transport = []string{"max-age=" + strconv.FormatInt(int64(hsts/time.Second), 10)}
	}
	return func(c *gin.Context) {
		header := c.Writer.Header()
		header["X-Content-Type-Options"] = nosniff
		if showsPages(c.Request.Header) {
			header["Content-Security-Policy"] = nothingAllowed
		}
		header["Vary"] = variesByCoding
		if transport != nil && c.Request.TLS != nil {
			header["Strict-Transport-Security"] = transport
		}
		c.Next()
	}
}

// showsPages says whether a request is that of somebody who would look at the answer.
func showsPages(header http.Header) bool {
	for _, accepted := range header["Accept"] {
		if strings.Contains(accepted, "text/html") {
			return true
		}
	}
	return false
}

// VariesByOrigin says whether an answer to which handlers add a Vary of their own depends on the Origin
// of the request, as it does behind CrossOrigin.
func VariesByOrigin(header http.Header) bool {
	vary := header["Vary"]
	return len(vary) == 1 && vary[0] == variesByOrigin[0]
}
