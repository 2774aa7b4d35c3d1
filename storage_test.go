package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"userapi/config"
)

// onFile are the settings of a service over a SQLite file.
func onFile(path string) config.Config {
	settings := config.Default()
	settings.Storage.Engine, settings.Storage.DSN = config.EngineSQLite, config.Secret(path)
	return settings
}

// opened returns the storage of the settings, which is closed with the test.
func opened(t *testing.T, settings config.Config) *storage {
	t.Helper()
	store, err := newStorage(settings, nil, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestStorage_prepare(t *testing.T) {
	t.Parallel()
	t.Run("the cursor key of the settings is taken", func(t *testing.T) {
		t.Parallel()
		want := []byte("0123456789abcdef0123456789abcdef")
		for _, settings := range []config.Config{config.Default(), onFile(filepath.Join(t.TempDir(), "users.db"))} {
			settings.Cursor.Key = config.Secret(base64.StdEncoding.EncodeToString(want))
			if key, err := opened(t, settings).prepare(t.Context()); err != nil || !bytes.Equal(key, want) {
				t.Errorf("%s: %x, %v", settings.Storage.Engine, key, err)
			}
		}
	})
	t.Run("without one each process in memory has its own, and those over one database share one", func(t *testing.T) {
		t.Parallel()
		first, err := opened(t, config.Default()).prepare(t.Context())
		second, _ := opened(t, config.Default()).prepare(t.Context())
		if err != nil || len(first) != 32 || bytes.Equal(first, second) {
			t.Errorf("memory: %x, %x, %v", first, second, err)
		}
		shared := onFile(filepath.Join(t.TempDir(), "users.db"))
		first, err = opened(t, shared).prepare(t.Context())
		second, again := opened(t, shared).prepare(t.Context())
		if err := errors.Join(err, again); err != nil || len(first) != 32 || !bytes.Equal(first, second) {
			t.Errorf("sqlite: %x, %x, %v", first, second, err)
		}
	})
	t.Run("a schema that is not there is a matter of the settings", func(t *testing.T) {
		t.Parallel()
		settings := onFile(filepath.Join(t.TempDir(), "users.db"))
		settings.Storage.Migrate = config.MigrateCheck
		_, err := opened(t, settings).prepare(t.Context())
		if !errors.As(err, new(unusableError)) || !strings.Contains(err.Error(), "storage.migrate: ") || !strings.Contains(err.Error(), "--migrate") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a path that leads nowhere names the key, and is not repeated", func(t *testing.T) {
		t.Parallel()
		settings := onFile(filepath.Join(t.TempDir(), "secret-folder", "users.db"))
		_, err := opened(t, settings).prepare(t.Context())
		if !errors.As(err, new(unusableError)) || !strings.HasPrefix(err.Error(), "storage.dsn: ") || strings.Contains(err.Error(), "secret-folder") {
			t.Errorf("error %v", err)
		}
	})
}

func TestRun_migrate(t *testing.T) {
	migrates := func(t *testing.T, path string) (code int, stdout, stderr string) {
		t.Helper()
		var out, complaint output
		code = run(t.Context(), []string{"--migrate"}, []string{"USERAPI_STORAGE_ENGINE=sqlite", "USERAPI_STORAGE_DSN=" + path}, &out, &complaint)
		return code, out.String(), complaint.String()
	}
	t.Run("brings the schema up to date once, after which check is content", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "users.db")
		for _, steps := range []string{"steps taken: 1", "steps taken: 0"} {
			if code, stdout, stderr := migrates(t, path); code != exitOK || !strings.Contains(stdout, steps) || stderr != "" {
				t.Errorf("exit %d, %q, %q, want %s", code, stdout, stderr, steps)
			}
		}
		settings := onFile(path)
		settings.Storage.Migrate = config.MigrateCheck
		if _, err := opened(t, settings).prepare(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("is not for the memory engine", func(t *testing.T) {
		var stdout, stderr output
		if code := run(t.Context(), []string{"--migrate"}, nil, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "storage.engine") {
			t.Errorf("exit %d, %q", code, stderr.String())
		}
	})
	t.Run("refuses a file that is something else", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "users.db")
		if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := migrates(t, path); code != exitUsage || !strings.Contains(stderr, "storage.dsn: ") {
			t.Errorf("exit %d, %q", code, stderr)
		}
	})
}

func TestStorage_newer(t *testing.T) {
	t.Run("an old program refuses a newer schema", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "users.db")
		settings := onFile(path)
		if _, err := opened(t, settings).prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		file, err := sql.Open("sqlite", path)
		if err == nil {
			_, err = file.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{config.MigrateAuto, config.MigrateCheck} {
			settings.Storage.Migrate = way
			_, err := opened(t, settings).prepare(t.Context())
			if !errors.As(err, new(unusableError)) || !strings.Contains(err.Error(), "newer than this program") {
				t.Errorf("%s: error %v", way, err)
			}
		}
	})
}
