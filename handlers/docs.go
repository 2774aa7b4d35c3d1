package handlers

import (
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"userapi/docs"
)

// documentPolicy is what a browser may do with the pages of the documents: run what comes from here
// and nothing else. Swagger UI sets style attributes and draws icons out of data URLs.
const documentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// protectDocuments says of every answer of the documents what a browser may do with it.
func protectDocuments(c *gin.Context) {
	c.Header("Content-Security-Policy", documentPolicy)
	c.Header("Referrer-Policy", "same-origin")
	c.Next()
}

// documents returns the routes of the API description and of its UI, which come compressed to those who
// ask for it if they may.
func documents(compression bool) []route {
	ui := newUI(docs.UI(), compression)
	return []route{
		open("/openapi.json", openAPI(docs.OpenAPI(), compression)),
		open("/swagger/", enterUI),
		open("/swagger/doc.json", swagger(docs.Swagger(), compression)),
		open("/swagger/:file", ui.serve),
	}
}

// openAPI returns the handler of the description in OpenAPI 3.
//
//	@Summary		Get the OpenAPI 3 description
//	@Description	Answers with this document. It is the most exact description that the service has.
//	@ID				getOpenAPI
//	@Tags			documents
//	@Produce		json
//	@Success		200		{object}	object			"The description in OpenAPI 3.0"
//	@Success		304		"The description is still the one that If-None-Match names"
//	@Header			200,304	{string}	Cache-Control	"Always no-cache: ask anew, with the ETag"
//	@Header			200,304	{string}	ETag			"Which description this is"
//	@Failure		404		{object}	problem.Problem	"The problem"
//	@Router			/openapi.json [get]
func openAPI(text string, compression bool) func(*gin.Context) error {
	return description(text, compression)
}

// swagger returns the handler of the description in Swagger 2.0. It is the file that swag wrote and
// not what swag has registered, which cannot be read by two requests at once (swag.Spec.ReadDoc
// writes into itself) and has an empty host.
//
//	@Summary		Get the Swagger 2.0 description
//	@Description	Answers with the description in an older form that says less, for tools that do not read OpenAPI 3.
//	@ID				getSwagger
//	@Tags			documents
//	@Produce		json
//	@Success		200		{object}	object			"The description in Swagger 2.0"
//	@Success		304		"The description is still the one that If-None-Match names"
//	@Header			200,304	{string}	Cache-Control	"Always no-cache: ask anew, with the ETag"
//	@Header			200,304	{string}	ETag			"Which description this is"
//	@Failure		404		{object}	problem.Problem	"The problem"
//	@Router			/swagger/doc.json [get]
func swagger(text string, compression bool) func(*gin.Context) error {
	return description(text, compression)
}

func description(text string, compression bool) func(*gin.Context) error {
	file := newAsset("description.json", compression, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	return func(c *gin.Context) error { return file.serve(c, cacheAsk) }
}

// enterUI leads from /swagger and /swagger/ to the page. The Location is relative, so that it is
// right behind a proxy that serves us under a prefix; gin's and net/http's redirects are not.
func enterUI(c *gin.Context) error {
	page := "swagger/index.html"
	if strings.HasSuffix(c.Request.URL.Path, "/") {
		page = "index.html"
	}
	c.Header("Location", page)
	c.Header("Cache-Control", "no-cache")
	c.Status(http.StatusFound)
	return nil
}
