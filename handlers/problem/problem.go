// Package problem writes errors: every answer of the service that is not a success goes through it.
//
// It owns the shape of problem+json (RFC 9457), the one table from kind to HTTP status, and the
// catalogue of code words with the page that explains each. It refuses to show causes: those go to
// the log by way of gin's c.Errors. The handlers use it, and the router hands it to middleware.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
	"userapi/models"
)

// ContentType is the media type of every error (RFC 9457, section 3).
const ContentType = "application/problem+json"

// StatusClientClosedRequest is logged for a client that went away before its answer; nobody reads
// it. The number is nginx's.
const StatusClientClosedRequest = 499

// Problem is the body of every error (RFC 9457 with the extension members of contract 3).
type Problem struct {
	// The relative URI of a page, served here, that explains the code.
	Type string `json:"type" format:"uri-reference" example:"/problems/invalid-input"`
	// Says the same for every problem of a type.
	Title string `json:"title" example:"The request is not valid"`
	// The HTTP status once more.
	Status int `json:"status" format:"int32" minimum:"400" maximum:"599" example:"422"`
	// One sentence for a person about this occurrence.
	Detail string `json:"detail" example:"The request is readable, but not valid."`
	// The path that was asked for.
	Instance string `json:"instance" example:"/users/"`
	// A stable snake_case word for programs.
	Code string `json:"code" example:"invalid_input"`
	// The X-Request-ID of the answer, which the log entry also has.
	RequestID string `json:"request_id" minLength:"1" maxLength:"128" example:"9f1c2ab4d5e64f7080a1b2c3d4e5f607"`
	// The id by which the traces of the request are found, when it is traced or came with a traceparent.
	TraceID string `json:"trace_id,omitempty" minLength:"32" maxLength:"32" example:"0af7651916cd43dd8448eb211c80319c"`
	// Every fault of the request; only 422 has it, and batch_rejected.
	Errors []models.Fault `json:"errors,omitempty"`
} // @name Problem

// statuses is the table from kind to HTTP status. A test holds it total.
//
//nolint:gochecknoglobals // never written
var statuses = map[models.Kind]int{
	models.KindInternal:             http.StatusInternalServerError,
	models.KindInvalid:              http.StatusUnprocessableEntity,
	models.KindNotFound:             http.StatusNotFound,
	models.KindConflict:             http.StatusConflict,
	models.KindStale:                http.StatusPreconditionFailed,
	models.KindUnavailable:          http.StatusServiceUnavailable,
	models.KindMalformed:            http.StatusBadRequest,
	models.KindTooLarge:             http.StatusRequestEntityTooLarge,
	models.KindUnsupportedMedia:     http.StatusUnsupportedMediaType,
	models.KindMethodNotAllowed:     http.StatusMethodNotAllowed,
	models.KindTimeout:              http.StatusRequestTimeout,
	models.KindCancelled:            StatusClientClosedRequest,
	models.KindPreconditionRequired: http.StatusPreconditionRequired,
	models.KindUnauthenticated:      http.StatusUnauthorized,
	models.KindForbidden:            http.StatusForbidden,
	models.KindTooManyRequests:      http.StatusTooManyRequests,
}

// Status returns the HTTP status of an error.
func Status(err *models.Error) int { return statuses[err.Kind] }

// Of returns the problem that an error is for a request, as it stands in an answer: as the whole of
// it, or as the result of one operation of many.
func Of(c *gin.Context, err *models.Error) Problem {
	return Problem{
		Type:      "/problems/" + slug(err.Code),
		Title:     title(err.Code),
		Status:    Status(err),
		Detail:    err.Detail,
		Instance:  c.Request.URL.EscapedPath(),
		Code:      err.Code,
		RequestID: c.Writer.Header().Get("X-Request-ID"),
		TraceID:   middleware.TraceID(c),
		Errors:    err.Faults,
	}
}

// Handle makes a gin handler of one that returns its error instead of writing it.
func Handle(handler func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handler(c); err != nil {
			Write(c, err)
		}
	}
}

// Write answers with err as a problem and ends the handling of the request. What a client must not
// see of it is left in c.Errors for the log. When an answer has begun already it is cut off, so that
// nobody takes it for whole; when the client has gone, nothing is written and the log says 499. Both,
// and a problem that cannot be sent, are a panic with http.ErrAbortHandler, which net/http takes for the end of the connection.
func Write(c *gin.Context, err error) {
	known := classify(err, c.Request.Context().Err() != nil)
	status := Status(known)
	if status >= http.StatusInternalServerError {
		_ = c.Error(err)
	}
	if c.Writer.Written() || known.Kind == models.KindCancelled {
		c.Status(status) // for the log; nobody is there to read an answer
		panic(http.ErrAbortHandler)
	}
	header := c.Writer.Header()
	if known.RetryAfter > 0 {
		seconds := (known.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	header.Del("Etag") // what a handler may have set is not the tag of a problem
	if known.Version > 0 {
		header.Set("Etag", `"`+strconv.FormatInt(known.Version, 10)+`"`)
	}
	body, err := json.Marshal(Of(c, known))
	if err != nil { // a struct of strings always encodes
		_ = c.Error(err)
	}
	c.Abort()
	header.Set("Content-Type", ContentType)
	header.Set("Content-Length", strconv.Itoa(len(body))) // net/http knows it for short ones only
	c.Writer.WriteHeader(status)
	if _, err := c.Writer.Write(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// classify finds the domain error in err. That work was cancelled is the client's doing when the
// client has gone, else ours, as is a deadline that passed: a store too slow to serve.
func classify(err error, gone bool) *models.Error {
	known := models.AsError(err)
	switch {
	case known.Kind != models.KindInternal:
		return known
	case gone && errors.Is(err, context.Canceled):
		return errClientGone
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return models.ErrUnavailable
	}
	return known
}

// slug is the code as it stands in a URI.
func slug(code string) string { return strings.ReplaceAll(code, "_", "-") }
