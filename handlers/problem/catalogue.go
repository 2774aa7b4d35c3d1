package problem

import (
	"slices"

	"userapi/models"
)

// The failures of the HTTP edge; those of the domain are in models.
var (
	ErrRouteNotFound    = &models.Error{Kind: models.KindNotFound, Code: "route_not_found", Detail: "Nothing is served at this path."}
	ErrMethodNotAllowed = &models.Error{Kind: models.KindMethodNotAllowed, Code: "method_not_allowed", Detail: "This path does not have this method; the Allow header lists those it has."}
	ErrMalformedJSON    = &models.Error{Kind: models.KindMalformed, Code: "malformed_json", Detail: "The body is not I-JSON (RFC 7493)."}
	ErrBodyTooLarge     = &models.Error{Kind: models.KindTooLarge, Code: "body_too_large", Detail: "The body is larger than this service accepts."}
	ErrUnsupportedMedia = &models.Error{Kind: models.KindUnsupportedMedia, Code: "unsupported_media_type", Detail: "The body must be declared as application/json, in UTF-8 and without a content coding."}
	ErrRequestTimeout   = &models.Error{Kind: models.KindTimeout, Code: "request_timeout", Detail: "The body did not arrive in time."}
	ErrNotReady         = &models.Error{Kind: models.KindUnavailable, Code: "not_ready", Detail: "The service does not take requests at the moment."}

	errClientGone = &models.Error{Kind: models.KindCancelled, Code: "client_closed_request", Detail: "The client went away before the answer."}
)

// Entry explains one code word: it is what a problem's page says.
type Entry struct {
	// The word itself.
	Code string `json:"code" example:"email_taken"`
	// The HTTP status that it comes with.
	Status int `json:"status" format:"int32" minimum:"400" maximum:"599" example:"409"`
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
		"No user has the id in the path. It never existed or was deleted; ids are never used again.",
		"Look the user up in the list."),
	entry(models.ErrEmailTaken, "The e-mail address is taken",
		"Another user has this e-mail address. Letter case, Unicode form and the spelling of an international domain do not make two addresses different.",
		"Use another address, or find the user who has it."),
	entry(models.ErrUnavailable, "The service is not available",
		"The store is away or too busy. Nothing is wrong with the request.",
		"Send the same request again after the seconds in `Retry-After`."),
	entry(models.ErrInternal, "Something went wrong",
		"The service met an error that nobody foresaw. The log entry with the same `request_id` holds its cause.",
		"Try again; if it happens again, tell the operator the `request_id`."),
	entry(ErrRouteNotFound, "Nothing is here",
		"The path is not one that the service has.",
		"`GET /` lists where to start, and `/openapi.json` describes every path."),
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
		"The body is not declared as `application/json`, names a charset other than UTF-8, or has a content coding.",
		"Send `Content-Type: application/json`."),
	entry(ErrRequestTimeout, "The request took too long to arrive",
		"The body did not arrive within the setting `http.read_timeout`.",
		"Send the request again over a connection that is fast enough."),
	entry(ErrNotReady, "The service is not ready",
		"The service is starting, stopping, or cannot reach its store. The member `detail` names the check that fails.",
		"Send requests to another instance, or wait."),
}

func entry(err *models.Error, title, meaning, mend string) Entry {
	return Entry{Code: err.Code, Status: statuses[err.Kind], Title: title, Meaning: meaning, Mend: mend}
}

// Entries returns a copy of the catalogue.
func Entries() []Entry { return slices.Clone(entries) }

func title(code string) string {
	for i := range entries {
		if entries[i].Code == code {
			return entries[i].Title
		}
	}
	return "The request failed"
}

// FaultEntry explains one code word of a fault.
type FaultEntry struct{ Code, Meaning string }

// Faults lists every code that a fault of an answer can carry.
func Faults() []FaultEntry {
	return []FaultEntry{
		{"required", "The member is absent and must be there."},
		{"wrong_type", "The value is of another type than the rule wants."},
		{"out_of_range", "The number is below or above its bounds."},
		{"too_short", "The text has too few characters, after white space around it is removed."},
		{"too_long", "The text has too many characters."},
		{"forbidden_character", "The text holds a control, a character that overrides or isolates the writing direction, or a noncharacter."},
		{"invalid_email", "The text is not an e-mail address that the service takes; `detail` says why."},
		{"unknown_member", "The object has no such member; `detail` names the one that may be meant."},
		{"unknown_parameter", "The path has no such parameter; `detail` names the one that may be meant."},
		{"repeated_parameter", "The parameter is given more than once."},
		{"empty_parameter", "The parameter is given without a value."},
		{"malformed_parameter", "The parameter is not percent-encoded as RFC 3986 prescribes."},
		{"conflicting_parameters", "The parameter does not go together with another one that is given."},
		{"invalid_cursor", "The cursor is not one of this list."},
	}
}
