package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

func TestContract_3_AllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	cases := map[string][]string{
		`{}`: {"/name required", "/email required"},
		`{"name":"","email":"x","age":0,"Name":1,"id":7}`:                  {"/name too_short", "/email invalid_email", "/age out_of_range", "/Name unknown_member"},
		`{"name":1,"email":2,"age":"3"}`:                                   {"/name wrong_type", "/email wrong_type", "/age wrong_type"},
		`{"name":null,"email":null,"age":null}`:                            {"/name wrong_type", "/email wrong_type"},
		`{"NAME":"Ada","EMAIL":"a@example.com","AGE":1}`:                   {"/name required", "/email required", "/NAME unknown_member", "/EMAIL unknown_member", "/AGE unknown_member"},
		`{"name":"Ada","email":"a@example.com","":1,"a/b":2,"c~d":3}`:      {"/ unknown_member", "/a~1b unknown_member", "/c~0d unknown_member"},
		`{"name":"Ada","email":"a@example.com","é\u0000\"":1}`:             {"/é\x00\" unknown_member"},
		`{"name":"Ada","email":"a@example.com","nick":{"a":[1]},"x":[[]]}`: {"/nick unknown_member", "/x unknown_member"},
		`{"name":"\u0000` + strings.Repeat("x", 200) + `","email":"x"}`:    {"/name too_long", "/email invalid_email"},
	}
	for body, faults := range cases {
		t.Run(fmt.Sprintf("%.70s", body), func(t *testing.T) {
			svc.Post(t, "/users/", body).WantInvalid(faults...)
			svc.Put(t, "/users/1", body).WantInvalid(faults...)
			svc.Put(t, "/users/x", body).WantInvalid(append(faults, "?id wrong_type")...)
		})
	}
	t.Run("a near miss names the member meant", func(t *testing.T) {
		problem := svc.Post(t, "/users/", `{"Name":"Ada","name":"Ada","email":"a@example.com"}`).WantInvalid("/Name unknown_member")
		if !strings.Contains(problem.Errors[0].Detail, "name") {
			t.Errorf("the detail is %q", problem.Errors[0].Detail)
		}
	})
	t.Run("an age out of range says the range", func(t *testing.T) {
		problem := svc.Post(t, "/users/", `{"name":"Ada","email":"a@example.com","age":151}`).WantInvalid("/age out_of_range")
		if got := problem.Errors[0].Detail; got != "must be 1 to 150" {
			t.Errorf("the detail is %q", got)
		}
	})
	t.Run("many faults make an answer of bounded size", func(t *testing.T) {
		var body strings.Builder
		for n := range 50_000 {
			fmt.Fprintf(&body, `"%d":1,`, n)
		}
		answer := svc.Post(t, "/users/", `{`+body.String()+`"z":1}`).Want(http.StatusUnprocessableEntity)
		if len(answer.Body) > 256<<10 {
			t.Errorf("%d octets of answer", len(answer.Body))
		}
	})
}

func TestContract_3_UnknownMembers(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{IgnoreUnknownMembers: true})
	t.Run("the setting ignore accepts them, whatever they hold", func(t *testing.T) {
		user := svc.Create(t, `{"name":"Ada","Name":7,"x":{"y":[1,{"z":null}]},"email":"a@example.com","":[],"age":1}`)
		if user.Name != "Ada" || user.Email != "a@example.com" || *user.Age != 1 {
			t.Errorf("stored %+v", user)
		}
	})
	t.Run("it does not loosen syntax", func(t *testing.T) {
		for _, body := range []string{
			`{"name":"Ada","email":"b@example.com","x":{"a":1,"a":2}}`, `{"name":"Ada","email":"b@example.com","x":1,"x":2}`,
			`{"name":"Ada","email":"b@example.com","x":"\ud800"}`, `{"name":"Ada","email":"b@example.com","x":nul}`,
		} {
			svc.Post(t, "/users/", body).WantProblem(http.StatusBadRequest, "malformed_json")
		}
	})
	t.Run("it does not make names equal that differ in case", func(t *testing.T) {
		svc.Post(t, "/users/", `{"Name":"Ada","Email":"b@example.com"}`).WantInvalid("/name required", "/email required")
	})
}

func TestContract_1_ReadOnlyMembers(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	values := []string{`7`, `"7"`, `null`, `[]`, `{"a":{"b":[1e400]}}`, `false`, `-1`}
	for n, value := range values {
		t.Run("accepted and ignored with the value "+value, func(t *testing.T) {
			body := fmt.Sprintf(`{"id":%[1]s,"version":%[1]s,"created_at":%[1]s,"updated_at":%[1]s,"name":"Ada","email":"case%[2]d@example.com"}`, value, n)
			user := svc.Create(t, body)
			if user.ID != int64(n+1) || user.Version != 1 || !timestamp.MatchString(user.CreatedAt) || user.CreatedAt != user.UpdatedAt {
				t.Errorf("stored %+v", user)
			}
			again := svc.Put(t, fmt.Sprintf("/v1/users/%d", user.ID), body).Want(http.StatusOK).User()
			if !again.Equal(user) {
				t.Errorf("the same body made %+v of %+v", again, user)
			}
		})
	}
	t.Run("what was read of one user and put to another changes no identity", func(t *testing.T) {
		first := svc.Get(t, "/users/1").User()
		answer := svc.Put(t, "/users/2", strings.Replace(string(svc.Get(t, "/users/1").Body), "case0", "moved", 1)).Want(http.StatusOK)
		if user := answer.User(); user.ID != 2 || user.Version != 2 || user.Name != first.Name {
			t.Errorf("became %+v", user)
		}
	})
}

func TestContract_3_NothingRejectedIsRepeated(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	const secret = "hunter2secret"
	silent := func(answer *testkit.Response) {
		t.Helper()
		if strings.Contains(string(answer.Body), secret) {
			t.Errorf("%s: the answer repeats what it rejected: %s", answer, answer.Body)
		}
	}
	for _, body := range []string{
		`{"name":"\u0007` + secret + `","email":"` + secret + `","age":"` + secret + `"}`,
		`{"name":["` + secret + `"],"email":{"` + secret + `":1},"nick":"` + secret + `"}`,
		`{"name":"` + strings.Repeat(secret, 20) + `","email":"` + secret + `@x.test"}`,
		`"` + secret + `"`, `{"name":"` + secret, `{"name":"` + secret + `"} ` + secret, secret, `{"name":"` + secret + "\xff" + `"}`,
		`{"name":"Ada","email":"Ada <` + secret + `@example.com>","age":1}`,
	} {
		silent(svc.Post(t, "/users/", body))
		silent(svc.Put(t, "/users/1", body))
	}
	silent(svc.Post(t, "/users/", ada, "Content-Type: application/"+secret))
	silent(svc.Post(t, "/users/", ada, "Content-Encoding: "+secret))
	svc.Create(t, `{"name":"Taken","email":"`+secret+`@example.com"}`)
	silent(svc.Post(t, "/users/", `{"name":"Other","email":"`+secret+`@example.com"}`))
	for _, query := range []string{"limit", "skip", "cursor", "include_total"} {
		silent(svc.Get(t, "/users/?"+query+"="+secret))
		silent(svc.Get(t, "/users/?"+query+"=%zz"+secret))
	}
	silent(svc.Get(t, "/users/99", "X-Request-ID: "+secret+"\"<"))
	silent(svc.Patch(t, "/users/1", `{"name":"\u0007`+secret+`","email":"`+secret+`","age":"`+secret+`","nick":"`+secret+`"}`))
	silent(svc.Patch(t, "/users/1", `{}`, "If-Match: "+secret))
	silent(svc.Patch(t, "/users/1", `{}`, `If-Match: "`+secret+`"`))
	silent(svc.Post(t, "/users/", ada, keyed(secret+"é")))
	silent(svc.Do(t, "X"+secret, "/users/", ""))
}

func TestContract_3_Unavailable(t *testing.T) {
	t.Parallel()
	causes := map[string]error{
		"the store is away":       models.ErrUnavailable.Because(errors.New("dial tcp 10.0.0.7:5432: connect: connection refused")),
		"the deadline has passed": fmt.Errorf("query users: %w", context.DeadlineExceeded),
	}
	for says, cause := range causes {
		t.Run(says, func(t *testing.T) {
			faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
			svc := testkit.New(t, testkit.Options{Repository: faults})
			svc.Create(t, ada)
			faults.At(repotest.Before, repotest.Any, 0, repotest.Fail(cause))
			for _, answer := range []*testkit.Response{
				svc.Get(t, "/users/"), svc.Get(t, "/users/1"), svc.Get(t, "/users/99"), svc.Post(t, "/users/", ada),
				svc.Put(t, "/users/1", ada), svc.Put(t, "/users/99", ada), svc.Delete(t, "/users/1"), svc.Patch(t, "/users/1", `{}`), svc.Patch(t, "/users/99", `{}`, "If-Match: *"),
				svc.Get(t, "/users/by-email/ada@example.com"), svc.Get(t, "/users/?q=a&sort=-name"), svc.Batch(t, "", opDelete(1)), svc.Post(t, "/users/", ada, keyed("k")),
				svc.Get(t, "/users/1", "If-None-Match: *"), svc.Delete(t, "/users/1", `If-Match: "7"`),
			} {
				answer.WantProblem(http.StatusServiceUnavailable, "unavailable")
				if after := answer.Header.Get("Retry-After"); after == "" || strings.Trim(after, "0123456789") != "" || after == "0" {
					t.Errorf("%s: Retry-After is %q", answer, after)
				}
				svc.Log.Request(t, answer.Header.Get("X-Request-ID"))
			}
			svc.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
			svc.Get(t, "/health").Want(http.StatusOK)

			// What needs no store is answered as always.
			svc.Post(t, "/users/", `{`).Want(http.StatusBadRequest)
			svc.Put(t, "/users/1", `{}`).Want(http.StatusUnprocessableEntity)
			svc.Get(t, "/users/0").Want(http.StatusNotFound)
			svc.Get(t, "/users/by-email/nobody").Want(http.StatusNotFound)
			svc.Get(t, "/users/?sort=x").Want(http.StatusUnprocessableEntity)
			svc.Batch(t, "", `{}`).Want(http.StatusUnprocessableEntity)
			svc.Get(t, "/nothing").Want(http.StatusNotFound)

			faults.Heal()
			svc.Get(t, "/users/1").Want(http.StatusOK)
			svc.Get(t, "/readyz").Want(http.StatusOK)
		})
	}
}

func TestContract_3_StoreThatHangs(t *testing.T) {
	t.Parallel()
	faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
	svc := testkit.New(t, testkit.Options{Repository: faults})
	hang := func(ctx context.Context, _ context.CancelFunc) error {
		<-ctx.Done()
		return ctx.Err()
	}
	t.Run("readiness gives up on it after two seconds", func(t *testing.T) {
		faults.At(repotest.Before, repotest.Ping, 0, hang)
		start := time.Now()
		problem := svc.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
		if took := time.Since(start); took > 4*time.Second || !strings.Contains(problem.Detail, "store") {
			t.Errorf("after %v: %s", took, problem.Detail)
		}
	})
	t.Run("a client that goes away is not an error", func(t *testing.T) {
		reached := make(chan struct{})
		faults.At(repotest.Before, repotest.Get, 1, func(ctx context.Context, cancel context.CancelFunc) error {
			close(reached)
			return hang(ctx, cancel)
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-reached
			leave()
		}()
		req := svc.Request(t, http.MethodGet, "/users/1", "", "X-Request-ID: gone").WithContext(ctx)
		if answer, err := svc.Try(t, req); err == nil {
			t.Fatalf("answered %d", answer.Status)
		}
		entry := svc.Log.Request(t, "gone")
		if entry.Number("status") != 499 || entry.Text("level") != "info" {
			t.Errorf("logged as %v", entry)
		}
	})
}

// panicking is a UserService that breaks.
type panicking struct{ value any }

func (p panicking) Create(context.Context, models.UserInput) (models.User, error) { panic(p.value) }
func (p panicking) Get(context.Context, int64) (models.User, error)               { panic(p.value) }
func (p panicking) GetByEmail(context.Context, string) (models.User, error)       { panic(p.value) }
func (p panicking) List(context.Context, models.Query) (models.Page, error)       { panic(p.value) }
func (p panicking) Delete(context.Context, int64, models.Match) error             { panic(p.value) }
func (p panicking) Batch(context.Context, models.Batch) ([]models.Result, error)  { panic(p.value) }
func (p panicking) Update(context.Context, int64, models.UserInput, models.Match) (models.User, error) {
	panic(p.value)
}

func (p panicking) Patch(context.Context, int64, models.UserPatch, models.Match) (models.User, error) {
	panic(p.value)
}

func TestContract_3_Internal(t *testing.T) {
	t.Parallel()
	var none *models.User
	for says, value := range map[string]any{
		"a text": "secret cause", "an error": errors.New("pq: relation \"users\" does not exist"), "a runtime error": func() (caught any) {
			defer func() { caught = recover() }()
			return none.Name
		}(), "nil made an error": 42,
	} {
		t.Run("a panic with "+says+" is one fixed 500 and does not end the process", func(t *testing.T) {
			svc := testkit.New(t, testkit.Options{Users: panicking{value}})
			var bodies []string
			for _, answer := range []*testkit.Response{
				svc.Get(t, "/users/", "X-Request-ID: p"), svc.Get(t, "/users/1", "X-Request-ID: p"), svc.Post(t, "/users/", ada, "X-Request-ID: p"),
				svc.Put(t, "/users/1", ada, "X-Request-ID: p"), svc.Delete(t, "/users/1", "X-Request-ID: p"), svc.Patch(t, "/users/1", `{}`, "X-Request-ID: p"),
				svc.Get(t, "/users/by-email/ada@example.com", "X-Request-ID: p"), svc.Post(t, "/users/batch", `{"operations":[{"op":"delete","id":1}]}`, "X-Request-ID: p"),
				svc.Post(t, "/users/", ada, keyed("k"), "X-Request-ID: p"),
			} {
				problem := answer.WantProblem(http.StatusInternalServerError, "internal_error")
				bodies = append(bodies, strings.ReplaceAll(string(answer.Body), problem.Instance, ""))
			}
			for _, body := range bodies[1:] {
				if body != bodies[0] {
					t.Errorf("not one fixed problem: %s and %s", bodies[0], body)
				}
			}
			svc.Get(t, "/health").Want(http.StatusOK)
		})
	}
	t.Run("an unforeseen error of the store is 500 and says nothing", func(t *testing.T) {
		faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
		svc := testkit.New(t, testkit.Options{Repository: faults})
		faults.At(repotest.Before, repotest.Any, 0, repotest.Fail(errors.New("pq: syntax error at or near SELECT (SQLSTATE 42601) in users.go:17")))
		for _, answer := range []*testkit.Response{
			svc.Get(t, "/users/"), svc.Get(t, "/users/1"), svc.Post(t, "/users/", ada), svc.Put(t, "/users/1", ada), svc.Delete(t, "/users/1"), svc.Patch(t, "/users/1", `{}`),
			svc.Get(t, "/users/by-email/ada@example.com"), svc.Batch(t, "", opDelete(1)), svc.Batch(t, `"dry_run":true`, opDelete(1)), svc.Post(t, "/users/", ada, keyed("k")),
		} {
			answer.WantProblem(http.StatusInternalServerError, "internal_error")
		}
	})
}

func TestContract_3_CancelledByUs(t *testing.T) {
	t.Parallel()
	faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
	svc := testkit.New(t, testkit.Options{Repository: faults})
	faults.At(repotest.Before, repotest.Get, 0, repotest.Fail(fmt.Errorf("pool: %w", context.Canceled)))
	// The client is there and waits: it did not go away, so something here gave up.
	answer := svc.Get(t, "/users/1")
	if answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusInternalServerError {
		t.Errorf("a client that is there is answered %d: %s", answer.Status, answer.Body)
	}
}

func TestContract_3_ProblemPages(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{MaxBodyBytes: 1024})
	svc.Create(t, ada)
	svc.Post(t, "/users/", `{"name":"Eve","email":"eve@example.com"}`, keyed("k"))
	failures := []*testkit.Response{
		svc.Post(t, "/users/", `{`), svc.Get(t, "/users/9"), svc.Get(t, "/nothing"), svc.Post(t, "/users/1", ""), svc.Delete(t, "/users/1", `If-Match: "9"`),
		svc.Batch(t, "", opDelete(9)), svc.Batch(t, "", opCreate(ada)), svc.Batch(t, "", opCreate(`{}`)), svc.Post(t, "/users/", ada+" ", keyed("k")), inProgress(t),
		testkit.New(t, testkit.Options{RequireIfMatch: true}).Delete(t, "/users/1"),
		svc.Post(t, "/users/", ada), svc.Post(t, "/users/", strings.Repeat(" ", 2000)), svc.Post(t, "/users/", ada, "Content-Type: text/plain"),
		svc.Get(t, "/users/x"), testkit.New(t, testkit.Options{Users: panicking{"x"}}).Get(t, "/users/1"),
		testkit.New(t, testkit.Options{Starting: true}).Get(t, "/readyz"),
	}
	for _, failure := range failures {
		problem := failure.Problem()
		t.Run(problem.Type, func(t *testing.T) {
			page := svc.Get(t, problem.Type).Want(http.StatusOK).WantHeader("Content-Type", "application/json; charset=utf-8").Members()
			statuses := strings.Trim(string(page["other_statuses"]), "[]") + "," + string(page["status"])
			if string(page["code"]) != quoted(problem.Code) || string(page["title"]) != quoted(problem.Title) || !strings.Contains(statuses, fmt.Sprint(problem.Status)) {
				t.Errorf("the page says %s of %+v", page, problem)
			}
			html := svc.Get(t, problem.Type, "Accept: text/html").Want(http.StatusOK).WantHeader("Content-Type", "text/html; charset=utf-8").WantHeader("Vary", "Accept, Accept-Encoding")
			if !strings.Contains(string(html.Body), problem.Title) {
				t.Errorf("the page has not the title: %s", html.Body)
			}
		})
	}
}

// inProgress returns the answer to a request whose key is that of another one, which runs.
func inProgress(t *testing.T) *testkit.Response {
	t.Helper()
	return testkit.New(t, testkit.Options{Answers: busy{}}).Post(t, "/users/", ada, keyed("k"))
}

// busy is an IdempotencyRepository of whose every key the request still runs.
type busy struct{ lost }

func (busy) Begin(context.Context, string, repository.Fingerprint) (models.Answer, bool, error) {
	return models.Answer{}, false, models.ErrRequestInProgress
}
