package tests

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// writer is a client that changes users of its own, so that it knows what became of each, and enters it
// into a book.
type writer struct {
	*book
	t      *testing.T
	p      *testkit.Process
	number int
	serial int
	mine   []int64
	// seen, if not nil, is shown every answer, nil for none, and how long it took.
	seen func(answer *testkit.Response, took time.Duration)
}

// crew returns writers that share a book.
func (b *book) crew(t *testing.T, size int) []*writer {
	t.Helper()
	var crew []*writer
	for n := range size {
		crew = append(crew, &writer{book: b, t: t, number: n})
	}
	return crew
}

// work has all of a crew change users of a service until wanted says no or the service is gone.
func work(p *testkit.Process, crew []*writer, wanted func() bool) *sync.WaitGroup {
	working := new(sync.WaitGroup)
	for _, w := range crew {
		w.p = p
		working.Go(func() {
			for wanted() && w.step() {
			}
		})
	}
	return working
}

// step makes one change, and returns false when the service is gone.
func (w *writer) step() bool {
	w.serial++
	switch kind := w.serial % 10; {
	case kind == 0 && len(w.mine) > 0:
		return w.batch(w.take())
	case kind == 1 && len(w.mine) > 3:
		return w.remove(w.take())
	case kind <= 4 && len(w.mine) > 0:
		return w.patch(w.take())
	case kind <= 6:
		return w.keyed()
	}
	return w.create()
}

// take returns a user of the writer's, who is given back when all is certain.
func (w *writer) take() testkit.User {
	id := w.mine[0]
	w.mine = w.mine[1:]
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.users[id]
}

// send returns the answer when it has the status, or nil with whether the service is still there. What
// was not answered so may have happened or not.
func (w *writer) send(status int, req *http.Request) (answer *testkit.Response, there bool) {
	w.t.Helper()
	begun := time.Now()
	answer, err := w.p.Try(w.t, req)
	if err != nil {
		answer = nil
	}
	if w.seen != nil {
		w.seen(answer, time.Since(begun))
	}
	switch {
	case answer == nil:
		return nil, false
	case answer.Status == status:
		w.acknowledged.Add(1)
		return answer, true
	case answer.Status != http.StatusServiceUnavailable:
		w.t.Errorf("%s: status %d, want %d or 503: %.300s; %s", answer, answer.Status, status, answer.Body, cause(w.p, answer))
	}
	w.refused.Add(1)
	return nil, true
}

// cause returns what the log says of an answer that should not have been.
func cause(p *testkit.Process, answer *testkit.Response) string {
	id := answer.Header.Get("X-Request-ID")
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, line := range p.Log.Lines() {
			if strings.Contains(line, id) {
				return line
			}
		}
	}
	return "the log has nothing of it"
}

func (w *writer) email() string { return fmt.Sprintf("writer-%d-%d@example.com", w.number, w.serial) }

func body(email string) string { return fmt.Sprintf(`{"name":"Writer","email":%q,"age":7}`, email) }

func (w *writer) create() bool {
	email := w.email()
	answer, there := w.send(http.StatusCreated, w.p.Request(w.t, http.MethodPost, "/users/", body(email)))
	if answer == nil {
		w.note(func() { w.groups = append(w.groups, []string{email}) })
		return there
	}
	w.own(answer.User())
	return true
}

func (w *writer) own(users ...testkit.User) {
	w.told(users...)
	for _, user := range users {
		w.mine = append(w.mine, user.ID)
	}
}

func (w *writer) keyed() bool {
	email := w.email()
	k := keyedCreate{key: "key-" + email[:len(email)-len("@example.com")], email: email, body: body(email)}
	answer, there := w.send(http.StatusCreated, w.p.Request(w.t, http.MethodPost, "/users/", k.body, "Idempotency-Key: "+k.key))
	if answer == nil {
		w.note(func() {
			w.groups = append(w.groups, []string{email})
			w.cut = append(w.cut, k)
		})
		return there
	}
	k.answer = answer
	w.note(func() { w.kept = append(w.kept, k) })
	w.own(answer.User())
	return true
}

func (w *writer) patch(user testkit.User) bool {
	change := fmt.Sprintf(`{"age":%d}`, 10+user.Version%100)
	answer, there := w.send(http.StatusOK, w.p.Request(w.t, http.MethodPatch, fmt.Sprintf("/users/%d", user.ID), change,
		"Content-Type: application/merge-patch+json", fmt.Sprintf(`If-Match: "%d"`, user.Version)))
	if answer == nil {
		w.note(func() { w.unsure[user.ID] = http.MethodPatch })
		return there
	}
	w.own(answer.User())
	return true
}

func (w *writer) remove(user testkit.User) bool {
	w.note(func() { w.unsure[user.ID] = http.MethodDelete }) // who reads meanwhile may find it gone before the answer is here
	answer, there := w.send(http.StatusNoContent, w.p.Request(w.t, http.MethodDelete, fmt.Sprintf("/users/%d", user.ID), "",
		fmt.Sprintf(`If-Match: "%d"`, user.Version)))
	w.note(func() {
		if answer == nil {
			return
		}
		delete(w.users, user.ID)
		delete(w.unsure, user.ID)
		w.gone[user.ID] = true
	})
	return there
}

// batch makes three users and changes another in one step.
func (w *writer) batch(user testkit.User) bool {
	group := []string{}
	operations := fmt.Sprintf(`{"op":"patch","id":%d,"if_match":"%d","user":{"age":%d}}`, user.ID, user.Version, 10+user.Version%100)
	for n := range 3 {
		group = append(group, fmt.Sprintf("batch-%d-%s", n, w.email()))
		operations += `,{"op":"create","user":` + body(group[n]) + `}`
	}
	answer, there := w.send(http.StatusOK, w.p.Request(w.t, http.MethodPost, "/users/batch", `{"operations":[`+operations+`]}`))
	if answer == nil {
		w.note(func() {
			w.unsure[user.ID] = http.MethodPatch
			w.groups = append(w.groups, group)
		})
		return there
	}
	w.own(answer.Batch().Users()...)
	return true
}
