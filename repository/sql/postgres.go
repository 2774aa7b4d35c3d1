package sql

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"userapi/models"
)

// openPostgres makes the pool of PostgreSQL, or of what speaks its protocol.
func (s *Store) openPostgres() error {
	config, err := pgx.ParseConfig(s.options.DSN)
	if err != nil {
		return errors.New("the DSN cannot be read as that of PostgreSQL") // the driver's words may repeat it
	}
	config.DefaultQueryExecMode = map[string]pgx.QueryExecMode{
		Prepare: pgx.QueryExecModeCacheStatement, Describe: pgx.QueryExecModeCacheDescribe, Simple: pgx.QueryExecModeSimpleProtocol,
	}[s.options.Statements]
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = s.options.Timeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "userapi"
	}
	s.read.set(sql.OpenDB(paced{stdlib.GetConnector(*config), s.pace}), s.options.MaxConns, false)
	s.read.direct = true
	s.write = pool{db: s.read.db, direct: true, places: s.read.places}
	s.dialect = dialect{
		name: Postgres, judge: judgePostgres, numbered: true, hides: true, returning: true,
		lock:     " FOR UPDATE",
		parked:   "'parked ' || id",
		micros:   "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
		keep:     " ON CONFLICT DO NOTHING",
		contains: likePostgres, among: amongPostgres, searches: searchPostgres,
		newIDs: newIDsPostgres, insert: insertPostgres, replace: replacePostgres,
	}
	if s.options.Statements == Prepare {
		// What is prepared may be planned once for all values; but which index is the shortest way depends on
		// them.
		s.dialect.planned = pgx.QueryExecModeCacheDescribe
	}
	s.dialect.complete()
	return nil
}

// directly runs one of the few statements on a connection of the pool past database/sql, which for a user
// by id takes a quarter of the time.
func (p *pool) directly(ctx context.Context, do func(conn *pgx.Conn) error) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	return conn.Raw(func(driverConn any) error { return do(driverConn.(*stdlib.Conn).Conn()) })
}

// directRow is the first row of a statement that has yet to be run.
type directRow struct {
	pool *pool
	ctx  context.Context //nolint:containedctx // it lives as long as one call
	text string
	args []any
}

// Scan implements scanner.
func (r directRow) Scan(to ...any) error {
	return r.pool.directly(r.ctx, func(conn *pgx.Conn) error { return conn.QueryRow(r.ctx, r.text, r.args...).Scan(to...) })
}

// judgePostgres goes by SQLSTATE.
func judgePostgres(err error) fate {
	var failure *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case errors.As(err, &connecting):
		return away
	case errors.Is(err, pgconn.ErrConnClosed), pgconn.SafeToRetry(err): // of the last, nothing was sent
		return lost
	}
	if !errors.As(err, &failure) {
		return unforeseen
	}
	switch failure.Code {
	case "23505": // unique_violation
		return duplicate
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return crossed
	case "25006", // read_only_sql_transaction: this is no primary any more
		"25P03", "25P04", // a transaction took too long for the server, which ended the session
		"57P01", "57P02", "57P05": // admin_shutdown, crash_shutdown, idle_session_timeout
		return lost
	case "40003": // statement_completion_unknown
		return away
	}
	switch class := failure.Code[:min(2, len(failure.Code))]; class {
	case "08": // connection
		return lost
	case "53", "57", "58": // resources, operator (a timeout of the server among them), system
		return away
	}
	return unforeseen
}

// likePostgres says it so that an index of trigrams can serve, where there is one.
func likePostgres(st *statement, column, text string) {
	st.say(column, " LIKE ")
	st.give("%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%")
}

// searchPostgres is dialect.searches. Left to itself the planner takes every text for one that a user in
// 5000 has, and so looks for the first one of those along the index of the order, which ends in a walk
// past everybody when only a few have it. Behind OFFSET 0 it does not see what order is wanted.
func searchPostgres(ctx context.Context, s *Store, text string) (func(st *statement), error) {
	st := &statement{dialect: &s.dialect}
	st.say("SELECT CASE WHEN to_regclass('users_name_grams') IS NULL THEN ", itoa(fewHits+1),
		" ELSE (SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE ")
	having(st, text)
	st.say(" LIMIT ", itoa(fewHits+1), ") AS hits) END")
	var hits int
	err := s.read.db.QueryRowContext(ctx, st.String(), st.valued()...).Scan(&hits)
	if err != nil || hits > fewHits {
		return nil, err
	}
	return func(st *statement) {
		st.say("(SELECT * FROM users WHERE ")
		having(st, text)
		st.say(" OFFSET 0) AS users")
	}, nil
}

func amongPostgres(st *statement, ids []int64) {
	st.say("id = ANY(")
	st.give(ids)
	st.say(")")
}

func newIDsPostgres(tx *transaction, n int) ([]int64, error) {
	rows, err := tx.tx.QueryContext(tx.ctx, "SELECT nextval('users_id') FROM generate_series(1, $1)", n)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says the same
	ids := make([]int64, 0, n)
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// arrays are the columns of many users, each as one parameter.
func arrays(users []models.User) []any {
	n := len(users)
	ids, ages, versions := make([]int64, n), make([]int16, n), make([]int64, n)
	created, updated := make([]int64, n), make([]int64, n)
	var texts [5][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i := range users {
		u := &users[i]
		ids[i], ages[i], versions[i], created[i], updated[i] = u.ID, int16(u.Age), u.Version, int64(u.CreatedAt), int64(u.UpdatedAt)
		texts[0][i], texts[1][i] = u.Name, u.Email
		texts[2][i], texts[3][i], texts[4][i] = models.FoldName(u.Name), models.FoldName(u.Email), models.EmailKey(u.Email)
	}
	return []any{ids, texts[0], texts[1], ages, created, updated, versions, texts[2], texts[3], texts[4]}
}

// unnested is many users as a table.
const unnested = "unnest($1::bigint[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], " +
	"$8::text[], $9::text[], $10::text[]) AS given (id, " + stored + ")"

func insertPostgres(tx *transaction, users []models.User) error {
	_, err := tx.tx.ExecContext(tx.ctx,
		"INSERT INTO users (id, "+stored+") SELECT id, "+stored+" FROM "+unnested+" ORDER BY id", arrays(users)...)
	return err
}

func replacePostgres(tx *transaction, users []models.User) error {
	_, err := tx.tx.ExecContext(tx.ctx, "UPDATE users SET name = given.name, email = given.email, age = given.age, "+
		"updated_at = given.updated_at, version = given.version, name_fold = given.name_fold, email_fold = given.email_fold, "+
		"email_key = given.email_key FROM "+unnested+" WHERE users.id = given.id", arrays(users)...)
	return err
}
