package main

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing/iotest"
	"time"

	"userapi/handlers"
	"userapi/handlers/problem"
	"userapi/middleware/auth"
	"userapi/models"
)

// exchange is a request that is played against the real handlers, and whose answer becomes an
// example in the document. The handlers know three users, whose ids are 1 to 3.
type exchange struct {
	// operation is the operationId.
	operation string
	// name is that of the example; the example of a problem is named by its code.
	name string
	// request is the method and the target.
	request string
	// accept and media are the Accept and Content-Type of the request, if any.
	accept, media string
	// header is one more header field, if any, as in `If-Match: *`.
	header string
	// body is nil for none.
	body io.Reader
	// again has the request be sent twice, of which the second answer counts.
	again bool
	// spoil breaks what the handlers stand on.
	spoil func(*handlers.Deps)
}

const asJSON = "application/json"

// exchanges returns one exchange for every answer that the document declares.
func exchanges() []exchange { return slices.Concat(userExchanges(), otherExchanges()) }

func userExchanges() []exchange {
	return slices.Concat(createExchanges(), listExchanges(), getExchanges(), replaceExchanges(), patchExchanges(), deleteExchanges(), batchExchanges(),
		refusals("createUser", "POST /users/", asJSON, adaBody), refusals("listUsers", "GET /users/", "", ""),
		refusals("getUser", "GET /users/1", "", ""), refusals("getUserByEmail", "GET /users/by-email/grace@example.com", "", ""),
		refusals("replaceUser", "PUT /users/1", asJSON, graceBody), refusals("patchUser", "PATCH /users/1", asMergePatch, `{"age":86}`),
		refusals("deleteUser", "DELETE /users/1", "", ""), refusals("batchUsers", "POST /users/batch", asJSON, `{"operations":[{"op":"delete","id":3}]}`))
}

// What is sent of users. The store knows Grace as 1, Alan as 2 and Mary as 3.
const (
	adaBody     = `{"name":"Ada Lovelace","email":"ada@example.com","age":36}`
	newbornBody = `{"name":"Ada Lovelace","email":"ada@example.com"}`
	graceBody   = `{"name":"Grace Brewster Hopper","email":"grace@example.com","age":85}`
	alanBody    = `{"name":"Grace Hopper","email":"alan@example.com","age":85}`
	faultyBody  = `{"name":"","age":200,"nick":"ada"}`
)

const (
	withKey      = "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324"
	withOldTag   = `If-Match: "7"`
	withKnownTag = `If-None-Match: "1"`
	asMergePatch = "application/merge-patch+json"
)

func text(body string) io.Reader { return strings.NewReader(body) }

func createExchanges() []exchange {
	const create = "POST /users/"
	return []exchange{
		{operation: "createUser", name: "complete", request: create, media: asJSON, body: text(adaBody)},
		{operation: "createUser", name: "without_age", request: create, media: asJSON, body: text(newbornBody)},
		{operation: "createUser", name: "sent_again", request: create, media: asJSON, body: text(adaBody), header: withKey, again: true},
		{operation: "createUser", request: create, media: asJSON, body: text(`{"name":"Ada`)},
		{operation: "createUser", request: create, media: asJSON, body: slow()},
		{operation: "createUser", request: create, media: asJSON, body: text(alanBody)},
		{operation: "createUser", request: create, media: asJSON, body: text(adaBody), header: withKey, spoil: running},
		{operation: "createUser", request: create, media: asJSON, body: large()},
		{operation: "createUser", request: create, media: "text/plain", body: text(adaBody)},
		{operation: "createUser", request: create, media: asJSON, body: text(faultyBody)},
		{operation: "createUser", request: create, media: asJSON, body: text(newbornBody), header: withKey, spoil: reused},
		{operation: "createUser", request: create, media: asJSON, body: text(adaBody), spoil: broken},
		{operation: "createUser", request: create, media: asJSON, body: text(adaBody), spoil: away},
	}
}

func listExchanges() []exchange {
	return []exchange{
		{operation: "listUsers", name: "first_page", request: "GET /users/?limit=2&include_total=true"},
		{operation: "listUsers", name: "all", request: "GET /users/"},
		{operation: "listUsers", name: "found_and_sorted", request: "GET /users/?q=ma&age_min=18&sort=-age,name"},
		{operation: "listUsers", request: "GET /users/?limit=5000&emial=grace@example.com"},
		{operation: "listUsers", request: "GET /users/", spoil: broken},
		{operation: "listUsers", request: "GET /users/", spoil: away},
	}
}

func getExchanges() []exchange {
	const one, byEmail = "GET /users/1", "GET /users/by-email/grace@example.com"
	return []exchange{
		{operation: "getUser", name: "user", request: one},
		{operation: "getUser", request: one, header: withKnownTag},
		{operation: "getUser", request: "GET /users/99"},
		{operation: "getUser", request: "GET /users/ada"},
		{operation: "getUser", request: one, spoil: broken},
		{operation: "getUser", request: one, spoil: away},
		{operation: "getUser", request: one, spoil: refusing(problem.ErrOverloaded)},

		{operation: "getUserByEmail", name: "user", request: byEmail},
		{operation: "getUserByEmail", request: byEmail, header: withKnownTag},
		{operation: "getUserByEmail", request: "GET /users/by-email/ada@example.com"},
		{operation: "getUserByEmail", request: byEmail, spoil: broken},
		{operation: "getUserByEmail", request: byEmail, spoil: away},
	}
}

func replaceExchanges() []exchange {
	const replace = "PUT /users/1"
	return []exchange{
		{operation: "replaceUser", name: "complete", request: replace, media: asJSON, body: text(graceBody)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(`{"name":"Grace","name":"Ada"}`)},
		{operation: "replaceUser", request: "PUT /users/99", media: asJSON, body: text(graceBody)},
		{operation: "replaceUser", request: replace, media: asJSON, body: slow()},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(alanBody)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(graceBody), header: withOldTag},
		{operation: "replaceUser", request: replace, media: asJSON, body: large()},
		{operation: "replaceUser", request: replace, media: "text/plain", body: text(graceBody)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(faultyBody)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(graceBody), spoil: conditional},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(graceBody), spoil: broken},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(graceBody), spoil: away},
	}
}

func patchExchanges() []exchange {
	const (
		patch = "PATCH /users/1"
		older = `{"age":86}`
	)
	return []exchange{
		{operation: "patchUser", name: "one_member", request: patch, media: asMergePatch, body: text(older)},
		{operation: "patchUser", name: "clear_age", request: patch, media: asMergePatch, body: text(`{"age":null}`)},
		{operation: "patchUser", name: "one_member", request: patch, media: asJSON, body: text(older)},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(`{"age":86,}`)},
		{operation: "patchUser", request: "PATCH /users/99", media: asMergePatch, body: text(older)},
		{operation: "patchUser", request: patch, media: asMergePatch, body: slow()},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(`{"email":"alan@example.com"}`)},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(older), header: withOldTag},
		{operation: "patchUser", request: patch, media: asMergePatch, body: large()},
		{operation: "patchUser", request: patch, media: "application/json-patch+json", body: text(`[]`)},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(`{"name":null,"age":200}`)},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(older), spoil: conditional},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(older), spoil: broken},
		{operation: "patchUser", request: patch, media: asMergePatch, body: text(older), spoil: away},
	}
}

func deleteExchanges() []exchange {
	const one = "DELETE /users/1"
	return []exchange{
		{operation: "deleteUser", request: one},
		{operation: "deleteUser", request: "DELETE /users/99"},
		{operation: "deleteUser", request: one, header: withOldTag},
		{operation: "deleteUser", request: "DELETE /users/ada"},
		{operation: "deleteUser", request: one, spoil: conditional},
		{operation: "deleteUser", request: one, spoil: broken},
		{operation: "deleteUser", request: one, spoil: away},
	}
}

func batchExchanges() []exchange {
	const (
		batch  = "POST /users/batch"
		create = `{"op":"create","user":` + adaBody + `}`
		swap   = `{"operations":[{"op":"patch","id":1,"user":{"email":"alan@example.com"}},{"op":"patch","id":2,"user":{"email":"grace@example.com"}}]}`
		mixed  = `{"operations":[` + create + `,{"op":"update","id":1,"if_match":"1","user":` + graceBody + `},{"op":"patch","id":2,"user":{"age":42}},{"op":"delete","id":3}]}`
		try    = `{"mode":"independent","operations":[` + create + `,{"op":"delete","id":99},{"op":"create","user":` + alanBody + `}]}`
		dryRun = `{"dry_run":true,"operations":[` + create + `]}`
		gone   = `{"operations":[` + create + `,{"op":"delete","id":99}]}`
		taken  = `{"operations":[` + create + `,{"op":"create","user":` + alanBody + `}]}`
		stale  = `{"operations":[` + create + `,{"op":"patch","id":1,"if_match":"7","user":{"age":86}}]}`
		faulty = `{"operations":[` + create + `,{"op":"create","user":` + faultyBody + `},{"op":"delete","id":99}]}`
	)
	return []exchange{
		{operation: "batchUsers", name: "all_or_none", request: batch, media: asJSON, body: text(mixed)},
		{operation: "batchUsers", name: "swap", request: batch, media: asJSON, body: text(swap)},
		{operation: "batchUsers", name: "dry_run", request: batch, media: asJSON, body: text(dryRun)},
		{operation: "batchUsers", name: "sent_again", request: batch, media: asJSON, body: text(swap), header: withKey, again: true},
		{operation: "batchUsers", name: "each_by_itself", request: batch, media: asJSON, body: text(try)},
		{operation: "batchUsers", name: "each_by_itself_again", request: batch, media: asJSON, body: text(try), header: withKey, again: true},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(`{"operations":[`)},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(gone)},
		{operation: "batchUsers", request: batch, media: asJSON, body: slow()},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(taken)},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(swap), header: withKey, spoil: running},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(stale)},
		{operation: "batchUsers", request: batch, media: asJSON, body: large()},
		{operation: "batchUsers", request: batch, media: "text/plain", body: text(mixed)},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(faulty)},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(`{"mode":"each","operations":[]}`)},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(swap), header: withKey, spoil: reused},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(swap), spoil: conditional},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(mixed), spoil: broken},
		{operation: "batchUsers", request: batch, media: asJSON, body: text(mixed), spoil: away},
	}
}

func otherExchanges() []exchange {
	return []exchange{
		{operation: "getHealth", name: "pass", request: "GET /health"},
		{operation: "getLiveness", name: "pass", request: "GET /livez"},
		{operation: "getReadiness", name: "pass", request: "GET /readyz"},
		{operation: "getReadiness", request: "GET /readyz", spoil: away},

		{operation: "getOpenAPI", request: "GET /openapi.json", spoil: undocumented},
		{operation: "getSwagger", request: "GET /swagger/doc.json", spoil: undocumented},
		{operation: "getIndex", name: "links", request: "GET /"},
		{operation: "explainProblem", name: "json", request: "GET /problems/email-taken"},
		{operation: "explainProblem", name: "html", request: "GET /problems/email-taken", accept: "text/html"},
		{operation: "explainProblem", request: "GET /problems/email-given"},
	}
}

// refusals returns the exchanges in which nobody is let in, for one request.
func refusals(operation, request, media, body string) []exchange {
	var found []exchange
	for _, refused := range []exchange{{spoil: asking}, {spoil: asking, header: "X-API-Key: " + uselessKey}, {spoil: refusing(problem.ErrRateLimited)}} {
		refused.operation, refused.request, refused.media, refused.body = operation, request, media, text(body)
		found = append(found, refused)
	}
	return found
}

// uselessKey is an API key that may do nothing.
const uselessKey = "uak_00000000000000000000000000000000000000000002JpzL7"

// asking has the service ask for an API key.
func asking(deps *handlers.Deps) {
	deps.Auth, _ = auth.New(auth.NewState(time.Now), auth.Options{ // fails for keys that stand twice only
		Keys: []auth.Key{{Name: "nobody", Hash: sha256.Sum256([]byte(uselessKey))}},
	})
}

// refusing has every request be refused.
func refusing(err error) func(*handlers.Deps) {
	return func(deps *handlers.Deps) { deps.Users = failing{err} }
}

// slow is a body that does not arrive in time.
func slow() io.Reader { return iotest.ErrReader(os.ErrDeadlineExceeded) }

// large is a body past the limit.
func large() io.Reader { return strings.NewReader(strings.Repeat(" ", maxBodyBytes+1)) }

// broken has every call of the service end in an error that nobody foresaw.
func broken(deps *handlers.Deps) { deps.Users = failing{errors.New("unforeseen")} }

// away has the store be away.
func away(deps *handlers.Deps) {
	deps.Users = failing{models.ErrUnavailable}
	deps.Store = failing{models.ErrUnavailable}
}

// conditional has the service want a condition of every change.
func conditional(deps *handlers.Deps) { deps.RequireIfMatch = true }

// running has every request with a key meet another one that has not ended.
func running(deps *handlers.Deps) { deps.Retries = failing{models.ErrRequestInProgress} }

// reused has every key be known from another request.
func reused(deps *handlers.Deps) { deps.Retries = failing{models.ErrKeyReused} }

// undocumented has the service keep its documents to itself.
func undocumented(deps *handlers.Deps) { deps.Documents = false }
