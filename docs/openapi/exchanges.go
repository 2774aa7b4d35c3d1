package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing/iotest"

	"userapi/handlers"
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
	// body is nil for none.
	body io.Reader
	// spoil breaks what the handlers stand on.
	spoil func(*handlers.Deps)
}

const asJSON = "application/json"

// exchanges returns one exchange for every answer that the document declares.
func exchanges() []exchange { return slices.Concat(userExchanges(), otherExchanges()) }

func userExchanges() []exchange {
	const (
		create  = "POST /users/"
		replace = "PUT /users/1"
		ada     = `{"name":"Ada Lovelace","email":"ada@example.com","age":36}`
		newborn = `{"name":"Ada Lovelace","email":"ada@example.com"}`
		grace   = `{"name":"Grace Brewster Hopper","email":"grace@example.com","age":85}`
		alan    = `{"name":"Grace Hopper","email":"alan@example.com","age":85}`
		faulty  = `{"name":"","age":200,"nick":"ada"}`
	)
	text := func(body string) io.Reader { return strings.NewReader(body) }
	return []exchange{
		{operation: "createUser", name: "complete", request: create, media: asJSON, body: text(ada)},
		{operation: "createUser", name: "without_age", request: create, media: asJSON, body: text(newborn)},
		{operation: "createUser", request: create, media: asJSON, body: text(`{"name":"Ada`)},
		{operation: "createUser", request: create, media: asJSON, body: slow()},
		{operation: "createUser", request: create, media: asJSON, body: text(alan)},
		{operation: "createUser", request: create, media: asJSON, body: large()},
		{operation: "createUser", request: create, media: "text/plain", body: text(ada)},
		{operation: "createUser", request: create, media: asJSON, body: text(faulty)},
		{operation: "createUser", request: create, media: asJSON, body: text(ada), spoil: broken},
		{operation: "createUser", request: create, media: asJSON, body: text(ada), spoil: away},

		{operation: "listUsers", name: "first_page", request: "GET /users/?limit=2&include_total=true"},
		{operation: "listUsers", name: "all", request: "GET /users/"},
		{operation: "listUsers", request: "GET /users/?limit=5000&skp=10"},
		{operation: "listUsers", request: "GET /users/", spoil: broken},
		{operation: "listUsers", request: "GET /users/", spoil: away},

		{operation: "getUser", name: "user", request: "GET /users/1"},
		{operation: "getUser", request: "GET /users/99"},
		{operation: "getUser", request: "GET /users/ada"},
		{operation: "getUser", request: "GET /users/1", spoil: broken},
		{operation: "getUser", request: "GET /users/1", spoil: away},

		{operation: "replaceUser", name: "complete", request: replace, media: asJSON, body: text(grace)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(`{"name":"Grace","name":"Ada"}`)},
		{operation: "replaceUser", request: "PUT /users/99", media: asJSON, body: text(grace)},
		{operation: "replaceUser", request: replace, media: asJSON, body: slow()},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(alan)},
		{operation: "replaceUser", request: replace, media: asJSON, body: large()},
		{operation: "replaceUser", request: replace, media: "text/plain", body: text(grace)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(faulty)},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(grace), spoil: broken},
		{operation: "replaceUser", request: replace, media: asJSON, body: text(grace), spoil: away},

		{operation: "deleteUser", request: "DELETE /users/1"},
		{operation: "deleteUser", request: "DELETE /users/99"},
		{operation: "deleteUser", request: "DELETE /users/ada"},
		{operation: "deleteUser", request: "DELETE /users/1", spoil: broken},
		{operation: "deleteUser", request: "DELETE /users/1", spoil: away},
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

// undocumented has the service keep its documents to itself.
func undocumented(deps *handlers.Deps) { deps.Documents = false }
