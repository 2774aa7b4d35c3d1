package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/models"
)

func TestNew(t *testing.T) {
	t.Parallel()
	deps := func(change func(*Deps)) Deps {
		d := Deps{Lifecycle: new(middleware.Lifecycle), Log: zap.NewNop(), Now: time.Now, CursorKey: make([]byte, 32)}
		change(&d)
		return d
	}
	for says, wrong := range map[string]Deps{
		"a key of a wrong length is an error":    deps(func(d *Deps) { d.CursorKey = make([]byte, 33) }),
		"a key that is missing is an error":      deps(func(d *Deps) { d.CursorKey = nil }),
		"a proxy that is no network is an error": deps(func(d *Deps) { d.TrustedProxies = []string{"10.0.0.0/33"} }),
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			if _, err := New(wrong); err == nil {
				t.Error("there is none")
			}
		})
	}
	t.Run("two routers in one process do not disturb each other", func(t *testing.T) {
		t.Parallel()
		for range 2 {
			if _, err := New(deps(func(*Deps) {})); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFirstOf(t *testing.T) {
	t.Parallel()
	name := models.Fault{Pointer: "/name", Code: "a", Detail: "x"}
	id := models.Fault{Parameter: "id", Code: "b", Detail: "x"}
	cases := []struct {
		says   string
		errs   []error
		want   error
		faults []string
	}{
		{"nothing wrong is nil", []error{nil, nil}, nil, nil},
		{"faults come together", []error{models.ErrInvalid.With(name), models.ErrInvalid.With(id)}, models.ErrInvalid, []string{"/name a", "id b"}},
		{"faults win over an id that cannot be", []error{models.ErrInvalid.With(name), models.ErrUserNotFound}, models.ErrInvalid, []string{"/name a"}},
		{"an id that cannot be stands alone", []error{nil, models.ErrUserNotFound}, models.ErrUserNotFound, []string{}},
		{"faults win over a condition that is missing", []error{problem.ErrPreconditionRequired, models.ErrInvalid.With(name)}, models.ErrInvalid, []string{"/name a"}},
		{"a condition that is missing wins over an id that cannot be", []error{models.ErrUserNotFound, problem.ErrPreconditionRequired}, problem.ErrPreconditionRequired, []string{}},
		{"what cannot be read wins over a condition that is missing", []error{problem.ErrPreconditionRequired, problem.ErrBodyTooLarge}, problem.ErrBodyTooLarge, []string{}},
		{"what cannot be read wins over faults", []error{problem.ErrMalformedJSON, models.ErrInvalid.With(id)}, problem.ErrMalformedJSON, []string{}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			err := firstOf(c.errs...)
			if !errors.Is(err, c.want) || !slices.Equal(faultsOf(err), c.faults) {
				t.Errorf("%v, %q", err, faultsOf(err))
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	handler := router(t, newShelf("Ada"))
	const one, patch = "DELETE, GET, HEAD, OPTIONS, PATCH, PUT", "application/merge-patch+json, application/json"
	for path, want := range map[string]struct{ allow, patch string }{
		"/users/":                         {"GET, HEAD, OPTIONS, POST", ""},
		"/users":                          {"GET, HEAD, OPTIONS, POST", ""},
		"/users/1":                        {one, patch},
		"/users/batched/":                 {one, patch},
		"/users/b":                        {one, patch},
		"/users/by-email":                 {one, patch},
		"/users/by-emails":                {one, patch},
		"/users/batch":                    {"OPTIONS, POST", ""},
		"/users/batch/":                   {"OPTIONS, POST", ""},
		"/users/%62atch":                  {"OPTIONS, POST", ""},
		"/users/by-email/ada@example.com": {"GET, HEAD, OPTIONS", ""},
		"/users/by-email/batch":           {"GET, HEAD, OPTIONS", ""},
		"/users/by-email/a%2F%2Fb@a.io/":  {"GET, HEAD, OPTIONS", ""},
	} {
		for _, path := range []string{path, "/v1" + path} {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				for _, method := range []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"} {
					if method != "OPTIONS" && slices.Contains(strings.Split(want.allow, ", "), method) {
						continue
					}
					answer := ask(t, handler, method+" "+path, "")
					allow := strings.Split(answer.Header().Get("Allow"), ", ")
					slices.Sort(allow)
					if got := strings.Join(allow, ", "); got != want.allow || answer.Header().Get("Accept-Patch") != want.patch {
						t.Errorf("%s: %q, %q", method, got, answer.Header().Get("Accept-Patch"))
					}
					private(t, answer)
					if method == "OPTIONS" {
						if answer.Code != http.StatusNoContent || answer.Body.Len() > 0 {
							t.Errorf("%s: %d, %q", method, answer.Code, answer.Body)
						}
					} else if told, _ := told(t, answer); answer.Code != http.StatusMethodNotAllowed || told.Code != "method_not_allowed" {
						t.Errorf("%s: %d, %+v", method, answer.Code, told)
					}
				}
			})
		}
	}
	t.Run("of all the service is all", func(t *testing.T) {
		t.Parallel()
		if got := ask(t, handler, "OPTIONS *", "").Header().Get("Allow"); got != "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" {
			t.Errorf("%q", got)
		}
	})
	t.Run("of what is not about users says nothing of privacy", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/health", "/", "/problems/email-taken"} {
			answer := ask(t, handler, "PUT "+path, "")
			if answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Cache-Control") != "" {
				t.Errorf("%s: %d, %v", path, answer.Code, answer.Header())
			}
		}
	})
}

func TestUnderUsers(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/users": "", "/users/": "", "/v1/users": "", "/v1/users/": "", "/users/1": "/1", "/users/1/": "/1", "/v1/users/by-email/a/b": "/by-email/a/b",
		"/": "-", "/user": "-", "/usersx": "-", "/users1": "-", "/v2/users": "-", "/v1": "-", "/health": "-", "/x/users": "-",
	} {
		rest, ok := underUsers(path)
		if ok != (want != "-") || ok && rest != want {
			t.Errorf("%q: %q, %v", path, rest, ok)
		}
	}
}

// absent is a UserService with one user whom nobody waits for.
type absent struct{ UserService }

func (absent) Get(context.Context, int64) (models.User, error) {
	return models.User{ID: 1, Name: "Ada", Email: "ada@example.com", Version: 1}, nil
}

// gone is a http.ResponseWriter whose client has left.
type gone struct{ header http.Header }

func (g gone) Header() http.Header     { return g.header }
func (gone) WriteHeader(int)           {}
func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestUsers_writesToNobody(t *testing.T) {
	t.Parallel()
	router, err := New(Deps{Users: absent{}, Lifecycle: new(middleware.Lifecycle), Log: zap.NewNop(), Now: time.Now, CursorKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/users/1", "/users/x", "/nothing"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if value := recover(); value != http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
					t.Errorf("%s: what cannot be sent ends with %v", path, value)
				}
			}()
			router.ServeHTTP(gone{http.Header{}}, req)
		}()
	}
}
