package testkit

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

func TestValidator_judge(t *testing.T) {
	spec, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	v := NewValidator(t, spec)

	const user = `{"id":1,"name":"Ada","email":"ada@example.com","age":null,` +
		`"created_at":"2026-01-02T15:04:05.000000Z","updated_at":"2026-01-02T15:04:05.000000Z","version":1}`
	problem := func(status, code string) string {
		return `{"type":"/problems/x","title":"X","status":` + status + `,"detail":"X.","instance":"/","code":"` + code + `","request_id":"x"}`
	}
	const plain, asked = "Content-Type: application/json", "X-Request-ID: x"
	const failure = "Content-Type: application/problem+json"
	about := []string{asked, "Cache-Control: private, no-cache", "Vary: Accept-Encoding"}
	one := append([]string{plain, `ETag: "1"`}, about...)

	for name, test := range map[string]struct {
		request string
		status  int
		header  []string
		body    string
		want    string
	}{
		"a user":                                             {"GET /users/1", 200, one, user, ""},
		"a user of v1 and a slash":                           {"GET /v1/users/1/", 200, one, user, ""},
		"HEAD without a body":                                {"HEAD /users/1", 200, one, "", ""},
		"the methods of a path":                              {"OPTIONS /users/1", 204, []string{asked, "Allow: GET"}, "", ""},
		"an unknown path":                                    {"GET /nowhere", 404, []string{asked, failure}, problem("404", "route_not_found"), ""},
		"a method that a path has not":                       {"PATCH /health", 405, []string{asked, failure, "Allow: GET"}, problem("405", "method_not_allowed"), ""},
		"a page for people":                                  {"GET /swagger/index.html", 200, nil, "<!doctype html>", ""},
		"an undeclared status":                               {"GET /users/1", 418, one, user, "does not declare the status"},
		"an undeclared member":                               {"GET /users/1", 200, one, strings.Replace(user, `"age"`, `"nick":"A","age"`, 1), "nick"},
		"an absent member":                                   {"GET /users/1", 200, one, strings.Replace(user, `"age":null,`, "", 1), "age"},
		"a value out of range":                               {"GET /users/1", 200, one, strings.Replace(user, "null", "200", 1), "150"},
		"an undeclared media type":                           {"GET /users/1", 200, append([]string{failure, `ETag: "1"`}, about...), user, "is not declared"},
		"an absent header":                                   {"GET /users/1", 200, append([]string{plain}, about...), user, "ETag is absent"},
		"an undeclared header":                               {"GET /users/1", 200, append([]string{"X-Powered-By: x"}, one...), user, "X-Powered-By is not declared"},
		"a header of another type":                           {"GET /readyz", 503, []string{asked, failure, "Cache-Control: no-store", "Retry-After: soon"}, problem("503", "not_ready"), "Retry-After"},
		"a body where there is none":                         {"DELETE /users/1", 204, about, "gone", "none is declared"},
		"an unknown path that is answered":                   {"GET /nowhere", 200, []string{asked, plain}, "{}", "answered by 404"},
		"a path that v1 does not have":                       {"GET /v1/health", 200, []string{asked, plain}, `{"status":"pass"}`, "answered by 404"},
		"a method that is answered":                          {"PATCH /health", 200, []string{asked, plain, "Allow: GET"}, "{}", "answered by 405"},
		"a 405 without Allow":                                {"PATCH /health", 405, []string{asked, failure}, problem("405", "method_not_allowed"), "no Allow"},
		"a 404 of another code":                              {"GET /nowhere", 404, []string{asked, failure}, problem("404", "user_not_found"), "route_not_found"},
		"a user by address":                                  {"GET /v1/users/by-email/ada@example.com/", 200, one, user, ""},
		"an address with a slash":                            {"GET /users/by-email/a%2Fb@example.com", 200, one, user, ""},
		"a user who has not changed":                         {"GET /users/1", 304, append([]string{`ETag: "1"`}, about...), "", ""},
		"a 304 with a body":                                  {"GET /users/1", 304, one, user, "none is declared"},
		"a 412 without an ETag":                              {"DELETE /users/1", 412, append([]string{failure}, about...), problem("412", "precondition_failed"), "ETag is absent"},
		"a total on occasion":                                {"GET /users/", 200, append([]string{plain, "Link: <x>", "X-Total-Count: 0"}, about...), `{"items":[],"total":0,"next_cursor":null,"prev_cursor":null}`, ""},
		"a header of an occasion":                            {"GET /users/", 200, append([]string{plain, "Link: <x>", "X-Total-Count: many"}, about...), `{"items":[],"next_cursor":null,"prev_cursor":null}`, "X-Total-Count"},
		"a named path that has not a method of the template": {"PUT /users/batch", 405, append([]string{failure, "Allow: POST"}, about...), problem("405", "method_not_allowed"), ""},
		"a named path that is taken for the template":        {"PUT /users/batch", 422, append([]string{failure, "Allow: POST"}, about...), problem("422", "invalid_input"), "answered by 405"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			header := http.Header{}
			for _, line := range test.header {
				field, value, _ := strings.Cut(line, ": ")
				header.Set(field, value)
			}
			target, err := url.Parse(path)
			if err != nil {
				t.Fatal(err)
			}
			err = v.judge(&http.Request{Method: method, URL: target},
				&http.Response{StatusCode: test.status, Header: header}, []byte(test.body))
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("the error is %v, want one that says %q", err, test.want)
			}
		})
	}
}
