package tests

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// TestProcess_StartWithoutDatabase starts a service before its database.
func TestProcess_StartWithoutDatabase(t *testing.T) {
	t.Run("it lives and is not ready until the database appears, and serves within five seconds of that", func(t *testing.T) {
		t.Parallel()
		server := sqltest.NewServer(t)
		p := onPostgres(server.DSN()).Binary(t)
		for range 3 {
			p.Get(t, "/livez").Want(http.StatusOK)
			p.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
			p.Get(t, "/users/1").WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Post(t, "/users/", ada, "Idempotency-Key: early").WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Post(t, "/users/", `{`).Want(http.StatusBadRequest)
		}
		server.Start(t)
		took := await(t, 5*time.Second, "/readyz to pass", func() bool { return p.Get(t, "/readyz").Status == http.StatusOK })
		p.Post(t, "/users/", ada, "Idempotency-Key: early").Want(http.StatusCreated)
		t.Logf("ready %v after the database", took.Round(time.Millisecond))
	})
	t.Run("a database that appears and is not the one of the settings ends it with the key named", func(t *testing.T) {
		t.Parallel()
		server := sqltest.NewServer(t)
		p := onPostgres(strings.Replace(server.DSN(), "/postgres?", "/nowhere?", 1)).Binary(t)
		p.Get(t, "/livez").Want(http.StatusOK)
		server.Start(t)
		if code := p.Wait(t, 5*time.Second); code != 2 || !strings.Contains(p.Stderr(), "storage.dsn: ") || strings.Count(p.Stderr(), "\n") != 1 {
			t.Errorf("exit %d, stderr %q", code, p.Stderr())
		}
	})
	t.Run("a database that is there and is not the one of the settings is exit 2 at once", func(t *testing.T) {
		t.Parallel()
		server := sqltest.NewServer(t)
		server.Start(t)
		start := onPostgres(strings.Replace(server.DSN(), "/postgres?", "/nowhere?", 1))
		if code, _, stderr := start.Run(t); code != 2 || !strings.Contains(stderr, "storage.dsn: ") {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
	})
}

// TestProcess_KillInMigration kills a service at each of several steps of a migration.
func TestProcess_KillInMigration(t *testing.T) {
	places := []string{"users_id", "users_age ", "settings"} // in the statement that never reaches the database
	for _, engine := range servers {
		for _, place := range places {
			if engine == sql.MySQL && place == "users_id" {
				place = "user_ids"
			}
			t.Run(engine+", before "+place+": the next start brings it to its end", func(t *testing.T) {
				t.Parallel()
				killInMigration(t, engine, place)
			})
		}
	}
}

func killInMigration(t *testing.T, engine, place string) {
	t.Helper()
	proxy, start := through(t, engine)
	reached := make(chan struct{})
	var once sync.Once
	var killing atomic.Bool
	proxy.Watch(func(way testkit.Direction, piece []byte) testkit.Verdict {
		if way == testkit.Up && bytes.Contains(piece, []byte("CREATE ")) && bytes.Contains(piece, []byte(place)) {
			killing.Store(true)
			once.Do(func() { close(reached) })
		}
		if killing.Load() { // nothing more that the dying service sends arrives
			return testkit.ResetBefore
		}
		return testkit.Pass
	})
	first := start.Launch(t)
	select {
	case <-reached:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s never came", place)
	}
	killed(t, first)
	proxy.Watch(nil)
	begun := time.Now()
	p := start.Binary(t)
	p.Get(t, "/livez").Want(http.StatusOK)
	await(t, 20*time.Second, "/readyz to pass", func() bool { return p.Get(t, "/readyz").Status == http.StatusOK })
	p.Create(t, ada)
	t.Logf("ready %v after the next start", time.Since(begun).Round(time.Millisecond))
}

// TestProcess_StartTogether starts many services over one empty database.
func TestProcess_StartTogether(t *testing.T) {
	for _, engine := range sqltest.Engines() {
		t.Run(engine+": of ten that start at once one migrates, and all are ready", func(t *testing.T) {
			var start testkit.Start
			if engine == sql.SQLite {
				start = onSQLite(sqltest.DSN(t, engine))
			} else {
				_, start = through(t, engine, "storage.max_conns=2", "storage.timeout=10s", "storage.max_wait=10s")
			}
			all := make([]*testkit.Process, 10)
			for n := range all {
				all[n] = start.Launch(t)
			}
			migrated := 0
			for n, p := range all {
				p.Listening(t)
				await(t, 15*time.Second, "/readyz to pass", func() bool { return p.Get(t, "/readyz").Status == http.StatusOK })
				p.Create(t, named(n, `"Ada"`))
				for _, entry := range p.Log.Entries(t) {
					if strings.Contains(entry.Text("msg"), "brought up to date") {
						migrated++
					}
				}
			}
			if users := census(t, all[0]); migrated != 1 || len(users) != len(all) {
				t.Errorf("%d have migrated, and there are %d users", migrated, len(users))
			}
		})
	}
}
