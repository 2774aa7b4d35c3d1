package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"userapi/middleware/metrics"
)

// notStored says of every answer of a group, refusals too, that nobody may keep it.
func notStored(c *gin.Context) { c.Writer.Header()["Cache-Control"] = noStore }

//nolint:gochecknoglobals // never written
var noStore = []string{"no-store"}

// metricsPage answers a scrape. The page is the operator's and not described.
func metricsPage(counted *metrics.Metrics) func(*gin.Context) error {
	page := counted.Handler()
	return func(c *gin.Context) error {
		varyBy(c.Writer.Header(), "Accept")
		page.ServeHTTP(&varied{c.Writer, c.Writer.Header()["Vary"]}, c.Request)
		return nil
	}
}

// varied is a writer that says by what an answer varies, whatever its handler adds to that.
type varied struct {
	gin.ResponseWriter
	vary []string
}

// WriteHeader implements http.ResponseWriter.
func (v *varied) WriteHeader(status int) {
	v.Header()["Vary"] = v.vary
	v.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (v *varied) Write(content []byte) (int, error) {
	v.Header()["Vary"] = v.vary
	return v.ResponseWriter.Write(content)
}

// varyBy says that an answer depends on more header fields of the request, in one line and on each once.
func varyBy(header http.Header, names ...string) {
	var listed []string
	for _, name := range append(names, strings.Split(strings.Join(header["Vary"], ","), ",")...) {
		name = strings.TrimSpace(name)
		known := slices.ContainsFunc(listed, func(other string) bool { return strings.EqualFold(other, name) })
		if name != "" && !known {
			listed = append(listed, name)
		}
	}
	header["Vary"] = []string{strings.Join(listed, ", ")}
}
