package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"userapi/models"
)

// columns are those that the store writes; the engine derives one more.
func columns() []string {
	return []string{
		"id", "name", "email", "age", "created_at", "updated_at", "version", "name_fold", "email_fold", "email_key",
	}
}

const statistics = "ANALYZE"

// stored is a user as the store writes it.
type stored struct {
	id               int64
	name, email      string
	age              int64
	created, updated int64
}

func (u stored) values() []any {
	return []any{
		u.id, u.name, u.email, u.age, u.created, u.updated, int64(1),
		models.FoldName(u.name), models.FoldName(u.email), models.EmailKey(u.email),
	}
}

// seeder makes the n-th user, counted from 1; its id is n.
type seeder func(n int64) stored

// seedEpoch is when the first seed was created, in microseconds since 1970: before this run, whose users
// come behind the seeds in every order of times.
const seedEpoch = 1_700_000_000_000_000

// orderly makes the seeds that other parts send through the service.
func orderly(n int64) stored {
	return stored{id: n, name: seedName(n), email: seedEmail(n), age: seedAge(n), created: seedEpoch + n, updated: seedEpoch + n}
}

// scattered makes seeds of whom neighbours in one order are far from each other in every other: the rows of
// a page in the order of names lie on fifty pages of the disk, as those of users who come in no order do.
func scattered(n int64) stored {
	const names, addresses = 7_368_787, 3_256_547
	const modulus = 10_000_019 // a prime, so that no number of ten million comes twice
	u := stored{id: n, name: seedName(n * names % modulus), email: seedEmail(n * addresses % modulus), age: seedAge(n)}
	u.created = seedEpoch + n*1000
	u.updated = u.created + n*names%modulus*1000
	return u
}

// fill puts seeds straight into a database, which takes a tenth of the time that the service would
// need, and leaves it as a server does that has been idle for a while: with its statistics taken.
func (b *bench) fill(ctx context.Context, d *database, users int, s seeder) error {
	begin := time.Now()
	var err error
	switch d.engine {
	case enginePostgres:
		err = fillPostgres(ctx, d.dsn, users, s)
	case engineMySQL:
		err = fillRows(ctx, "mysql", d.dsn, users, s,
			fmt.Sprintf("ALTER TABLE user_ids AUTO_INCREMENT = %d", users+1), statistics+" TABLE users")
	default:
		err = fillSQLite(ctx, d.dsn, users, s)
	}
	b.say("%s: %d users in %.1f s", d.engine, users, time.Since(begin).Seconds())
	return err
}

// fillPostgres makes the indexes when the rows are there, as a restored copy has them.
func fillPostgres(ctx context.Context, dsn string, users int, s seeder) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "SELECT indexname::text, indexdef::text FROM pg_indexes WHERE schemaname = current_schema() "+
		"AND tablename = 'users' AND indexname <> 'users_pkey' ORDER BY indexname")
	if err != nil {
		return err
	}
	type index struct{ Name, Definition string }
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if _, err := conn.Exec(ctx, "DROP INDEX "+i.Name); err != nil {
			return err
		}
	}
	if err := copyInto(ctx, conn, "users", 1, users, s); err != nil {
		return err
	}
	texts := []string{fmt.Sprintf("SELECT setval('users_id', %d)", users)}
	for _, i := range indexes {
		texts = append(texts, i.Definition)
	}
	for _, text := range append(texts, "VACUUM "+statistics+" users") {
		if _, err := conn.Exec(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	// What was filled in is written out before the measurement, where the user may ask for that.
	_, _ = conn.Exec(ctx, "CHECKPOINT")
	return nil
}

// copyInto writes count users from the first on, by one COPY.
func copyInto(ctx context.Context, conn *pgx.Conn, table string, first int64, count int, s seeder) error {
	written, err := conn.CopyFrom(ctx, pgx.Identifier{table}, columns(), pgx.CopyFromSlice(count, func(i int) ([]any, error) {
		return s(first + int64(i)).values(), nil
	}))
	if err == nil && written != int64(count) {
		err = fmt.Errorf("COPY wrote %d rows of %d", written, count)
	}
	return err
}

// fillSQLite also makes the indexes last, and leaves out the texts of three characters for many users:
// only searches read them, and no row about so many users searches.
func fillSQLite(ctx context.Context, dsn string, users int, s seeder) (err error) {
	dsn += "?_pragma=busy_timeout(5000)" // the service may be writing
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'users' AND type IN ('index', 'trigger') AND sql IS NOT NULL")
	if err != nil {
		return err
	}
	defer rows.Close()
	var before, after []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			return err
		}
		before, after = append(before, "DROP "+kind+" "+name), append(after, text)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if users < issueSize {
		after = append(after, "INSERT INTO user_texts (rowid, name_fold, email_fold) SELECT id, name_fold, email_fold FROM users")
	}
	if err := onServer(ctx, "sqlite", dsn, before...); err != nil {
		return err
	}
	return fillRows(ctx, "sqlite", dsn, users, s, append(after, statistics, "PRAGMA wal_checkpoint(TRUNCATE)")...)
}

// fillRows inserts users by statements with many rows, in one transaction, and then runs the texts.
func fillRows(ctx context.Context, driver, dsn string, users int, s seeder, after ...string) (err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit there is nothing to undo
	const together = 100
	insert, err := tx.PrepareContext(ctx, insertRows(together))
	if err != nil {
		return err
	}
	defer insert.Close()
	args := make([]any, 0, together*len(columns()))
	for n := int64(1); n <= int64(users); n++ {
		args = append(args, s(n).values()...)
		switch {
		case len(args) == cap(args):
			_, err = insert.ExecContext(ctx, args...)
		case n == int64(users):
			_, err = tx.ExecContext(ctx, insertRows(len(args)/len(columns())), args...)
		default:
			continue
		}
		if err != nil {
			return err
		}
		args = args[:0]
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return onServer(ctx, driver, dsn, after...)
}

// insertRows is the statement that inserts so many users.
func insertRows(rows int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns())), ",") + ")"
	return "INSERT INTO users (" + strings.Join(columns(), ", ") + ") VALUES " + strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}
