package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

// tagged starts a service whose user 1 is at version 3, so that `"3"` is its tag.
func tagged(t *testing.T, options testkit.Options) *testkit.Service {
	t.Helper()
	svc := testkit.New(t, options)
	svc.Create(t, ada)
	for _, age := range []string{"37", "38"} {
		svc.Put(t, "/users/1", `{"name":"Ada Lovelace","email":"ada@example.com","age":`+age+`}`, "If-Match: *").Want(http.StatusOK)
	}
	return svc
}

// withField returns the header lines of a field that is sent once for each value; a value may be empty.
func withField(name string, values []string) []string {
	lines := []string{}
	for _, value := range values {
		lines = append(lines, name+": "+value)
	}
	return lines
}

func TestContract_3_IfNoneMatch(t *testing.T) {
	t.Parallel()
	svc := tagged(t, testkit.Options{})
	const same, other = http.StatusNotModified, http.StatusOK
	cases := []struct {
		says   string
		values []string
		status int
	}{
		{"the tag", []string{`"3"`}, same},
		{"the tag, marked as weak: this comparison is the weak one", []string{`W/"3"`}, same},
		{"any", []string{`*`}, same},
		{"any, with white space around it", []string{" \t* "}, same},
		{"a list that ends with it", []string{`"1", "3"`}, same},
		{"a list that begins with it", []string{`"3","9"`}, same},
		{"a list without white space, of weak ones too", []string{`W/"1",W/"3",W/"5"`}, same},
		{"a list with empty elements", []string{`,, "3" ,`}, same},
		{"a list over two fields", []string{`"1"`, `"3"`}, same},
		{"a list with a comma inside a tag", []string{`"1,2", "3"`}, same},
		{"a list with a tag of any octets", []string{"\"\xe9!#[]~\", \"3\""}, same},
		{"another tag", []string{`"2"`}, other},
		{"a newer tag", []string{`"4"`}, other},
		{"tags that are no versions", []string{`"abc", "", "03", "+3", "3.0", " 3"`}, other},
		{"two tags in one", []string{`"3,4"`}, other},
		{"a version past all numbers", []string{`"99999999999999999999999999"`}, other},
		{"nothing", []string{""}, other},
		{"commas alone", []string{", ,"}, other},
		{"a tag without quotes, which is malformed and counts as absent", []string{`3`}, other},
		{"a tag without its end", []string{`"3`}, other},
		{"a tag without its beginning", []string{`3"`}, other},
		{"tags without a comma", []string{`"3" "3"`}, other},
		{"a weak mark in lower case", []string{`w/"3"`}, other},
		{"a weak mark without a tag", []string{`"3", W/`}, other},
		{"a weak mark apart from its tag", []string{`W/ "3"`}, other},
		{"any beside a tag", []string{`*, "3"`}, other},
		{"a tag beside any", []string{`"3", *`}, other},
		{"any twice", []string{`*`, `*`}, other},
		{"single quotes", []string{`'3'`}, other},
		{"a tag with a space in it", []string{`"3", "a b"`}, other},
	}
	for _, c := range cases {
		for _, path := range []string{"/users/1", "/v1/users/1/", "/users/by-email/ada@example.com", "/v1/users/by-email/ADA%40example.com/"} {
			t.Run(fmt.Sprintf("%s %s is %d", path, c.says, c.status), func(t *testing.T) {
				t.Parallel()
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					lines := append([]string{method + " " + path + " HTTP/1.1"}, withField("If-None-Match", c.values)...)
					answer := svc.Exchange(t, lines...).Want(c.status).WantHeader("ETag", `"3"`).WantHeader("Cache-Control", "private, no-cache")
					if c.status == same && (answer.Header.Get("Content-Length") != "" || answer.Header.Get("Vary") == "") {
						t.Errorf("%s: 304 with %v", method, answer.Header)
					}
				}
			})
		}
	}
	t.Run("it changes nothing about failures", func(t *testing.T) {
		svc.Get(t, "/users/9", "If-None-Match: *").WantProblem(http.StatusNotFound, "user_not_found")
		svc.Get(t, "/users/x", `If-None-Match: "3"`).WantInvalid("?id wrong_type")
		svc.Get(t, "/users/by-email/eve@example.com", "If-None-Match: *").WantProblem(http.StatusNotFound, "user_not_found")
	})
	t.Run("lists have no version", func(t *testing.T) {
		if answer := svc.Get(t, "/users/", "If-None-Match: *").Want(http.StatusOK); answer.Header.Get("ETag") != "" {
			t.Errorf("a list has the ETag %s", answer.Header.Get("ETag"))
		}
	})
	t.Run("a change makes the tag an old one", func(t *testing.T) {
		svc := tagged(t, testkit.Options{})
		svc.Get(t, "/users/1", `If-None-Match: "3"`).Want(http.StatusNotModified)
		svc.Patch(t, "/users/1", `{"age":40}`).Want(http.StatusOK)
		svc.Get(t, "/users/1", `If-None-Match: "3"`).Want(http.StatusOK).WantHeader("ETag", `"4"`)
	})
}

// change is one of the requests that heed If-Match.
type change struct{ method, body string }

// changes would all change user 1 as tagged has it.
func changes() []change {
	return []change{
		{http.MethodPut, `{"name":"Countess","email":"ada@example.com"}`},
		{http.MethodPatch, `{"name":"Countess"}`},
		{http.MethodDelete, ""},
	}
}

func TestContract_3_IfMatch(t *testing.T) {
	t.Parallel()
	const met, stale, wrong = http.StatusOK, http.StatusPreconditionFailed, http.StatusUnprocessableEntity
	cases := []struct {
		says   string
		values []string
		status int
	}{
		{"the tag", []string{`"3"`}, met},
		{"the tag with white space around it", []string{"\t \"3\" "}, met},
		{"any: the user exists", []string{`*`}, met},
		{"a list that ends with it", []string{`"1", "3"`}, met},
		{"a list that begins with it, and weak ones", []string{`"3",W/"9"`}, met},
		{"a list with empty elements", []string{`,, "3",`}, met},
		{"a list over two fields", []string{`"1"`, `"3"`}, met},
		{"a list with a comma inside a tag", []string{`"1,2", "3"`}, met},
		{"an old tag", []string{`"2"`}, stale},
		{"a tag of the future", []string{`"4"`}, stale},
		{"the tag, marked as weak: weak tags never match", []string{`W/"3"`}, stale},
		{"a list of which only a weak one is the tag", []string{`"2", W/"3", "4"`}, stale},
		{"tags that are no versions", []string{`"abc", "", "03", "+3", "3.0", "0x3"`}, stale},
		{"a tag that is empty", []string{`""`}, stale},
		{"two versions in one tag", []string{`"3,4"`}, stale},
		{"a version past all numbers", []string{`"18446744073709551619"`}, stale},
		{"a negative version", []string{`"-3"`}, stale},
		{"a tag with octets past ASCII", []string{"\"3\xe9\""}, stale},
		{"nothing", []string{""}, wrong},
		{"commas alone", []string{", ,"}, wrong},
		{"a tag without quotes", []string{`3`}, wrong},
		{"a tag without its end", []string{`"3`}, wrong},
		{"a tag without its beginning", []string{`3"`}, wrong},
		{"tags without a comma", []string{`"3" "3"`}, wrong},
		{"a weak mark in lower case", []string{`w/"3"`}, wrong},
		{"a weak mark without a tag", []string{`"3", W/`}, wrong},
		{"a weak mark without quotes", []string{`W/3`}, wrong},
		{"a weak mark apart from its tag", []string{`W/ "3"`}, wrong},
		{"any beside a tag", []string{`*, "3"`}, wrong},
		{"any in a second field", []string{`"3"`, `*`}, wrong},
		{"any twice in one", []string{`**`}, wrong},
		{"any in quotes without an end", []string{`"*`}, wrong},
		{"single quotes", []string{`'3'`}, wrong},
		{"a tag with a space in it", []string{`"3 "`}, wrong},
		{"something behind the tag", []string{`"3";q=1`}, wrong},
	}
	kept := tagged(t, testkit.Options{})
	for _, c := range cases {
		for _, prefix := range []string{"/users/", "/v1/users/"} {
			t.Run(fmt.Sprintf("%s: %s is %d", prefix, c.says, c.status), func(t *testing.T) {
				t.Parallel()
				for _, ch := range changes() {
					if c.status == met {
						svc := tagged(t, testkit.Options{RequireIfMatch: true})
						judgeMet(t, svc, ch, conditional(t, svc, ch, prefix+"1", c.values))
						continue
					}
					answer := conditional(t, kept, ch, prefix+"1", c.values)
					if c.status == stale {
						answer.WantHeader("ETag", `"3"`).WantProblem(stale, "precondition_failed")
					} else {
						answer.WantHeader("ETag", "").WantInvalid("If-Match: malformed_header")
					}
					if user := kept.Get(t, "/users/1").User(); user.Version != 3 || user.Name != "Ada Lovelace" {
						t.Fatalf("%s was answered %d and left %+v", ch.method, c.status, user)
					}
				}
			})
		}
	}
}

// conditional sends a change under a condition, octet by octet, since no client would send some.
func conditional(t *testing.T, svc *testkit.Service, ch change, path string, values []string) *testkit.Response {
	t.Helper()
	lines := append([]string{ch.method + " " + path + " HTTP/1.1"}, withField("If-Match", values)...)
	if ch.body == "" {
		return svc.Exchange(t, lines...)
	}
	return svc.ExchangeBody(t, ch.body, append(lines, "Content-Type: application/json")...)
}

// judgeMet holds the answer to a change whose condition was met.
func judgeMet(t *testing.T, svc *testkit.Service, ch change, answer *testkit.Response) {
	t.Helper()
	if ch.method == http.MethodDelete {
		answer.Want(http.StatusNoContent).WantHeader("ETag", "")
		svc.Get(t, "/users/1").Want(http.StatusNotFound)
		return
	}
	answer.Want(http.StatusOK).WantHeader("ETag", `"4"`)
	if user := answer.User(); user.Version != 4 || user.Name != "Countess" {
		t.Errorf("%s made %+v", ch.method, user)
	}
}

func TestContract_3_IfMatchWithoutChange(t *testing.T) {
	t.Parallel()
	svc := tagged(t, testkit.Options{})
	same := string(svc.Get(t, "/users/1").Body)
	t.Run("what changes nothing is judged all the same, and keeps the tag", func(t *testing.T) {
		svc.Put(t, "/users/1", same, `If-Match: "2"`).WantHeader("ETag", `"3"`).WantProblem(http.StatusPreconditionFailed, "precondition_failed")
		svc.Patch(t, "/users/1", `{}`, `If-Match: "2"`).WantHeader("ETag", `"3"`).WantProblem(http.StatusPreconditionFailed, "precondition_failed")
		for range 3 {
			svc.Put(t, "/users/1", same, `If-Match: "3"`).Want(http.StatusOK).WantHeader("ETag", `"3"`)
			svc.Patch(t, "/users/1", `{}`, `If-Match: "3"`).Want(http.StatusOK).WantHeader("ETag", `"3"`)
		}
	})
	t.Run("a tag of a user who is gone is that of nobody", func(t *testing.T) {
		svc.Delete(t, "/users/1", `If-Match: "3"`).Want(http.StatusNoContent)
		for _, condition := range []string{`If-Match: "3"`, `If-Match: *`, `If-Match: "1"`} {
			for _, ch := range changes() {
				svc.Do(t, ch.method, "/users/1", ch.body, condition).WantHeader("ETag", "").WantProblem(http.StatusNotFound, "user_not_found")
			}
		}
	})
}

// TestContract_3_IfNoneMatchOfChanges is RFC 9110, section 13.1.2, for what is not GET: a change is not
// made of a user of a version that is named.
func TestContract_3_IfNoneMatchOfChanges(t *testing.T) {
	t.Parallel()
	kept := tagged(t, testkit.Options{})
	for _, named := range []string{`"3"`, `W/"3"`, `*`, `"1", "3"`, `"3" , W/"9"`} {
		for _, ch := range changes() {
			t.Run("412: "+ch.method+" unless "+named, func(t *testing.T) {
				answer := kept.Do(t, ch.method, "/users/1", ch.body, "If-None-Match: "+named)
				answer.WantHeader("ETag", `"3"`).WantProblem(http.StatusPreconditionFailed, "precondition_failed")
				kept.Do(t, ch.method, "/users/1", ch.body, "If-None-Match: "+named, `If-Match: "3"`).Want(http.StatusPreconditionFailed)
				kept.Do(t, ch.method, "/users/9", ch.body, "If-None-Match: "+named).WantProblem(http.StatusNotFound, "user_not_found")
				if user := kept.Get(t, "/users/1").User(); user.Version != 3 {
					t.Errorf("it left %+v", user)
				}
			})
		}
	}
	for _, other := range []string{`"2"`, `"4", W/"5"`, `"abc"`, `3`, `*, "3"`, `"3`} { // the last ones are malformed and count as absent
		for _, ch := range changes() {
			t.Run(ch.method+" unless "+other, func(t *testing.T) {
				svc := tagged(t, testkit.Options{})
				judgeMet(t, svc, ch, svc.Do(t, ch.method, "/users/1", ch.body, "If-None-Match: "+other))
			})
		}
	}
	t.Run("it is not the condition that http.require_if_match wants", func(t *testing.T) {
		svc := tagged(t, testkit.Options{RequireIfMatch: true})
		svc.Patch(t, "/users/1", `{}`, `If-None-Match: "1"`).WantProblem(http.StatusPreconditionRequired, "precondition_required")
	})
}

func TestContract_3_PrecedenceOfConditions(t *testing.T) {
	t.Parallel()
	const (
		taken   = `{"name":"Ada","email":"grace@example.com"}`
		invalid = `{"name":"","email":"grace@example.com"}`
		stale   = `If-Match: "2"`
		broken  = `If-Match: 3`
		none    = "If-Match:"
	)
	cases := []struct {
		says, path, body, condition string
		required                    bool
		status                      int
		code                        string
		faults                      []string
	}{
		{"400 before 428", "/users/1", `{`, none, true, 400, "malformed_json", nil},
		{"400 before 422 of the header", "/users/1", `{`, broken, false, 400, "malformed_json", nil},
		{"422 of the body before 428", "/users/1", invalid, none, true, 422, "invalid_input", []string{"/name too_short"}},
		{"422 of the id before 428", "/users/x", taken, none, true, 422, "invalid_input", []string{"?id wrong_type"}},
		{"422 tells the faults of path, header and body together", "/users/x", invalid, broken, true, 422, "invalid_input", []string{"?id wrong_type", "If-Match: malformed_header", "/name too_short"}},
		{"422 of the header before 404", "/users/99", taken, broken, false, 422, "invalid_input", []string{"If-Match: malformed_header"}},
		{"422 of the header before 404 of an impossible id", "/users/0", taken, broken, false, 422, "invalid_input", []string{"If-Match: malformed_header"}},
		{"422 of the body before 404", "/users/99", invalid, stale, false, 422, "invalid_input", []string{"/name too_short"}},
		{"422 of the body before 412", "/users/1", invalid, stale, false, 422, "invalid_input", []string{"/name too_short"}},
		{"422 of the header before 409", "/users/1", taken, broken, false, 422, "invalid_input", []string{"If-Match: malformed_header"}},
		{"428 before 404", "/users/99", taken, none, true, 428, "precondition_required", nil},
		{"428 before 404 of an impossible id", "/users/0", taken, none, true, 428, "precondition_required", nil},
		{"428 before 409", "/users/1", taken, none, true, 428, "precondition_required", nil},
		{"404 before 412", "/users/99", taken, stale, false, 404, "user_not_found", nil},
		{"404 before 412 of any", "/users/99", taken, "If-Match: *", true, 404, "user_not_found", nil},
		{"404 of an impossible id before 412", "/users/-7", taken, stale, true, 404, "user_not_found", nil},
		{"404 before 409", "/users/99", taken, none, false, 404, "user_not_found", nil},
		{"412 before 409", "/users/1", taken, stale, false, 412, "precondition_failed", nil},
		{"412 of a weak tag before 409", "/users/1", taken, `If-Match: W/"3"`, true, 412, "precondition_failed", nil},
		{"409 last", "/users/1", taken, `If-Match: "3"`, true, 409, "email_taken", nil},
	}
	services := map[bool]*testkit.Service{false: tagged(t, testkit.Options{}), true: tagged(t, testkit.Options{RequireIfMatch: true})}
	for _, svc := range services {
		svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			svc := services[c.required]
			svc.Put(t, c.path, c.body, c.condition).WantProblem(c.status, c.code, c.faults...)
			svc.Patch(t, c.path, c.body, c.condition).WantProblem(c.status, c.code, c.faults...)
			if !strings.Contains(strings.Join(c.faults, ""), "/name") && c.status != 400 && c.status != 409 { // DELETE has no body
				svc.Delete(t, c.path, c.condition).WantProblem(c.status, c.code, c.faults...)
			}
		})
	}
	t.Run("415 and 413 before 422 of the header", func(t *testing.T) {
		svc := services[false]
		svc.Put(t, "/users/1", taken, broken, "Content-Type: text/plain").Want(http.StatusUnsupportedMediaType)
		svc.Patch(t, "/users/1", taken, broken, "Content-Type: text/plain").Want(http.StatusUnsupportedMediaType)
		svc.Put(t, "/users/1", strings.Repeat(" ", 1<<20+1), broken).Want(http.StatusRequestEntityTooLarge)
	})
	for required, svc := range services {
		if user := svc.Get(t, "/users/1").User(); user.Version != 3 {
			t.Errorf("required %v: the refused changes left %+v", required, user)
		}
	}
}

func TestContract_3_RequireIfMatch(t *testing.T) {
	t.Parallel()
	svc := tagged(t, testkit.Options{RequireIfMatch: true})
	t.Run("a change without a condition is 428, with the advice what to do", func(t *testing.T) {
		for _, ch := range changes() {
			for _, path := range []string{"/users/1", "/v1/users/1/"} {
				problem := svc.Do(t, ch.method, path, ch.body).WantProblem(http.StatusPreconditionRequired, "precondition_required")
				if !strings.Contains(problem.Detail, "If-Match") {
					t.Errorf("the detail is %q", problem.Detail)
				}
			}
		}
	})
	t.Run("what reads or creates needs none", func(t *testing.T) {
		svc.Get(t, "/users/1").Want(http.StatusOK)
		svc.Head(t, "/users/1").Want(http.StatusOK)
		svc.Get(t, "/users/").Want(http.StatusOK)
		svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
	})
	t.Run("any condition will do", func(t *testing.T) {
		svc.Patch(t, "/users/1", `{"age":50}`, "If-Match: *").Want(http.StatusOK).WantHeader("ETag", `"4"`)
		svc.Put(t, "/users/1", ada, `If-Match: "4"`).Want(http.StatusOK).WantHeader("ETag", `"5"`)
		svc.Delete(t, "/users/1", `If-Match: "5", "9"`).Want(http.StatusNoContent)
	})
}
