package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/models"
)

// answered returns what a handler that fails with err answers at a path, and the context it left.
func answered(t *testing.T, path string, err error) (*httptest.ResponseRecorder, *gin.Context) {
	t.Helper()
	recorder := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(recorder)
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	c.Header("X-Request-ID", "id-1")
	Handle(func(*gin.Context) error { return err })(c)
	c.Writer.WriteHeaderNow()
	return recorder, c
}

// stale is what a user of a version fails a condition with.
func stale(version int64) error {
	err := *models.ErrPreconditionFailed
	err.Version = version
	return &err
}

// rejected is what a batch fails with whose first bad operation has an error of this kind.
func rejected(kind models.Kind) error {
	err := ErrBatchRejected.With(models.Fault{Pointer: "/operations/0/id", Code: "user_not_found", Detail: "is unknown", Status: 404})
	err.Kind = kind
	return err
}

func TestWrite(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7:5432: refused")
	cases := []struct {
		says   string
		err    error
		status int
		code   string
		logged bool
	}{
		{"a domain error has the status of its kind", models.ErrUserNotFound, 404, "user_not_found", false},
		{"so has one that is wrapped", fmt.Errorf("get: %w", models.ErrEmailTaken), 409, "email_taken", false},
		{"so has a copy with a cause", ErrMalformedJSON.Because(cause), 400, "malformed_json", false},
		{"a condition that does not hold is 412", stale(7), 412, "precondition_failed", false},
		{"a condition that is missing is 428", ErrPreconditionRequired, 428, "precondition_required", false},
		{"a batch has the status of the kind that it is given", rejected(models.KindNotFound), 404, "batch_rejected", false},
		{"what nobody foresaw is 500", cause, 500, "internal_error", true},
		{"a store that is away is 503", models.ErrUnavailable.Because(cause), 503, "unavailable", true},
		{"a deadline that passed is 503", fmt.Errorf("list: %w", context.DeadlineExceeded), 503, "unavailable", true},
		{"a kind that the domain knows wins over a deadline in its cause", models.ErrUserNotFound.Because(context.DeadlineExceeded), 404, "user_not_found", false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			recorder, ctx := answered(t, "/users/1", c.err)
			var problem Problem
			if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil {
				t.Fatal(err)
			}
			if recorder.Code != c.status || problem.Status != c.status || problem.Code != c.code || problem.RequestID != "id-1" || problem.Instance != "/users/1" {
				t.Errorf("%d: %+v", recorder.Code, problem)
			}
			if recorder.Header().Get("Content-Type") != ContentType || strings.Contains(recorder.Body.String(), "10.0.0.7") {
				t.Errorf("%v: %s", recorder.Header(), recorder.Body)
			}
			if (len(ctx.Errors) > 0) != c.logged || !ctx.IsAborted() {
				t.Errorf("errors for the log: %v; aborted: %v", ctx.Errors, ctx.IsAborted())
			}
		})
	}
	t.Run("a success writes nothing", func(t *testing.T) {
		t.Parallel()
		if recorder, ctx := answered(t, "/", nil); recorder.Body.Len() > 0 || ctx.IsAborted() {
			t.Errorf("%s", recorder.Body)
		}
	})
	t.Run("Retry-After is in whole seconds, rounded up", func(t *testing.T) {
		t.Parallel()
		for wait, want := range map[time.Duration]string{0: "", time.Millisecond: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
			err := *models.ErrUnavailable
			err.RetryAfter = wait
			if recorder, _ := answered(t, "/", &err); recorder.Header().Get("Retry-After") != want {
				t.Errorf("%v: %q", wait, recorder.Header().Get("Retry-After"))
			}
		}
	})
	t.Run("whatever is to be tried again later says when", func(t *testing.T) {
		t.Parallel()
		if recorder, _ := answered(t, "/", models.ErrRequestInProgress); recorder.Code != http.StatusConflict || recorder.Header().Get("Retry-After") != "1" {
			t.Errorf("%d: %v", recorder.Code, recorder.Header())
		}
	})
	t.Run("the only tag of a problem is that of the version as it is now", func(t *testing.T) {
		t.Parallel()
		for err, want := range map[error]string{
			stale(7): `"7"`, rejected(models.KindStale): "", models.ErrUserNotFound: "", cause: "", models.ErrEmailTaken: "",
		} {
			recorder := httptest.NewRecorder()
			c, _ := gin.CreateTestContext(recorder)
			c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/users/1", nil)
			c.Header("ETag", `"3"`)
			Write(c, err)
			if got := recorder.Header().Values("ETag"); len(got) > 1 || recorder.Header().Get("ETag") != want {
				t.Errorf("%v: %q, want %q", err, got, want)
			}
		}
	})
	t.Run("a long problem has its length", func(t *testing.T) {
		t.Parallel()
		faults := make([]models.Fault, 1000)
		for i := range faults {
			faults[i] = models.Fault{Pointer: fmt.Sprintf("/%d", i), Code: "unknown_member", Detail: "is unknown"}
		}
		recorder, _ := answered(t, "/", models.ErrInvalid.With(faults...))
		if got := recorder.Header().Get("Content-Length"); got != fmt.Sprint(recorder.Body.Len()) {
			t.Errorf("%q for %d octets", got, recorder.Body.Len())
		}
	})
	t.Run("an answer that has begun is cut off", func(t *testing.T) {
		t.Parallel()
		recorder := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(recorder)
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		defer func() {
			if value := recover(); value != http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
				t.Errorf("ended with %v", value)
			}
			if len(c.Errors) != 1 || recorder.Body.String() != "[" {
				t.Errorf("%v: %s", c.Errors, recorder.Body)
			}
		}()
		c.String(http.StatusOK, "[")
		Write(c, errors.New("broken"))
	})
}

var word = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func TestEntries(t *testing.T) {
	t.Parallel()
	t.Run("every kind has a status", func(t *testing.T) {
		t.Parallel()
		for kind := range models.KindTooManyRequests + 1 {
			if status := statuses[kind]; status < 400 || status > 599 {
				t.Errorf("kind %d has status %d", kind, status)
			}
		}
	})
	t.Run("every entry is whole, and no code or title stands twice", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for _, e := range Entries() {
			if !word.MatchString(e.Code) || e.Status < 400 || e.Title == "" || !strings.HasSuffix(e.Meaning, ".") || !strings.HasSuffix(e.Mend, ".") {
				t.Errorf("%+v", e)
			}
			if seen[e.Code] || seen[e.Title] {
				t.Errorf("%s stands twice", e.Code)
			}
			seen[e.Code], seen[e.Title] = true, true
		}
	})
	t.Run("every failure that a client can meet has an entry", func(t *testing.T) {
		t.Parallel()
		for _, err := range []*models.Error{
			models.ErrInvalid, models.ErrUserNotFound, models.ErrEmailTaken, models.ErrUnavailable, models.ErrInternal, ErrRouteNotFound, ErrMethodNotAllowed,
			ErrMalformedJSON, ErrBodyTooLarge, ErrUnsupportedMedia, ErrUnsupportedPatch, ErrRequestTimeout, ErrNotReady,
			models.ErrPreconditionFailed, models.ErrRequestInProgress, models.ErrKeyReused, ErrPreconditionRequired, ErrBatchRejected,
		} {
			if title(err.Code) == "The request failed" {
				t.Errorf("%s has none", err.Code)
			}
		}
	})
	t.Run("what is returned is a copy", func(t *testing.T) {
		t.Parallel()
		for i := range Entries() {
			changed := Entries()[i]
			Entries()[i].Title = "changed"
			for j := range changed.OtherStatuses {
				changed.OtherStatuses[j] = 0
			}
			if now := Entries()[i]; now.Title == "changed" || slices.Contains(now.OtherStatuses, 0) {
				t.Errorf("a caller can change %s", now.Code)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	t.Run("every entry is whole, and no code stands twice", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for _, f := range Faults() {
			if !word.MatchString(f.Code) || !strings.HasSuffix(f.Meaning, ".") || strings.Count(f.Meaning, "`")%2 != 0 || seen[f.Code] {
				t.Errorf("%+v", f)
			}
			seen[f.Code] = true
		}
	})
	t.Run("the failures that are faults of an operation in a batch have an entry", func(t *testing.T) {
		t.Parallel()
		for _, err := range []*models.Error{models.ErrUserNotFound, models.ErrEmailTaken, models.ErrPreconditionFailed, ErrPreconditionRequired, models.ErrKeyReused} {
			if !slices.ContainsFunc(Faults(), func(f FaultEntry) bool { return f.Code == err.Code }) {
				t.Errorf("%s has none", err.Code)
			}
		}
	})
}

func TestPage(t *testing.T) {
	t.Parallel()
	explain := func(t *testing.T, code, accept string, documents bool) *httptest.ResponseRecorder {
		t.Helper()
		recorder := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(recorder)
		c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/problems/x", nil)
		c.Request.Header.Set("Accept", accept)
		c.Params = gin.Params{{Key: "code", Value: code}}
		Handle(Page(documents))(c)
		return recorder
	}
	t.Run("every code has a page for programs and one for people, by either spelling", func(t *testing.T) {
		t.Parallel()
		for _, e := range Entries() {
			for _, code := range []string{e.Code, slug(e.Code)} {
				var shown Entry
				if err := json.Unmarshal(explain(t, code, "*/*", true).Body.Bytes(), &shown); err != nil || !reflect.DeepEqual(shown, e) {
					t.Errorf("%s: %+v, %v", code, shown, err)
				}
				html := explain(t, code, "text/html,*/*;q=0.8", true)
				if !strings.Contains(html.Body.String(), "<h1>") || html.Header().Get("Content-Type") != "text/html; charset=utf-8" {
					t.Errorf("%s: %s", code, html.Body)
				}
				if text := html.Body.String(); strings.Contains(text, "`") || strings.Count(text, "<code>") != strings.Count(text, "</code>") {
					t.Errorf("%s: code is not marked as such: %s", code, text)
				}
			}
		}
	})
	t.Run("it links to the documents where there are any", func(t *testing.T) {
		t.Parallel()
		for _, e := range Entries() {
			for _, documents := range []bool{true, false} {
				html := explain(t, e.Code, "text/html", documents).Body.String()
				if strings.Contains(html, "swagger/index.html") != documents || strings.Contains(html, "/openapi.json") {
					t.Errorf("documents are served: %v, but the page of %s is %s", documents, e.Code, html)
				}
			}
		}
	})
	t.Run("another code is 404", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"", "x", "client-closed-request", "<script>"} {
			if recorder := explain(t, code, "text/html", true); recorder.Code != http.StatusNotFound {
				t.Errorf("%q: %d", code, recorder.Code)
			}
		}
	})
	t.Run("the page escapes what it shows", func(t *testing.T) {
		t.Parallel()
		html := string(page(&Entry{Title: "<b>", Code: "<i>", Meaning: "a & b `<u>` c", Mend: `"`}, true))
		if strings.Contains(html, "<b>") || strings.Contains(html, "<i>") || strings.Contains(html, "<u>") || !strings.Contains(html, "a &amp; b <code>&lt;u&gt;</code> c") {
			t.Error(html)
		}
	})
	t.Run("the page lists all statuses", func(t *testing.T) {
		t.Parallel()
		for want, e := range map[string]Entry{
			"HTTP status 409<": {Status: 409}, "HTTP status 422 or 404<": {Status: 422, OtherStatuses: []int{404}},
			"HTTP status 422, 404 or 409<": {Status: 422, OtherStatuses: []int{404, 409}},
		} {
			if html := string(page(&e, true)); !strings.Contains(html, want) {
				t.Errorf("%s is missing in %s", want, html)
			}
		}
	})
}
