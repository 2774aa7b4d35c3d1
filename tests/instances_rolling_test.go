package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// traffic is clients that work through one balancer and note what has gone wrong and what was
// acknowledged. A request that fails is one that has no answer, or another than it must have.
type traffic struct {
	t        *testing.T
	client   *testkit.Client
	stop     chan struct{}
	workers  sync.WaitGroup
	answered atomic.Int64

	mu       sync.Mutex
	failures []string
	users    map[int64]testkit.User // as they were last acknowledged
	gone     []int64
}

// beginTraffic starts clients that work, at some pace, until end.
func beginTraffic(t *testing.T, client *testkit.Client, workers int) *traffic {
	tr := &traffic{t: t, client: client, stop: make(chan struct{}), users: map[int64]testkit.User{}}
	for n := range workers {
		tr.workers.Go(func() {
			for serial := 0; tr.round(n, serial); serial++ {
				select {
				case <-tr.stop:
					return
				case <-time.After(15 * time.Millisecond):
				}
			}
		})
	}
	return tr
}

func (tr *traffic) end() {
	close(tr.stop)
	tr.workers.Wait()
}

// ask sends a request, and returns nil when it failed.
func (tr *traffic) ask(status int, method, path, body string, headers ...string) *testkit.Response {
	answer, err := tr.client.Try(tr.t, tr.client.Request(tr.t, method, path, body, headers...))
	tr.answered.Add(1)
	switch {
	case err != nil:
		tr.fail(fmt.Sprintf("%s %s: %v", method, path, err))
		return nil
	case answer.Status != status:
		tr.fail(fmt.Sprintf("%s %s: %d, want %d: %.200s", method, path, answer.Status, status, answer.Body))
		return nil
	}
	return answer
}

func (tr *traffic) fail(what string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.failures = append(tr.failures, time.Now().Format("05.000 ")+what)
}

func (tr *traffic) note(user testkit.User) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.users[user.ID] = user
}

// round is the life of one user, and a look at the list; false when something has failed.
func (tr *traffic) round(worker, serial int) bool {
	email := fmt.Sprintf("rolling.%d.%d@example.com", worker, serial)
	made := tr.ask(http.StatusCreated, http.MethodPost, "/users/", fmt.Sprintf(`{"name":"Ada","email":"%s"}`, email), keyed("roll "+email))
	if made == nil {
		return false
	}
	user := made.User()
	tr.note(user)
	path := fmt.Sprintf("/users/%d", user.ID)
	if read := tr.ask(http.StatusOK, http.MethodGet, path, ""); read == nil || !tr.same(read, user) {
		return false
	}
	changed := tr.ask(http.StatusOK, http.MethodPatch, path, `{"name":"Grace"}`, "If-Match: "+made.Header.Get("ETag"))
	if changed == nil {
		return false
	}
	user = changed.User()
	tr.note(user)
	if read := tr.ask(http.StatusOK, http.MethodGet, "/users/by-email/"+email, ""); read == nil || !tr.same(read, user) {
		return false
	}
	if tr.ask(http.StatusOK, http.MethodGet, "/users/?limit=5&sort=-id", "") == nil {
		return false
	}
	if serial%3 > 0 {
		return true
	}
	if tr.ask(http.StatusNoContent, http.MethodDelete, path, "", "If-Match: "+changed.Header.Get("ETag")) == nil {
		return false
	}
	tr.mu.Lock()
	delete(tr.users, user.ID)
	tr.gone = append(tr.gone, user.ID)
	tr.mu.Unlock()
	return tr.ask(http.StatusNotFound, http.MethodGet, path, "") != nil
}

func (tr *traffic) same(answer *testkit.Response, want testkit.User) bool {
	if got := answer.User(); !got.Equal(want) {
		tr.fail(fmt.Sprintf("%s: %+v after %+v was acknowledged", answer, got, want))
		return false
	}
	return true
}

// kept complains of what was acknowledged and is not so at some instance.
func (tr *traffic) kept(client *testkit.Client) {
	tr.t.Helper()
	for id, want := range tr.users {
		if got := client.Get(tr.t, fmt.Sprintf("/users/%d", id)).Want(http.StatusOK).User(); !got.Equal(want) {
			tr.t.Errorf("%+v, acknowledged was %+v", got, want)
		}
	}
	for _, id := range tr.gone {
		client.Get(tr.t, fmt.Sprintf("/users/%d", id)).Want(http.StatusNotFound)
	}
	ids := []string{}
	for id := range tr.users {
		ids = append(ids, fmt.Sprint(id))
	}
	found := 0
	for chunk := range slices.Chunk(ids, 400) {
		found += len(client.Get(tr.t, "/users/?limit=1000&ids="+strings.Join(chunk, ",")).Want(http.StatusOK).Page().Items)
	}
	if total := *client.Get(tr.t, "/users/?limit=1&include_total=true").Page().Total; found != len(ids) || total != int64(found) {
		tr.t.Errorf("%d users in the list and %d altogether, %d were acknowledged", found, total, len(ids))
	}
}

func TestInstances_RollingRestart(t *testing.T) {
	t.Parallel()
	const rounds = 2
	f := newFleet(t, 3, sharedRedis(t))
	tr := beginTraffic(t, testkit.At(t, testkit.Balance(t, f.addrs...)), 6)
	awaitLong(t, "the load", func() bool { return tr.answered.Load() > 200 })
	for round := range rounds {
		for n := range f.instances {
			before, old := tr.answered.Load(), f.instances[n]
			old.Signal(t, syscall.SIGTERM)
			stopped(t, old, 20*time.Second)
			f.restart(t, n)
			t.Logf("round %d, instance %d: %d answers meanwhile", round, n, tr.answered.Load()-before)
		}
	}
	tr.end()
	for _, failure := range tr.failures {
		t.Error(failure)
	}
	tr.kept(f.anywhere(t))
	t.Logf("%d requests, %d failed", tr.answered.Load(), len(tr.failures))
}
