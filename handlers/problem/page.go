package problem

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// Page returns the handler that explains one problem type: as HTML to a browser, as JSON to a program.
// The pages link to the documents when those are served.
//
//	@Summary		Explain a problem type
//	@Description	Says what the code of a problem means and what to do about it: as HTML to a client that accepts it, as JSON to all others. The type of every problem points here.
//	@ID				explainProblem
//	@Tags			documents
//	@Produce		json,html
//	@Param			code	path		string	true	"The code, with hyphens or underscores"
//	@Success		200		{object}	Entry	"The explanation"
//	@Header			200		{string}	Cache-Control	"How long the explanation may be kept"
//	@Header			200		{string}	Vary			"Always names Accept"
//	@Failure		404		{object}	Problem	"There is no such problem type"
//	@Router			/problems/{code} [get]
func Page(documents bool) func(*gin.Context) error {
	return func(c *gin.Context) error {
		code := strings.ReplaceAll(c.Param("code"), "-", "_")
		for i := range entries {
			if entries[i].Code != code {
				continue
			}
			c.Header("Cache-Control", "public, max-age=3600")
			c.Header("Vary", strings.TrimSuffix("Accept, "+c.Writer.Header().Get("Vary"), ", "))
			if strings.Contains(c.GetHeader("Accept"), "text/html") {
				c.Header("Referrer-Policy", "same-origin")
				c.Data(http.StatusOK, "text/html; charset=utf-8", page(&entries[i], documents))
			} else {
				c.JSON(http.StatusOK, entries[i])
			}
			return nil
		}
		return ErrRouteNotFound
	}
}

// page returns an entry as HTML.
func page(e *Entry, documents bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%[1]s</title>
<h1>%[1]s</h1>
<p><code>%[2]s</code>, HTTP status %[3]s</p>
<p>%[4]s</p>
<p>%[5]s</p>
`, html.EscapeString(e.Title), html.EscapeString(e.Code), e.allStatuses(), marked(e.Meaning), marked(e.Mend))
	if documents {
		b.WriteString("<p><a href=\"../swagger/index.html\">API reference</a></p>\n")
	}
	b.WriteString("</html>\n")
	return b.Bytes()
}

// allStatuses returns the statuses as a person lists them: 422, 404 or 409.
func (e *Entry) allStatuses() string {
	text := strconv.AppendInt(nil, int64(e.Status), 10)
	for i, status := range e.OtherStatuses {
		separator := ", "
		if i == len(e.OtherStatuses)-1 {
			separator = " or "
		}
		text = strconv.AppendInt(append(text, separator...), int64(status), 10)
	}
	return string(text)
}

// marked returns a text of the catalogue as HTML: what stands between backticks there is code.
func marked(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(html.EscapeString(text), "`") {
		switch {
		case i == 0:
		case i%2 == 1:
			b.WriteString("<code>")
		default:
			b.WriteString("</code>")
		}
		b.WriteString(part)
	}
	return b.String()
}
