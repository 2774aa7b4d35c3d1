package sql_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

// servers are the engines in which transactions of one store can be in each other's way.
var servers = []string{sql.Postgres, sql.MySQL}

// named returns a user to create.
func named(name string) models.User {
	return models.User{Name: name, Email: name + "@example.com", CreatedAt: 1, UpdatedAt: 1, Version: 1}
}

func created(t *testing.T, store *sql.Store, name string) models.User {
	t.Helper()
	user, err := store.Create(t.Context(), named(name))
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// grow changes two users in one step, the first of whom is locked before the second.
func grow(ctx context.Context, store *sql.Store, first, second int64, between func()) error {
	return store.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		a, err := tx.Get(first)
		if err != nil {
			return repository.Changes{}, err
		}
		between()
		b, err := tx.Get(second)
		if err != nil {
			return repository.Changes{}, err
		}
		a.Version++
		b.Version++
		return repository.Changes{Replace: []models.User{a, b}}, nil
	})
}

func TestStore_crossing(t *testing.T) {
	for _, engine := range servers {
		t.Run(engine+": of two that lock each other out both succeed in the end", func(t *testing.T) {
			t.Parallel()
			store := sqltest.New(t, engine)
			a, b := created(t, store, "ada"), created(t, store, "bob")
			var meeting sync.WaitGroup // both hold their first user, at their first attempt
			meeting.Add(2)
			meet := func() func() {
				once := sync.OnceFunc(func() {
					meeting.Done()
					meeting.Wait()
				})
				return once
			}
			results := make(chan error, 2)
			go func() { results <- grow(t.Context(), store, a.ID, b.ID, meet()) }()
			go func() { results <- grow(t.Context(), store, b.ID, a.ID, meet()) }()
			if err := errors.Join(<-results, <-results); err != nil {
				t.Fatal(err)
			}
			for _, id := range []int64{a.ID, b.ID} {
				if user, err := store.Get(t.Context(), id); err != nil || user.Version != 3 {
					t.Errorf("%+v, %v", user, err)
				}
			}
			if stats := store.Stats(); stats.Retries == 0 || stats.Abandoned != 0 {
				t.Errorf("%+v", stats)
			}
		})
		t.Run(engine+": what others are in the way of for too long is given up, and told to be unavailable", func(t *testing.T) {
			t.Parallel()
			options := sqltest.Options(t, engine)
			options.DSN = impatient(t, engine, options.DSN)
			store := sqltest.Open(t, options)
			user := created(t, store, "ada")
			release := hold(t, engine, options.DSN, user.ID)
			age := func(user models.User) (models.User, error) {
				user.Age = 7
				return user, nil
			}
			if _, err := store.Update(t.Context(), user.ID, age); !errors.Is(err, models.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
			if stats := store.Stats(); stats.Retries == 0 || stats.Abandoned != 1 {
				t.Errorf("%+v", stats)
			}
			release()
			if changed, err := store.Update(t.Context(), user.ID, age); err != nil || changed.Age != 7 {
				t.Errorf("%+v, %v", changed, err)
			}
		})
	}
}

// impatient has an engine give up at once when it waits for a lock.
func impatient(t *testing.T, engine, dsn string) string {
	t.Helper()
	if engine == sql.MySQL {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		config.Params = map[string]string{"innodb_lock_wait_timeout": "0"}
		return config.FormatDSN()
	}
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set("lock_timeout", "1ms")
	at.RawQuery = query.Encode()
	return at.String()
}

// hold locks a user's row on a connection of its own, until release.
func hold(t *testing.T, engine, dsn string, id int64) (release func()) {
	t.Helper()
	driver := map[string]string{sql.MySQL: "mysql", sql.Postgres: "pgx"}[engine]
	other, err := stdsql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = tx.ExecContext(t.Context(), fmt.Sprintf("UPDATE users SET age = 9 WHERE id = %d", id))
	}
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = errors.Join(tx.Rollback(), other.Close()) })
	t.Cleanup(release)
	return release
}

// TestStore_serializable stands in for engines that know no other isolation, such as CockroachDB: any
// statement may be told that others were in its way.
func TestStore_serializable(t *testing.T) {
	for _, rule := range repotest.ConcurrencyRules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			options := sqltest.Options(t, sql.Postgres)
			at, err := url.Parse(options.DSN)
			if err != nil {
				t.Fatal(err)
			}
			query := at.Query()
			query.Set("default_transaction_isolation", "serializable")
			at.RawQuery = query.Encode()
			options.DSN = at.String()
			store := sqltest.Open(t, options)
			store.Isolate()
			rule.Check(t, store)
			t.Logf("%d transactions began anew", store.Stats().Retries)
		})
	}
}

func TestStore_late(t *testing.T) {
	for _, engine := range sqltest.Engines() {
		t.Run(engine+": a change that is decided when its time is over is unavailable, and not made", func(t *testing.T) {
			t.Parallel()
			options := sqltest.Options(t, engine)
			store := sqltest.Open(t, options)
			user := created(t, store, "ada")
			options.Timeout = 200 * time.Millisecond
			hurried := sqltest.Open(t, options)
			for _, age := range []models.Age{0, 7} { // without and with something to write
				_, err := hurried.Update(t.Context(), user.ID, func(user models.User) (models.User, error) {
					<-time.After(400 * time.Millisecond)
					user.Age = age
					return user, nil
				})
				if !errors.Is(err, models.ErrUnavailable) {
					t.Errorf("age %d: error %v", age, err)
				}
			}
			if got, err := store.Get(t.Context(), user.ID); err != nil || got != user {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestStore_Migrate(t *testing.T) {
	for _, engine := range sqltest.Engines() {
		t.Run(engine+": of ten at once on an empty database one takes the steps, and all can be used", func(t *testing.T) {
			t.Parallel()
			options := sqltest.Options(t, engine)
			options.MaxConns, options.DSN = 2, sqltest.DSN(t, engine)
			var steps atomic.Int64
			var all sync.WaitGroup
			for n := range 10 {
				all.Go(func() {
					store, err := sql.Open(options)
					if err != nil {
						t.Error(err)
						return
					}
					defer store.Close()
					taken, err := store.Migrate(t.Context())
					if steps.Add(int64(taken)); err == nil {
						_, err = store.Create(t.Context(), named(fmt.Sprint("user", n)))
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if steps.Load() != 1 {
				t.Errorf("%d steps were taken", steps.Load())
			}
		})
	}
}
