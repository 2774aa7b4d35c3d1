package tests

import (
	"database/sql"
	"path/filepath"
	"testing"

	"userapi/tests/testkit"

	_ "modernc.org/sqlite"
)

// onSQLite returns how a service over a file starts.
func onSQLite(path string, settings ...string) testkit.Start {
	return testkit.Start{Args: sets(settings...), Env: []string{"USERAPI_STORAGE_ENGINE=sqlite", "USERAPI_STORAGE_DSN=" + path}}
}

// sets makes flags of settings.
func sets(settings ...string) []string {
	var args []string
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	return args
}

// intact looks whether a SQLite file is whole.
func intact(t *testing.T, path string) {
	t.Helper()
	file, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var says string
	if err := file.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&says); err != nil || says != "ok" {
		t.Errorf("integrity_check says %q, %v", says, err)
	}
}

func TestProcess_KillOnSQLite(t *testing.T) {
	t.Run("what 32 clients were told is there after each of five kills in 5000 writes", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "users.db")
		killings{clients: 32, aimed: 5000, rounds: 5, start: onSQLite(path), after: func() { intact(t, path) }}.run(t)
	})
}
