package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Validator judges answers by an OpenAPI document: what the document does not declare is a failure of
// the test, be it a status, a header field, a media type, or a member of a body. It is stricter than
// a client may be, who has to expect more members one day. It is safe for concurrent use.
type Validator struct {
	tb    testing.TB
	doc   *openapi3.T
	paths map[string]*openapi3.PathItem
}

// NewValidator returns a validator by a document in JSON; the test ends when it is not valid.
func NewValidator(tb testing.TB, spec []byte) *Validator {
	tb.Helper()
	read, _ := descriptions.LoadOrStore(string(spec), sync.OnceValues(func() (*openapi3.T, error) { return closed(spec) }))
	doc, err := read.(func() (*openapi3.T, error))()
	if err != nil {
		tb.Fatalf("the description is not valid: %v", err)
	}
	return &Validator{tb: tb, doc: doc, paths: doc.Paths.Map()}
}

// descriptions holds the documents that were read, by their text: each test has a validator, and to
// read one takes as long as a hundred requests.
var descriptions sync.Map

// closed returns a document, found valid with its examples, whose objects have no member but those
// that it declares.
func closed(spec []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, err
	}
	no := false
	for _, schema := range doc.Components.Schemas {
		if schema.Value.Type.Is("object") {
			schema.Value.AdditionalProperties.Has = &no
		}
	}
	return doc, doc.Validate(loader.Context, openapi3.EnableExamplesValidation())
}

// Wrap returns a transport that hands each answer of next to the validator, and then on, body and
// all.
func (v *Validator) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		v.Judge(req, res, body)
		return res, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Judge marks the test as failed unless the answer is one that the document declares for its request.
func (v *Validator) Judge(req *http.Request, res *http.Response, body []byte) {
	v.tb.Helper()
	if err := v.judge(req, res, body); err != nil {
		v.tb.Errorf("%s %s answered %d, against openapi.json: %v", req.Method, req.URL.Path, res.StatusCode, err)
	}
}

func (v *Validator) judge(req *http.Request, res *http.Response, body []byte) error {
	if forPeople(req.URL.Path) {
		return nil
	}
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet // HEAD is GET without the body
	}
	path := req.URL.Path
	if strings.Contains(path, "/by-email/") { // an address may have a slash, which is encoded then
		path = req.URL.EscapedPath()
	}
	operation, known := v.find(method, path)
	switch {
	case !known:
		return v.undeclared(req, res, body, http.StatusNotFound, "route_not_found")
	case operation != nil:
		return v.declared(operation, req, res, body)
	case res.Header.Get("Allow") == "":
		return errors.New("there is no Allow header")
	case method == http.MethodOptions:
		if res.StatusCode != http.StatusNoContent || len(body) > 0 {
			return errors.New("OPTIONS is answered by 204 and no body")
		}
		return nil
	}
	return v.undeclared(req, res, body, http.StatusMethodNotAllowed, "method_not_allowed")
}

// forPeople says whether a path belongs to the pages of Swagger UI, which no program reads.
func forPeople(path string) bool {
	return path == "/swagger" || strings.HasPrefix(path, "/swagger/") && path != "/swagger/doc.json"
}

// find returns the operation of a path, those of users with or without their prefix and the slash at
// the end, and whether the document knows the path at all. A path that stands there by its name is no
// case of a template, also not for methods that it has not.
func (v *Validator) find(method, path string) (operation *openapi3.Operation, known bool) {
	plain, fewest := plainPath(path), math.MaxInt
	for template, item := range v.paths {
		open := strings.Count(template, "{")
		if open < fewest && fits(plainPath(template), plain) {
			operation, known, fewest = item.Operations()[method], true, open
		}
	}
	return operation, known
}

// plainPath returns a path of users as it stands in the document, less the slash at its end. Other
// paths have one form only.
func plainPath(path string) string {
	users := strings.TrimPrefix(path, "/v1")
	if users == "/users" || strings.HasPrefix(users, "/users/") {
		return strings.TrimSuffix(users, "/")
	}
	return path
}

func fits(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (got[i] == "" || !strings.HasPrefix(want[i], "{")) {
			return false
		}
	}
	return true
}

// undeclared judges the answer to a request that the document does not know.
func (v *Validator) undeclared(req *http.Request, res *http.Response, body []byte, status int, code string) error {
	if res.StatusCode != status {
		return fmt.Errorf("a request that is not declared is answered by %d", status)
	}
	if req.Method == http.MethodHead {
		return nil
	}
	var problem Problem
	if err := json.Unmarshal(body, &problem); err != nil {
		return err
	}
	if problem.Code != code {
		return fmt.Errorf("the code is %q, want %q", problem.Code, code)
	}
	return v.fits(v.doc.Components.Schemas["Problem"].Value, body)
}

func (v *Validator) declared(operation *openapi3.Operation, req *http.Request, res *http.Response, body []byte) error {
	response := operation.Responses.Status(res.StatusCode)
	if response == nil {
		return fmt.Errorf("%s does not declare the status", operation.OperationID)
	}
	return errors.Join(
		v.headers(response.Value.Headers, res.Header),
		v.body(response.Value.Content, req, res, body),
	)
}

// unspoken lists the header fields of which a description of an API does not speak: those of HTTP
// itself and those that only browsers heed.
var unspoken = map[string]bool{
	"Connection": true, "Content-Length": true, "Content-Type": true, "Date": true,
	"Vary": true, "Content-Encoding": true, "Strict-Transport-Security": true,
	"Content-Security-Policy": true, "X-Content-Type-Options": true, "Referrer-Policy": true,
	"Access-Control-Allow-Origin": true, "Access-Control-Expose-Headers": true,
}

func (v *Validator) headers(declared openapi3.Headers, given http.Header) error {
	var faults []error
	known := map[string]bool{}
	for name, header := range declared {
		known[http.CanonicalHeaderKey(name)] = true
		values := given.Values(name)
		if len(values) == 0 {
			if header.Value.Required {
				faults = append(faults, fmt.Errorf("the header %s is absent", name))
			}
			continue
		}
		var value any = values[0]
		if number, err := strconv.ParseFloat(values[0], 64); err == nil && header.Value.Schema.Value.Type.Is("integer") {
			value = number
		}
		if err := header.Value.Schema.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
			faults = append(faults, fmt.Errorf("the header %s: %w", name, err))
		}
	}
	for name := range given {
		if !known[name] && !unspoken[name] {
			faults = append(faults, fmt.Errorf("the header %s is not declared", name))
		}
	}
	return errors.Join(faults...)
}

func (v *Validator) body(declared openapi3.Content, req *http.Request, res *http.Response, body []byte) error {
	if len(declared) == 0 {
		if len(body) > 0 || res.Header.Get("Content-Type") != "" {
			return errors.New("there is a body, and none is declared")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("the media type cannot be read: %w", err)
	}
	media := declared[mediaType]
	switch {
	case media == nil:
		return fmt.Errorf("the media type %s is not declared", mediaType)
	case req.Method == http.MethodHead:
		return nil
	case !strings.HasSuffix(mediaType, "json"):
		return media.Schema.Value.VisitJSON(string(body))
	}
	return v.fits(media.Schema.Value, body)
}

// fits says in what a JSON body breaks its schema.
func (v *Validator) fits(schema *openapi3.Schema, body []byte) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return schema.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors(), openapi3.EnableFormatValidation())
}
