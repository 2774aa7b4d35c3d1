package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"userapi/handlers/problem"
)

// convert turns a Swagger 2.0 document into OpenAPI 3.0 and adds what the older form cannot say.
func convert(swagger []byte) (*openapi3.T, error) {
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, err
	}
	spreadAliases(&old)
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	addServers(doc)
	for path, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			refineSecurity(operation)
			for _, parameter := range operation.Parameters {
				refineSchema(parameter.Value.Schema)
			}
			refineBody(operation)
			for status, response := range operation.Responses.Map() {
				refineContent(status, response.Value)
				addHeaders(path, status, response.Value)
			}
		}
	}
	doc.Components.Headers = sharedHeaders()
	refineSchemes(doc)
	for _, schema := range doc.Components.Schemas {
		refineSchema(schema)
	}
	return doc, nil
}

// refineSecurity lets nobody be asked of operations that everybody may ask. For the others credentials of
// any kind will do, and none where the service is set up to ask nobody.
func refineSecurity(operation *openapi3.Operation) {
	ways := openapi3.SecurityRequirements{}
	if operation.Security != nil && len(*operation.Security) > 0 {
		ways = append(ways, openapi3.SecurityRequirement{})
		ways = append(ways, *operation.Security...)
	}
	operation.Security = &ways
	if needs, ok := operation.Extensions["x-needs"].(string); ok {
		operation.Description += " Needs the scope `" + needs + "`, where callers are asked who they are."
	}
}

// refineSchemes says of the schemes what Swagger 2.0 has no words for.
func refineSchemes(doc *openapi3.T) {
	const of = "What somebody is let in by, where the service is set up for it: "
	schemes := doc.Components.SecuritySchemes
	schemes["BasicAuth"].Value.Description = of + "a name and a password."
	schemes["BearerAuth"].Value = openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").
		WithDescription(of + "an API key that begins with `uak_`, or a token (JWT) of the issuer that the service believes.")
	schemes["ApiKeyAuth"].Value.Description = of + "an API key that begins with `uak_`."
}

// spreadAliases gives an operation the further paths that its `x-also` annotation names, each with
// the operationId that it has there; swag refuses two paths for one operation that has an id.
func spreadAliases(doc *openapi2.T) {
	for _, item := range maps.Clone(doc.Paths) {
		for method, operation := range item.Operations() {
			also, _ := operation.Extensions["x-also"].(map[string]any)
			delete(operation.Extensions, "x-also")
			for path, id := range also {
				alias := *operation
				alias.OperationID, _ = id.(string)
				doc.Paths[path] = &openapi2.PathItem{}
				doc.Paths[path].SetOperation(method, &alias)
			}
		}
	}
}

// aboutUsers says whether a path is one of those that stand under /v1 too.
func aboutUsers(path string) bool { return strings.HasPrefix(path, "/users/") }

// addServers names both places under which the paths of users stand; all other paths override that.
func addServers(doc *openapi3.T) {
	current := &openapi3.Server{URL: "/", Description: "The current version"}
	doc.Servers = openapi3.Servers{current, {URL: "/v1", Description: "Version 1, for paths of users only"}}
	for path, item := range doc.Paths.Map() {
		if !aboutUsers(path) {
			item.Servers = openapi3.Servers{current}
		}
	}
}

// refineBody closes the schema of a request body: unknown members are refused.
func refineBody(operation *openapi3.Operation) {
	if operation.RequestBody == nil {
		return
	}
	body := operation.RequestBody.Value
	delete(body.Extensions, "x-originalParamName")
	for _, media := range body.Content {
		closeSchema(media.Schema)
	}
}

// closeSchema closes the schema of an object, and those of the objects in it.
func closeSchema(schema *openapi3.SchemaRef) {
	if schema == nil || schema.Value == nil {
		return
	}
	if schema.Value.Type.Is("object") {
		refused := false
		schema.Value.AdditionalProperties.Has = &refused
	}
	closeSchema(schema.Value.Items)
	for _, property := range schema.Value.Properties {
		closeSchema(property)
	}
}

// refineContent gives an answer the media types that it has: Swagger 2.0 knows one list for all
// answers of an operation, which would have successes be problems and problems plain JSON.
func refineContent(status string, response *openapi3.Response) {
	if len(response.Content) == 0 {
		return
	}
	if failed(status) {
		for _, media := range response.Content {
			response.Content = openapi3.Content{problem.ContentType: media}
			return
		}
	}
	if page := response.Content["text/html"]; page != nil {
		page.Schema = openapi3.NewStringSchema().NewRef()
	}
}

// failed says whether a status stands for a problem.
func failed(status string) bool { return status >= "400" }

// refineSchema says of every integer how large it can be, which swag does of few, at every depth.
func refineSchema(schema *openapi3.SchemaRef) {
	if schema == nil || schema.Ref != "" {
		return
	}
	if schema.Value.Type.Is("integer") && schema.Value.Format == "" {
		schema.Value.Format = "int64"
	}
	refineSchema(schema.Value.Items)
	for _, property := range schema.Value.Properties {
		refineSchema(property)
	}
}

// sharedHeaders returns the header fields that follow from rules of the whole API.
func sharedHeaders() openapi3.Headers {
	header := func(description string, schema *openapi3.Schema) *openapi3.HeaderRef {
		return &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{
			Description: description, Required: true, Schema: schema.NewRef(),
		}}}
	}
	optional := func(description, pattern string) *openapi3.HeaderRef {
		ref := header(description, openapi3.NewStringSchema().WithPattern(pattern))
		ref.Value.Required = false
		return ref
	}
	return openapi3.Headers{
		"X-Request-ID":     header("The name of the request in the log: the one that it came with if that is sane, else a new one", openapi3.NewStringSchema().WithMinLength(1).WithMaxLength(128)),
		"Cache-Control":    header("Answers about users are for the caller alone and to be asked for anew", openapi3.NewStringSchema()),
		"Vary":             header("The header fields of the request on which the answer depends", openapi3.NewStringSchema()),
		"WWW-Authenticate": header("What to authenticate by (RFC 9110), one field for each way, and what is wrong (RFC 6750)", openapi3.NewStringSchema().WithMinLength(5)),
		"Retry-After":      header("After how many seconds to try again", openapi3.NewInt64Schema().WithMin(0)),
		"RateLimit-Policy": optional("What the service grants this caller, when it limits callers: the budget, its units q and the seconds w in which they come back (draft-ietf-httpapi-ratelimit-headers)",
			`^"(reads|writes|bulk)";q=[0-9]+;w=[0-9]+$`),
		"RateLimit": optional("What is left to this caller, when the service limits callers: the units r of the budget, and after how many seconds t there is one more",
			`^"(reads|writes|bulk)";r=[0-9]+;t=[0-9]+$`),
	}
}

// onOccasion lists the header fields that stand in some of the answers for which an annotation declares
// them.
func onOccasion() []string { return []string{"Idempotency-Replayed", "X-Total-Count", "Retry-After"} }

// addHeaders declares the header fields of an answer: those of the annotations are always there but for
// onOccasion, and those of sharedHeaders by their rules.
func addHeaders(path, status string, response *openapi3.Response) {
	if response.Headers == nil {
		response.Headers = openapi3.Headers{}
	}
	for name, header := range response.Headers {
		header.Value.Required = !slices.Contains(onOccasion(), name)
	}
	names := []string{"X-Request-ID"}
	if aboutUsers(path) {
		names = append(names, "Cache-Control", "Vary", "RateLimit-Policy", "RateLimit")
	}
	if status == strconv.Itoa(http.StatusUnauthorized) || status == strconv.Itoa(http.StatusForbidden) {
		names = append(names, "WWW-Authenticate")
	}
	if status == strconv.Itoa(http.StatusServiceUnavailable) || status == strconv.Itoa(http.StatusTooManyRequests) {
		names = append(names, "Retry-After")
	}
	for _, name := range names {
		response.Headers[name] = &openapi3.HeaderRef{Ref: "#/components/headers/" + name}
	}
}
