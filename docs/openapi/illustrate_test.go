package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"userapi/docs"
)

// converted returns the document as convert leaves it, without any example.
func converted(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := convert([]byte(docs.Swagger()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestIllustrate(t *testing.T) {
	refuses := func(t *testing.T, doc *openapi3.T, played []exchange, want string) {
		t.Helper()
		if err := illustrate(doc, played); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one that says %q", err, want)
		}
	}

	t.Run("an answer that is not declared is refused", func(t *testing.T) {
		doc := converted(t)
		doc.Paths.Value("/users/{id}").Get.Responses.Delete("404")
		refuses(t, doc, exchanges(), "getUser: GET /users/99 answers 404, which is not declared")
	})

	t.Run("a declared answer that nobody gave is refused", func(t *testing.T) {
		played := slices.DeleteFunc(exchanges(), func(e exchange) bool { return e.operation == "getReadiness" && e.spoil != nil })
		refuses(t, converted(t), played, "getReadiness: no exchange gives the 503 that is declared")
	})

	t.Run("a declared header that is absent is refused", func(t *testing.T) {
		doc := converted(t)
		health := doc.Paths.Value("/health").Get.Responses.Value("200").Value
		health.Headers["Retry-After"] = &openapi3.HeaderRef{Ref: "#/components/headers/Retry-After"}
		refuses(t, doc, exchanges(), "the header field Retry-After, which is declared, is absent")
	})

	t.Run("an exchange with no operation is refused", func(t *testing.T) {
		played := append(exchanges(), exchange{operation: "loseUser", request: "GET /"})
		refuses(t, converted(t), played, "loseUser: there is no such operation")
	})
}
