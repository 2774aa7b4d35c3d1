package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/models"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

// inMemory returns the whole service over a store in memory, after a change to what it is built of. Its
// clock stands still.
func inMemory(t testing.TB, change func(*Deps)) http.Handler {
	t.Helper()
	now := func() time.Time { return time.Date(2026, time.January, 2, 15, 4, 5, 0, time.UTC) }
	store := memory.NewLimited(memory.KeyLimits{Age: time.Hour, Count: 1000, Bytes: 1 << 20}, now)
	deps := Deps{
		Users:        services.NewUsers(store, now),
		Retries:      services.NewRetries(store),
		Lifecycle:    new(middleware.Lifecycle),
		Log:          zap.NewNop(),
		Now:          now,
		MaxBodyBytes: 1 << 20,
		CursorKey:    make([]byte, 32),
	}
	if change != nil {
		change(&deps)
	}
	handler, err := New(deps)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// meddledWith is inMemory over a store that does what a test plans.
func meddledWith(t testing.TB, change func(*Deps)) (http.Handler, *repotest.Faults) {
	t.Helper()
	faults := repotest.NewFaults(memory.New())
	handler := inMemory(t, func(d *Deps) {
		d.Users, d.Retries = services.NewUsers(faults, d.Now), services.NewRetries(faults)
		if change != nil {
			change(d)
		}
	})
	return handler, faults
}

// post sends a JSON body, with header lines, and returns the answer.
func post(handler http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	return postFrom(handler, path, strings.NewReader(body), header...)
}

func postFrom(handler http.Handler, path string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.Header.Set("Content-Type", "application/json")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, req)
	return recorder
}

// stored returns the list of users as it is answered.
func stored(t testing.TB, handler http.Handler) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/users/?limit=1000", http.NoBody))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// operation writes an operation of a batch.
func operation(op string, id int, user, match string) string {
	text := fmt.Sprintf(`{"op":%q`, op)
	if id != 0 {
		text += fmt.Sprintf(`,"id":%d`, id)
	}
	if user != "" {
		text += `,"user":` + user
	}
	if match != "" {
		text += fmt.Sprintf(`,"if_match":%q`, match)
	}
	return text + "}"
}

func person(name string) string {
	return fmt.Sprintf(`{"name":%q,"email":%q}`, name, strings.ToLower(name)+"@example.com")
}

// batchOf writes the body of a batch.
func batchOf(mode string, operations ...string) string {
	return fmt.Sprintf(`{"mode":%q,"operations":[%s]}`, mode, strings.Join(operations, ","))
}

// withAdaAndGrace returns a service in which Ada is user 1 and Grace user 2.
func withAdaAndGrace(t testing.TB, change func(*Deps)) http.Handler {
	t.Helper()
	handler := inMemory(t, change)
	for _, name := range []string{"Ada", "Grace"} {
		if recorder := post(handler, "/users/", person(name)); recorder.Code != http.StatusCreated {
			t.Fatalf("%d: %s", recorder.Code, recorder.Body)
		}
	}
	return handler
}

func TestUsers_batch(t *testing.T) {
	t.Parallel()
	const created = `"created_at":"2026-01-02T15:04:05.000000Z","updated_at":"2026-01-02T15:04:05.000000Z","version":1}}`
	const changed = `"created_at":"2026-01-02T15:04:05.000000Z","updated_at":"2026-01-02T15:04:05.000001Z","version":2}}`
	operations := []string{
		operation("create", 0, `{"name":"Alan \"\u263a\"","email":"alan@example.com","age":41}`, ""),
		operation("update", 1, person("Augusta"), "1"),
		operation("patch", 2, `{"age":85}`, `"1"`),
		operation("patch", 2, `{"age":85}`, `*`),
		operation("delete", 3, "", "1"),
	}
	results := `"results":[` +
		`{"status":201,"user":{"id":3,"name":"Alan \"` + "\u263a" + `\"","email":"alan@example.com","age":41,` + created +
		`,{"status":200,"user":{"id":1,"name":"Augusta","email":"augusta@example.com","age":null,` + changed +
		`,{"status":200,"user":{"id":2,"name":"Grace","email":"grace@example.com","age":85,` + changed +
		`,{"status":200,"user":{"id":2,"name":"Grace","email":"grace@example.com","age":85,` + changed +
		`,{"status":204,"id":3}]}`
	for mode, status := range map[string]int{"atomic": http.StatusOK, "independent": http.StatusMultiStatus} {
		t.Run(mode+" operations are answered in order, and later ones see earlier ones", func(t *testing.T) {
			t.Parallel()
			handler := withAdaAndGrace(t, nil)
			recorder := post(handler, "/v1/users/batch/", batchOf(mode, operations...))
			want := `{"mode":"` + mode + `","dry_run":false,` + results
			if recorder.Code != status || recorder.Body.String() != want {
				t.Errorf("%d\n%s, want %d\n%s", recorder.Code, recorder.Body, status, want)
			}
			if header := recorder.Header(); header.Get("Content-Type") != "application/json; charset=utf-8" || header.Get("Cache-Control") == "" || header.Get("Etag")+header.Get("Location") != "" {
				t.Errorf("%v", header)
			}
			if list := stored(t, handler); strings.Contains(list, "Alan") || !strings.Contains(list, "Augusta") || !strings.Contains(list, `"age":85`) {
				t.Errorf("%s", list)
			}
		})
		t.Run(mode+" operations of a dry run are answered the same and change nothing", func(t *testing.T) {
			t.Parallel()
			handler := withAdaAndGrace(t, nil)
			before := stored(t, handler)
			recorder := post(handler, "/users/batch", strings.Replace(batchOf(mode, operations...), `{`, `{"dry_run":true,`, 1))
			want := `{"mode":"` + mode + `","dry_run":true,` + results
			if recorder.Code != status || recorder.Body.String() != want {
				t.Errorf("%d\n%s, want %d\n%s", recorder.Code, recorder.Body, status, want)
			}
			if after := stored(t, handler); after != before {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
	t.Run("two users swap their addresses in one atomic batch", func(t *testing.T) {
		t.Parallel()
		handler := withAdaAndGrace(t, nil)
		recorder := post(handler, "/users/batch", batchOf("atomic", operation("patch", 1, `{"email":"grace@example.com"}`, ""), operation("patch", 2, `{"email":"ada@example.com"}`, "")))
		if recorder.Code != http.StatusOK || !strings.Contains(stored(t, handler), `"name":"Ada","email":"grace@example.com"`) {
			t.Errorf("%d: %s", recorder.Code, recorder.Body)
		}
	})
	t.Run("a thousand users are made", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		recorder := post(handler, "/users/batch", creates(models.MaxOperations))
		var answer BatchResults
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusOK || len(answer.Results) != models.MaxOperations {
			t.Fatalf("%d: %v, %d results", recorder.Code, err, len(answer.Results))
		}
		for i, result := range answer.Results {
			if result.Status != http.StatusCreated || result.User.ID != int64(i+1) || result.User.Email != fmt.Sprintf("ada%d@example.com", i) {
				t.Fatalf("%d: %+v", i, result)
			}
		}
	})
}

// rejected returns the places, codes and statuses of the faults in a problem.
func rejected(t testing.TB, body []byte) (p problem.Problem, faults []string) {
	t.Helper()
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, fault := range p.Errors {
		faults = append(faults, fmt.Sprintf("%s%s %s %d", fault.Pointer, fault.Header, fault.Code, fault.Status))
	}
	return p, faults
}

func TestUsers_batch_rejected(t *testing.T) {
	t.Parallel()
	fine := operation("create", 0, person("Alan"), "")
	invalid := operation("create", 0, `{"name":"","email":"x"}`, "")
	unknown := operation("patch", 99, `{}`, "")
	impossible := `{"op":"delete","id":0}`
	stale := operation("delete", 1, "", "7")
	taken := operation("create", 0, person("Grace"), "")
	cases := []struct {
		says       string
		operations []string
		status     int
		faults     []string
	}{
		{"the status is that of an invalid operation, wherever it stands", []string{stale, taken, fine, unknown, invalid, impossible}, 422, []string{
			"/operations/0/if_match precondition_failed 412", "/operations/1/user/email email_taken 409", "/operations/3/id user_not_found 404",
			"/operations/4/user/name too_short 422", "/operations/4/user/email invalid_email 422", "/operations/5/id user_not_found 404",
		}},
		{"else that of the first: 404", []string{fine, unknown, stale, taken}, 404, []string{
			"/operations/1/id user_not_found 404", "/operations/2/if_match precondition_failed 412", "/operations/3/user/email email_taken 409",
		}},
		{"else that of the first: 412", []string{stale, unknown}, 412, []string{"/operations/0/if_match precondition_failed 412", "/operations/1/id user_not_found 404"}},
		{"else that of the first: 409", []string{taken, stale}, 409, []string{"/operations/0/user/email email_taken 409", "/operations/1/if_match precondition_failed 412"}},
		{"of two that end with one address the later is at fault", []string{fine, fine}, 409, []string{"/operations/1/user/email email_taken 409"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			handler := withAdaAndGrace(t, nil)
			before := stored(t, handler)
			recorder := post(handler, "/users/batch", batchOf("atomic", c.operations...))
			p, faults := rejected(t, recorder.Body.Bytes())
			if recorder.Code != c.status || p.Status != c.status || p.Code != "batch_rejected" || !slices.Equal(faults, c.faults) {
				t.Errorf("%d: %s\n%q, want %d\n%q", recorder.Code, p.Code, faults, c.status, c.faults)
			}
			if recorder.Header().Get("Content-Type") != problem.ContentType || recorder.Header().Get("Etag") != "" {
				t.Errorf("%v", recorder.Header())
			}
			if after := stored(t, handler); after != before {
				t.Errorf("%s became %s", before, after)
			}
			dry := post(handler, "/users/batch", strings.Replace(batchOf("atomic", c.operations...), "{", `{"dry_run":true,`, 1))
			if _, again := rejected(t, dry.Body.Bytes()); dry.Code != c.status || !slices.Equal(again, faults) {
				t.Errorf("a dry run: %d %q", dry.Code, again)
			}
		})
	}
	t.Run("a missing condition is 428 where one is required", func(t *testing.T) {
		t.Parallel()
		handler := withAdaAndGrace(t, func(d *Deps) { d.RequireIfMatch = true })
		recorder := post(handler, "/users/batch", batchOf("atomic", fine, operation("delete", 1, "", ""), unknown))
		p, faults := rejected(t, recorder.Body.Bytes())
		want := []string{"/operations/1/if_match precondition_required 428", "/operations/2/if_match precondition_required 428"}
		if recorder.Code != http.StatusPreconditionRequired || p.Code != "batch_rejected" || !slices.Equal(faults, want) {
			t.Errorf("%d: %q, want %q", recorder.Code, faults, want)
		}
	})
	t.Run("a stale version names the one that is", func(t *testing.T) {
		t.Parallel()
		p, _ := rejected(t, post(withAdaAndGrace(t, nil), "/users/batch", batchOf("atomic", stale)).Body.Bytes())
		if !strings.HasSuffix(p.Errors[0].Detail, "which is 1") {
			t.Errorf("%+v", p.Errors)
		}
	})
	t.Run("what refuses the whole is an ordinary 422, in either mode", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []string{"atomic", "independent"} {
			recorder := post(inMemory(t, nil), "/users/batch", batchOf(mode, `{"op":"destroy"}`, invalid))
			p, faults := rejected(t, recorder.Body.Bytes())
			want := []string{"/operations/0/op unknown_operation 0", "/operations/1/user/name too_short 0", "/operations/1/user/email invalid_email 0"}
			if recorder.Code != http.StatusUnprocessableEntity || p.Code != "invalid_input" || !slices.Equal(faults, want) {
				t.Errorf("%d: %s %q, want %q", recorder.Code, p.Code, faults, want)
			}
		}
	})
	t.Run("every code of a fault is in the catalogue", func(t *testing.T) {
		t.Parallel()
		known := map[string]bool{}
		for _, entry := range problem.Faults() {
			known[entry.Code] = true
		}
		body := `{"mod":1,"mode":"x","dry_run":1,"operations":[{"op":"x"},{"op":"delete","id":1e30,"user":{}},{"op":"delete","id":1,"if_match":"x"},{"op":"delete"}]}`
		for _, text := range []string{body, `{"operations":[]}`, creates(1001)} {
			p, _ := rejected(t, post(inMemory(t, nil), "/users/batch", text).Body.Bytes())
			for _, fault := range p.Errors {
				if !known[fault.Code] {
					t.Errorf("%s is not", fault.Code)
				}
			}
		}
		for _, err := range []*models.Error{models.ErrUserNotFound, models.ErrEmailTaken, models.ErrPreconditionFailed, problem.ErrPreconditionRequired} {
			if !known[err.Code] {
				t.Errorf("%s is not", err.Code)
			}
		}
	})
}

func TestUsers_batch_independent(t *testing.T) {
	t.Parallel()
	handler := withAdaAndGrace(t, nil)
	recorder := post(handler, "/v1/users/batch", batchOf("independent",
		operation("create", 0, `{"name":"","email":"x"}`, ""),
		operation("create", 0, person("Alan"), ""),
		operation("create", 0, person("Alan"), ""),
		`{"op":"delete","id":0}`,
		operation("delete", 1, "", "7"),
		operation("delete", 1, "", "1"),
		operation("patch", 1, "{}", ""),
	), "X-Request-ID: id-1")
	var answer struct {
		Results []struct {
			Status  int
			User    *models.User
			ID      *int64
			Problem *problem.Problem
		}
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || recorder.Code != http.StatusMultiStatus {
		t.Fatalf("%d: %v: %s", recorder.Code, err, recorder.Body)
	}
	want := []string{"422 invalid_input", "201 Alan", "409 email_taken", "404 user_not_found", "412 precondition_failed", "204 1", "404 user_not_found"}
	var got []string
	for _, result := range answer.Results {
		text := fmt.Sprint(result.Status)
		if result.User != nil {
			text += " " + result.User.Name
		}
		if result.ID != nil {
			text += fmt.Sprint(" ", *result.ID)
		}
		if p := result.Problem; p != nil {
			text += " " + p.Code
			if p.Status != result.Status || p.Instance != "/v1/users/batch" || p.RequestID != "id-1" || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Type, "/problems/") {
				t.Errorf("%+v", p)
			}
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var places []string
	for _, fault := range answer.Results[0].Problem.Errors {
		places = append(places, fmt.Sprintf("%s %d", fault.Pointer, fault.Status))
	}
	if !slices.Equal(places, []string{"/operations/0/user/name 0", "/operations/0/user/email 0"}) {
		t.Errorf("%q", places)
	}
}

// spoilt is a UserService whose batches end as a test wants.
type spoilt struct {
	UserService
	batch func(ctx context.Context, batch models.Batch) ([]models.Result, error)
}

func (s spoilt) Batch(ctx context.Context, batch models.Batch) ([]models.Result, error) {
	return s.batch(ctx, batch)
}

func TestUsers_batch_failures(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial tcp 10.0.0.7:5432: refused")
	t.Run("an error of the store is that of the whole, in every mode, and its cause is for the log", func(t *testing.T) {
		t.Parallel()
		for cause, status := range map[error]int{secret: http.StatusInternalServerError, models.ErrUnavailable.Because(secret): http.StatusServiceUnavailable} {
			for mode, body := range map[string]string{
				"atomic":      creates(2),
				"independent": batchOf("independent", operation("create", 0, person("Ada"), ""), operation("delete", 9, "", ""), operation("create", 0, person("Alan"), "")),
			} {
				for _, header := range []string{"Accept: */*", "Idempotency-Key: k"} {
					core, lines := observer.New(zap.InfoLevel)
					handler, faults := meddledWith(t, func(d *Deps) { d.Log = zap.New(core) })
					faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(cause))
					recorder := post(handler, "/users/batch", body, header)
					if p, _ := rejected(t, recorder.Body.Bytes()); recorder.Code != status || p.Status != status || strings.Contains(recorder.Body.String(), "10.0.0.7") {
						t.Errorf("%s, %s: %d: %s", mode, header, recorder.Code, recorder.Body)
					}
					if entry := lines.All()[lines.Len()-1]; !strings.Contains(fmt.Sprint(entry.ContextMap()["error"]), "10.0.0.7") {
						t.Errorf("%s, %s: %+v", mode, header, entry)
					}
					if list := stored(t, handler); strings.Contains(list, `"id"`) {
						t.Errorf("%s, %s: it left %s", mode, header, list)
					}
				}
			}
		}
	})
}

func BenchmarkUsers_batch(b *testing.B) {
	body := creates(models.MaxOperations)
	var results []models.Result
	for i := range models.MaxOperations {
		results = append(results, models.Result{User: models.User{ID: int64(i + 1), Name: "Ada Lovelace", Email: "ada@example.com", Age: 36, Version: 1}})
	}
	handler := inMemory(b, func(d *Deps) {
		d.Users = spoilt{batch: func(context.Context, models.Batch) ([]models.Result, error) { return results, nil }}
	})
	b.ReportAllocs()
	for b.Loop() {
		if recorder := post(handler, "/users/batch", body); recorder.Code != http.StatusOK {
			b.Fatal(recorder.Code)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/models.MaxOperations, "ns/user")
}
