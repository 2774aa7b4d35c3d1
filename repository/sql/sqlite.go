package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"strings"

	"modernc.org/sqlite"
)

// openSQLite makes the pools of SQLite: one connection that writes, for an engine that lets one write at
// a time, and many that read beside it.
func (s *Store) openSQLite() error {
	synchronous := "full"
	if s.options.Normal {
		synchronous = "normal"
	}
	read, err := sqliteDSN(s.options.DSN, "busy_timeout(5000)", "journal_mode(wal)", "synchronous("+synchronous+")", "query_only(1)")
	if err != nil {
		return err
	}
	write, err := sqliteDSN(s.options.DSN, "busy_timeout(5000)", "journal_mode(wal)", "synchronous("+synchronous+")", "foreign_keys(1)")
	if err != nil {
		return err
	}
	write += "&_txlock=immediate"
	s.write.set(sql.OpenDB(fileConnector{write}), 1, true)
	s.read.set(sql.OpenDB(fileConnector{read}), s.options.MaxConns, true)
	s.dialect = dialect{
		name: SQLite, judge: judgeSQLite, inside: true, returning: true,
		parked:   "'parked ' || id",
		micros:   "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
		keep:     " ON CONFLICT DO NOTHING",
		contains: instr, among: amongList, searches: searchSQLite, along: alongSQLite,
		newIDs: newIDsSQLite, insert: insertTogether, replace: replaceEach,
	}
	s.dialect.complete()
	return nil
}

// sqliteDSN adds settings to a path or a URI.
func sqliteDSN(dsn string, pragmas ...string) (string, error) {
	path, query, _ := strings.Cut(dsn, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return "", errors.New("the part of the DSN behind its question mark cannot be read")
	}
	for _, pragma := range pragmas {
		given.Add("_pragma", pragma)
	}
	if !strings.HasPrefix(path, "file:") {
		path = "file:" + (&url.URL{Path: path}).EscapedPath()
	}
	return path + "?" + given.Encode(), nil
}

// fileConnector opens a SQLite file.
type fileConnector struct{ dsn string }

// Connect implements driver.Connector.
func (c fileConnector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }

// Driver implements driver.Connector.
func (c fileConnector) Driver() driver.Driver { return new(sqlite.Driver) }

// judgeSQLite goes by result codes (https://sqlite.org/rescode.html).
func judgeSQLite(err error) fate {
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return unforeseen
	}
	const uniqueRow, primaryKey = 2067, 1555
	switch code := failure.Code(); code {
	case uniqueRow, primaryKey:
		return duplicate
	default:
		switch code & 0xff {
		case 5, 6, 17: // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_SCHEMA
			return crossed
		case 8, 9, 10, 13, 14: // SQLITE_READONLY, _INTERRUPT, _IOERR, _FULL, _CANTOPEN
			return away
		}
	}
	return unforeseen
}

// newIDsSQLite counts on from the last id that the engine remembers, and has it remember the new ones.
func newIDsSQLite(tx *transaction, n int) ([]int64, error) {
	var last int64
	err := tx.row("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'users' RETURNING seq", n).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) { // before the first user
		last = int64(n)
		_, err = tx.exec("INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)", n)
	}
	if err != nil {
		return nil, err
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = last - int64(n-1-i)
	}
	return ids, nil
}

// searchSQLite is dialect.searches. The index is that of user_texts.
func searchSQLite(ctx context.Context, s *Store, text string) (func(st *statement), error) {
	match := trigrams(text)
	var hits int
	err := s.read.row(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM user_texts WHERE user_texts MATCH ? LIMIT ?)", match, fewHits+1).Scan(&hits)
	if err != nil || hits > fewHits {
		return nil, err
	}
	return func(st *statement) { // in this order: the engine does not turn a CROSS JOIN around
		st.say("(SELECT rowid AS hit FROM user_texts WHERE user_texts MATCH ")
		st.give(match)
		st.say(") AS hits CROSS JOIN users ON id = hit")
	}, nil
}

// alongSQLite keeps the engine from sorting all users where it could walk along an index and sort those
// who are equal in the first key, and from skipping through an index of something else.
func alongSQLite(index string) string {
	if index == "" {
		return "users NOT INDEXED"
	}
	return "users INDEXED BY " + index
}

// trigrams asks for all three characters in a row of a text, each by itself: the index does not hold
// where in a text they stand.
func trigrams(text string) string {
	var out strings.Builder
	runes := []rune(text)
	for i := range len(runes) - 2 {
		out.WriteString(` "`)
		out.WriteString(strings.ReplaceAll(string(runes[i:i+3]), `"`, `""`))
		out.WriteByte('"')
	}
	return out.String()
}
