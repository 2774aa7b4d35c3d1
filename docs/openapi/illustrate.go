package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"userapi/handlers/problem"
)

// illustrate plays the exchanges and puts their answers into the document as examples. Its error
// names every answer that the document does not declare as it is, and every one that it declares and
// no exchange gave.
func illustrate(doc *openapi3.T, exchanges []exchange) error {
	operations := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			operations[operation.OperationID] = operation
			recordParameters(path, operation, exchanges)
		}
	}
	var faults []error
	given := map[*openapi3.Response]bool{}
	for _, e := range exchanges {
		answer, err := play(e)
		if err != nil {
			return err
		}
		operation := operations[e.operation]
		if operation == nil {
			faults = append(faults, fmt.Errorf("%s: there is no such operation", e.operation))
			continue
		}
		declared := operation.Responses.Status(answer.Code)
		if declared == nil {
			faults = append(faults, fmt.Errorf("%s: %s answers %d, which is not declared", e.operation, e.request, answer.Code))
			continue
		}
		given[declared.Value] = true
		if err := record(doc, operation, declared.Value, e, answer); err != nil {
			faults = append(faults, fmt.Errorf("%s: %s answers %d: %w", e.operation, e.request, answer.Code, err))
		}
	}
	for id, operation := range operations {
		for status, response := range operation.Responses.Map() {
			// A description is no example of itself.
			describes := !failed(status) && (id == "getOpenAPI" || id == "getSwagger")
			if !given[response.Value] && !describes {
				faults = append(faults, fmt.Errorf("%s: no exchange gives the %s that is declared", id, status))
			}
			for name, header := range response.Value.Headers {
				if given[response.Value] && header.Value != nil && header.Value.Example == nil {
					faults = append(faults, fmt.Errorf("%s: no exchange of %s has the header field %s that is declared", id, status, name))
				}
			}
		}
	}
	return errors.Join(faults...)
}

// recordParameters gives the parameters in the path of an operation their values in its first
// exchange as examples.
func recordParameters(path string, operation *openapi3.Operation, exchanges []exchange) {
	at := slices.IndexFunc(exchanges, func(e exchange) bool { return e.operation == operation.OperationID })
	if at < 0 {
		return // illustrate tells of answers that nobody gave
	}
	_, target, _ := strings.Cut(exchanges[at].request, " ")
	values := strings.Split(target, "/")
	for i, segment := range strings.Split(path, "/") {
		name := strings.Trim(segment, "{}")
		if parameter := operation.Parameters.GetByInAndName("path", name); parameter != nil && name != segment {
			parameter.Example = valueOf(values[i], parameter.Schema)
		}
	}
}

// valueOf returns text as a value of the type that its schema says.
func valueOf(text string, schema *openapi3.SchemaRef) any {
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && schema.Value.Type.Is("integer") {
		return number
	}
	return text
}

// record puts one answer, and the request that it was given to if that was accepted, into the
// document.
func record(doc *openapi3.T, operation *openapi3.Operation, declared *openapi3.Response, e exchange, answer *httptest.ResponseRecorder) error {
	if err := recordHeaders(doc, declared, answer.Header()); err != nil {
		return err
	}
	body := answer.Body.Bytes()
	if len(body) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	if err != nil {
		return err
	}
	media := declared.Content[mediaType]
	if media == nil {
		return fmt.Errorf("%s is not declared", mediaType)
	}
	if mediaType == problem.ContentType {
		return recordProblem(declared, media, body)
	}
	if mediaType == asJSON {
		addExample(media, e.name, "", json.RawMessage(steady(string(body))))
	} else {
		addExample(media, e.name, "", string(body))
	}
	return recordRequest(operation, e)
}

// recordProblem names an example by the code of the problem, and tells in the description of the
// answer what it says.
func recordProblem(declared *openapi3.Response, media *openapi3.MediaType, body []byte) error {
	var said problem.Problem
	if err := json.Unmarshal(body, &said); err != nil {
		return err
	}
	description := said.Title + ": `" + said.Code + "`"
	if len(media.Examples) > 0 {
		description = *declared.Description + ", or " + strings.ToLower(description[:1]) + description[1:]
	}
	declared.Description = &description
	addExample(media, said.Code, said.Title, json.RawMessage(body))
	return nil
}

// recordRequest adds the body of an accepted request as an example of what to send.
func recordRequest(operation *openapi3.Operation, e exchange) error {
	body, seekable := e.body.(io.ReadSeeker)
	if !seekable {
		return nil
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sent, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	addExample(operation.RequestBody.Value.Content[e.media], e.name, "", json.RawMessage(sent))
	return nil
}

func addExample(media *openapi3.MediaType, name, summary string, value any) {
	if media.Examples == nil {
		media.Examples = openapi3.Examples{}
	}
	media.Examples[name] = &openapi3.ExampleRef{Value: &openapi3.Example{Summary: summary, Value: value}}
}

// recordHeaders gives every declared header field the value of the answer as its example. One that is
// not there on every occasion may be absent.
func recordHeaders(doc *openapi3.T, declared *openapi3.Response, header http.Header) error {
	for name, ref := range declared.Headers {
		target := ref.Value
		if target == nil {
			target = doc.Components.Headers[name].Value
		}
		value := header.Get(name)
		if value == "" && target.Required {
			return fmt.Errorf("the header field %s, which is declared, is absent", name)
		}
		if value == "" {
			continue
		}
		if target.Example != nil {
			continue
		}
		target.Example = valueOf(steady(value), target.Schema)
	}
	return nil
}
