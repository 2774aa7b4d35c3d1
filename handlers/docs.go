package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	ginswagger "github.com/swaggo/gin-swagger"
	"golang.org/x/net/webdav"

	"userapi/docs"
	"userapi/handlers/problem"
)

// documentPolicy is what a browser may do with the pages of the documents: run what comes from here
// and nothing else. Swagger UI sets style attributes and draws icons out of data URLs.
const documentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// protectDocuments says of every answer of the documents what a browser may do with it.
func protectDocuments(c *gin.Context) {
	c.Header("Content-Security-Policy", documentPolicy)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Next()
}

// documents returns the routes of the API description and of its UI.
func documents() []route {
	ui := newUI(docs.UI())
	return []route{
		open("/openapi.json", openAPI(docs.OpenAPI())),
		open("/swagger/", enterUI),
		open("/swagger/doc.json", swagger(docs.Swagger())),
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
func openAPI(text string) func(*gin.Context) error { return description(text) }

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
func swagger(text string) func(*gin.Context) error { return description(text) }

func description(text string) func(*gin.Context) error {
	file := &asset{
		mediaType: "application/json; charset=utf-8",
		caching:   "no-cache",
		open:      func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
	return file.serve
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

// ui serves Swagger UI. It knows its files by name: gin-swagger looks for a known name anywhere in
// the request URI, and takes what stands before the first that it finds for its mount point ever
// after, so that one request for /swagger/x/index.html would disable the UI until a restart.
type ui struct {
	files map[string]*asset
	// pages are those that gin-swagger makes of templates.
	pages  map[string]bool
	render gin.HandlerFunc
}

func newUI(files fs.FS) *ui {
	u := &ui{
		files: map[string]*asset{},
		pages: map[string]bool{"index.html": true, "index.css": true, "swagger-initializer.js": true},
		render: ginswagger.WrapHandler(&webdav.Handler{}, // its files are served by us
			ginswagger.URL("../openapi.json"),
			func(config *ginswagger.Config) { config.Title = "Users API" }),
	}
	mediaTypes := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".png": "image/png",
	}
	names, _ := fs.Glob(files, "ui/*") // fails for a malformed pattern only
	for _, name := range names {
		u.files[path.Base(name)] = &asset{
			mediaType: mediaTypes[path.Ext(name)],
			caching:   "public, max-age=3600",
			open:      func() (io.ReadCloser, error) { return files.Open(name) },
		}
	}
	return u
}

func (u *ui) serve(c *gin.Context) error {
	name := c.Param("file")
	switch file := u.files[name]; {
	case file != nil:
		return file.serve(c)
	case u.pages[name]:
		c.Header("Cache-Control", "no-cache")
		u.renderPage(c, name)
		return nil
	}
	return problem.ErrRouteNotFound
}

// renderPage has gin-swagger answer a request that we made up: it sees neither the path nor the
// query nor the method of the true one.
func (u *ui) renderPage(c *gin.Context, name string) {
	asked := c.Request
	defer func() { c.Request = asked }()
	c.Request = &http.Request{Method: http.MethodGet, RequestURI: "/swagger/" + name}
	u.render(c)
}

// asset is a file that never changes while the process runs. Nothing of it is held in memory, and it
// is hashed when it is first asked for. It is safe for concurrent use.
type asset struct {
	mediaType string
	caching   string
	open      func() (io.ReadCloser, error)

	once sync.Once
	etag string
	size int64
	err  error
}

func (a *asset) serve(c *gin.Context) error {
	a.once.Do(a.measure)
	if a.err != nil {
		return a.err
	}
	header := c.Writer.Header()
	header.Set("Cache-Control", a.caching)
	header.Set("Etag", a.etag)
	if namesTag(c.GetHeader("If-None-Match"), a.etag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	file, err := a.open()
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	header.Set("Content-Type", a.mediaType)
	header.Set("Content-Length", strconv.FormatInt(a.size, 10))
	c.Writer.WriteHeader(http.StatusOK)
	if c.Request.Method != http.MethodHead {
		_, _ = io.Copy(c.Writer, file) // a client that went away is not an error
	}
	return nil
}

func (a *asset) measure() {
	file, err := a.open()
	if err != nil {
		a.err = err
		return
	}
	defer file.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	a.size, a.err = io.Copy(hash, file)
	a.etag = `"` + hex.EncodeToString(hash.Sum(nil)[:12]) + `"`
}

// namesTag says whether an If-None-Match header (RFC 9110, section 13.1.2) names the tag, compared
// weakly.
func namesTag(ifNoneMatch, etag string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
