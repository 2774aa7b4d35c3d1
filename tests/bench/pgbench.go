package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

var errNoPgbench = errors.New("pgbench is not installed: it comes with the Debian package `postgresql`")

//go:embed insert.sql
var insertScript []byte

// rival is what PostgreSQL does by itself in the database of a service: pgbench reads its own table, and
// writes into a copy of the service's.
type rival struct {
	dsn    string
	script string
	runs   int // numbers them, so that no address comes twice
}

// newRival makes pgbench's table, which has 100 000 rows at its least scale, and the copy, with the rows that
// the service has.
func (b *bench) newRival(ctx context.Context, d *database) (*rival, error) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		return nil, errNoPgbench
	}
	r := &rival{dsn: d.dsn, script: filepath.Join(b.dir, "insert.sql")}
	if err := os.WriteFile(r.script, insertScript, 0o600); err != nil {
		return nil, err
	}
	if text, err := exec.CommandContext(ctx, "pgbench", "-i", "-q", "-s1", d.dsn).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgbench -i: %w\n%s", err, bytes.TrimSpace(text))
	}
	names := strings.Join(columns(), ", ")
	return r, onServer(ctx, "pgx", d.dsn,
		"CREATE TABLE bench_users (LIKE users INCLUDING ALL)",
		"CREATE SEQUENCE bench_users_id OWNED BY bench_users.id",
		"ALTER TABLE bench_users ALTER id SET DEFAULT nextval('bench_users_id')",
		"INSERT INTO bench_users ("+names+") SELECT "+names+" FROM users",
		"SELECT setval('bench_users_id', (SELECT max(id) FROM users))",
		"VACUUM "+statistics+" bench_users")
}

// read is pgbench reading one row of its own by its key, over and over.
func (r *rival) read(ctx context.Context, seconds int) (outcome, error) {
	return runPgbench(ctx, r.dsn, seconds, "-S")
}

// write is pgbench inserting users.
func (r *rival) write(ctx context.Context, seconds int) (outcome, error) {
	r.runs++
	return runPgbench(ctx, r.dsn, seconds, "-f", r.script, "-D", "n=10000000", "-D", "run="+strconv.Itoa(r.runs))
}

// runPgbench has as many clients and threads as wrk has.
func runPgbench(ctx context.Context, dsn string, seconds int, args ...string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+answerWithin)
	defer cancel()
	args = append([]string{
		"-n", "-M", "prepared", "-j1", "-c" + strconv.Itoa(wrkConnections), "-T" + strconv.Itoa(seconds),
	}, args...)
	cmd := exec.CommandContext(ctx, "pgbench", append(args, dsn)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("pgbench: %w\n%s", err, bytes.TrimSpace(text))
	}
	out, err := parsePgbench(text)
	out.generator = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return out, err
}

// parsePgbench reads the summary of pgbench, which does not count the time that connecting takes.
func parsePgbench(text []byte) (outcome, error) {
	var out outcome
	var rate float64
	for line := range bytes.Lines(text) {
		line := strings.TrimSpace(string(line))
		var err error
		if value, found := strings.CutPrefix(line, "number of transactions actually processed: "); found {
			value, _, _ = strings.Cut(value, "/")
			out.Requests, err = strconv.ParseInt(value, 10, 64)
		}
		if value, found := strings.CutPrefix(line, "number of failed transactions: "); found && !strings.HasPrefix(value, "0 ") {
			err = fmt.Errorf("pgbench failed: %s", line)
		}
		if value, found := strings.CutPrefix(line, "tps = "); found {
			value, _, _ = strings.Cut(value, " ")
			rate, err = strconv.ParseFloat(value, 64)
		}
		if err != nil {
			return outcome{}, err
		}
	}
	if out.Requests == 0 || rate == 0 {
		return outcome{}, fmt.Errorf("pgbench gave no result:\n%s", bytes.TrimSpace(text))
	}
	out.Micros = int64(float64(out.Requests) / rate * 1e6)
	return out, nil
}

// copies has one client write users into the copy by COPY, a thousand each time, for the length of a run.
// Its rate is that of the copies.
func (r *rival) copies(ctx context.Context, seconds int) (outcome, error) {
	conn, err := pgx.Connect(ctx, r.dsn)
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r.runs++
	run := int64(r.runs)
	newcomer := func(n int64) stored {
		u := orderly(n)
		u.id = run*newcomersOfRun + n
		u.email = fmt.Sprintf("c%03dl%02dn%09d@example.com", run, 0, n)
		return u
	}
	var times []time.Duration
	length := time.Duration(seconds) * time.Second
	begin := time.Now()
	for first := int64(1); time.Since(begin) < length; first += seedBatch {
		asked := time.Now()
		if err := copyInto(ctx, conn, "bench_users", first, seedBatch, newcomer); err != nil {
			return outcome{}, err
		}
		times = append(times, time.Since(asked))
	}
	return outcomeOf(times, time.Since(begin)), nil
}

// newcomersOfRun is more than a run can bring.
const newcomersOfRun = 1_000_000_000
