package problem

import (
	"net/http"
	"slices"
	"time"

	"userapi/models"
)

// The failures of the HTTP edge; those of the domain are in models.
var (
	ErrRouteNotFound    = &models.Error{Kind: models.KindNotFound, Code: "route_not_found", Detail: "Nothing is served at this path."}
	ErrMethodNotAllowed = &models.Error{Kind: models.KindMethodNotAllowed, Code: "method_not_allowed", Detail: "This path does not have this method; the Allow header lists those it has."}
	ErrMalformedJSON    = &models.Error{Kind: models.KindMalformed, Code: "malformed_json", Detail: "The body is not I-JSON (RFC 7493)."}
	ErrBodyTooLarge     = &models.Error{Kind: models.KindTooLarge, Code: "body_too_large", Detail: "The body is larger than this service accepts."}
	ErrUnsupportedMedia = &models.Error{Kind: models.KindUnsupportedMedia, Code: "unsupported_media_type", Detail: "The body must be declared as application/json, in UTF-8 and without a content coding."}
	// ErrUnsupportedPatch is ErrUnsupportedMedia for PATCH, and goes with an Accept-Patch header.
	ErrUnsupportedPatch = &models.Error{Kind: models.KindUnsupportedMedia, Code: "unsupported_media_type", Detail: "The body must be declared as application/merge-patch+json or application/json, in UTF-8 and without a content coding."}
	ErrRequestTimeout   = &models.Error{Kind: models.KindTimeout, Code: "request_timeout", Detail: "The body did not arrive in time."}
	ErrNotReady         = &models.Error{Kind: models.KindUnavailable, Code: "not_ready", Detail: "The service does not take requests at the moment."}

	// ErrPreconditionRequired tells of a change that was asked for without If-Match where the setting
	// http.require_if_match wants one.
	ErrPreconditionRequired = &models.Error{Kind: models.KindPreconditionRequired, Code: "precondition_required", Detail: "This service changes a user only under a condition: send If-Match with the version that you have read."}
	// ErrBatchRejected is returned as a copy with a fault for every bad operation, and with the kind of
	// the first of them when none is of KindInvalid.
	ErrBatchRejected = &models.Error{Kind: models.KindInvalid, Code: "batch_rejected", Detail: "At least one operation of the batch cannot be done, so that none of them was."}

	// ErrUnauthenticated is the same whatever is wrong with the credentials, so that nobody learns from it
	// which names there are. It goes with a WWW-Authenticate header.
	ErrUnauthenticated = &models.Error{Kind: models.KindUnauthenticated, Code: "unauthenticated", Detail: "The request has no credentials that this service accepts."}
	// ErrInsufficientScope is returned as a copy whose detail names the scope that is missing.
	ErrInsufficientScope = &models.Error{Kind: models.KindForbidden, Code: "insufficient_scope", Detail: "The credentials do not allow this."}
	// ErrRateLimited is returned as a copy that says when to come again.
	ErrRateLimited = &models.Error{Kind: models.KindTooManyRequests, Code: "rate_limited", Detail: "There were too many requests from this caller.", RetryAfter: time.Second}
	// ErrOverloaded tells of more requests at a time than the service works on.
	ErrOverloaded = &models.Error{Kind: models.KindUnavailable, Code: "overloaded", Detail: "The service has as many requests as it can work on; try again later.", RetryAfter: time.Second}

	errClientGone = &models.Error{Kind: models.KindCancelled, Code: "client_closed_request", Detail: "The client went away before the answer."}
)

// Entry explains one code word: it is what a problem's page says.
type Entry struct {
	// The word itself.
	Code string `json:"code" example:"email_taken"`
	// The HTTP status that it comes with.
	Status int `json:"status" format:"int32" minimum:"400" maximum:"599" example:"409"`
	// Further statuses that it can come with; only batch_rejected has any.
	OtherStatuses []int `json:"other_statuses,omitempty"`
	// The title of every problem with this code.
	Title string `json:"title" example:"The e-mail address is taken"`
	// When it happens.
	Meaning string `json:"meaning" example:"Another user has this e-mail address."`
	// What a client can do about it.
	Mend string `json:"mend" example:"Use another address."`
} // @name ProblemType

// entries lists every code that an answer can carry.
//
//nolint:gochecknoglobals // never written
var entries = []Entry{
	entry(models.ErrInvalid, "The request is not valid",
		"The request could be read, but members of the body, parameters or header fields break a rule. The member `errors` lists every one of them with its place, a code and a sentence.",
		"Correct what `errors` points at and send the request again."),
	entry(models.ErrUserNotFound, "There is no such user",
		"No user has the id, or the e-mail address, in the path. It never existed or was deleted or changed; ids are never used again.",
		"Look the user up in the list."),
	entry(models.ErrEmailTaken, "The e-mail address is taken",
		"Another user has this e-mail address. Letter case, Unicode form and the spelling of an international domain do not make two addresses different.",
		"Use another address, or find the user who has it at `/users/by-email/{email}`."),
	entry(models.ErrPreconditionFailed, "The user has changed meanwhile",
		"The version of the user is not one that `If-Match` names: somebody else has changed the user since it was read. Nothing was written. The header `ETag` holds the version as it is now.",
		"Read the user again, decide anew, and send the change with the new version."),
	entry(ErrPreconditionRequired, "The version is missing",
		"The setting `http.require_if_match` makes every change of a user conditional, so that nobody overwrites what somebody else wrote meanwhile.",
		"Read the user, and send its `ETag` as `If-Match`; or `If-Match: *` to change it whatever its version."),
	entry(models.ErrRequestInProgress, "The same request is still running",
		"Another request with this `Idempotency-Key` has not ended yet.",
		"Send the same request again after the seconds in `Retry-After`: it is then answered with what the first one brought about."),
	entry(models.ErrKeyReused, "The idempotency key was used before",
		"A request with this `Idempotency-Key`, but with another body, has succeeded before. Bodies are compared byte for byte.",
		"Use a new key for a new request; to repeat a request, send exactly the same body."),
	entry(ErrBatchRejected, "The batch was rejected",
		"The batch is atomic, and at least one of its operations cannot be done; so nothing was written. The member `errors` lists every bad operation with its place and the `status` that it would have had alone. "+
			"The status of the whole is 422 when an operation is not valid, else that of the first bad operation.",
		"Correct or leave out what `errors` points at; or send the batch with the mode `independent`, in which each operation stands for itself.",
		http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired),
	entry(models.ErrUnavailable, "The service is not available",
		"The store, or whoever publishes the keys that credentials are checked with, is away or too busy. Nothing is wrong with the request.",
		"Send the same request again after the seconds in `Retry-After`."),
	entry(models.ErrInternal, "Something went wrong",
		"The service met an error that nobody foresaw. The log entry with the same `request_id` holds its cause.",
		"Try again; if it happens again, tell the operator the `request_id`."),
	entry(ErrRouteNotFound, "Nothing is here",
		"The path is not one that the service has.",
		"`GET /` links to all that there is."),
	entry(ErrMethodNotAllowed, "The method is not allowed",
		"The path exists, but not with this method.",
		"Use one of the methods in the `Allow` header."),
	entry(ErrMalformedJSON, "The body is not JSON that can be read",
		"The body is not I-JSON (RFC 7493): a syntax error, an end too early, something after the document, a member named twice, text that is not UTF-8, a lone surrogate, or nesting deeper than 32 levels.",
		"Send one well-formed JSON document."),
	entry(ErrBodyTooLarge, "The body is too large",
		"The body is longer than the setting `http.max_body_bytes` allows.",
		"Send a smaller body."),
	entry(ErrUnsupportedMedia, "The media type is not supported",
		"The body is not declared as `application/json`, names a charset other than UTF-8, or has a content coding. A PATCH may also be declared as `application/merge-patch+json`.",
		"Send `Content-Type: application/json`."),
	entry(ErrRequestTimeout, "The request took too long to arrive",
		"The body did not arrive within the setting `http.read_timeout`.",
		"Send the request again over a connection that is fast enough."),
	entry(ErrUnauthenticated, "Who are you?",
		"The request has no credentials, or some that are unknown, wrong, expired, or of a kind that the service does not take. It does not say which.",
		"Send credentials of a kind that the header `WWW-Authenticate` names."),
	entry(ErrInsufficientScope, "The credentials do not allow this",
		"The service knows who asks, but the credentials lack a scope that the operation needs. The member `detail` names it, and the header `WWW-Authenticate` too, but for Basic.",
		"Use credentials that have the scope, or ask the operator for it."),
	entry(ErrRateLimited, "There were too many requests",
		"The caller has used up what the service grants in a span of time. The headers `RateLimit-Policy` and `RateLimit` say how much that is.",
		"Send the same request again after the seconds in `Retry-After`."),
	entry(ErrOverloaded, "The service is overloaded",
		"The service works on as many requests as it can at a time, and has not begun this one.",
		"Send the same request again after the seconds in `Retry-After`, and leave more time before each further attempt."),
	entry(ErrNotReady, "The service is not ready",
		"The service is starting, stopping, or cannot reach its store. The member `detail` names the check that fails.",
		"Send requests to another instance, or wait."),
}

func entry(err *models.Error, title, meaning, mend string, otherStatuses ...int) Entry {
	return Entry{Code: err.Code, Status: Status(err), OtherStatuses: otherStatuses, Title: title, Meaning: meaning, Mend: mend}
}

// Entries returns a copy of the catalogue.
func Entries() []Entry {
	copied := slices.Clone(entries)
	for i := range copied {
		copied[i].OtherStatuses = slices.Clone(copied[i].OtherStatuses)
	}
	return copied
}

func title(code string) string {
	for i := range entries {
		if entries[i].Code == code {
			return entries[i].Title
		}
	}
	return "The request failed"
}
