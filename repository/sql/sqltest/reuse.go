package sqltest

import (
	"errors"
	"sync"
	"testing"

	"userapi/repository/sql"
)

// database is one on a server.
type database struct {
	dsn  string
	drop func() error
}

// spare are databases that no test has at the moment, by engine. To empty one takes a tenth of the time
// that a new one takes with its schema.
//
//nolint:gochecknoglobals // what the tests of a process have in common
var spare struct {
	sync.Mutex
	kept bool
	free map[string][]database
}

// Reuse has databases go from test to test instead of ending with the first, until the function that it
// returns removes them. TestMain calls both.
func Reuse() (end func() error) {
	spare.kept, spare.free = true, make(map[string][]database)
	return func() (err error) {
		spare.Lock()
		defer spare.Unlock()
		for _, free := range spare.free {
			for _, db := range free {
				err = errors.Join(err, db.drop())
			}
		}
		spare.kept, spare.free = false, nil
		return err
	}
}

// lease returns where a database is that goes with the test or, after Reuse, back to the others.
func lease(tb testing.TB, engine string) string {
	tb.Helper()
	spare.Lock()
	defer spare.Unlock()
	if !spare.kept || engine == sql.SQLite {
		return DSN(tb, engine)
	}
	var db database
	if free := spare.free[engine]; len(free) > 0 {
		db, spare.free[engine] = free[len(free)-1], free[:len(free)-1]
	} else {
		db = create(tb, engine)
	}
	tb.Cleanup(func() {
		if empty(engine, db.dsn) != nil { // it may have no schema, or the test has spoilt it
			if err := db.drop(); err != nil {
				tb.Errorf("a database cannot be removed: %v", err)
			}
			return
		}
		spare.Lock()
		defer spare.Unlock()
		spare.free[engine] = append(spare.free[engine], db)
	})
	return db.dsn
}

// empty brings a database to where the migrations have left it, the ids included.
func empty(engine, dsn string) error {
	const epoch = "UPDATE cache_epoch SET generation = 1, server = '', suspended_until = 0"
	if engine == sql.Postgres {
		return onServer("pgx", dsn, "TRUNCATE users, idempotency_keys, settings RESTART IDENTITY", epoch)
	}
	return onServer("mysql", dsn, "TRUNCATE users", "TRUNCATE user_ids", "TRUNCATE idempotency_keys", "TRUNCATE settings", epoch)
}
