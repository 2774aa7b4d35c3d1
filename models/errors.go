package models

import (
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind sorts errors by what a caller can do about them. The table from kind to HTTP status is in
// handlers/problem. The zero Kind is an error that nobody foresaw.
type Kind uint8

// The kinds. Those after KindUnavailable are met by the HTTP edge alone.
const (
	KindInternal Kind = iota
	KindInvalid
	KindNotFound
	KindConflict
	// KindStale is a condition on the version of a user that does not hold.
	KindStale
	KindUnavailable
	KindMalformed
	KindTooLarge
	KindUnsupportedMedia
	KindMethodNotAllowed
	KindTimeout
	KindCancelled
	KindPreconditionRequired
	KindUnauthenticated
	KindForbidden
	KindTooManyRequests
)

// Error is a failure that a client is told about. Its values are compared by errors.Is on Code, so
// that a copy with faults or a cause is still the same failure.
type Error struct {
	Kind Kind
	// Code is a stable snake_case word for programs (contract 3).
	Code string
	// Detail is one sentence for a person. It never repeats a rejected value and never shows
	// internals.
	Detail string
	// Faults lists everything wrong with the request, for KindInvalid.
	Faults []Fault
	// RetryAfter is how long a client should wait before it tries again; zero when that is no help.
	RetryAfter time.Duration
	// Version is that of the user as it is now, for KindStale.
	Version int64
	// Cause is for the log only.
	Cause error
}

// Fault is one thing wrong with a request; exactly one of Pointer, Parameter and Header says where.
type Fault struct {
	// A JSON Pointer (RFC 6901) into the body; empty for the whole of it.
	Pointer string `json:"pointer,omitempty" example:"/age"`
	// The name of a query or path parameter.
	Parameter string `json:"parameter,omitempty" example:"limit"`
	// The name of a header field.
	Header string `json:"header,omitempty" example:"If-Match"`
	// A stable snake_case word for programs.
	Code string `json:"code" example:"out_of_range"`
	// One clause for a person, of which the place is the subject.
	Detail string `json:"detail" example:"must be 1 to 150"`
	// The HTTP status that the operation of a batch fails with; absent elsewhere.
	Status int `json:"status,omitempty" format:"int32" minimum:"400" maximum:"599" example:"409"`
} // @name Fault

// MarshalJSON writes the one place that the fault has. The pointer to the whole body is the empty
// string, so that emptiness alone does not say that there is none.
func (f Fault) MarshalJSON() ([]byte, error) {
	place, at := "pointer", f.Pointer
	switch {
	case f.Parameter != "":
		place, at = "parameter", f.Parameter
	case f.Header != "":
		place, at = "header", f.Header
	}
	dst := append([]byte(`{"`), place...)
	dst = append(dst, `":`...)
	dst, _ = jsontext.AppendQuote(dst, at) // a name that is not UTF-8 gets U+FFFD in it, and an error
	dst = append(dst, `,"code":`...)
	dst = append(appendString(dst, f.Code), `,"detail":`...)
	dst = appendString(dst, f.Detail)
	if f.Status != 0 {
		dst = strconv.AppendInt(append(dst, `,"status":`...), int64(f.Status), 10)
	}
	return append(dst, '}'), nil
}

// The failures of the domain. Return them as they are, or a copy made by With or Because.
var (
	ErrUserNotFound = &Error{Kind: KindNotFound, Code: "user_not_found", Detail: "There is no user with this id."}
	ErrEmailTaken   = &Error{Kind: KindConflict, Code: "email_taken", Detail: "Another user has this e-mail address."}
	// ErrPreconditionFailed is returned as a copy that has the version.
	ErrPreconditionFailed = &Error{Kind: KindStale, Code: "precondition_failed", Detail: "The user has changed meanwhile: its version is not one that the request allows."}
	// ErrRequestInProgress and ErrKeyReused are about an idempotency key.
	ErrRequestInProgress = &Error{Kind: KindConflict, Code: "request_in_progress", Detail: "A request with this Idempotency-Key is still running.", RetryAfter: time.Second}
	ErrKeyReused         = &Error{Kind: KindInvalid, Code: "idempotency_key_reused", Detail: "This Idempotency-Key came with another body before."}
	ErrInvalid           = &Error{Kind: KindInvalid, Code: "invalid_input", Detail: "The request is readable, but not valid."}
	ErrUnavailable       = &Error{Kind: KindUnavailable, Code: "unavailable", Detail: "The service cannot do this at the moment; try again later.", RetryAfter: time.Second}
)

// Error returns the code, the detail and the cause, for logs.
func (e *Error) Error() string {
	text := e.Code + ": " + e.Detail
	if e.Cause != nil {
		text += " (" + e.Cause.Error() + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is says whether target is an Error of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// Because returns a copy of the error with a cause for the log.
func (e *Error) Because(cause error) *Error {
	copied := *e
	copied.Cause = cause
	return &copied
}

// With returns a copy of the error that lists faults.
func (e *Error) With(faults ...Fault) *Error {
	copied := *e
	copied.Faults = faults
	return &copied
}

// AsError returns the Error in the chain of err, or an unforeseen one (KindInternal) caused by err.
// It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return ErrInternal.Because(err)
}

// ErrInternal is what a client is told of an error that nobody foresaw.
var ErrInternal = &Error{Kind: KindInternal, Code: "internal_error", Detail: "Something went wrong on our side; the log entry with this request id says what."}
