package tests

import (
	stdsql "database/sql"
	"net/http"
	"path/filepath"
	"testing"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// TestInstances_MigrateOnce starts instances all at once on an empty database.
func TestInstances_MigrateOnce(t *testing.T) {
	t.Parallel()
	drivers := map[string]string{sql.Postgres: "pgx", sql.MySQL: "mysql", sql.SQLite: "sqlite"}
	for engine, size := range map[string]int{sql.Postgres: 10, sql.MySQL: 10, sql.SQLite: 5} {
		t.Run("on "+engine+" one brings the schema up to date, and all get ready", func(t *testing.T) {
			t.Parallel()
			dsn := sqltest.DSN(t, engine)
			start := testkit.Start{Env: []string{"USERAPI_STORAGE_ENGINE=" + engine, "USERAPI_STORAGE_DSN=" + dsn, "USERAPI_STORAGE_MAX_CONNS=2"}}
			instances := make([]*testkit.Process, size)
			for n := range instances {
				instances[n] = start.Launch(t)
			}
			migrated := 0
			for _, instance := range instances {
				instance.Listening(t)
				ready(t, instance)
				for _, entry := range instance.Log.Entries(t) {
					if entry.Text("msg") == "the schema was brought up to date" {
						migrated++
					}
				}
			}
			if migrated != 1 {
				t.Errorf("%d instances say that they brought the schema up to date", migrated)
			}
			taken(t, drivers[engine], dsn)
			user := instances[0].Create(t, ada)
			for _, instance := range instances {
				if seen := everybody(t, &testkit.Service{Client: instance.Client}); len(seen) != 1 || !seen[0].Equal(user) {
					t.Errorf("%+v", seen)
				}
			}
		})
	}
}

// taken complains unless the table of the steps has each of them once.
func taken(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := stdsql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, versions int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version").Scan(&rows, &versions); err != nil {
		t.Fatal(err)
	}
	if rows != versions || versions < 2 { // goose begins with a zero
		t.Errorf("%d rows for %d versions", rows, versions)
	}
}

// TestInstances_MigrationElsewhere holds the lock that an instance takes while it is at the schema.
func TestInstances_MigrationElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("who waits for another's migration longer than the start does listens, is not ready, and becomes it", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "users.db")
		db, err := stdsql.Open("sqlite", path+"-migrating")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		lock, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
			t.Fatal(err)
		}
		p := testkit.Start{Env: []string{"USERAPI_STORAGE_ENGINE=sqlite", "USERAPI_STORAGE_DSN=" + path}}.Binary(t)
		p.Get(t, "/livez").Want(http.StatusOK)
		p.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
		p.Get(t, "/users/").Want(http.StatusServiceUnavailable)
		if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
		ready(t, p)
		p.Create(t, ada)
	})
}
