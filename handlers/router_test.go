package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
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

func TestDeclaredJSON(t *testing.T) {
	t.Parallel()
	for _, header := range []http.Header{
		{"Content-Type": {"application/json"}},
		{"Content-Type": {"Application/JSON; Charset=\"UTF-8\""}, "Content-Encoding": {"Identity"}},
	} {
		if !declaredJSON(header) {
			t.Errorf("%v is refused", header)
		}
	}
	for _, header := range []http.Header{
		{},
		{"Content-Type": {}},
		{"Content-Type": {""}},
		{"Content-Type": {"application/json", "application/json"}},
		{"Content-Type": {"application/json; charset=utf8"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "gzip"}},
	} {
		if declaredJSON(header) {
			t.Errorf("%v is taken", header)
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
	for _, path := range []string{"/users/1", "/users/x", "/nothing", "/health"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		router.ServeHTTP(gone{http.Header{}}, req) // a client that went away is not an error, and no panic
	}
}
