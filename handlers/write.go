package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/models"
)

// Values of header fields that every answer shares. net/http only reads them, and its Header.Add
// copies a full slice before it appends.
//
//nolint:gochecknoglobals // never written
var (
	jsonType     = []string{"application/json; charset=utf-8"}
	cachePolicy  = []string{"private, no-cache"}
	varyOnCaller = []string{"Authorization, Accept-Encoding"}
	varyOnKey    = []string{"Authorization, X-API-Key, Accept-Encoding"} // where callers are asked who they are
	varyOnOrigin = []string{"Authorization, Accept-Encoding, Origin"}    // the same where pages of other origins are let in
	patchTypes   = []string{"application/merge-patch+json, application/json"}
)

// maxPooled is how large a buffer may have grown, in octets, to be worth keeping.
const maxPooled = 64 << 10

// maxPooledPage is maxPooled for answers: the largest page of ordinary users fits.
const maxPooledPage = 512 << 10

// buffers is a pool of buffers for bodies on their way out.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return buffer
	}
	return new([]byte)
}

func (b *buffers) put(buffer *[]byte) {
	if cap(*buffer) <= maxPooledPage {
		b.pool.Put(buffer)
	}
}

// aboutUsers says of every answer about users, errors too, that it is nobody else's and must be
// asked for anew (contract 6). It also keeps a path that stands beside those of the users apart from
// them: gin would take its name for an id.
func aboutUsers(c *gin.Context) {
	sayPrivate(c)
	if c.Param("id") == "batch" {
		problem.Handle(allowed)(c)
		c.Abort()
		return
	}
	c.Next()
}

func sayPrivate(c *gin.Context) {
	header := c.Writer.Header()
	header["Cache-Control"] = cachePolicy
	if middleware.VariesByOrigin(header) {
		header["Vary"] = varyOnOrigin
		return
	}
	header["Vary"] = varyOnCaller
}

// serverBuffer is up to what size net/http knows the length of an answer by itself.
const serverBuffer = 2048

// writeUser answers with one user and its version.
func (h *users) writeUser(c *gin.Context, status int, user *models.User) {
	c.Writer.Header()["Etag"] = []string{etag(user.Version)}
	buffer := h.buffers.get()
	*buffer = user.AppendJSON((*buffer)[:0])
	writeJSON(c, status, *buffer)
	h.buffers.put(buffer)
}

// writeUnlessKnown answers with one user, or says that the client has it already.
func (h *users) writeUnlessKnown(c *gin.Context, user *models.User) {
	if models.NoneMatches(c.Request.Header["If-None-Match"], user.Version) {
		c.Writer.Header()["Etag"] = []string{etag(user.Version)}
		c.Status(http.StatusNotModified)
		return
	}
	h.writeUser(c, http.StatusOK, user)
}

// etag returns the entity tag of a version of a user.
func etag(version int64) string {
	var text [24]byte
	return string(append(strconv.AppendInt(append(text[:0], '"'), version, 10), '"'))
}

// writeJSON answers with a body that is JSON already.
func writeJSON(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	header["Content-Type"] = jsonType
	if len(body) > serverBuffer {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.Writer.WriteHeader(status)
	if _, err := c.Writer.Write(body); err != nil {
		panic(http.ErrAbortHandler) // the client has gone or takes nothing: the log is to say that it has no answer
	}
}

// firstOf puts together what is wrong with the parts of a request: all the faults when each part is
// readable, else the first error of another kind. A condition that is missing comes after the faults,
// and a user who cannot be there comes last.
func firstOf(errs ...error) error {
	var faults []models.Fault
	var unconditional, notFound error
	for _, err := range errs {
		if err == nil {
			continue
		}
		var known *models.Error // here, because it costs an allocation
		switch {
		case errors.Is(err, models.ErrInvalid) && errors.As(err, &known):
			faults = append(faults, known.Faults...)
		case errors.Is(err, problem.ErrPreconditionRequired):
			unconditional = err
		case errors.Is(err, models.ErrUserNotFound):
			notFound = err
		default:
			return err
		}
	}
	switch {
	case len(faults) > 0:
		return models.ErrInvalid.With(faults...)
	case unconditional != nil:
		return unconditional
	}
	return notFound
}

// allowed answers OPTIONS with the methods of a path and refuses every other method that the path
// does not have. Gin has set the Allow header to the methods registered.
func allowed(c *gin.Context) error {
	header := c.Writer.Header()
	allow := header.Get("Allow")
	if path, ok := underUsers(c.Request.URL.Path); ok {
		sayPrivate(c)
		if path == "/batch" {
			allow = http.MethodPost
		}
	}
	header.Set("Allow", allow+", "+http.MethodOptions)
	if strings.Contains(allow, http.MethodPatch) {
		header["Accept-Patch"] = patchTypes
	}
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return problem.ErrMethodNotAllowed
}

// underUsers returns what follows /users in a path, without a slash at its end, and whether that is one
// of the paths of users.
func underUsers(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(strings.TrimPrefix(path, "/v1"), "/users")
	rest = strings.TrimSuffix(rest, "/")
	return rest, ok && (rest == "" || rest[0] == '/')
}
