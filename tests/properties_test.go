package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/tests/testkit"
)

// machine is a service beside the simplest thing that it stands for: a map of users and the last id.
type machine struct {
	svc    *testkit.Service
	users  map[int64]testkit.User
	lastID int64
	// keys counts the idempotency keys that the service has seen.
	keys *int
}

// TestUsers_Machine lets rapid do whatever a client may do, in any order.
func TestUsers_Machine(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	last, keys := int64(0), 0
	rapid.Check(t, func(t *rapid.T) {
		defer empty(t, svc)
		m := &machine{svc: svc, users: map[int64]testkit.User{}, lastID: last, keys: &keys}
		t.Repeat(m.actions())
		last = m.lastID
	})
}

// actions are what rapid may do, and what has to hold in between.
func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"create":  m.create,
		"get":     m.get,
		"put":     m.put,
		"putBack": m.putBack,
		"patch":   m.patch,
		"delete":  m.delete,
		"byEmail": m.byEmail,
		"retry":   m.retry,
		"skip":    m.skip,
		"walk":    m.walk,
		"garbage": m.garbage,
		"":        m.check,
	}
}

// empty deletes every user of a service, so that the next case of rapid begins anew, also after one that
// has failed.
func empty(t *rapid.T, svc *testkit.Service) {
	for _, user := range everybody(t, svc) {
		svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
	}
}

// input draws what a client sets, from few addresses so that they clash.
func (m *machine) input(t *rapid.T) (name, email string, age *int64, body string) {
	name = rapid.SampledFrom([]string{"Ada", "ada", "Ада", "👩‍🔬", "<b>\"&'\\"}).Draw(t, "name")
	email = rapid.SampledFrom([]string{"ada", "ADA", "Ada", "grace", "GRACE", "straße", "STRASSE"}).Draw(t, "email") + "@example.com"
	age = rapid.Ptr(rapid.Int64Range(1, 150), true).Draw(t, "age")
	text, _ := json.Marshal(map[string]any{"name": name, "email": email, "age": age})
	return name, email, age, string(text)
}

// id draws an id, mostly that of a user.
func (m *machine) id(t *rapid.T) int64 {
	ids := append(slices.Sorted(maps.Keys(m.users)), m.lastID, m.lastID+1, 0, -1, 1<<53)
	return rapid.SampledFrom(ids).Draw(t, "id")
}

func (m *machine) path(id int64) string { return fmt.Sprintf("/users/%d", id) }

// taken says whether another user has the address.
func (m *machine) taken(id int64, email string) bool {
	fold := func(email string) string { return strings.ReplaceAll(strings.ToLower(email), "ß", "ss") }
	for _, user := range m.users {
		if user.ID != id && fold(user.Email) == fold(email) {
			return true
		}
	}
	return false
}

func (m *machine) create(t *rapid.T) {
	name, email, age, body := m.input(t)
	answer := m.svc.Post(t, rapid.SampledFrom([]string{"/users/", "/v1/users"}).Draw(t, "path"), body)
	if m.taken(0, email) {
		answer.WantProblem(http.StatusConflict, "email_taken")
		return
	}
	user := answer.Want(http.StatusCreated).WantHeader("ETag", `"1"`).User()
	want := testkit.User{ID: user.ID, Name: name, Email: email, Age: age, CreatedAt: user.CreatedAt, UpdatedAt: user.CreatedAt, Version: 1}
	if !user.Equal(want) || user.ID <= m.lastID {
		t.Fatalf("created %+v, want %+v, after id %d", user, want, m.lastID)
	}
	m.users[user.ID], m.lastID = user, user.ID
}

func (m *machine) get(t *rapid.T) {
	id := m.id(t)
	m.same(t, id, m.svc.Get(t, m.path(id)))
}

// same holds an answer about one user against the model.
func (m *machine) same(t *rapid.T, id int64, answer *testkit.Response) {
	want, exists := m.users[id]
	if !exists {
		answer.WantProblem(http.StatusNotFound, "user_not_found")
		return
	}
	answer.Want(http.StatusOK).WantHeader("ETag", fmt.Sprintf(`"%d"`, want.Version))
	if user := answer.User(); !user.Equal(want) {
		t.Fatalf("%+v, want %+v", user, want)
	}
}

func (m *machine) put(t *rapid.T) {
	id := m.id(t)
	name, email, age, body := m.input(t)
	condition, holds := m.condition(t, id)
	m.changed(t, id, m.svc.Put(t, m.path(id), body, condition), holds, func(user *testkit.User) {
		user.Name, user.Email, user.Age = name, email, age
	})
}

// patch changes one member.
func (m *machine) patch(t *rapid.T) {
	id := m.id(t)
	name, email, age, body := m.input(t)
	change := func(user *testkit.User) { user.Name = name }
	switch rapid.IntRange(0, 2).Draw(t, "member") {
	case 0:
		body = fmt.Sprintf(`{"name":%s}`, quoted(name))
	case 1:
		body, change = fmt.Sprintf(`{"email":%s}`, quoted(email)), func(user *testkit.User) { user.Email = email }
	case 2:
		text, _ := json.Marshal(map[string]any{"age": age})
		body, change = string(text), func(user *testkit.User) { user.Age = age }
	}
	condition, holds := m.condition(t, id)
	m.changed(t, id, m.svc.Patch(t, m.path(id), body, condition), holds, change)
}

// condition draws an If-Match, or none, and says whether it holds for the user.
func (m *machine) condition(t *rapid.T, id int64) (line string, holds bool) {
	version := rapid.SampledFrom([]int64{0, 0, -1, 1, 2, 3}).Draw(t, "version")
	switch version {
	case 0:
		return "If-Match:", true
	case -1:
		return "If-Match: *", true
	}
	return fmt.Sprintf(`If-Match: "%d"`, version), m.users[id].Version == version
}

// changed holds the answer to a change against the model, which takes it on.
func (m *machine) changed(t *rapid.T, id int64, answer *testkit.Response, holds bool, change func(*testkit.User)) {
	old, exists := m.users[id]
	want := old
	change(&want)
	switch {
	case exists && !holds:
		answer.WantHeader("ETag", fmt.Sprintf(`"%d"`, old.Version)).WantProblem(http.StatusPreconditionFailed, "precondition_failed")
		return
	case exists && m.taken(id, want.Email):
		answer.WantProblem(http.StatusConflict, "email_taken")
		return
	case exists:
		if !want.Equal(old) {
			now := answer.Want(http.StatusOK).User()
			if now.UpdatedAt <= old.UpdatedAt {
				t.Fatalf("updated at %s after %s", now.UpdatedAt, old.UpdatedAt)
			}
			want.Version, want.UpdatedAt = old.Version+1, now.UpdatedAt
		}
		m.users[id] = want
	}
	m.same(t, id, answer)
}

// byEmail looks somebody up by an address in any case.
func (m *machine) byEmail(t *rapid.T) {
	_, email, _, _ := m.input(t)
	answer := m.svc.Get(t, "/users/by-email/"+email)
	for id := range m.users {
		if m.taken(0, email) && !m.taken(id, email) { // nobody else has it
			m.same(t, id, answer)
			return
		}
	}
	answer.WantProblem(http.StatusNotFound, "user_not_found")
}

// retry creates a user under a key and sends that again.
func (m *machine) retry(t *rapid.T) {
	name, email, age, body := m.input(t)
	*m.keys++
	key := keyed(fmt.Sprintf("machine %d", *m.keys))
	answer := m.svc.Post(t, "/users/", body, key)
	if m.taken(0, email) {
		answer.WantProblem(http.StatusConflict, "email_taken")
		m.svc.Post(t, "/users/", body, key).WantProblem(http.StatusConflict, "email_taken")
		return
	}
	user := answer.Want(http.StatusCreated).User()
	if user.Name != name || user.Email != email || (user.Age == nil) != (age == nil) {
		t.Fatalf("created %+v of %s", user, body)
	}
	m.users[user.ID], m.lastID = user, user.ID
	replayed(t, m.svc.Post(t, "/users/", body, key), answer)
}

// putBack puts what was read, which changes nothing.
func (m *machine) putBack(t *rapid.T) {
	id := m.id(t)
	read := m.svc.Get(t, m.path(id))
	if _, exists := m.users[id]; exists {
		m.same(t, id, m.svc.Put(t, m.path(id), string(read.Body)))
	}
}

func (m *machine) delete(t *rapid.T) {
	id := m.id(t)
	condition, holds := m.condition(t, id)
	answer := m.svc.Delete(t, m.path(id), condition)
	switch _, exists := m.users[id]; {
	case !exists:
		answer.WantProblem(http.StatusNotFound, "user_not_found")
		return
	case !holds:
		answer.WantProblem(http.StatusPreconditionFailed, "precondition_failed")
		return
	}
	answer.Want(http.StatusNoContent)
	delete(m.users, id)
}

// skip asks for any page.
func (m *machine) skip(t *rapid.T) {
	limit, skip := rapid.IntRange(1, 8).Draw(t, "limit"), rapid.IntRange(0, 10).Draw(t, "skip")
	page := m.svc.Get(t, fmt.Sprintf("/users/?limit=%d&skip=%d&include_total=true", limit, skip)).Want(http.StatusOK).Page()
	ids := slices.Sorted(maps.Keys(m.users))
	first, end := min(skip, len(ids)), min(skip+limit, len(ids))
	if !slices.Equal(page.IDs(), ids[first:end]) || *page.Total != int64(len(ids)) {
		t.Fatalf("page %v of %d, want %v of %v", page.IDs(), *page.Total, ids[first:end], ids)
	}
	if (page.NextCursor != nil) != (end < len(ids)) || (page.PrevCursor != nil) != (first > 0) {
		t.Fatalf("skip %d of %d: next %v, prev %v", skip, len(ids), page.NextCursor != nil, page.PrevCursor != nil)
	}
}

// walk reads every user, forwards and back again.
func (m *machine) walk(t *rapid.T) {
	path := fmt.Sprintf("/users/?limit=%d", rapid.IntRange(1, 5).Draw(t, "limit"))
	want := slices.Sorted(maps.Keys(m.users))
	pages, seen := walked(t, m.svc.Client, path, len(want)+1), []int64{}
	for _, page := range pages {
		seen = append(seen, page.IDs()...)
	}
	if !slices.Equal(seen, want) {
		t.Fatalf("walked over %v, want %v", seen, want)
	}
	page := pages[len(pages)-1]
	seen = page.IDs()
	for range pages[1:] {
		if page.PrevCursor == nil {
			t.Fatalf("nothing precedes %v", page.IDs())
		}
		page = m.svc.Get(t, follow(path, *page.PrevCursor)).Want(http.StatusOK).Page()
		seen = append(page.IDs(), seen...)
	}
	if !slices.Equal(seen, want) || page.PrevCursor != nil {
		t.Fatalf("walked back over %v, want %v", seen, want)
	}
}

// garbage sends a body that is refused whatever it says, and must change nothing.
func (m *machine) garbage(t *rapid.T) {
	body := rapid.StringOf(rapid.SampledFrom([]rune(`{}[]":,nameil@.ge0123é😀 \u`))).Draw(t, "body") + "}"
	answer := m.svc.Do(t, rapid.SampledFrom([]string{http.MethodPost, http.MethodPut}).Draw(t, "method"), "/users/"+rapid.SampledFrom([]string{"", "1", "x"}).Draw(t, "id"), body)
	if answer.Status < 400 || answer.Status >= 500 {
		t.Fatalf("%q was answered %d", body, answer.Status)
	}
}

// check compares everything.
func (m *machine) check(t *rapid.T) {
	page := m.svc.Get(t, "/users/?limit=1000").Want(http.StatusOK).Page()
	if !slices.Equal(page.IDs(), slices.Sorted(maps.Keys(m.users))) {
		t.Fatalf("the service has %v, the model %v", page.IDs(), slices.Sorted(maps.Keys(m.users)))
	}
	for _, user := range page.Items {
		if !user.Equal(m.users[user.ID]) {
			t.Fatalf("the service has %+v, the model %+v", user, m.users[user.ID])
		}
	}
}
