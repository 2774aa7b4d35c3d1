package sql_test

import (
	stdsql "database/sql"
	"fmt"
	"testing"
	"time"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

// someone and someonesAddress are SQL that makes a name and an address of an id, and that all engines
// read: texts as people have them, for a crowd of whom some share names. One has quixotic in the name, ten
// of 200 000 vyvyan, 300 wolfgang, and one in 23 bartholomew.
const someone = `
	CONCAT(
		TRIM(SUBSTR('ada    grace  alan   edsger barbaradonald mary   john   kurt   emmy   ', 1 + 7 * (id * 7919 % 10), 7)),
		CASE WHEN id = 150001 THEN ' quixotic' WHEN id % 20000 = 77 THEN ' vyvyan' WHEN id % 667 = 5 THEN ' wolfgang'
			WHEN id % 23 = 3 THEN ' bartholomew' ELSE '' END,
		' ', TRIM(SUBSTR('hopper   turing   dijkstra liskov   knuth    noether  goedel   neumann  lovelace jackson  hamilton ', 1 + 9 * (id * 104729 % 11), 9)),
		' ', id * 31 % 20011
	)`

const someonesAddress = `CONCAT('user.', id * 7907 % 1000003, '@', SUBSTR('mail.post.home.work.', 1 + 5 * (id % 4), 5), 'example.com')`

// crowd returns a store of so many users, of whom SQLite has no statistics, as nobody has it make any. The
// indexes are made when the users are there, which is several times as fast.
func crowd(tb testing.TB, engine string, size int) *sql.Store {
	tb.Helper()
	store := sqltest.New(tb, engine)
	conn, err := store.Writing().Conn(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	run := func(text string) {
		tb.Helper()
		if _, err := conn.ExecContext(tb.Context(), text); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
	indexes := indexesOf(tb, conn, engine)
	for name := range indexes {
		if engine == sql.MySQL {
			name += " ON users"
		}
		run("DROP INDEX " + name)
	}
	if engine == sql.Postgres { // whose own takes no BIGINT
		run("CREATE FUNCTION substr(text, bigint, integer) RETURNS text IMMUTABLE LANGUAGE SQL RETURN pg_catalog.substr($1, $2::integer, $3)")
	}
	run("INSERT INTO users (id, name, email, age, created_at, updated_at, version, name_fold, email_fold, email_key) " +
		"VALUES (1, 'x', 'x@example.com', 0, 0, 0, 1, 'x', 'x@example.com', 'x@example.com')")
	for n := 1; n < size; n *= 2 {
		run(fmt.Sprintf("INSERT INTO users (id, name, email, age, created_at, updated_at, version, name_fold, email_fold, email_key) "+
			"SELECT id, %[1]s, %[2]s, id * 7919 %% 97, 1760000000000000 + id / 3 * 1000, 1760000000000000 + id * 7727 %% 99991 * 1000, "+
			"1, %[1]s, %[2]s, %[2]s FROM (SELECT id + %[3]d AS id FROM users WHERE id <= %[4]d) AS more",
			someone, someonesAddress, n, min(n, size-n)))
	}
	start := time.Now()
	for _, text := range indexes {
		run(text)
	}
	tb.Logf("the indexes of %d users took %v", size, time.Since(start))
	switch engine {
	case sql.Postgres: // as its autovacuum would
		run("VACUUM ANALYZE users")
	case sql.MySQL:
		run("ANALYZE TABLE users")
	}
	return store
}

// indexesOf returns how the indexes of the users are made, by name.
func indexesOf(tb testing.TB, conn *stdsql.Conn, engine string) map[string]string {
	tb.Helper()
	rows, err := conn.QueryContext(tb.Context(), map[string]string{
		sql.SQLite:   "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'users' AND sql IS NOT NULL",
		sql.Postgres: "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'users' AND schemaname = current_schema() AND indexname <> 'users_pkey'",
		sql.MySQL: "SELECT index_name, CONCAT('CREATE ', IF(MIN(non_unique) = 0, 'UNIQUE', ''), ' INDEX ', index_name, ' ON users (', " +
			"GROUP_CONCAT(column_name, IF(collation = 'D', ' DESC', '') ORDER BY seq_in_index), ')') FROM information_schema.statistics " +
			"WHERE table_schema = DATABASE() AND table_name = 'users' AND index_name <> 'PRIMARY' GROUP BY index_name",
	}[engine])
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	indexes := make(map[string]string)
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			tb.Fatal(err)
		}
		indexes[name] = text
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return indexes
}
