package tests

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// The bounds of a service whose database is taken away: what its settings say, and how much later an
// answer may come from a busy machine.
const (
	patience = time.Second // storage.timeout
	slack    = 500 * time.Millisecond
	recovery = 2 * time.Second
)

// onPostgres returns how a service over a PostgreSQL starts.
func onPostgres(dsn string, settings ...string) testkit.Start {
	settings = append([]string{"storage.timeout=1s", "storage.max_wait=500ms", "storage.max_conns=8"}, settings...)
	return testkit.Start{Args: sets(settings...), Env: []string{"USERAPI_STORAGE_ENGINE=postgres", "USERAPI_STORAGE_DSN=" + dsn}}
}

// outage is a service under load whose database goes and comes.
type outage struct {
	*book
	p       *testkit.Process
	stopped atomic.Bool
	working *sync.WaitGroup

	// What was answered, of all and of those that were sent while it was away.
	answers, denied atomic.Int64
	slowest         atomic.Int64
}

// begin puts a service under load.
func begin(t *testing.T, p *testkit.Process) *outage {
	t.Helper()
	o := &outage{book: newBook(), p: p}
	crew := o.crew(t, 12)
	for _, w := range crew {
		w.seen = func(answer *testkit.Response, took time.Duration) { o.see(t, answer, took) }
	}
	o.working = work(p, crew, func() bool { return !o.stopped.Load() })
	for range 4 {
		o.working.Go(func() { o.read(t) })
	}
	t.Cleanup(func() {
		o.stopped.Store(true)
		o.working.Wait()
	})
	return o
}

// see judges one answer under load.
func (o *outage) see(t *testing.T, answer *testkit.Response, took time.Duration) {
	t.Helper()
	o.answers.Add(1)
	if answer == nil {
		t.Errorf("a request was not answered, after %v", took)
		return
	}
	for old := o.slowest.Load(); int64(took) > old && !o.slowest.CompareAndSwap(old, int64(took)); old = o.slowest.Load() {
	}
	if took > patience+slack {
		t.Errorf("%s: status %d after %v", answer, answer.Status, took)
	}
	if answer.Status != http.StatusServiceUnavailable {
		return
	}
	o.denied.Add(1)
	if problem := answer.Problem(); problem.Code != "unavailable" {
		t.Errorf("%s: 503 %s", answer, problem.Code)
	}
	select { // a client that is told to come later does
	case <-time.After(50 * time.Millisecond):
	case <-t.Context().Done():
	}
}

// read asks for users who are acknowledged until the load ends.
func (o *outage) read(t *testing.T) {
	for n := 0; !o.stopped.Load(); n++ {
		o.mu.Lock()
		var id int64
		for id = range o.users {
			break
		}
		o.mu.Unlock()
		path := fmt.Sprintf("/users/%d", id)
		if n%8 == 0 || id == 0 {
			path = "/users/?limit=3"
		}
		begun := time.Now()
		answer, err := o.p.Try(t, o.p.Request(t, http.MethodGet, path, ""))
		if err != nil {
			answer = nil
		}
		o.see(t, answer, time.Since(begun))
		o.mu.Lock()
		if answer != nil && answer.Status != http.StatusOK && answer.Status != http.StatusServiceUnavailable && !o.gone[id] && o.unsure[id] == "" {
			if _, there := o.users[id]; there {
				t.Errorf("%s: status %d: %.300s", answer, answer.Status, answer.Body)
			}
		}
		o.mu.Unlock()
	}
}

// flows waits until writes are acknowledged.
func (o *outage) flows(t *testing.T, within time.Duration, many int64) time.Duration {
	t.Helper()
	target := o.acknowledged.Load() + many
	return await(t, within, "writes to be acknowledged", func() bool { return o.acknowledged.Load() >= target })
}

// readiness waits for a status of /readyz.
func (o *outage) readiness(t *testing.T, within time.Duration, status int) time.Duration {
	t.Helper()
	return await(t, within, fmt.Sprintf("/readyz to be %d", status), func() bool { return o.p.Get(t, "/readyz").Status == status })
}

// denies judges a service whose database is away, for some time.
func (o *outage) denies(t *testing.T, length time.Duration) {
	t.Helper()
	o.readiness(t, recovery, http.StatusServiceUnavailable)
	before, denied := o.acknowledged.Load(), o.denied.Load()
	for begun := time.Now(); time.Since(begun) < length; {
		o.p.Post(t, "/users/", `{"name":`).WantProblem(http.StatusBadRequest, "malformed_json")
		o.p.Post(t, "/users/", `{"name":"Ada"}`).Want(http.StatusUnprocessableEntity)
		o.p.Get(t, "/nothing").WantProblem(http.StatusNotFound, "route_not_found")
		o.p.Get(t, "/livez").Want(http.StatusOK)
		sent := time.Now()
		for _, path := range []string{"/users/1", "/users/999999999", "/users/", "/users/by-email/nobody@example.com"} {
			o.p.Get(t, path).WantProblem(http.StatusServiceUnavailable, "unavailable")
		}
		if took := time.Since(sent); took > 4*(patience+slack) {
			t.Errorf("four reads took %v", took)
		}
		o.p.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
	}
	if got := o.acknowledged.Load(); got != before {
		t.Errorf("%d writes were acknowledged without a database", got-before)
	}
	if o.denied.Load() == denied {
		t.Error("nobody asked while the database was away")
	}
}

// end stops the load and judges what is there.
func (o *outage) end(t *testing.T) {
	t.Helper()
	o.stopped.Store(true)
	o.working.Wait()
	o.judge(t, o.p)
	t.Logf("%d answers, %d writes acknowledged, %d answers 503; the slowest took %v",
		o.answers.Load(), o.acknowledged.Load(), o.denied.Load(), time.Duration(o.slowest.Load()).Round(time.Millisecond))
}

func TestProcess_PostgresKilled(t *testing.T) {
	server := sqltest.NewServer(t)
	server.Start(t)
	proxy := testkit.NewProxy(t, server.Addr)
	p := onPostgres(server.At(proxy.Addr)).Binary(t)
	o := begin(t, p)
	for round := range 3 {
		t.Run(fmt.Sprintf("round %d: 503 while it is away, all well within two seconds of its return", round), func(t *testing.T) {
			o.flows(t, 10*time.Second, 200)
			server.Kill(t)
			accepted, gone := proxy.Accepted.Load(), time.Now()
			o.denies(t, 1500*time.Millisecond)
			attempts, length := proxy.Accepted.Load()-accepted, time.Since(gone)
			// All connections may be tried once before the first failure is known.
			if most := 9 + int64(11*length.Seconds()); attempts > most {
				t.Errorf("%d connections were tried in %v, at most %d should be", attempts, length, most)
			}
			server.Start(t)
			back := time.Now()
			flowing := o.flows(t, recovery, 1)
			o.readiness(t, recovery-time.Since(back), http.StatusOK)
			t.Logf("%d connections tried in %v; writes again %v after the return", attempts, length.Round(time.Millisecond), flowing.Round(time.Millisecond))
		})
	}
	t.Run("nothing acknowledged is lost", o.end)
}

func TestProcess_PostgresPaused(t *testing.T) {
	server := sqltest.NewServer(t)
	server.Start(t)
	p := onPostgres(server.DSN()).Binary(t)
	o := begin(t, p)
	t.Run("503 within the timeout, all well within two seconds", func(t *testing.T) {
		o.flows(t, 10*time.Second, 200)
		server.Pause(t)
		o.denies(t, 3*time.Second)
		server.Resume(t)
		back := time.Now()
		flowing := o.flows(t, recovery, 1)
		o.readiness(t, recovery-time.Since(back), http.StatusOK)
		t.Logf("writes again %v after it goes on", flowing.Round(time.Millisecond))
		o.flows(t, 10*time.Second, 100)
	})
	t.Run("nothing acknowledged is lost", o.end)
}

func TestProcess_KillOnPostgres(t *testing.T) {
	server := sqltest.NewServer(t)
	server.Start(t)
	t.Run("what 16 clients were told is there after each of three kills in 2000 writes", func(t *testing.T) {
		killings{clients: 16, aimed: 2000, rounds: 3, start: onPostgres(server.DSN(), "storage.timeout=3s", "storage.max_wait=3s")}.run(t)
	})
}
