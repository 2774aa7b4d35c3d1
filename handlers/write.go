package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"userapi/handlers/problem"
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
)

// maxPooled is how large a buffer may have grown, in octets, to be worth keeping.
const maxPooled = 64 << 10

// buffers is a pool of buffers for bodies on their way out.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return buffer
	}
	return new([]byte)
}

func (b *buffers) put(buffer *[]byte) {
	if cap(*buffer) <= maxPooled {
		b.pool.Put(buffer)
	}
}

// aboutUsers says of every answer about users, errors too, that it is nobody else's and must be
// asked for anew (contract 6).
func aboutUsers(c *gin.Context) {
	header := c.Writer.Header()
	header["Cache-Control"] = cachePolicy
	header["Vary"] = varyOnCaller
	c.Next()
}

// serverBuffer is up to what size net/http knows the length of an answer by itself.
const serverBuffer = 2048

// writeUser answers with one user and its version.
func (h *users) writeUser(c *gin.Context, status int, user *models.User) {
	buffer := h.buffers.get()
	etag := strconv.AppendInt(append((*buffer)[:0], '"'), user.Version, 10)
	c.Writer.Header()["Etag"] = []string{string(append(etag, '"'))}
	*buffer = user.AppendJSON((*buffer)[:0])
	writeJSON(c, status, *buffer)
	h.buffers.put(buffer)
}

// writeJSON answers with a body that is JSON already.
func writeJSON(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	header["Content-Type"] = jsonType
	if len(body) > serverBuffer {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(body) // a client that went away is not an error
}

// firstOf puts together what is wrong with the parts of a request: all the faults when each part is
// readable, else the first error of another kind.
func firstOf(errs ...error) error {
	var faults []models.Fault
	var notFound error
	for _, err := range errs {
		var known *models.Error
		switch {
		case err == nil:
		case errors.Is(err, models.ErrInvalid) && errors.As(err, &known):
			faults = append(faults, known.Faults...)
		case errors.Is(err, models.ErrUserNotFound):
			notFound = err
		default:
			return err
		}
	}
	if len(faults) > 0 {
		return models.ErrInvalid.With(faults...)
	}
	return notFound
}

// allowed answers OPTIONS with the methods of a path and refuses every other method that the path
// does not have. Gin has set the Allow header to the methods registered.
func allowed(c *gin.Context) error {
	allow := c.Writer.Header().Get("Allow")
	c.Header("Allow", allow+", "+http.MethodOptions)
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return problem.ErrMethodNotAllowed
}
