package tests

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
)

// TestProcess_PostgresReadOnly has a database do what one does that was a primary and is none any more.
func TestProcess_PostgresReadOnly(t *testing.T) {
	t.Run("writes are 503 and reads go on while it is read-only, and writes come back by themselves", func(t *testing.T) {
		server := sqltest.NewServer(t)
		server.Start(t)
		p := onPostgres(server.DSN()).Binary(t)
		user := p.Create(t, ada)
		path := fmt.Sprintf("/users/%d", user.ID)
		server.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = on")
		server.Exec(t, "SELECT pg_reload_conf()")
		await(t, recovery, "writes to be denied", func() bool { return p.Patch(t, path, `{"age":40}`).Status == http.StatusServiceUnavailable })
		for n := range 10 {
			p.Post(t, "/users/", named(n, `"Bob"`)).WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Post(t, "/users/", named(n, `"Bob"`), "Idempotency-Key: bob").WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Delete(t, path).WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Get(t, path).Want(http.StatusOK)
		}
		server.Exec(t, "ALTER SYSTEM RESET default_transaction_read_only")
		server.Exec(t, "SELECT pg_reload_conf()")
		await(t, recovery, "a write", func() bool { return p.Patch(t, path, `{"age":41}`).Status == http.StatusOK })
		p.Delete(t, path).Want(http.StatusNoContent)
	})
}

// TestProcess_SQLiteLocked has another program lock the file, as a backup or a person does.
func TestProcess_SQLiteLocked(t *testing.T) {
	t.Run("writes are 503 within the timeout and reads go on while another program locks the file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "users.db")
		p := onSQLite(path, "storage.timeout=1s", "storage.max_wait=500ms").Binary(t)
		user := p.Create(t, ada)
		other, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		other.SetMaxOpenConns(1)
		if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			begun := time.Now()
			p.Post(t, "/users/", named(n, `"Bob"`)).WantProblem(http.StatusServiceUnavailable, "unavailable")
			p.Get(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusOK)
			if took := time.Since(begun); took > patience+slack {
				t.Errorf("503 after %v", took)
			}
		}
		if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		await(t, recovery, "a write", func() bool { return p.Post(t, "/users/", named(9, `"Bob"`)).Status == http.StatusCreated })
	})
}
