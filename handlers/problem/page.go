package problem

import (
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// Page explains one problem type: HTML for a browser, JSON for a program.
//
//	@Summary		Explain a problem type
//	@Description	Says what the code of a problem means and what to do about it: as HTML to a client that accepts it, as JSON to all others. The type of every problem points here.
//	@ID				explainProblem
//	@Tags			documents
//	@Produce		json,html
//	@Param			code	path		string	true	"The code, with hyphens or underscores"
//	@Success		200		{object}	Entry	"The explanation"
//	@Header			200		{string}	Cache-Control	"How long the explanation may be kept"
//	@Header			200		{string}	Vary			"Always Accept"
//	@Failure		404		{object}	Problem	"There is no such problem type"
//	@Router			/problems/{code} [get]
func Page(c *gin.Context) error {
	code := strings.ReplaceAll(c.Param("code"), "-", "_")
	for i := range entries {
		if entries[i].Code != code {
			continue
		}
		c.Header("Cache-Control", "public, max-age=3600")
		c.Header("Vary", "Accept")
		if strings.Contains(c.GetHeader("Accept"), "text/html") {
			c.Data(http.StatusOK, "text/html; charset=utf-8", page(&entries[i]))
		} else {
			c.JSON(http.StatusOK, entries[i])
		}
		return nil
	}
	return ErrRouteNotFound
}

func page(e *Entry) []byte {
	return fmt.Appendf(nil, `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%[1]s</title>
<h1>%[1]s</h1>
<p><code>%[2]s</code>, HTTP status %[3]d</p>
<p>%[4]s</p>
<p>%[5]s</p>
<p><a href="../swagger/index.html">API reference</a></p>
</html>
`, html.EscapeString(e.Title), html.EscapeString(e.Code), e.Status, html.EscapeString(e.Meaning), html.EscapeString(e.Mend))
}
