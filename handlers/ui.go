package handlers

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	ginswagger "github.com/swaggo/gin-swagger"
	"golang.org/x/net/webdav"

	"userapi/handlers/problem"
)

// ui serves Swagger UI. It knows its files by name: gin-swagger looks for a known name anywhere in
// the request URI, and takes what stands before the first that it finds for its mount point ever
// after, so that one request for /swagger/x/index.html would disable the UI until a restart.
//
// Each file has a second name with the hash of its content in it, swagger-ui.0123456789abcdef.css, by which
// the page asks for it. What has such a name never changes, and whoever caches may keep it for ever.
type ui struct {
	files  map[string]*asset
	render gin.HandlerFunc
}

func newUI(files fs.FS, compression bool) *ui {
	u := &ui{
		files: map[string]*asset{},
		render: ginswagger.WrapHandler(&webdav.Handler{}, // its files are served by us
			ginswagger.URL("../openapi.json"),
			func(config *ginswagger.Config) { config.Title = "Users API" }),
	}
	names, _ := fs.Glob(files, "ui/*") // fails for a malformed pattern only
	for _, name := range names {
		u.files[path.Base(name)] = newAsset(name, compression, func() (io.ReadCloser, error) { return files.Open(name) })
	}
	// These are made of templates of gin-swagger.
	for _, name := range []string{"index.css", "swagger-initializer.js"} {
		u.files[name] = newAsset(name, compression, made(func() string { return u.rendered(name) }))
	}
	u.files[uiPage] = newAsset(uiPage, compression, made(u.page))
	return u
}

// uiPage is what a person opens; all else of the UI is asked for by it.
const uiPage = "index.html"

// serve answers for a file by either of its names. A hash that is not that of the file belongs to a page of
// another release, which is in use beside this one while instances are replaced: it gets what there is.
func (u *ui) serve(c *gin.Context) error {
	name := c.Param("file")
	if file := u.files[name]; file != nil {
		if name == uiPage {
			return file.serve(c, cacheAsk)
		}
		return file.serve(c, cacheBriefly)
	}
	plain, hash, ok := splitHash(name)
	file := u.files[plain]
	if !ok || file == nil || plain == uiPage {
		return problem.ErrRouteNotFound
	}
	if hash != file.hash() {
		return file.serve(c, cacheAsk)
	}
	return file.serve(c, cacheForEver)
}

// splitHash takes a name apart that has a hash before its extension.
func splitHash(name string) (plain, hash string, ok bool) {
	extension := path.Ext(name)
	stem := strings.TrimSuffix(name, extension)
	hash = strings.TrimPrefix(path.Ext(stem), ".")
	if len(hash) != hashDigits || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", "", false
	}
	return strings.TrimSuffix(stem, "."+hash) + extension, hash, true
}

// page is the page of the UI, which names all files with their hashes.
func (u *ui) page() string {
	var names []string
	for name, file := range u.files {
		if name == uiPage {
			continue // it waits for this
		}
		if hash := file.hash(); hash != "" {
			extension := path.Ext(name)
			hashed := strings.TrimSuffix(name, extension) + "." + hash + extension
			names = append(names, `"./`+name+`"`, `"./`+hashed+`"`, `"`+name+`"`, `"./`+hashed+`"`)
		}
	}
	return strings.NewReplacer(names...).Replace(u.rendered(uiPage))
}

// rendered has gin-swagger answer a request that we made up: it sees neither the path nor the query nor
// the method of a true one.
func (u *ui) rendered(name string) string {
	answer := &printed{header: http.Header{}}
	u.render(&gin.Context{Writer: answer, Request: &http.Request{Method: http.MethodGet, RequestURI: "/swagger/" + name}})
	return answer.text.String()
}

// printed is a gin.ResponseWriter of which a template uses no more than this.
type printed struct {
	gin.ResponseWriter
	header http.Header
	text   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (p *printed) Header() http.Header { return p.header }

// Write implements io.Writer.
func (p *printed) Write(text []byte) (int, error) { return p.text.Write(text) }

// WriteString implements io.StringWriter.
func (p *printed) WriteString(text string) (int, error) { return p.text.WriteString(text) }

// made opens a text that is made when it is first asked for.
func made(text func() string) func() (io.ReadCloser, error) {
	once := sync.OnceValue(text)
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(once())), nil }
}
