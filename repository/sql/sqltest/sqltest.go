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
	"runtime/debug"
	"slices"
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

//nolint:gochecknoglobals // no two databases of a process have the same number
var number atomic.Int64

// Options returns those of a store over an empty database that goes with the test. The schema may be
// there already.
func Options(tb testing.TB, engine string) sql.Options {
	tb.Helper()
	return sql.Options{
		Engine: engine, DSN: lease(tb, engine), MaxConns: 8, MaxWait: 30 * time.Second, Timeout: time.Minute, Statements: sql.Prepare,
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

// DSN returns where a database without a schema is that goes with the test.
func DSN(tb testing.TB, engine string) string {
	tb.Helper()
	if engine == sql.SQLite {
		return filepath.Join(tb.TempDir(), "users.db")
	}
	db := create(tb, engine)
	tb.Cleanup(func() {
		if err := db.drop(); err != nil {
			tb.Errorf("a database cannot be removed: %v", err)
		}
	})
	return db.dsn
}

// create makes a database on the server of the engine.
func create(tb testing.TB, engine string) database {
	tb.Helper()
	var db database
	var err error
	name := fmt.Sprintf("userapi_test_%d_%d", os.Getpid(), number.Add(1))
	switch engine {
	case sql.Postgres:
		server := server(tb, postgresVariable)
		at, wrong := url.Parse(server)
		if wrong != nil || at.Scheme == "" {
			tb.Fatalf("%s must be a URL", postgresVariable)
		}
		// The extension stands in public, where all find it: a database has it once, and in the schema of a
		// test it would go with that.
		_ = onServer("pgx", server, "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public") // without it, lists are slower
		_ = onServer("pgx", server, "ALTER EXTENSION pg_trgm SET SCHEMA public")
		query := at.Query()
		query.Set("search_path", name+",public")
		query.Set("deadlock_timeout", "20ms") // some tests are after deadlocks
		at.RawQuery = query.Encode()
		// A schema is made sooner than a database; what the server offers to all stands in public.
		db.dsn = at.String()
		db.drop = func() error { return onServer("pgx", server, "DROP SCHEMA IF EXISTS "+name+" CASCADE") }
		err = onServer("pgx", server, "CREATE SCHEMA "+name)
	case sql.MySQL:
		server := server(tb, mysqlVariable)
		config, wrong := mysql.ParseDSN(server)
		if wrong != nil {
			tb.Fatalf("%s: %v", mysqlVariable, wrong)
		}
		config.DBName = name
		db.dsn = config.FormatDSN()
		db.drop = func() error { return onServer("mysql", server, "DROP DATABASE IF EXISTS "+name) }
		err = onServer("mysql", server, "CREATE DATABASE "+name)
	default:
		tb.Fatalf("there is no server of %q", engine)
	}
	if err != nil {
		tb.Fatalf("%s: no database can be made: %v", engine, err)
	}
	return db
}

// Require skips a test that cannot run because nobody has named a server of the engine, or fails it where
// all must be there.
func Require(tb testing.TB, engine string) {
	tb.Helper()
	switch engine {
	case sql.Postgres:
		server(tb, postgresVariable)
	case sql.MySQL:
		server(tb, mysqlVariable)
	}
}

// Available returns the engines that can be had here, for tests that want as many of them as there are.
func Available(tb testing.TB) []string {
	tb.Helper()
	return slices.DeleteFunc(Engines(), func(engine string) bool {
		variable := map[string]string{sql.Postgres: postgresVariable, sql.MySQL: mysqlVariable}[engine]
		if variable == "" || os.Getenv(variable) != "" {
			return false
		}
		if os.Getenv(requireVariable) != "" {
			Missing(tb, variable+" names no server")
		}
		return true
	})
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

// onServer runs statements.
func onServer(driver, dsn string, texts ...string) error {
	db, err := stdsql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, text := range texts {
		for attempt := 0; ; attempt++ {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, err = db.ExecContext(ctx, text)
			cancel()
			if err == nil {
				break
			}
			if attempt == 5 || !strings.Contains(err.Error(), "deadlock") {
				return err
			}
		}
	}
	return nil
}

// Raced says whether the race detector watches, for which SQLite, C in Go, is ten times slower.
func Raced() bool {
	build, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
