package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"userapi/handlers"
	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/repository/memory"
	"userapi/services"
	"userapi/tests/testkit"
)

// description returns the committed OpenAPI document, as text and read.
func description(t *testing.T) ([]byte, *openapi3.T) {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return text, doc
}

// operations returns the operations of a document by their ids, each with its method and path.
func operations(doc *openapi3.T) map[string]operation {
	all := map[string]operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[op.OperationID] = operation{method, path, op}
		}
	}
	return all
}

type operation struct {
	method, path string
	*openapi3.Operation
}

// routes returns the lines `METHOD /path` of the real router.
func routes(t *testing.T) []string {
	t.Helper()
	store := memory.New()
	handler, err := handlers.New(handlers.Deps{
		Users: services.NewUsers(store, nil), Store: store, Lifecycle: new(middleware.Lifecycle),
		Log: zap.NewNop(), CursorKey: make([]byte, 32), Documents: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	router, ok := handler.(interface{ Routes() gin.RoutesInfo })
	if !ok {
		t.Fatalf("a %T does not tell its routes", handler)
	}
	var lines []string
	for _, route := range router.Routes() {
		line := route.Method + " " + route.Path
		if before, name, ok := strings.Cut(line, "/*"); ok { // it stands with and without the slash at its end
			lines = append(lines, before+"/:"+name+"/")
			line = before + "/:" + name
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// pages are the routes of Swagger UI, which people read and no description is about.
var pages = []string{"/swagger", "/swagger/", "/swagger/:file"}

func TestOpenAPI_Paths(t *testing.T) {
	t.Run("the document and the router have the same routes", func(t *testing.T) {
		_, doc := description(t)
		var declared []string
		declare := func(method, path string) {
			declared = append(declared, method+" "+path)
			if method == http.MethodGet {
				declared = append(declared, http.MethodHead+" "+path)
			}
		}
		for _, op := range operations(doc) {
			path := strings.NewReplacer("{", ":", "}", "").Replace(op.path)
			if doc.Paths.Value(op.path).Servers != nil {
				declare(op.method, path) // stands where it says and nowhere else
				continue
			}
			for _, server := range doc.Servers {
				short := strings.TrimSuffix(server.URL, "/") + strings.TrimSuffix(path, "/")
				declare(op.method, short)
				declare(op.method, short+"/")
			}
		}
		for _, page := range pages {
			declare(http.MethodGet, page)
		}
		slices.Sort(declared)
		for _, route := range routes(t) {
			if !slices.Contains(declared, route) {
				t.Errorf("the router has %s, which the document does not declare", route)
			}
		}
		for _, route := range declared {
			if !slices.Contains(routes(t), route) {
				t.Errorf("the document declares %s, which the router does not have", route)
			}
		}
	})
}

func TestOpenAPI_Examples(t *testing.T) {
	t.Run("every operation answers its examples with a success that it declares", func(t *testing.T) {
		text, doc := description(t)
		for id, op := range operations(doc) {
			for name, body := range requestBodies(t, op) {
				t.Run(id+"/"+name, func(t *testing.T) {
					service := testkit.New(t, testkit.Options{})
					for _, name := range []string{"Grace", "Alan", "Mary"} { // whom the examples speak of
						service.Create(t, fmt.Sprintf(`{"name":%q,"email":"%s@example.com"}`, name, strings.ToLower(name)))
					}
					answer := service.Do(t, op.method, target(t, op), body)
					if answer.Status >= 300 {
						t.Errorf("status %d: %s", answer.Status, answer.Body)
					}
					testkit.NewValidator(t, text).Judge(answer.Request, &http.Response{
						StatusCode: answer.Status, Header: answer.Header,
					}, answer.Body)
				})
			}
		}
	})

	t.Run("every code of the catalogue is the example of some failure", func(t *testing.T) {
		_, doc := description(t)
		shown := map[string]bool{problem.ErrMethodNotAllowed.Code: true} // of no operation by its nature
		for _, op := range operations(doc) {
			for _, response := range op.Responses.Map() {
				if media := response.Value.Content[problem.ContentType]; media != nil {
					for code := range media.Examples {
						shown[code] = true
					}
				}
			}
		}
		for _, entry := range problem.Entries() {
			if !shown[entry.Code] {
				t.Errorf("no operation shows %s", entry.Code)
			}
			delete(shown, entry.Code)
		}
		if len(shown) > 0 {
			t.Errorf("the catalogue does not explain %v", slices.Sorted(maps.Keys(shown)))
		}
	})
}

// requestBodies returns the examples of what to send, or one empty body for an operation without any.
func requestBodies(t *testing.T, op operation) map[string]string {
	t.Helper()
	if op.RequestBody == nil {
		return map[string]string{"no body": ""}
	}
	bodies := map[string]string{}
	for name, example := range op.RequestBody.Value.Content["application/json"].Examples {
		body, err := json.Marshal(example.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		bodies[name] = string(body)
	}
	if len(bodies) == 0 {
		t.Errorf("%s shows no body", op.OperationID)
	}
	return bodies
}

// target returns the path of an operation with the examples of its parameters put in.
func target(t *testing.T, op operation) string {
	t.Helper()
	path := op.path
	for _, parameter := range op.Parameters {
		if parameter.Value.In == openapi3.ParameterInPath {
			path = strings.ReplaceAll(path, "{"+parameter.Value.Name+"}", fmt.Sprint(parameter.Value.Example))
		}
	}
	return path
}

func TestOpenAPI_Document(t *testing.T) {
	t.Run("every answer declares what all answers have, and is a problem when it is a failure", func(t *testing.T) {
		_, doc := description(t)
		for id, op := range operations(doc) {
			_, guarded := op.Extensions["x-needs"]
			if op.Security == nil || (len(*op.Security) == 0) == guarded || guarded && len((*op.Security)[0]) > 0 {
				t.Errorf("%s does not say whom it asks for credentials, and that it need not", id)
			}
			for status, response := range op.Responses.Map() {
				headers := []string{"X-Request-ID"}
				if strings.HasPrefix(op.path, "/users/") {
					headers = append(headers, "Cache-Control", "Vary")
				}
				if status == "503" {
					headers = append(headers, "Retry-After")
				}
				if status == "401" || status == "403" {
					headers = append(headers, "WWW-Authenticate")
				}
				for _, name := range headers {
					if header := response.Value.Headers[name]; header == nil || !header.Value.Required {
						t.Errorf("%s: %s is not declared with %s", id, name, status)
					}
				}
				_, refused := response.Value.Content[problem.ContentType]
				if failure := status >= "400"; failure != refused || failure && len(response.Value.Content) != 1 {
					t.Errorf("%s: %s has the media types %v", id, status, slices.Collect(maps.Keys(response.Value.Content)))
				}
			}
		}
	})

	t.Run("the service knows the parameters that the document declares", func(t *testing.T) {
		_, doc := description(t)
		service := testkit.New(t, testkit.Options{})
		declared := []string{}
		for _, parameter := range operations(doc)["listUsers"].Parameters {
			declared = append(declared, parameter.Value.Name)
			answer := service.Get(t, "/users/?"+parameter.Value.Name+"=%07").Want(http.StatusUnprocessableEntity)
			if fault := answer.Problem().Errors[0]; fault.Code == "unknown_parameter" || *fault.Parameter != parameter.Value.Name {
				t.Errorf("the service says of %s: %s", parameter.Value.Name, fault)
			}
		}
		slices.Sort(declared)
		want := strings.Fields("age age_max age_min created_after created_before cursor email ids include_total limit name q skip sort updated_after")
		if !slices.Equal(declared, want) {
			t.Errorf("the document declares the parameters %q, contract 4 has %q", declared, want)
		}
		for id, header := range map[string]string{
			"createUser": "Idempotency-Key", "batchUsers": "Idempotency-Key", "getUser": "If-None-Match", "getUserByEmail": "If-None-Match",
			"replaceUser": "If-Match", "patchUser": "If-Match", "deleteUser": "If-Match",
		} {
			if operations(doc)[id].Parameters.GetByInAndName(openapi3.ParameterInHeader, header) == nil {
				t.Errorf("%s does not declare %s", id, header)
			}
		}
	})

	t.Run("the service serves the committed documents", func(t *testing.T) {
		service := testkit.New(t, testkit.Options{})
		for path, file := range map[string]string{
			"/openapi.json":     "../docs/openapi.json",
			"/swagger/doc.json": "../docs/swagger.json",
		} {
			committed, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := service.Get(t, path).Want(http.StatusOK).Body; string(got) != string(committed) {
				t.Errorf("GET %s does not answer with %s", path, file)
			}
		}
	})
}
