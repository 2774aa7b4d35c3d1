package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

// habit is one request of which a user of FastAPI with pydantic expects something. fastapi is the
// status that a literal implementation of the brief gives: Pydantic models with EmailStr,
// Field(ge=1, le=150) and the default lax mode, `id: int` in the path, Query(ge=…, le=…) for the list.
// status is what this service gives. Where they differ, because says what decided.
type habit struct {
	says            string
	request         string // method and target
	body            string
	headers         []string
	fastapi, status int
	because         string
}

// decided by a section of the contract.
const (
	byStrictTypes  = "contract 1: JSON types are strict"
	byMembers      = "contract 1: unknown members are refused"
	bySyntax       = "contract 3: 400 when the body is not I-JSON"
	byMedia        = "contract 3: 415 unless declared application/json"
	byID           = "contract 2: an id that is not a decimal integer is 422"
	byFarID        = "contract 2: an id past 2^63-1 is 422"
	byParameters   = "contract 4: unknown and repeated parameters are 422"
	byVersions     = "contract 3: If-Match and If-None-Match are heeded"
	byFilters      = "contract 4: lists are filtered and sorted"
	byBatches      = "contract 5: a batch is a route of its own"
	byRoutes       = "contract 2: never redirected; HEAD and OPTIONS exist"
	byEmail        = "contract 1: display names are refused"
	bySize         = "contract 3: nesting and size are bounded"
	byText         = "contract 1: controls, overrides and noncharacters are refused"
	bySpelling     = "silent: a number in the query is spelled as one in the path: digits with at most a sign"
	byExactness    = "silent: a number with any fraction is no integer, although a double would lose that fraction"
	byNobodysQuery = "silent: a query where none is read is ignored, as FastAPI does"
)

func habits() []habit {
	user := func(age string) string { return `{"name":"Ada","email":"a@example.com","age":` + age + `}` }
	post := func(says, body string, fastapi, status int, because string) habit {
		return habit{says: says, request: "POST /users/", body: body, fastapi: fastapi, status: status, because: because}
	}
	get := func(target string, fastapi, status int, because string) habit {
		return habit{says: target, request: "GET " + target, fastapi: fastapi, status: status, because: because}
	}
	return []habit{
		post("an age written as text", user(`"30"`), 201, 422, byStrictTypes),
		post("an age written as text with spaces", user(`" 30 "`), 201, 422, byStrictTypes),
		post("true as an age", user(`true`), 201, 422, byStrictTypes),
		post("30.0 is 30", user(`30.0`), 201, 201, ""),
		post("3e1 is 30", user(`3e1`), 201, 201, ""),
		post("30.5 is no age", user(`30.5`), 422, 422, ""),
		post("a fraction that a double loses", user(`30.00000000000000000001`), 201, 422, byExactness),
		post("a fraction that a double rounds up to the limit", user(`149.99999999999999999999`), 201, 422, byExactness),
		post("a number past every double", user(`1e400`), 422, 422, ""),
		post("a negative age", user(`-1`), 422, 422, ""),
		post("age zero", user(`0`), 422, 422, ""),
		post("age 151", user(`151`), 422, 422, ""),
		post("age null", user(`null`), 201, 201, ""),
		post("an empty text as an age", user(`""`), 422, 422, ""),
		post("NaN", user(`NaN`), 422, 400, bySyntax),
		post("an extra member", `{"name":"Ada","email":"a@example.com","extra":1}`, 201, 422, byMembers),
		post("an id in the body", `{"id":7,"name":"Ada","email":"a@example.com"}`, 201, 201, ""),
		post("a member in another case", `{"Name":"Ada","email":"a@example.com"}`, 422, 422, ""),
		post("a member named twice", `{"name":"Ada","name":"Eve","email":"a@example.com"}`, 201, 400, bySyntax),
		post("a number as a name", `{"name":7,"email":"a@example.com"}`, 422, 422, ""),
		post("null as a name", `{"name":null,"email":"a@example.com"}`, 422, 422, ""),
		post("an empty name", `{"name":"","email":"a@example.com"}`, 422, 422, ""),
		post("a name of 100 emoji", `{"name":"`+strings.Repeat("😀", 100)+`","email":"a@example.com"}`, 201, 201, ""),
		post("a name of 101 emoji", `{"name":"`+strings.Repeat("😀", 101)+`","email":"a@example.com"}`, 422, 422, ""),
		post("a control in a name", `{"name":"a\u0007b","email":"a@example.com"}`, 201, 422, byText),
		post("an override in a name", `{"name":"a\u202eb","email":"a@example.com"}`, 201, 422, byText),
		post("an embedding in a name", `{"name":"a\u202ab","email":"a@example.com"}`, 201, 422, byText),
		post("a line separator in a name", `{"name":"a\u2028b","email":"a@example.com"}`, 201, 201, ""),
		post("a lone surrogate", `{"name":"\ud800","email":"a@example.com"}`, 422, 400, bySyntax),
		post("a display name before the address", `{"name":"Ada","email":"Ada <a@example.com>"}`, 201, 422, byEmail),
		post("an address without a dot in the domain", `{"name":"Ada","email":"a@example"}`, 422, 422, ""),
		post("an address with spaces around it", `{"name":"Ada","email":" a@example.com "}`, 201, 201, ""),
		post("a special-use domain", `{"name":"Ada","email":"a@x.test"}`, 422, 422, ""),
		post("a top level of one letter", `{"name":"Ada","email":"a@example.x"}`, 201, 201, ""),
		post("example.com is no special-use domain", `{"name":"Ada","email":"a@example.com"}`, 201, 201, ""),
		post("a full-width @", `{"name":"Ada","email":"a＠example.com"}`, 422, 422, ""),
		post("no body but a declared one", ``, 422, 415, byMedia),
		post("null", `null`, 422, 422, ""),
		post("an array", `[]`, 422, 422, ""),
		post("a syntax error", `{"name":`, 422, 400, bySyntax),
		post("something behind the document", `{"name":"Ada","email":"a@example.com"}x`, 422, 400, bySyntax),
		post("a byte order mark", "\ufeff"+`{"name":"Ada","email":"a@example.com"}`, 201, 400, bySyntax),
		post("1000 levels of nesting", `{"name":"Ada","email":"a@example.com","id":`+strings.Repeat("[", 900)+strings.Repeat("]", 900)+`}`, 201, 400, bySize),
		{"no Content-Type", "POST /users/", user(`1`), []string{"Content-Type:"}, 201, 415, byMedia},
		{"text/plain", "POST /users/", user(`1`), []string{"Content-Type: text/plain"}, 422, 415, byMedia},
		{"another +json type", "POST /users/", user(`1`), []string{"Content-Type: application/vnd.x+json"}, 201, 415, byMedia},
		{"another charset", "POST /users/", user(`1`), []string{"Content-Type: application/json; charset=latin-1"}, 201, 415, byMedia},
		{"an Accept that nothing here fits", "POST /users/", user(`1`), []string{"Accept: image/png"}, 201, 201, ""},
		{"a query behind POST", "POST /users/?limit=0&x=1", user(`1`), nil, 201, 201, byNobodysQuery},
		{"a query behind an id", "GET /users/1?limit=0&x=1", "", nil, 200, 200, byNobodysQuery},
		{"a body of GET is ignored", "GET /users/1", "{", nil, 200, 200, ""},
		{"a body of DELETE is ignored", "DELETE /users/1", "{", []string{"Content-Type: text/plain"}, 204, 204, ""},
		{"PUT without an age", "PUT /users/1", `{"name":"Ada","email":"b@example.com"}`, nil, 200, 200, ""},
		{"PUT of an unknown id", "PUT /users/99", `{"name":"Ada","email":"b@example.com"}`, nil, 404, 404, ""},
		{"DELETE of the list", "DELETE /users/", "", nil, 405, 405, ""},
		{"a patch", "PATCH /users/1", `{"age":40}`, nil, 200, 200, ""}, // with model_dump(exclude_unset=True), as its manual has it
		{"a patch of nothing", "PATCH /users/1", `{}`, nil, 200, 200, ""},
		{"a patch that clears the age", "PATCH /users/1", `{"age":null}`, nil, 200, 200, ""},
		{"a patch that clears the name", "PATCH /users/1", `{"name":null}`, nil, 422, 422, ""},
		{"a patch declared as one", "PATCH /users/1", `{"age":40}`, []string{"Content-Type: application/merge-patch+json"}, 200, 200, ""},
		{"a patch of another kind", "PATCH /users/1", `[]`, []string{"Content-Type: application/json-patch+json"}, 422, 415, byMedia},
		{"a patch with an extra member", "PATCH /users/1", `{"extra":1}`, nil, 200, 422, byMembers},
		{"a patch of an unknown id", "PATCH /users/99", `{"age":40}`, nil, 404, 404, ""},
		{"a condition that does not hold", "PUT /users/1", ada, []string{`If-Match: "9"`}, 200, 412, byVersions},
		{"a condition that is none", "PUT /users/1", ada, []string{`If-Match: 1`}, 200, 422, byVersions},
		{"a version that the client has", "GET /users/1", "", []string{`If-None-Match: "1"`}, 200, 304, byVersions},
		{"a batch", "POST /users/batch", `{"operations":[{"op":"delete","id":1}]}`, nil, 405, 200, byBatches},
		{"a batch in parts", "POST /users/batch", `{"mode":"independent","operations":[{"op":"delete","id":1}]}`, nil, 405, 207, byBatches},
		{"a batch without its last slash", "POST /users/batch/", `{"operations":[{"op":"delete","id":1}]}`, nil, 404, 200, byRoutes},
		{"HEAD", "HEAD /users/1", "", nil, 405, 200, byRoutes},
		{"OPTIONS", "OPTIONS /users/", "", nil, 405, 204, byRoutes},
		get("/users", 307, 200, byRoutes),
		get("/users/1/", 307, 200, byRoutes),
		get("/users/01", 200, 200, ""),
		get("/users/+1", 200, 200, ""),
		get("/users/%201", 200, 422, byID),
		get("/users/1_0", 404, 422, byID),
		get("/users/1.0", 200, 422, byID),
		get("/users/1.5", 422, 422, ""),
		get("/users/abc", 422, 422, ""),
		get("/users/-1", 404, 404, ""),
		get("/users/0", 404, 404, ""),
		get("/users/true", 422, 422, ""),
		get("/users/%EF%BC%91", 422, 422, ""),
		get("/users/9223372036854775807", 404, 404, ""),
		get("/users/9223372036854775808", 404, 422, byFarID),
		get("/users/?limit=", 422, 422, ""),
		get("/users/?limit", 422, 422, ""),
		get("/users/?limit=0", 422, 422, ""),
		get("/users/?limit=1001", 422, 422, ""),
		get("/users/?limit=05", 200, 200, ""),
		get("/users/?limit=%2B5", 200, 200, ""),
		get("/users/?limit=+5", 200, 422, bySpelling),
		get("/users/?limit=5%20", 200, 422, bySpelling),
		get("/users/?limit=5.0", 200, 422, bySpelling),
		get("/users/?limit=1_0", 200, 422, bySpelling),
		get("/users/?limit=5.5", 422, 422, ""),
		get("/users/?limit=5e0", 422, 422, ""),
		get("/users/?limit=abc", 422, 422, ""),
		get("/users/?limit=true", 422, 422, ""),
		get("/users/?limit=%zz", 422, 422, ""),
		get("/users/?limit=5;skip=1", 422, 422, ""),
		get("/users/?&&limit=5&", 200, 200, ""),
		get("/users/?skip=-1", 422, 422, ""),
		get("/users/?skip=100", 200, 200, ""),
		get("/users/?skip=9223372036854775808", 200, 422, "contract 4: skip is at most 2^63-1"),
		get("/users/?limit=5&limit=6", 200, 422, byParameters),
		get("/users/?unknown=1", 200, 422, byParameters),
		get("/users/?Limit=5", 200, 422, byParameters),
		get("/users/?include_total=TRUE", 200, 200, ""),
		get("/users/?include_total=on", 200, 200, ""),
		get("/users/?include_total=2", 422, 422, ""),
		get("/users/?include_total=", 422, 422, ""),
		get("/users/?include_total=%20true", 422, 422, ""),
		get("/users/?age=36", 200, 200, ""),
		get("/users/?age=x", 200, 422, byFilters),
		get("/users/?sort=-name", 200, 200, ""),
		get("/users/?sort=colour", 200, 422, byFilters),
		get("/users/?order_by=name", 200, 422, byParameters),
		get("/users/?ids=1,2", 200, 200, ""),
		get("/users/?ids=1&ids=2", 200, 422, byParameters),
		get("/users/?created_after=2026-01-01", 200, 422, byFilters),
		get("/users/by-email/ada@example.com", 404, 200, "contract 4: users can be found by address"),
		get("/users/by-email/eve@example.com", 404, 404, ""),
		get("/nothing", 404, 404, ""),
	}
}

// TestFastAPI_Habits holds the service to a table of what users of FastAPI are used to, so that every
// difference is a decision and none an accident.
func TestFastAPI_Habits(t *testing.T) {
	t.Parallel()
	for _, h := range habits() {
		t.Run(fmt.Sprintf("%.80s", h.says), func(t *testing.T) {
			if h.fastapi != h.status && h.because == "" {
				t.Errorf("FastAPI answers %d, we want %d, and nobody said why", h.fastapi, h.status)
			}
			svc := testkit.New(t, testkit.Options{})
			svc.Create(t, ada)
			method, target, _ := strings.Cut(h.request, " ")
			if strings.Contains(target, "%zz") { // no client would send it
				svc.Exchange(t, h.request+" HTTP/1.1").Want(h.status)
				return
			}
			svc.Do(t, method, target, h.body, h.headers...).Want(h.status)
		})
	}
}

// TestFastAPI_StoredForm compares what becomes of an address with what email-validator makes of it.
func TestFastAPI_StoredForm(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	for sent, stored := range map[string]string{
		"Ada@EXAMPLE.com":              "Ada@example.com",
		"ju\u0308rgen@example.com":     "jürgen@example.com", // NFC
		"ada@BÜCHER.example":           "ada@bücher.example",
		"eve@xn--bcher-kva.example":    "eve@bücher.example", // A-labels become U-labels
		"kim@ＥＸＡＭＰＬＥ.com":              "kim@example.com",    // UTS 46 maps full-width letters
		"bob@straße.example":           "bob@straße.example", // IDNA 2008 keeps ß
		"lee@example。com":              "lee@example.com",    // the ideographic full stop
		"MiXeD+Tag@Sub.Example.CO.uk ": "MiXeD+Tag@sub.example.co.uk",
	} {
		t.Run(sent, func(t *testing.T) {
			answer := svc.Post(t, "/users/", fmt.Sprintf(`{"name":"Ada","email":%s}`, quoted(sent))).Want(http.StatusCreated)
			if got := answer.User().Email; got != stored {
				t.Errorf("stored %q, want %q", got, stored)
			}
		})
	}
}
