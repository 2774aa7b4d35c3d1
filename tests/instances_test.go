package tests

import (
	"net/http"
	"os"
	"testing"
	"time"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// fleet is instances of the program over one database and one Redis, each at an address that it keeps.
type fleet struct {
	env       []string
	addrs     []string
	instances []*testkit.Process
}

// newFleet starts some instances over an empty database. The environment may say more.
func newFleet(t *testing.T, size int, env ...string) *fleet {
	t.Helper()
	f := &fleet{env: append([]string{
		"USERAPI_STORAGE_ENGINE=postgres", "USERAPI_STORAGE_DSN=" + sqltest.DSN(t, sql.Postgres),
		// Few connections each, since many instances share a server here, and time to wait for them.
		"USERAPI_STORAGE_MAX_CONNS=5", "USERAPI_STORAGE_MAX_WAIT=5s", "USERAPI_STORAGE_TIMEOUT=5s",
	}, env...)}
	for n := range size {
		f.addrs = append(f.addrs, testkit.FreeAddr(t))
		f.instances = append(f.instances, f.launch(t, n))
	}
	for _, instance := range f.instances {
		instance.Listening(t)
		ready(t, instance)
	}
	return f
}

// sharedRedis is the setting of the Redis that somebody named for tests.
func sharedRedis(t *testing.T) string {
	t.Helper()
	addr := os.Getenv("TEST_REDIS_ADDR")
	if addr == "" {
		sqltest.Missing(t, "TEST_REDIS_ADDR names no server")
	}
	return "USERAPI_CACHE_REDIS=" + addr
}

func (f *fleet) launch(t *testing.T, n int) *testkit.Process {
	t.Helper()
	return testkit.Start{Args: []string{"--addr", f.addrs[n]}, Env: f.env}.Launch(t)
}

// restart starts an instance anew that has ended, and waits until it is ready.
func (f *fleet) restart(t *testing.T, n int) {
	t.Helper()
	f.instances[n] = f.launch(t, n)
	f.instances[n].Listening(t)
	ready(t, f.instances[n])
}

// anywhere returns a client whose requests go to any instance, and to a balancer before them all.
func (f *fleet) anywhere(t *testing.T) *testkit.Client {
	t.Helper()
	urls := []string{testkit.Balance(t, f.addrs...)}
	for _, instance := range f.instances {
		urls = append(urls, instance.URL)
	}
	return testkit.At(t, urls...)
}

// longWait is how long a test waits for what takes some seconds on a machine that has nothing else to do.
const longWait = 60 * time.Second

// awaitLong waits until something holds.
func awaitLong(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(longWait); !holds(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", longWait, what)
		}
	}
}

// ready waits until a process says that it is.
func ready(t *testing.T, p *testkit.Process) {
	t.Helper()
	awaitLong(t, "the process to be ready", func() bool {
		select {
		case <-p.Ended():
			t.Fatalf("the process has ended: %s", p.Stderr())
		default:
		}
		return p.Get(t, "/readyz").Status == http.StatusOK
	})
}

// persisted sends a request until what it asks for is no longer under way, and returns the last answer.
func persisted(t *testing.T, within time.Duration, send func() *testkit.Response) *testkit.Response {
	deadline := time.Now().Add(within)
	for {
		answer := send()
		if answer.Status != http.StatusConflict || time.Now().After(deadline) {
			return answer
		}
		answer.WantProblem(http.StatusConflict, "request_in_progress")
		if answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", answer)
			return answer
		}
		<-time.After(20 * time.Millisecond)
	}
}
