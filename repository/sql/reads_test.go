package sql_test

import (
	"context"
	stdsql "database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"userapi/models"
	"userapi/repository/sql"
)

// reads is what an engine did for a list.
type reads struct {
	// rows is how many rows of tables and indexes it read. For SQLite, which does not tell, it is how many
	// times it looked at a page of the file.
	rows int
	// sorts says that it sorted what it read.
	sorts bool
	// plan is how it went about it.
	plan string
}

// readsOf has a list made, and returns what was done for it.
func readsOf(tb testing.TB, store *sql.Store, engine string, query models.Query) reads {
	tb.Helper()
	text, args, err := store.Listing(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := store.Reading().Conn(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	done, err := map[string]func(ctx context.Context, conn *stdsql.Conn, text string, args []any) (reads, error){
		sql.SQLite: readsSQLite, sql.Postgres: readsPostgres, sql.MySQL: readsMySQL,
	}[engine](tb.Context(), conn, text, args)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return done
}

// run reads all rows of a statement, and returns its texts.
func run(ctx context.Context, conn *stdsql.Conn, text string, args []any) ([]string, error) {
	rows, err := conn.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var lines []string
	values := make([]any, len(columns))
	for rows.Next() {
		for i := range values {
			values[i] = new(stdsql.NullString)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		var line []string
		for _, value := range values {
			line = append(line, value.(*stdsql.NullString).String)
		}
		lines = append(lines, strings.Join(line, "\t"))
	}
	return lines, rows.Err()
}

// node is a step of a plan of PostgreSQL.
type node struct {
	Type      string  `json:"Node Type"`
	Index     string  `json:"Index Name"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Hit       int     `json:"Shared Hit Blocks"`
	Read      int     `json:"Shared Read Blocks"`
	Plans     []node  `json:"Plans"`
}

// add adds what a step and those below it read.
func (n *node) add(to *reads, depth int) {
	if strings.HasSuffix(n.Type, "Scan") && n.Type != "Subquery Scan" {
		to.rows += int((n.Rows + n.Filtered + n.Rechecked) * n.Loops)
	}
	to.sorts = to.sorts || strings.HasSuffix(n.Type, "Sort")
	to.plan += fmt.Sprintf("%s%s %s: %g of %g, %g times, %d blocks\n", strings.Repeat("  ", depth), n.Type, n.Index, n.Rows,
		n.Rows+n.Filtered+n.Rechecked, n.Loops, n.Hit+n.Read)
	for i := range n.Plans {
		n.Plans[i].add(to, depth+1)
	}
}

func readsPostgres(ctx context.Context, conn *stdsql.Conn, text string, args []any) (done reads, err error) {
	lines, err := run(ctx, conn, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) "+text, args)
	if err != nil {
		return done, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(strings.Join(lines, "")), &plans); err != nil {
		return done, err
	}
	plans[0].Plan.add(&done, 0)
	return done, nil
}

func readsSQLite(ctx context.Context, conn *stdsql.Conn, text string, args []any) (done reads, err error) {
	pages := func() (sum int, err error) {
		return sum, conn.Raw(func(driver any) error {
			for _, counter := range []sqlite.DBStatusOp{sqlite.DBStatusCacheHit, sqlite.DBStatusCacheMiss} {
				n, _, err := driver.(sqlite.DBStatus).Status(counter, true)
				if err != nil {
					return err
				}
				sum += n
			}
			return nil
		})
	}
	lines, err := run(ctx, conn, "EXPLAIN QUERY PLAN "+text, args)
	if err != nil {
		return done, err
	}
	done.plan = strings.Join(lines, "\n")
	done.sorts = strings.Contains(done.plan, "TEMP B-TREE")
	if _, err := pages(); err != nil {
		return done, err
	}
	if _, err := run(ctx, conn, text, args); err != nil {
		return done, err
	}
	done.rows, err = pages()
	return done, err
}

func readsMySQL(ctx context.Context, conn *stdsql.Conn, text string, args []any) (done reads, err error) {
	handled := func() (rows, sorted int, err error) {
		lines, err := run(ctx, conn, "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name = 'Sort_rows'", nil)
		for _, line := range lines {
			var name string
			var n int
			if _, err := fmt.Sscan(line, &name, &n); err != nil {
				return 0, 0, err
			}
			if name == "Sort_rows" {
				sorted = n
			} else {
				rows += n
			}
		}
		return rows, sorted, err
	}
	lines, err := run(ctx, conn, "EXPLAIN "+text, args)
	if err != nil {
		return done, err
	}
	done.plan = strings.Join(lines, "\n")
	before, sorted, err := handled()
	if err != nil {
		return done, err
	}
	if _, err := run(ctx, conn, text, args); err != nil {
		return done, err
	}
	after, sortedAfter, err := handled()
	done.rows, done.sorts = after-before, sortedAfter > sorted
	return done, err
}
