package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"userapi/tests/testkit"
)

// book holds what a service has acknowledged, and what it may have done without an answer.
type book struct {
	acknowledged, refused atomic.Int64

	mu      sync.Mutex
	users   map[int64]testkit.User // as they were told last
	gone    map[int64]bool         // told to be deleted
	unsure  map[int64]string       // the method of a change that was not answered
	groups  [][]string             // addresses of creates that were not answered: all of a group are there, or none
	kept    []keyedCreate          // answers under a key
	cut     []keyedCreate          // requests under a key that were not answered
	highest int64                  // id that was told
}

// keyedCreate is a create under an idempotency key.
type keyedCreate struct {
	key, email, body string
	answer           *testkit.Response
}

func newBook() *book {
	return &book{users: map[int64]testkit.User{}, gone: map[int64]bool{}, unsure: map[int64]string{}}
}

// told notes users as an answer shows them.
func (b *book) told(users ...testkit.User) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, user := range users {
		b.users[user.ID] = user
		b.highest = max(b.highest, user.ID)
	}
}

// note runs a change of the book.
func (b *book) note(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// judge holds a service against the book when nobody writes.
func (b *book) judge(t *testing.T, p *testkit.Process) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	byEmail := b.judgeUsers(t, census(t, p))
	for _, group := range b.groups {
		there := 0
		for _, email := range group {
			if _, ok := byEmail[email]; ok {
				there++
			}
		}
		if there != 0 && there != len(group) {
			t.Errorf("of %d users who were to be created in one step %d are there", len(group), there)
		}
	}
	b.judgeKeys(t, p)
	b.cut = nil
	after := p.Create(t, fmt.Sprintf(`{"name":"After","email":"after-%d@example.com"}`, b.highest))
	if after.ID <= b.highest {
		t.Errorf("a new user has the id %d, and %d was given before", after.ID, b.highest)
	}
	b.users[after.ID], b.highest = after, after.ID
}

// census returns all users by their ids.
func census(t *testing.T, p *testkit.Process) map[int64]testkit.User {
	t.Helper()
	all := map[int64]testkit.User{}
	for path := "/users/?limit=1000"; path != ""; {
		page := p.Get(t, path).Want(http.StatusOK).Page()
		for _, user := range page.Items {
			all[user.ID] = user
		}
		if path = ""; page.NextCursor != nil {
			path = "/users/?limit=1000&cursor=" + *page.NextCursor
		}
	}
	return all
}

// judgeUsers compares the users who are there with the book, makes the book certain, and returns them by
// address.
func (b *book) judgeUsers(t *testing.T, all map[int64]testkit.User) map[string]testkit.User {
	t.Helper()
	for id, want := range b.users {
		got, there := all[id]
		switch method := b.unsure[id]; {
		case method == "" && !there:
			t.Errorf("user %d was acknowledged and is lost", id)
		case method == "" && !got.Equal(want):
			t.Errorf("user %d is %+v, acknowledged was %+v", id, got, want)
		case !there && method != http.MethodDelete:
			t.Errorf("user %d is gone and nobody has deleted them", id)
		case there && got.Version != want.Version && (method == http.MethodDelete || got.Version != want.Version+1):
			t.Errorf("user %d has version %d after an unanswered %s of version %d", id, got.Version, method, want.Version)
		}
		if b.users[id] = got; !there {
			delete(b.users, id)
		}
	}
	clear(b.unsure)
	maybe := map[string]bool{}
	for _, group := range b.groups {
		for _, email := range group {
			maybe[email] = true
		}
	}
	byEmail := map[string]testkit.User{}
	for id, user := range all {
		byEmail[user.Email] = user
		b.highest = max(b.highest, id)
		if b.gone[id] {
			t.Errorf("user %d is there, and was acknowledged to be deleted", id)
		} else if _, known := b.users[id]; !known && !maybe[user.Email] {
			t.Errorf("user %d is there and nobody has created them", id)
		}
	}
	return byEmail
}

// judgeKeys sends requests again under their keys.
func (b *book) judgeKeys(t *testing.T, p *testkit.Process) {
	t.Helper()
	for _, k := range b.kept[max(0, len(b.kept)-100):] {
		again := p.Post(t, "/users/", k.body, "Idempotency-Key: "+k.key).Want(http.StatusCreated)
		again.WantHeader("Idempotency-Replayed", "true")
		for _, name := range []string{"Location", "ETag"} {
			again.WantHeader(name, k.answer.Header.Get(name))
		}
		if !bytes.Equal(again.Body, k.answer.Body) {
			t.Errorf("the answer under a key is replayed as %s, and was %s", again.Body, k.answer.Body)
		}
	}
	for _, k := range b.cut {
		again := p.Post(t, "/users/", k.body, "Idempotency-Key: "+k.key)
		there := p.Get(t, "/users/by-email/"+url.PathEscape(k.email))
		if again.Status == http.StatusConflict {
			again.WantProblem(http.StatusConflict, "request_in_progress")
			there.Want(http.StatusNotFound) // the user comes with the answer, or not at all
			continue
		}
		if user := again.Want(http.StatusCreated).User(); there.Want(http.StatusOK).User().ID != user.ID {
			t.Errorf("a retry made user %d, and the address is that of %d", user.ID, there.User().ID)
		}
	}
}
