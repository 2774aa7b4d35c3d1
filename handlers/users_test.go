package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"userapi/handlers/problem"
	"userapi/middleware"
	"userapi/models"
)

// shelf is a UserService that does the simplest thing that is right, and remembers its last call.
type shelf struct {
	UserService // for what no test here asks of it
	mu          sync.Mutex
	users       []models.User // by id
	called      string
}

// newShelf returns a shelf with users of these names, whose ids begin with 1 and whose version is 3.
func newShelf(names ...string) *shelf {
	s := new(shelf)
	for i, name := range names {
		s.users = append(s.users, models.User{ID: int64(i + 1), Name: name, Email: strings.ToLower(name) + "@example.com", Version: 3})
	}
	return s
}

// call notes a call, and locks until its result is called.
func (s *shelf) call(name string) (done func()) {
	s.mu.Lock()
	s.called = name
	return s.mu.Unlock
}

func (s *shelf) index(id int64) int {
	return slices.IndexFunc(s.users, func(u models.User) bool { return u.ID == id })
}

func (s *shelf) Create(_ context.Context, input models.UserInput) (models.User, error) {
	defer s.call("Create")()
	user := input.Apply(models.User{ID: int64(len(s.users) + 1), Version: 1})
	s.users = append(s.users, user)
	return user, nil
}

func (s *shelf) Get(_ context.Context, id int64) (models.User, error) {
	defer s.call("Get")()
	if at := s.index(id); at >= 0 {
		return s.users[at], nil
	}
	return models.User{}, models.ErrUserNotFound
}

func (s *shelf) GetByEmail(_ context.Context, email string) (models.User, error) {
	defer s.call("GetByEmail " + email)()
	for _, user := range s.users {
		if user.Email == email {
			return user, nil
		}
	}
	return models.User{}, models.ErrUserNotFound
}

func (s *shelf) List(_ context.Context, query models.Query) (models.Page, error) {
	defer s.call("List")()
	var all []models.User
	for i := range s.users {
		if query.Filter.Matches(&s.users[i]) {
			all = append(all, s.users[i])
		}
	}
	slices.SortFunc(all, func(a, b models.User) int { return query.Order.Compare(&a, &b) })
	first, last := int(min(query.Skip, int64(len(all)))), len(all)
	for i := range all {
		if query.Position.Admits(query.Order, &all[i]) {
			continue
		}
		if query.Position.Backward {
			last = min(last, i)
		} else {
			first = max(first, i+1)
		}
	}
	if query.Position.Backward {
		first = max(first, last-query.Limit)
	} else {
		last = min(last, first+query.Limit)
	}
	page := models.Page{Users: append([]models.User{}, all[first:last]...), Before: first > 0, More: last < len(all)}
	if query.WithTotal {
		page.Total = int64(len(all))
	}
	return page, nil
}

func (s *shelf) change(id int64, match models.Match, change func(models.User) models.User) (models.User, error) {
	at := s.index(id)
	if at < 0 {
		return models.User{}, models.ErrUserNotFound
	}
	if err := match.Check(s.users[at].Version); err != nil {
		return models.User{}, err
	}
	s.users[at] = change(s.users[at])
	s.users[at].Version++
	return s.users[at], nil
}

func (s *shelf) Update(_ context.Context, id int64, input models.UserInput, match models.Match) (models.User, error) {
	defer s.call("Update")()
	return s.change(id, match, input.Apply)
}

func (s *shelf) Patch(_ context.Context, id int64, patch models.UserPatch, match models.Match) (models.User, error) {
	defer s.call("Patch")()
	return s.change(id, match, patch.Apply)
}

func (s *shelf) Delete(_ context.Context, id int64, match models.Match) error {
	defer s.call("Delete")()
	_, err := s.change(id, match, func(u models.User) models.User { return u })
	if err == nil {
		s.users = slices.DeleteFunc(s.users, func(u models.User) bool { return u.ID == id })
	}
	return err
}

// router returns the whole handler over a service.
func router(t rapid.TB, service UserService, change ...func(*Deps)) http.Handler {
	t.Helper()
	deps := Deps{
		Users: service, Lifecycle: new(middleware.Lifecycle), Log: zap.NewNop(), Now: time.Now,
		MaxBodyBytes: 1 << 20, CursorKey: make([]byte, 32), Documents: true,
	}
	for _, c := range change {
		c(&deps)
	}
	handler, err := New(deps)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func requireIfMatch(deps *Deps) { deps.RequireIfMatch = true }

// ask sends one request, of the form `GET /path`, with header fields of the form `Name: value`.
func ask(t rapid.TB, handler http.Handler, request, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header.Add(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, req)
	return recorder
}

// told returns the problem in an answer, and its faults as faultsOf writes them.
func told(t testing.TB, answer *httptest.ResponseRecorder) (told problem.Problem, faults []string) {
	t.Helper()
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil {
		t.Fatalf("%d: %s: %v", answer.Code, answer.Body, err)
	}
	faults = []string{}
	for _, fault := range told.Errors {
		faults = append(faults, fault.Pointer+fault.Parameter+fault.Header+" "+fault.Code)
	}
	slices.Sort(faults)
	return told, faults
}

const grace = `{"name":"Grace","email":"grace@example.com"}`

// private judges what every answer about users has.
func private(t testing.TB, answer *httptest.ResponseRecorder) {
	t.Helper()
	if header := answer.Header(); header.Get("Cache-Control") != "private, no-cache" || header.Get("Vary") == "" {
		t.Errorf("%d with %v", answer.Code, header)
	}
}

func TestUsers_get(t *testing.T) {
	t.Parallel()
	service := newShelf("Ada")
	handler := router(t, service)
	for _, path := range []string{"/users/1", "/users/1/", "/v1/users/1", "/users/by-email/ada@example.com", "/v1/users/by-email/ada@example.com/"} {
		t.Run(path+" honours If-None-Match", func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				for _, tags := range []string{`"3"`, `W/"3"`, `*`, `"1", "3"`, `"x",W/"3"`} {
					answer := ask(t, handler, method+" "+path, "", "If-None-Match: "+tags)
					if answer.Code != http.StatusNotModified || answer.Body.Len() > 0 || answer.Header().Get("ETag") != `"3"` || answer.Header().Get("Content-Type") != "" {
						t.Errorf("%s %s: %d, %v, %q", method, tags, answer.Code, answer.Header(), answer.Body)
					}
					private(t, answer)
				}
				for _, tags := range []string{`"2"`, `3`, `"3`, `"03"`, `""`, ``, `"3" "4"`, `*, "3"`, `w/"3"`} {
					answer := ask(t, handler, method+" "+path, "", "If-None-Match: "+tags)
					if answer.Code != http.StatusOK || answer.Header().Get("ETag") != `"3"` {
						t.Errorf("%s %s: %d, %v", method, tags, answer.Code, answer.Header())
					}
					private(t, answer)
				}
			}
			if answer := ask(t, handler, "GET "+path, "", `If-None-Match: "1"`, `If-None-Match: "3"`); answer.Code != http.StatusNotModified {
				t.Errorf("a list in two lines: %d", answer.Code)
			}
		})
	}
	t.Run("nobody is 404 whatever the client has", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/users/2", "/users/0", "/users/by-email/x@example.com"} {
			answer := ask(t, handler, "GET "+path, "", "If-None-Match: *")
			if told, _ := told(t, answer); told.Code != "user_not_found" || answer.Header().Get("ETag") != "" {
				t.Errorf("%s: %d, %v", path, answer.Code, answer.Header())
			}
		}
	})
}

func TestUsers_byEmail(t *testing.T) {
	t.Parallel()
	service := newShelf()
	for i, email := range []string{"ada@example.com", "ada+x@example.com", "a/b@example.com", "a//b@example.com", "/@example.com", "batch@example.com", "jürgen@example.com", "50%@example.com"} {
		service.users = append(service.users, models.User{ID: int64(i + 1), Name: "Ada", Email: email, Version: 1})
	}
	handler := router(t, service)
	for path, id := range map[string]int64{
		"ada@example.com": 1, "ada%40example.com": 1, "%61da@example.com/": 1, "ada+x@example.com": 2, "ada%2Bx%40example.com": 2, "ada%2bx@example.com/": 2,
		"a%2Fb@example.com": 3, "a/b@example.com": 3, "a%2Fb%40example.com/": 3, "a%2F%2Fb@example.com": 4, "a%2F%2Fb@example.com/": 4, "%2F@example.com": 5, "batch@example.com": 6,
		"j%C3%BCrgen@example.com": 7, "50%25@example.com": 8,
		"x@example.com": 0, "ada": 0, "1": 0, "ada@example.com%2Fx": 0, "ada@example.com/x": 0, "ada%20x@example.com": 0, "%00": 0, "%FF@example.com": 0, "batch": 0, "50%2525@example.com": 0,
	} {
		for _, prefix := range []string{"/users/by-email/", "/v1/users/by-email/"} {
			answer := ask(t, handler, "GET "+prefix+path, "")
			private(t, answer)
			if id == 0 {
				if told, _ := told(t, answer); told.Code != "user_not_found" || !strings.Contains(told.Detail, "address") || answer.Code != http.StatusNotFound {
					t.Errorf("%s: %+v", path, told)
				}
				continue
			}
			var user models.User
			_ = json.Unmarshal([]byte(strings.ReplaceAll(answer.Body.String(), `"age":null`, `"age":0`)), &user)
			if answer.Code != http.StatusOK || user.ID != id || answer.Header().Get("ETag") != `"1"` {
				t.Errorf("%s: %d, %s", path, answer.Code, answer.Body)
			}
		}
	}
	t.Run("an address with nothing between two slashes is no path", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/users/by-email//ada@example.com", "/users/by-email/a//b@example.com", "//users/by-email/a%2Fb@example.com", "/users//by-email/a", "/users/%2F", "/users/%2F/by-email/a"} {
			if told, _ := told(t, ask(t, handler, "GET "+path, "")); told.Code != "route_not_found" {
				t.Errorf("%s: %+v", path, told)
			}
		}
	})
	t.Run("without an address the path is that of an id", func(t *testing.T) {
		t.Parallel()
		for _, request := range []string{"GET /users/by-email", "GET /users/by-email/", "HEAD /v1/users/by-email/", "DELETE /users/by-email", "DELETE /users/by-email/"} {
			answer := ask(t, handler, request, "")
			if _, faults := told(t, answer); answer.Code != http.StatusUnprocessableEntity || !slices.Equal(faults, []string{"id wrong_type"}) {
				t.Errorf("%s: %d, %q", request, answer.Code, faults)
			}
		}
	})
}

func TestUsers_condition(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body, success := grace, http.StatusOK
		if method == "DELETE" {
			body, success = "", http.StatusNoContent
		}
		t.Run(method+" with a tag of the version succeeds", func(t *testing.T) {
			t.Parallel()
			for _, tags := range []string{`"3"`, `*`, ` * `, `"1", "3"`, `"x",,W/"9", "3"`} {
				answer := ask(t, router(t, newShelf("Ada"), requireIfMatch), method+" /users/1", body, "If-Match: "+tags)
				if answer.Code != success || method != "DELETE" && answer.Header().Get("ETag") != `"4"` {
					t.Errorf("%s: %d, %v, %s", tags, answer.Code, answer.Header(), answer.Body)
				}
			}
		})
		t.Run(method+" with tags of other versions is 412 with the tag as it is now", func(t *testing.T) {
			t.Parallel()
			for _, tags := range []string{`"2"`, `W/"3"`, `"4", "5"`, `"x"`, `"03"`, `"+3"`, `""`, `"*"`} {
				service := newShelf("Ada")
				answer := ask(t, router(t, service), method+" /v1/users/1/", body, "If-Match: "+tags)
				if told, _ := told(t, answer); answer.Code != http.StatusPreconditionFailed || told.Code != "precondition_failed" || answer.Header().Get("ETag") != `"3"` || service.users[0].Version != 3 {
					t.Errorf("%s: %d, %v, %s", tags, answer.Code, answer.Header(), answer.Body)
				}
				private(t, answer)
			}
		})
		t.Run(method+" with what is no list of tags is 422 beside all other faults", func(t *testing.T) {
			t.Parallel()
			for _, tags := range []string{``, `3`, `"3`, `3"`, `"3" "4"`, `"3";"4"`, `*, "3"`, `**`, `w/"3"`, `W/3`, `,`, `"a b"`} {
				service := newShelf("Ada")
				answer := ask(t, router(t, service, requireIfMatch), method+" /users/x", strings.ReplaceAll(body, `"Grace"`, `7`), "If-Match: "+tags)
				want := []string{"If-Match malformed_header", "id wrong_type"}
				if body != "" {
					want = append([]string{"/name wrong_type"}, want...)
				}
				if _, faults := told(t, answer); answer.Code != http.StatusUnprocessableEntity || !slices.Equal(faults, want) || service.called != "" {
					t.Errorf("%s: %d, %q, called %q", tags, answer.Code, faults, service.called)
				}
			}
		})
		t.Run(method+" asks in the order 422, 428, 404, 412", func(t *testing.T) {
			t.Parallel()
			handler, faulty := router(t, newShelf("Ada"), requireIfMatch), strings.ReplaceAll(body, `"Grace"`, `7`)
			if body != "" {
				if told, _ := told(t, ask(t, handler, method+" /users/1", faulty)); told.Status != http.StatusUnprocessableEntity {
					t.Errorf("a fault before a condition that is missing: %+v", told)
				}
				if told, _ := told(t, ask(t, handler, method+" /users/0", faulty, `If-Match: "9"`)); told.Status != http.StatusUnprocessableEntity {
					t.Errorf("a fault before a user who cannot be: %+v", told)
				}
			}
			for _, id := range []string{"1", "99", "0", "-1"} {
				answer := ask(t, handler, method+" /users/"+id, body)
				if told, faults := told(t, answer); answer.Code != http.StatusPreconditionRequired || told.Code != "precondition_required" || len(faults) > 0 || answer.Header().Get("ETag") != "" {
					t.Errorf("%s: %d, %+v", id, answer.Code, told)
				}
				private(t, answer)
			}
			if told, _ := told(t, ask(t, handler, method+" /users/x", body)); told.Status != http.StatusUnprocessableEntity {
				t.Errorf("an id that is none before a condition that is missing: %+v", told)
			}
			for _, id := range []string{"99", "0"} {
				for _, tags := range []string{"*", `"9"`} {
					if told, _ := told(t, ask(t, handler, method+" /users/"+id, body, "If-Match: "+tags)); told.Code != "user_not_found" {
						t.Errorf("%s with %s: %+v", id, tags, told)
					}
				}
			}
		})
		t.Run(method+" needs no condition by default", func(t *testing.T) {
			t.Parallel()
			if answer := ask(t, router(t, newShelf("Ada")), method+" /users/1", body); answer.Code != success {
				t.Errorf("%d, %s", answer.Code, answer.Body)
			}
		})
	}
	t.Run("nothing else needs a condition", func(t *testing.T) {
		t.Parallel()
		handler := router(t, newShelf("Ada"), requireIfMatch)
		for request, body := range map[string]string{"GET /users/1": "", "GET /users/": "", "GET /users/by-email/ada@example.com": "", "POST /users/": grace} {
			if answer := ask(t, handler, request, body); answer.Code >= 300 {
				t.Errorf("%s: %d", request, answer.Code)
			}
		}
	})
}

func TestUsers_patch(t *testing.T) {
	t.Parallel()
	t.Run("changes what is given, and takes both media types", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"application/merge-patch+json", "application/json", "application/merge-patch+json; charset=utf-8"} {
			service := newShelf("Ada")
			answer := ask(t, router(t, service), "PATCH /users/1", `{"age":36}`, "Content-Type: "+media)
			if answer.Code != http.StatusOK || answer.Header().Get("ETag") != `"4"` || service.users[0].Name != "Ada" || service.users[0].Age != 36 {
				t.Errorf("%s: %d, %+v", media, answer.Code, service.users)
			}
		}
	})
	t.Run("any other media type is 415 and says what is taken", func(t *testing.T) {
		t.Parallel()
		for _, media := range []string{"application/json-patch+json", "text/plain", "application/merge-patch+json; charset=latin1"} {
			answer := ask(t, router(t, newShelf("Ada")), "PATCH /users/1", `{"age":36}`, "Content-Type: "+media)
			if told, _ := told(t, answer); answer.Code != http.StatusUnsupportedMediaType || told.Code != "unsupported_media_type" ||
				!strings.Contains(told.Detail, "merge-patch") || answer.Header().Get("Accept-Patch") != "application/merge-patch+json, application/json" {
				t.Errorf("%s: %d, %v, %+v", media, answer.Code, answer.Header(), told)
			}
		}
	})
	t.Run("no other answer says what is taken", func(t *testing.T) {
		t.Parallel()
		for request, body := range map[string]string{"PATCH /users/1": `{"age":"x"}`, "PATCH /users/9": `{"age":3}`, "PUT /users/1": `{`} {
			if answer := ask(t, router(t, newShelf("Ada")), request, body); answer.Header().Get("Accept-Patch") != "" {
				t.Errorf("%s: %v", request, answer.Header())
			}
		}
	})
}

func TestUsers_create(t *testing.T) {
	t.Parallel()
	t.Run("a bad key is told of beside the faults of the body", func(t *testing.T) {
		t.Parallel()
		service := newShelf()
		answer := ask(t, router(t, service), "POST /users/", `{"name":7,"email":"grace@example.com"}`, `Idempotency-Key: "x`)
		if _, faults := told(t, answer); !slices.Equal(faults, []string{"/name wrong_type", "Idempotency-Key malformed_header"}) || service.called != "" {
			t.Errorf("%d, %q, called %q", answer.Code, faults, service.called)
		}
	})
	t.Run("the answer is the same with a key and without", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/users/", "/v1/users"} {
			plain := ask(t, inMemory(t, nil), "POST "+path, grace)
			once := ask(t, inMemory(t, nil), "POST "+path, grace, "Idempotency-Key: x")
			for _, name := range []string{"Location", "ETag", "Content-Type", "Cache-Control", "Vary"} {
				if got, want := once.Header().Get(name), plain.Header().Get(name); got != want || want == "" {
					t.Errorf("%s is %q with a key and %q without", name, got, want)
				}
			}
			if once.Code != plain.Code || once.Body.String() != plain.Body.String() || plain.Header().Get("Location") != strings.TrimSuffix(path, "/")+"/1" {
				t.Errorf("%d %s with a key, %d %s without", once.Code, once.Body, plain.Code, plain.Body)
			}
		}
	})
}
