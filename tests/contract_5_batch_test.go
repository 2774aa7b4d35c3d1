package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

func TestContract_5_WholeRequest(t *testing.T) {
	t.Parallel()
	svc := people(t, testkit.Options{})
	before := everybody(t, svc)
	const one = `"operations":[{"op":"delete","id":1}]`
	several := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(opPatch(1, `{}`)+",", n), ",") + "]"
	}
	cases := map[string][]string{
		`{}`: {"/operations required"}, `{"operations":null}`: {"/operations wrong_type"}, `{"operations":{}}`: {"/operations wrong_type"},
		`{"operations":"delete"}`: {"/operations wrong_type"}, `{"operations":7}`: {"/operations wrong_type"}, `{"operations":[]}`: {"/operations too_few"},
		`{"operations":` + several(1001) + `}`: {"/operations too_many"}, `{"mode":"x","operations":` + several(5000) + `}`: {"/mode unknown_mode", "/operations too_many"},
		`{"mode":"x",` + one + `}`: {"/mode unknown_mode"}, `{"mode":"Atomic",` + one + `}`: {"/mode unknown_mode"}, `{"mode":"",` + one + `}`: {"/mode unknown_mode"},
		`{"mode":null,` + one + `}`: {"/mode wrong_type"}, `{"mode":1,` + one + `}`: {"/mode wrong_type"}, `{"mode":["atomic"],` + one + `}`: {"/mode wrong_type"},
		`{"dry_run":"true",` + one + `}`: {"/dry_run wrong_type"}, `{"dry_run":1,` + one + `}`: {"/dry_run wrong_type"}, `{"dry_run":null,` + one + `}`: {"/dry_run wrong_type"},
		`{"dryRun":true,` + one + `}`: {"/dryRun unknown_member"}, `{"Mode":"atomic",` + one + `}`: {"/Mode unknown_member"}, `{"ops":[],"id":1,` + one + `}`: {"/ops unknown_member", "/id unknown_member"},
		`{"operations":[null]}`: {"/operations/0 wrong_type"}, `{"operations":[{"op":"delete","id":1},[],"x",7,true]}`: {"/operations/1 wrong_type", "/operations/2 wrong_type", "/operations/3 wrong_type", "/operations/4 wrong_type"},
		`{"operations":[{}]}`: {"/operations/0/op required"}, `{"operations":[{"op":null}]}`: {"/operations/0/op wrong_type"}, `{"operations":[{"op":7}]}`: {"/operations/0/op wrong_type"},
		`{"operations":[{"op":"upsert","id":1}]}`: {"/operations/0/op unknown_operation"}, `{"operations":[{"op":"CREATE","user":` + person("e") + `}]}`: {"/operations/0/op unknown_operation"},
		`{"operations":[{"op":"","id":1}]}`: {"/operations/0/op unknown_operation"},
		`null`:                              {". wrong_type"}, `[]`: {". wrong_type"}, `[{"op":"delete","id":1}]`: {". wrong_type"}, `"x"`: {". wrong_type"},
		`{"mode":7,"dry_run":"x","atomic":true,"operations":[{"op":"delete","id":1},{"op":"move"},null]}`: {
			"/mode wrong_type", "/dry_run wrong_type", "/atomic unknown_member", "/operations/1/op unknown_operation", "/operations/2 wrong_type",
		},
	}
	for body, faults := range cases {
		t.Run(fmt.Sprintf("422 for the whole: %.60s", body), func(t *testing.T) {
			svc.Post(t, "/users/batch", body).WantInvalid(faults...)
			svc.Post(t, "/v1/users/batch/", body).WantInvalid(faults...)
			unchanged(t, svc, before)
		})
	}
	t.Run("it is 422 in either mode, since nobody knows what was meant", func(t *testing.T) {
		svc.Batch(t, `"mode":"independent"`, opDelete(1), `{"op":"drop","id":2}`).WantInvalid("/operations/1/op unknown_operation")
		svc.Batch(t, `"mode":"independent"`, opDelete(1), `7`).WantInvalid("/operations/1 wrong_type")
		svc.Batch(t, `"mode":"independent","dry_run":true`).WantInvalid("/operations too_few")
		unchanged(t, svc, before)
	})
	t.Run("a near miss names what was meant", func(t *testing.T) {
		for body, meant := range map[string]string{
			`{"mode":"independend",` + one + `}`: "independent", `{"dryrun":true,` + one + `}`: "dry_run", `{"operations":[{"op":"udpate","id":1}]}`: "update",
		} {
			problem := svc.Post(t, "/users/batch", body).Want(http.StatusUnprocessableEntity).Problem()
			if detail := problem.Errors[0].Detail; !strings.Contains(detail, meant) {
				t.Errorf("%s: the detail is %q", body, detail)
			}
		}
	})
	t.Run("what comes before the meaning is judged as for every body", func(t *testing.T) {
		for _, body := range []string{`{`, `{"operations":[{"op":"delete","id":1}]`, `{"operations":[{"op":"delete","op":"create","id":1}]}`, `{"operations":[],"operations":[]}`, `{"operations":[{"op":"create","user":{"name":"a","name":"b"}}]}`, `{"operations":[{"id":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}]}`, `{"operations":["\ud800"]}`} {
			svc.Post(t, "/users/batch", body).WantProblem(http.StatusBadRequest, "malformed_json")
		}
		svc.Post(t, "/users/batch", `{`+one+`}`, "Content-Type: text/plain").WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
		svc.Post(t, "/users/batch", `{`+one+strings.Repeat(" ", 1<<20)+`}`).WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
		unchanged(t, svc, before)
	})
	t.Run("the setting ignore accepts unknown members at every level", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{IgnoreUnknownMembers: true})
		batch := svc.Batch(t, `"label":{"a":[1]}`, `{"op":"create","label":"x","user":{"name":"E","nick":null,"email":"e@example.com"}}`).WantResults("atomic", 201)
		if batch.Results[0].User.Email != "e@example.com" {
			t.Errorf("%+v", batch)
		}
	})
}

// badOperations are operations that are not valid, each with its faults behind its own number.
func badOperations() map[string][]string {
	return map[string][]string{
		`{"op":"create"}`:              {"/user required"},
		`{"op":"create","user":null}`:  {"/user wrong_type"},
		`{"op":"create","user":[]}`:    {"/user wrong_type"},
		`{"op":"create","user":"Ada"}`: {"/user wrong_type"},
		`{"op":"create","user":{}}`:    {"/user/name required", "/user/email required"},
		`{"op":"create","user":{"name":"","email":"x","age":151,"nick":1}}`: {"/user/name too_short", "/user/email invalid_email", "/user/age out_of_range", "/user/nick unknown_member"},
		`{"op":"create","user":{"name":null,"email":7,"age":"1"}}`:          {"/user/name wrong_type", "/user/email wrong_type", "/user/age wrong_type"},
		`{"op":"create","user":{"name":"\u0007","email":"e@example.com"}}`:  {"/user/name forbidden_character"},
		`{"op":"create","id":7,"user":` + person("e") + `}`:                 {"/id unexpected_member"},
		`{"op":"create","if_match":"1","user":` + person("e") + `}`:         {"/if_match unexpected_member"},
		`{"op":"create","user":` + person("e") + `,"a/b":1}`:                {"/a~1b unknown_member"},
		`{"op":"update","id":1}`:                                            {"/user required"},
		`{"op":"update","user":` + person("a") + `}`:                        {"/id required"},
		`{"op":"update","id":1,"user":{"name":"A"}}`:                        {"/user/email required"},
		`{"op":"update"}`: {"/id required", "/user required"},
		`{"op":"update","id":"1","user":` + person("a") + `}`:                 {"/id wrong_type"},
		`{"op":"update","id":1.5,"user":` + person("a") + `}`:                 {"/id wrong_type"},
		`{"op":"update","id":null,"user":` + person("a") + `}`:                {"/id wrong_type"},
		`{"op":"update","id":9223372036854775808,"user":` + person("a") + `}`: {"/id out_of_range"},
		`{"op":"update","ID":1,"user":` + person("a") + `}`:                   {"/id required", "/ID unknown_member"},
		`{"op":"patch","id":1}`:                                               {"/user required"},
		`{"op":"patch","id":1,"user":null}`:                                   {"/user wrong_type"},
		`{"op":"patch","id":1,"user":{"name":null}}`:                          {"/user/name wrong_type"},
		`{"op":"patch","id":1,"user":{"email":null,"age":0}}`:                 {"/user/email wrong_type", "/user/age out_of_range"},
		`{"op":"patch","id":1,"patch":{"age":1}}`:                             {"/user required", "/patch unknown_member"},
		`{"op":"patch","id":[1],"user":{"age":true}}`:                         {"/id wrong_type", "/user/age wrong_type"},
		`{"op":"delete"}`:                                           {"/id required"},
		`{"op":"delete","id":true}`:                                 {"/id wrong_type"},
		`{"op":"delete","id":1e400}`:                                {"/id out_of_range"},
		`{"op":"delete","id":18446744073709551617}`:                 {"/id out_of_range"},
		`{"op":"delete","id":1,"user":{}}`:                          {"/user unexpected_member"},
		`{"op":"delete","id":1,"if_match":3}`:                       {"/if_match wrong_type"},
		`{"op":"delete","id":1,"if_match":["1"]}`:                   {"/if_match wrong_type"},
		`{"op":"delete","id":1,"if_match":""}`:                      {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"x"}`:                     {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"\"1"}`:                   {"/if_match malformed_version"},
		`{"op":"delete","id":1,"if_match":"*, \"1\""}`:              {"/if_match malformed_version"},
		`{"op":"delete","id":"x","if_match":false,"user":7,"y":{}}`: {"/id wrong_type", "/if_match wrong_type", "/user wrong_type", "/y unknown_member"},
	}
}

func TestContract_5_BadOperations(t *testing.T) {
	t.Parallel()
	svc := people(t, testkit.Options{})
	before := everybody(t, svc)
	at := func(n int, faults []string, status string) []string {
		places := []string{}
		for _, fault := range faults {
			places = append(places, fmt.Sprintf("/operations/%d%s%s", n, fault, status))
		}
		return places
	}
	all, allFaults := []string{}, []string{}
	for operation, faults := range badOperations() {
		allFaults = append(allFaults, at(len(all), faults, " 422")...)
		all = append(all, operation)
		t.Run(fmt.Sprintf("%.70s", operation), func(t *testing.T) {
			noop := opPatch(1, `{}`)
			svc.Batch(t, "", noop, noop, operation).WantRejected(422, at(2, faults, " 422")...)
			batch := svc.Batch(t, `"mode":"independent"`, noop, operation, noop).WantResults("independent", 200, 422, 200)
			problem, want := batch.Results[1].Problem, at(1, faults, "")
			slices.Sort(want)
			if got := placesOf(*problem); problem.Code != "invalid_input" || !slices.Equal(got, want) {
				t.Errorf("the result is %s with\n%q, want\n%q", problem.Code, got, want)
			}
		})
	}
	t.Run("all of them at once", func(t *testing.T) {
		svc.Batch(t, "", all...).WantRejected(422, allFaults...)
		svc.Batch(t, `"dry_run":true`, all...).WantRejected(422, allFaults...)
	})
	t.Run("a thousand of them make an answer of bounded size", func(t *testing.T) {
		answer := svc.Batch(t, "", slices.Repeat([]string{`{"op":"create","user":{"a":1,"b":2,"c":3}}`}, 1000)...).Want(422)
		if len(answer.Body) > 512<<10 {
			t.Errorf("%d octets", len(answer.Body))
		}
		first := answer.Problem().Errors
		for n, fault := range first[:5] {
			if fault.Pointer == nil || !strings.HasPrefix(*fault.Pointer, "/operations/0/user/") {
				t.Errorf("fault %d is %s", n, fault)
			}
		}
	})
	unchanged(t, svc, before)
}

// placesOf returns the faults of a result, sorted, less their statuses, which only a whole batch has to
// tell.
func placesOf(problem testkit.Problem) []string {
	for n := range problem.Errors {
		problem.Errors[n].Status = 0
	}
	return problem.Places()
}

func TestContract_5_UnknownUsers(t *testing.T) {
	t.Parallel()
	svc := people(t, testkit.Options{})
	before := everybody(t, svc)
	for _, id := range []string{"0", "-1", "-0", "5", "99", "9007199254740991", "9007199254740992", "9223372036854775807", "-9223372036854775808", "0.0", "50e-1"} {
		t.Run("nobody has the id "+id, func(t *testing.T) {
			for _, operation := range []string{`{"op":"delete","id":%s}`, `{"op":"patch","id":%s,"user":{}}`, `{"op":"update","if_match":"*","id":%s,"user":` + person("z") + `}`} {
				operation := fmt.Sprintf(operation, id)
				svc.Batch(t, "", operation).WantRejected(404, "/operations/0/id user_not_found 404")
				result := svc.Batch(t, `"mode":"independent"`, operation).WantResults("independent", 404).Results[0]
				if result.Problem.Code != "user_not_found" {
					t.Errorf("%s: %+v", operation, result.Problem)
				}
			}
		})
	}
	t.Run("an id may be written as any whole number", func(t *testing.T) {
		for _, id := range []string{"1", "1.0", "10e-1", "0.1e1"} {
			svc.Batch(t, "", fmt.Sprintf(`{"op":"patch","id":%s,"user":{}}`, id)).WantResults("atomic", 200)
		}
	})
	unchanged(t, svc, before)
}

func TestContract_5_IfMatch(t *testing.T) {
	t.Parallel()
	const met, stale, wrong = 200, 412, 422
	cases := map[string]int{ // JSON values, the user being at version 3
		`"3"`: met, `"\"3\""`: met, `"*"`: met, `"\"1\", \"3\""`: met, `"\"3\",W/\"9\""`: met, `" \"3\" "`: met,
		`"2"`: stale, `"4"`: stale, `"\"2\""`: stale, `"W/\"3\""`: stale, `"\"1\",\"2\""`: stale, `"\"abc\""`: stale, `"\"\""`: stale, `"0"`: stale,
		`""`: wrong, `" "`: wrong, `"abc"`: wrong, `"3,4"`: wrong, `"\"3"`: wrong, `"3\""`: wrong, `"*,\"3\""`: wrong, `"W/3"`: wrong, `"3.0"`: wrong, `"-"`: wrong,
	}
	for match, status := range cases {
		for _, mode := range []string{"atomic", "independent"} {
			t.Run(fmt.Sprintf("%s: %s is %d", mode, match, status), func(t *testing.T) {
				t.Parallel()
				for _, operation := range []string{opUpdate(1, ada), opPatch(1, `{"age":99}`), opDelete(1)} {
					svc := tagged(t, testkit.Options{RequireIfMatch: status == met})
					answer := svc.Batch(t, `"mode":"`+mode+`"`, under(operation, match))
					judgeOperation(t, answer, mode, status, operation)
					if version := int64(3); status != met {
						if user := svc.Get(t, "/users/1").User(); user.Version != version {
							t.Errorf("%s left %+v", operation, user)
						}
					}
				}
			})
		}
	}
}

// judgeOperation holds the answer to a batch of one operation under a condition against the status that
// the operation has to have.
func judgeOperation(t *testing.T, answer *testkit.Response, mode string, status int, operation string) {
	t.Helper()
	fault := map[int]string{
		412: "/operations/0/if_match precondition_failed", 422: "/operations/0/if_match malformed_version", 428: "/operations/0/if_match precondition_required",
	}[status]
	switch {
	case status == 200:
		if strings.Contains(operation, "delete") {
			status = 204
		}
		answer.WantResults(mode, status)
	case mode == "atomic":
		answer.WantRejected(status, fmt.Sprintf("%s %d", fault, status))
	default:
		problem := answer.WantResults(mode, status).Results[0].Problem
		if code := map[int]string{412: "precondition_failed", 422: "invalid_input", 428: "precondition_required"}[status]; problem.Code != code {
			t.Errorf("%s: the result is %+v", operation, problem)
		}
		if status == 422 && !slices.Equal(placesOf(*problem), []string{fault}) {
			t.Errorf("%s: the errors are %q", operation, problem.Places())
		}
	}
}

func TestContract_5_RequireIfMatch(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{RequireIfMatch: true})
	svc.Create(t, person("a"))
	before := everybody(t, svc)
	for _, operation := range []string{opUpdate(1, person("b")), opPatch(1, `{"age":2}`), opDelete(1), opDelete(9)} {
		for _, mode := range []string{"atomic", "independent"} {
			t.Run(mode+": 428 of "+operation, func(t *testing.T) {
				judgeOperation(t, svc.Batch(t, `"mode":"`+mode+`"`, operation), mode, 428, operation)
				unchanged(t, svc, before)
			})
		}
	}
	t.Run("422 before 428 of one operation", func(t *testing.T) {
		svc.Batch(t, "", opPatch(1, `{"age":0}`)).WantRejected(422, "/operations/0/user/age out_of_range 422")
	})
	t.Run("several faults: the status of the first, or 422", func(t *testing.T) {
		none, unknown := opPatch(1, `{"age":2}`), under(opDelete(9), `"*"`)
		svc.Batch(t, "", none, unknown).WantRejected(428, "/operations/0/if_match precondition_required 428", "/operations/1/id user_not_found 404")
		svc.Batch(t, "", unknown, none).WantRejected(404, "/operations/0/id user_not_found 404", "/operations/1/if_match precondition_required 428")
		svc.Batch(t, "", unknown, none, opCreate(`{"name":"E"}`)).WantRejected(422, "/operations/0/id user_not_found 404",
			"/operations/1/if_match precondition_required 428", "/operations/2/user/email required 422")
	})
	t.Run("a creation needs none", func(t *testing.T) {
		svc.Batch(t, "", opCreate(person("e")), under(opPatch(1, `{"age":3}`), `"1"`)).WantResults("atomic", 201, 200)
	})
}
