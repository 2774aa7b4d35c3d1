// Package sqltest gives each test a database of its own.
//
// It owns where the real engines are found: TEST_POSTGRES_DSN and TEST_MYSQL_DSN name servers on which
// databases may be made and removed; SQLite needs nothing. It refuses to look for a server that nobody
// has named: a test that needs one is skipped, or fails when TEST_REQUIRE_SERVICES is set. Only tests
// use it.
package sqltest

import (
	"context"
	stdsql "database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"userapi/repository/sql"
)

// Engines are those that tests run on.
func Engines() []string { return []string{sql.SQLite, sql.Postgres, sql.MySQL} }

// Names of environment variables.
const (
	postgresVariable = "TEST_POSTGRES_DSN"
	mysqlVariable    = "TEST_MYSQL_DSN"
	requireVariable  = "TEST_REQUIRE_SERVICES"
)

//nolint:gochecknoglobals // the names of one process differ by it
var number atomic.Int64

// Options returns those of a store over an empty database that goes with the test.
func Options(tb testing.TB, engine string) sql.Options {
	tb.Helper()
	return sql.Options{
		Engine: engine, DSN: DSN(tb, engine), MaxConns: 8, MaxWait: 30 * time.Second, Timeout: time.Minute, Statements: sql.Prepare,
		Normal: true, Keys: sql.KeyLimits{Age: 24 * time.Hour, Count: 100_000, Bytes: 1 << 26}, Now: time.Now,
	}
}

// New returns an empty store with its schema.
func New(tb testing.TB, engine string) *sql.Store {
	tb.Helper()
	return Open(tb, Options(tb, engine))
}

// Open returns a store that is closed with the test, with its schema.
func Open(tb testing.TB, options sql.Options) *sql.Store {
	tb.Helper()
	store, err := sql.Open(options)
	if err != nil {
		tb.Fatalf("%s cannot be opened: %v", options.Engine, err)
	}
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	if _, err := store.Migrate(tb.Context()); err != nil {
		tb.Fatalf("%s has no schema: %v", options.Engine, err)
	}
	return store
}

// DSN returns where an empty database is that goes with the test.
func DSN(tb testing.TB, engine string) string {
	tb.Helper()
	name := fmt.Sprintf("userapi_test_%d_%d", os.Getpid(), number.Add(1))
	switch engine {
	case sql.Postgres:
		server := server(tb, postgresVariable)
		at, err := url.Parse(server)
		if err != nil || at.Scheme == "" {
			tb.Fatalf("%s must be a URL", postgresVariable)
		}
		// A schema is made sooner than a database; what the server offers to all stands in public, also the
		// extension, which a database has once: in the schema of a test it would go with that.
		_ = runOn("pgx", server, "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public") // without it, lists are slower
		_ = runOn("pgx", server, "ALTER EXTENSION pg_trgm SET SCHEMA public")
		onServer(tb, "pgx", server, "CREATE SCHEMA "+name, "DROP SCHEMA IF EXISTS "+name+" CASCADE")
		query := at.Query()
		query.Set("search_path", name+",public")
		query.Set("deadlock_timeout", "20ms") // some tests are after deadlocks
		at.RawQuery = query.Encode()
		return at.String()
	case sql.MySQL:
		server := server(tb, mysqlVariable)
		config, err := mysql.ParseDSN(server)
		if err != nil {
			tb.Fatalf("%s: %v", mysqlVariable, err)
		}
		onServer(tb, "mysql", server, "CREATE DATABASE "+name, "DROP DATABASE IF EXISTS "+name)
		config.DBName = name
		return config.FormatDSN()
	default:
		return filepath.Join(tb.TempDir(), "users.db")
	}
}

func server(tb testing.TB, variable string) string {
	tb.Helper()
	dsn := os.Getenv(variable)
	if dsn == "" {
		Missing(tb, variable+" names no server")
	}
	return dsn
}

// Missing skips a test that cannot run for want of a service, or fails it where all must be there.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv(requireVariable) != "" {
		tb.Fatalf("%s, and %s is set", what, requireVariable)
	}
	tb.Skip(what)
}

// onServer runs a statement now and another when the test is over.
func onServer(tb testing.TB, driver, dsn, now, later string) {
	tb.Helper()
	if err := runOn(driver, dsn, now); err != nil {
		tb.Fatalf("%s: %v", now, err)
	}
	tb.Cleanup(func() {
		if err := runOn(driver, dsn, later); err != nil {
			tb.Errorf("%s: %v", later, err)
		}
	})
}

// runOn runs a statement on a server, again when others were in its way.
func runOn(driver, dsn, text string) error {
	db, err := stdsql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what it ran has told its errors
	for attempt := 0; ; attempt++ {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err = db.ExecContext(ctx, text)
		cancel()
		if err == nil || attempt == 5 || !strings.Contains(err.Error(), "deadlock") {
			return err
		}
	}
}
