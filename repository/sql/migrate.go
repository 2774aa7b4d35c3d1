package sql

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

var (
	// ErrSchemaNewer says that a later program has changed the schema in a way that this one does not know.
	ErrSchemaNewer = errors.New("the schema of the database is newer than this program")
	// ErrSchemaOlder says that the schema has to be brought up to date first.
	ErrSchemaOlder = errors.New("the schema of the database is older than this program")
)

// migrationBudget is how long a migration may take, the wait for others included.
const migrationBudget = 10 * time.Minute

// Migrate brings the schema up to date, one instance at a time, and returns how many steps it took. It
// returns ErrSchemaNewer, models.ErrUnavailable when the database is away, or why it failed; a step
// that fails leaves nothing half done where the engine can undo it.
func (s *Store) Migrate(ctx context.Context) (steps int, err error) {
	provider, err := s.provider()
	if err != nil {
		return 0, err
	}
	if err := s.reachable(ctx); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, migrationBudget)
	defer cancel()
	current, err := s.version(limited)
	switch newest := newestVersion(provider); {
	case err != nil:
		return 0, err
	case current > newest:
		return 0, fmt.Errorf("%w: version %d, known are %d", ErrSchemaNewer, current, newest)
	case current == newest:
		return 0, nil
	}
	results, err := provider.Up(limited)
	if err == nil && s.options.Engine == Postgres {
		s.indexTexts(limited)
	}
	return len(results), s.translate(ctx, err)
}

// CheckSchema returns nil when the schema is the one that this program knows, ErrSchemaOlder,
// ErrSchemaNewer, or models.ErrUnavailable.
func (s *Store) CheckSchema(ctx context.Context) error {
	provider, err := s.provider()
	if err != nil {
		return err
	}
	if err := s.reachable(ctx); err != nil {
		return err
	}
	current, err := s.version(ctx)
	switch newest := newestVersion(provider); {
	case err != nil:
		return err
	case current > newest:
		return fmt.Errorf("%w: version %d, known are %d", ErrSchemaNewer, current, newest)
	case current < newest:
		return fmt.Errorf("%w: version %d, needed is %d", ErrSchemaOlder, current, newest)
	}
	return nil
}

// reachable returns nil when the database answers.
func (s *Store) reachable(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	if s.options.Engine != Postgres {
		return nil
	}
	var encoding string
	err := s.aside(ctx, func(ctx context.Context) error {
		return s.read.db.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding)
	})
	if err == nil && encoding != "UTF8" {
		err = fmt.Errorf("the database is encoded as %s; create one with ENCODING 'UTF8'", encoding)
	}
	return err
}

// version returns the number of the last step that the database has taken, zero for an empty one.
func (s *Store) version(ctx context.Context) (int64, error) {
	var version sql.NullInt64
	err := s.aside(ctx, func(ctx context.Context) error {
		var tables int
		if err := s.read.db.QueryRowContext(ctx, versionTable[s.options.Engine]).Scan(&tables); err != nil || tables == 0 {
			return err
		}
		return s.read.db.QueryRowContext(ctx, "SELECT MAX(version_id) FROM "+goose.DefaultTablename).Scan(&version)
	})
	return version.Int64, err
}

// versionTable asks each engine whether it has the table of the versions.
//
//nolint:gochecknoglobals // never written
var versionTable = map[string]string{
	SQLite:   "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '" + goose.DefaultTablename + "'",
	Postgres: "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('" + goose.DefaultTablename + "')",
	MySQL:    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '" + goose.DefaultTablename + "'",
}

func newestVersion(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// provider is goose over the steps of the engine, with a lock that keeps other instances waiting. The
// lock is a row of a table where that is all that every engine of a protocol has.
func (s *Store) provider() (*goose.Provider, error) {
	steps, err := fs.Sub(migrations, "migrations/"+s.options.Engine)
	if err != nil {
		return nil, err
	}
	const every = 250 * time.Millisecond // between two looks at the lock
	const times = uint64(migrationBudget / every)
	// Of an instance that died in the middle the others wait for the lease to end.
	lease, beat := lock.WithTableLeaseDuration(10*time.Second), lock.WithTableHeartbeatInterval(2*time.Second)
	var locker lock.Locker
	dialects := map[string]database.Dialect{SQLite: goose.DialectSQLite3, Postgres: goose.DialectPostgres, MySQL: goose.DialectMySQL}
	switch s.options.Engine {
	case SQLite:
		path, _, _ := strings.Cut(s.options.DSN, "?")
		locker = &beside{path: path + "-migrating"}
	case Postgres:
		locker, err = lock.NewPostgresTableLocker(lock.WithTableLockTimeout(every, times), lease, beat)
	case MySQL:
		locker, err = lock.NewMySQLTableLocker(lock.WithTableLockTimeout(every, times), lease, beat)
	}
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialects[s.options.Engine], cmp.Or(s.slow, s.write.db), steps,
		goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// beside is a lock in a file beside that of SQLite, which a process that dies lets go of. The file itself
// cannot be locked: a step is a transaction of its own.
type beside struct {
	path string
	held *sql.DB
}

// Lock implements lock.Locker.
func (b *beside) Lock(ctx context.Context, _ *sql.DB) error {
	dsn, err := sqliteDSN(b.path, "busy_timeout("+itoa(migrationBudget.Milliseconds())+")")
	if err != nil {
		return err
	}
	b.held = sql.OpenDB(fileConnector{dsn})
	b.held.SetMaxOpenConns(1)
	if _, err := b.held.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return errors.Join(err, b.held.Close())
	}
	return nil
}

// Unlock implements lock.Locker.
func (b *beside) Unlock(context.Context, *sql.DB) error { return b.held.Close() }

// indexTexts makes the indexes of trigrams for texts that are looked for anywhere in name or address,
// where PostgreSQL has the extension or lets us install it. Without them such a list goes through the
// users one by one.
func (s *Store) indexTexts(ctx context.Context) {
	for _, text := range []string{
		"CREATE EXTENSION IF NOT EXISTS pg_trgm",
		"CREATE INDEX IF NOT EXISTS users_name_grams ON users USING gin (name_fold gin_trgm_ops)",
		"CREATE INDEX IF NOT EXISTS users_email_grams ON users USING gin (email_fold gin_trgm_ops)",
	} {
		if _, err := s.write.db.ExecContext(ctx, text); err != nil && text[:12] == "CREATE INDEX" {
			return
		}
	}
}
