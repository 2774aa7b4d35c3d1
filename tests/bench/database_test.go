package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestBench_named(t *testing.T) {
	t.Run("a server that nobody names leaves a row out, and the report says so", func(t *testing.T) {
		t.Setenv(postgresVariable, "")
		t.Setenv(requireVariable, "")
		b := &bench{progress: io.Discard}
		got, err := b.database(t.Context(), enginePostgres, "the row")
		if err != nil || got != nil || len(b.report.setting) != 1 || !strings.Contains(b.report.setting[0], "the row was left out") {
			t.Errorf("%v, %v, report %q", got, err, b.report.setting)
		}
	})
	t.Run("where all servers must be there it is an error", func(t *testing.T) {
		t.Setenv(mysqlVariable, "")
		t.Setenv(requireVariable, "1")
		b := &bench{progress: io.Discard}
		if _, err := b.database(t.Context(), engineMySQL, "the row"); err == nil || !strings.Contains(err.Error(), mysqlVariable) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestWith(t *testing.T) {
	t.Run("another database of PostgreSQL keeps all the rest", func(t *testing.T) {
		got, err := postgresWith("postgres://me:secret@host:5433/test?sslmode=disable", "mine")
		if err != nil || got != "postgres://me:secret@host:5433/mine?sslmode=disable" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("an error does not repeat the secret", func(t *testing.T) {
		_, err := postgresWith("host=h password=secret", "mine")
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("another database of MySQL keeps all the rest", func(t *testing.T) {
		got, err := mysqlWith("me:secret@tcp(host:3307)/test", "mine")
		if err != nil || got != "me:secret@tcp(host:3307)/mine" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// schema is the part of the store's that the seeds meet.
const schema = `CREATE TABLE users (
	id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, email TEXT, age INTEGER, created_at INTEGER, updated_at INTEGER,
	version INTEGER, name_fold TEXT, email_fold TEXT, email_key TEXT);
CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE TABLE user_texts (name_fold TEXT, email_fold TEXT);
CREATE TRIGGER user_texts_insert AFTER INSERT ON users BEGIN
	INSERT INTO user_texts (name_fold, email_fold) VALUES (new.name_fold, new.email_fold);
END;`

func TestBench_fill(t *testing.T) {
	const users = 1234 // not a number of whole statements
	b := &bench{progress: io.Discard}
	d := &database{engineSQLite, filepath.Join(t.TempDir(), "users.db")}
	if err := onServer(t.Context(), "sqlite", d.dsn, schema); err != nil {
		t.Fatal(err)
	}
	if err := b.fill(t.Context(), d, users, scattered); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	number := func(text string) (n int64) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Run("every seed is there, and its texts once", func(t *testing.T) {
		if got := []int64{
			number("SELECT COUNT(*) FROM users"), number("SELECT MAX(id) FROM users"), number("SELECT COUNT(*) FROM user_texts"),
		}; !reflect.DeepEqual(got, []int64{users, users, users}) {
			t.Errorf("users, last id, texts: %d", got)
		}
	})
	t.Run("indexes and triggers are as before", func(t *testing.T) {
		if got := number("SELECT COUNT(*) FROM sqlite_master WHERE name IN ('users_email_key', 'user_texts_insert')"); got != 2 {
			t.Errorf("%d of 2 are there", got)
		}
	})
	t.Run("new ids come behind those of the seeds", func(t *testing.T) {
		if got := number("SELECT seq FROM sqlite_sequence WHERE name = 'users'"); got != users {
			t.Errorf("the last id is %d", got)
		}
	})
}

func TestScattered(t *testing.T) {
	const users = 100_000
	var names, emails []string
	near := 0
	for n := int64(1); n <= users; n++ {
		u := scattered(n)
		if u.id != n || u.updated < u.created {
			t.Fatalf("%+v", u)
		}
		if n > 1 && strings.Compare(u.name, names[len(names)-1]) == 1 {
			near++
		}
		names, emails = append(names, u.name), append(emails, u.email)
	}
	t.Run("nobody comes twice", func(t *testing.T) {
		for _, texts := range [][]string{names, emails} {
			sorted := slices.Sorted(slices.Values(texts))
			if got := len(slices.Compact(sorted)); got != users {
				t.Errorf("%d different of %d", got, users)
			}
		}
	})
	t.Run("the order of the names is not that of the ids", func(t *testing.T) {
		if near > users*9/10 {
			t.Errorf("%d of %d names stand behind the one before", near, users)
		}
	})
}

func TestParsePgbench(t *testing.T) {
	const summary = "number of transactions actually processed: 5000\nnumber of failed transactions: 0 (0.000%)\n" +
		"latency average = 0.133 ms\ntps = 2500.000000 (without initial connection time)\n"
	t.Run("the rate is the one without the time to connect", func(t *testing.T) {
		got, err := parsePgbench([]byte(summary))
		if err != nil || got.Requests != 5000 || got.rate() != 2500 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	for name, text := range map[string]string{
		"transactions that failed are an error": strings.Replace(summary, "transactions: 0 ", "transactions: 7 ", 1),
		"no summary is an error":                "pgbench: error: connection refused\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parsePgbench([]byte(text)); err == nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// fakeRedis answers each command by what the function makes of it and of the number of the database.
func fakeRedis(t *testing.T, answer func(command string, number int) string) string {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			number := 0
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				_, _ = fmt.Sscanf(lines.Text(), "SELECT %d", &number)
				fmt.Fprintf(conn, "%s\r\n", answer(lines.Text(), number))
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestBench_redis(t *testing.T) {
	t.Run("the first empty database from the last is taken and emptied afterwards", func(t *testing.T) {
		emptied := make(chan int, 1)
		addr := fakeRedis(t, func(command string, number int) string {
			switch {
			case command == "DBSIZE" && number > 13:
				return ":7"
			case command == "DBSIZE":
				return ":0"
			case command == "FLUSHDB":
				emptied <- number
			}
			return "+OK"
		})
		t.Setenv(redisVariable, addr)
		b := &bench{progress: io.Discard}
		got, err := b.redis(t.Context())
		if err != nil || got != "redis://"+addr+"/13" || len(b.drops) != 1 {
			t.Fatalf("%q, %v, %d to drop", got, err, len(b.drops))
		}
		if err := b.drops[0](); err != nil || <-emptied != 13 {
			t.Errorf("not emptied: %v", err)
		}
	})
	t.Run("a refusal is an error", func(t *testing.T) {
		addr := fakeRedis(t, func(string, int) string { return "-NOAUTH Authentication required." })
		if _, err := askRedis(context.Background(), addr, "DBSIZE"); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
			t.Errorf("err = %v", err)
		}
	})
}
