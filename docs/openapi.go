// Package docs holds the documents that describe the API to machines and to people.
//
// It owns the two descriptions that the service serves, Swagger 2.0 and OpenAPI 3, the files of
// Swagger UI, and how all of that is made: swag reads the annotations on the handlers and on the
// models, and the command in docs/openapi turns what swag writes into OpenAPI 3. It refuses to serve
// anything: handlers does, and is its only importer.
//
// docs.go, swagger.json, swagger.yaml, openapi.json, errors.md and the files in ui are generated; run
// `go generate ./...` after every change of an annotation, and commit what it writes. docs.go
// registers the Swagger 2.0 description with swag, for whatever looks for it there.
package docs

import (
	"embed"
	"io/fs"
)

//go:generate go -C .. tool swag init --quiet --requiredByDefault --dir docs,handlers,models --generalInfo openapi.go --output docs
//go:generate go -C .. run ./docs/openapi docs

// What follows is the head of the description; swag reads it here and finds the rest on the handlers.
// Neither @host nor @schemes is named: a client then uses the origin that it got the document from.
//
//	@title			Users API
//	@version		1.0.0
//	@description	Creates, finds, lists, changes and deletes user records, one by one and in batches.
//	@description
//	@description	**Paths.** Every path that starts with `/users` also stands under `/v1/users`: `/users` is the current version of the API, which is v1. Each answers with and without the slash at its end, and nothing is ever redirected. Where there is GET there is HEAD, which answers the same without a body. OPTIONS answers 204 with the methods of the path in `Allow`. Any other method is refused with 405 and the code `method_not_allowed`, and a path that is not described here with 404 and the code `route_not_found`.
//	@description
//	@description	**Errors** are `application/problem+json` (RFC 9457). `code` is a stable word for programs, `type` is the path of a page that explains it, and `detail` is a sentence for a person. A request that is readable but not valid is 422, and `errors` lists every fault at once: `pointer` is a JSON Pointer into the body, `parameter` the name of a query or path parameter, `header` the name of a header field. Only what the HTTP server refuses before it knows the path is plain text, such as 431 for header fields past the limit.
//	@description
//	@description	**Input is strict.** A body is one JSON object, declared as `application/json` (a change also as `application/merge-patch+json`); unknown members, unknown parameters and values of another type are refused, never guessed. Members that only the service sets are accepted and ignored, so that what was read can be put back.
//	@description
//	@description	**Nothing is lost** when two change one user: send the `ETag` that you have read as `If-Match`, and a change that comes too late is refused with 412 and the `ETag` as it is now. **Nothing is done twice** when a request to create is sent again with its `Idempotency-Key`: it is answered as the first time, with `Idempotency-Replayed: true`.
//	@description
//	@description	**Who may do what.** A service that asks its callers who they are takes a name and a password (Basic), an API key (`Authorization: Bearer uak_…` or `X-API-Key`) or a token of its issuer (`Authorization: Bearer`), whichever of them it is set up for; the others it refuses. It answers 401 and names the ways in `WWW-Authenticate`, whatever is wrong with what came, and 403 to credentials without the scope that the operation needs. Nobody is asked about the health of the service and its documents.
//	@description
//	@description	**Every answer** carries `X-Request-ID`: that of the request if it is 1 to 128 characters of `A-Z a-z 0-9 . _ -`, else a new one. It names the request in the log.
//	@contact.name	The operator of this service
//	@basePath		/
//	@accept			json
//	@produce		json
//	@tag.name		users
//	@tag.description	The user records.
//	@tag.name		health
//	@tag.description	Probes for load balancers and orchestrators.
//	@tag.name		documents
//	@tag.description	Where to start, the description of the API, and what its errors mean.
//	@securityDefinitions.basic	BasicAuth
//	@securityDefinitions.apikey	BearerAuth
//	@in							header
//	@name						Authorization
//	@description				An API key or a token: `Bearer ` and one of them
//	@securityDefinitions.apikey	ApiKeyAuth
//	@in							header
//	@name						X-API-Key
//	@description				An API key

//go:embed openapi.json
var openAPI string

//go:embed swagger.json
var swagger string

//go:embed ui/*.css ui/*.js ui/*.png
var ui embed.FS

// OpenAPI returns the description in OpenAPI 3.0 as JSON.
func OpenAPI() string { return openAPI }

// Swagger returns the description in Swagger 2.0 as JSON, which says less: it knows one base path and
// one media type for all answers of an operation, and has neither null nor examples by name.
func Swagger() string { return swagger }

// UI returns the files of Swagger UI in the folder ui, without its pages: those gin-swagger makes.
func UI() fs.FS { return ui }
