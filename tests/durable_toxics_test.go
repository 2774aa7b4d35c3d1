package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// through returns a proxy before the server of an engine, and how a service behind it starts over an
// empty database.
func through(t *testing.T, engine string, settings ...string) (*testkit.Proxy, testkit.Start) {
	t.Helper()
	dsn := sqltest.DSN(t, engine)
	var proxy *testkit.Proxy
	if engine == sql.MySQL {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		proxy = testkit.NewProxy(t, config.Addr)
		config.Addr = proxy.Addr
		dsn = config.FormatDSN()
	} else {
		at, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		proxy = testkit.NewProxy(t, at.Host)
		at.Host = proxy.Addr
		dsn = at.String()
	}
	start := onPostgres(dsn, settings...)
	start.Env[0] = "USERAPI_STORAGE_ENGINE=" + engine
	return proxy, start
}

// servers are the engines that are reached over a network.
var servers = []string{sql.Postgres, sql.MySQL}

func TestProcess_Toxics(t *testing.T) {
	toxics := []struct {
		says  string
		toxic testkit.Toxic
		// harmless says that every request is still served.
		harmless bool
	}{
		{says: "latency", toxic: testkit.Toxic{Latency: 5 * time.Millisecond}, harmless: true},
		{says: "pieces of seven octets", toxic: testkit.Toxic{Slice: 7}, harmless: true},
		{says: "slow close", toxic: testkit.Toxic{SlowClose: 300 * time.Millisecond}, harmless: true},
		{says: "reset", toxic: testkit.Toxic{Reset: true}},
		{says: "end after 2000 octets", toxic: testkit.Toxic{Limit: 2000}},
		{says: "end after 100 octets", toxic: testkit.Toxic{Limit: 100}},
		{says: "nothing arrives", toxic: testkit.Toxic{Hold: true}},
		{says: "two seconds late", toxic: testkit.Toxic{Latency: 2 * time.Second}},
	}
	for _, engine := range servers {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			proxy, start := through(t, engine)
			p := start.Binary(t)
			o := begin(t, p)
			for _, c := range toxics {
				for _, way := range []testkit.Direction{testkit.Up, testkit.Down} {
					t.Run(fmt.Sprintf("%s %s: right or 503, and well within two seconds after it", c.says, way), func(t *testing.T) {
						o.flows(t, 10*time.Second, 30)
						denied := o.denied.Load()
						proxy.Harm(way, c.toxic)
						answers := o.answers.Load()
						if c.harmless {
							o.flows(t, 10*time.Second, 30)
						} else {
							await(t, 10*time.Second, "answers", func() bool { return o.answers.Load() > answers+40 })
						}
						proxy.Heal()
						back := o.flows(t, recovery, 10)
						o.readiness(t, recovery-back, http.StatusOK)
						if c.harmless && o.denied.Load() > denied {
							t.Errorf("%d requests were answered 503", o.denied.Load()-denied)
						}
					})
				}
			}
			t.Run("nothing acknowledged is lost", o.end)
		})
	}
}

// commits says whether a piece is the commit of one of the protocols, with or without a zero behind it.
func commits(piece []byte) bool {
	return bytes.HasSuffix(bytes.ToLower(bytes.TrimRight(piece, "\x00")), []byte("commit"))
}

// TestProcess_ResetAtCommit breaks connections where nobody but the database knows what became of a
// change.
func TestProcess_ResetAtCommit(t *testing.T) {
	for _, engine := range servers {
		for _, c := range []struct {
			says     string
			verdict  testkit.Verdict
			replayed string
		}{
			{"before the commit arrives: the retry makes the user", testkit.ResetBefore, ""},
			{"before its answer arrives: the retry is told of the user who was made", testkit.ResetAfter, "true"},
		} {
			t.Run(engine+", "+c.says, func(t *testing.T) {
				proxy, start := through(t, engine)
				p := start.Binary(t)
				const create, key = ada, "Idempotency-Key: once"
				p.Post(t, "/users/", `{"name":"Bob","email":"bob@example.com"}`, "Idempotency-Key: before").Want(http.StatusCreated)
				var broken atomic.Int64
				proxy.Watch(func(way testkit.Direction, piece []byte) testkit.Verdict {
					if way == testkit.Up && commits(piece) && broken.Add(1) == 1 {
						return c.verdict
					}
					return testkit.Pass
				})
				p.Post(t, "/users/", create, key).WantProblem(http.StatusServiceUnavailable, "unavailable")
				proxy.Watch(nil)
				if broken.Load() == 0 {
					t.Fatal("no commit went by")
				}
				var again *testkit.Response
				await(t, recovery, "the retry to be done", func() bool {
					again = p.Post(t, "/users/", create, key)
					return again.Status != http.StatusConflict || !strings.Contains(string(again.Body), "request_in_progress")
				})
				user := again.Want(http.StatusCreated).WantHeader("Idempotency-Replayed", c.replayed).User()
				if all := census(t, p); len(all) != 2 || all[user.ID].Email != "ada@example.com" {
					t.Errorf("there are %v", all)
				}
			})
		}
	}
}
