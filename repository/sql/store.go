// Package sql keeps users in SQLite, PostgreSQL or MySQL, and in what speaks the protocols of the last
// two.
//
// It owns the schema with its migrations, every statement, and what an error of a driver means. There
// is one code base; a dialect says in what an engine differs. It refuses rules: what is stored is
// decided by its caller, inside of its transactions. Sorting and uniqueness go by folded texts that are
// stored beside the originals, never by a collation, so that every engine has the same order.
package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"userapi/models"
	"userapi/repository"
)

// Options says where users are kept and within which bounds.
type Options struct {
	// Engine is SQLite, Postgres or MySQL.
	Engine string
	// DSN is in the form of the engine's driver.
	DSN string
	// MaxConns is how many connections requests have at most. One more serves the store itself.
	MaxConns int
	// MaxWait is how long a request waits for a connection.
	MaxWait time.Duration
	// Timeout is how long one operation takes at most, the wait included.
	Timeout time.Duration
	// Statements is Prepare, Describe or Simple.
	Statements string
	// Normal has SQLite acknowledge a commit before it is on the disk.
	Normal bool
	// Keys bounds the answers that are kept.
	Keys KeyLimits
	// Now is the clock by which answers grow old.
	Now func() time.Time
}

// The engines.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	MySQL    = "mysql"
)

// The ways in which statements reach an engine.
const (
	// Prepare keeps statements prepared on each connection.
	Prepare = "prepare"
	// Describe asks for the types of a statement and keeps those; for poolers that know no prepared ones.
	Describe = "describe"
	// Simple sends text alone.
	Simple = "simple"
)

// Store is a repository.Store, and a repository.CacheCoordinator, in a database. Create it with Open. It
// is safe for concurrent use, also by several processes.
type Store struct {
	dialect dialect
	options Options
	read    pool
	write   pool    // the same as read, but for SQLite
	slow    *sql.DB // for migrations, where connections of write give up what takes long; else nil
	pace    *pace

	counters counters
	closed   atomic.Bool
	end      context.CancelFunc // of what runs beside requests
	ended    sync.WaitGroup
}

// counters are what Stats shows.
type counters struct {
	retries, abandoned, refused, failures atomic.Int64
}

// Stats are numbers of a store since it was opened.
type Stats struct {
	// Retries is how often an operation began anew, because another one was in its way.
	Retries int64
	// Abandoned is how many operations were given up for that reason.
	Abandoned int64
	// Refused is how many requests found no connection in time.
	Refused int64
	// Failures is how many operations found the database away or too slow.
	Failures int64
	// Pools are the connections: one pool, or two where only one connection may write.
	Pools []PoolStats
}

// PoolStats are numbers of one pool.
type PoolStats struct {
	// Name is shared, read or write.
	Name string
	// Open and InUse are the connections at the moment, Most how many there can be.
	Open, InUse, Most int
	// Waiting is how many requests wait for a connection at the moment.
	Waiting int64
	// Waits and Waited are how many had to since the store was opened, and for how long together.
	Waits  int64
	Waited time.Duration
}

// Stats returns the numbers of the store.
func (s *Store) Stats() Stats {
	stats := Stats{
		Retries: s.counters.retries.Load(), Abandoned: s.counters.abandoned.Load(),
		Refused: s.counters.refused.Load(), Failures: s.counters.failures.Load(),
	}
	if s.read.db == s.write.db {
		stats.Pools = []PoolStats{s.read.stats("shared", &s.write)}
	} else {
		stats.Pools = []PoolStats{s.read.stats("read"), s.write.stats("write")}
	}
	return stats
}

// stats returns the numbers of a pool, and of the lines that others have before the same connections.
func (p *pool) stats(name string, others ...*pool) PoolStats {
	connections := p.db.Stats()
	stats := PoolStats{Name: name, Open: connections.OpenConnections, InUse: connections.InUse, Most: connections.MaxOpenConnections}
	for _, line := range append(others, p) {
		stats.Waiting += line.waiting.Load()
		stats.Waits += line.waits.Load()
		stats.Waited += time.Duration(line.waited.Load())
	}
	return stats
}

var errClosed = errors.New("the store is closed")

// Open returns a store over a database, which need not be there yet: nothing is asked of it. The schema
// is the business of Migrate. Its error is that of a DSN that the driver cannot read; it does not
// repeat the DSN.
func Open(options Options) (*Store, error) {
	s := &Store{options: options, pace: new(pace)}
	var err error
	switch options.Engine {
	case SQLite:
		err = s.openSQLite()
	case Postgres:
		err = s.openPostgres()
	case MySQL:
		err = s.openMySQL()
	default:
		err = fmt.Errorf("there is no engine %q", options.Engine)
	}
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	s.ended.Go(func() { s.tidy(ctx) })
	return s, nil
}

// Ping implements repository.UserRepository. It does not wait in line with the requests.
func (s *Store) Ping(ctx context.Context) error {
	return s.aside(ctx, func(ctx context.Context) error {
		var one int
		return s.read.row(ctx, "SELECT 1").Scan(&one)
	})
}

// Close implements repository.UserRepository.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.end()
	s.ended.Wait()
	err := s.read.close()
	if s.write.db != s.read.db {
		err = errors.Join(err, s.write.close())
	}
	if s.slow != nil {
		err = errors.Join(err, s.slow.Close())
	}
	return err
}

// reads runs what only reads, and does so once more when the connection turns out to be none: a database
// that was started anew has closed those that wait in the pool.
func (s *Store) reads(ctx context.Context, do func(ctx context.Context) error) error {
	return s.through(ctx, &s.read, func(ctx context.Context) error {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || !s.isLost(err) {
			return err
		}
		s.read.distrust()
		return do(ctx)
	})
}

// through runs an operation on a connection of the pool, within the bounds of the store.
func (s *Store) through(ctx context.Context, p *pool, do func(ctx context.Context) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if err := p.enter(limited, s.options.MaxWait); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", s.dialect.name, ctx.Err())
		}
		s.counters.refused.Add(1)
		return models.ErrUnavailable.Because(fmt.Errorf("%w: %w", repository.ErrNotBegun, err))
	}
	defer p.leave()
	return s.translate(ctx, s.again(limited, do))
}

// aside runs an operation of the store's own, which needs no place in the line.
func (s *Store) aside(ctx context.Context, do func(ctx context.Context) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	return s.translate(ctx, s.again(limited, do))
}

// again runs an operation, and runs it anew when another one was in its way, which has undone it.
func (s *Store) again(ctx context.Context, do func(ctx context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		var refused refusal
		switch {
		case err == nil || errors.As(err, &refused) || s.dialect.judge(err) != crossed:
			return err
		case attempt == mostAttempts || !s.pace.pause(ctx, attempt):
			s.counters.abandoned.Add(1)
			return crossing{err}
		}
		s.counters.retries.Add(1)
	}
}

func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", s.dialect.name, err)
	}
	if s.closed.Load() {
		return models.ErrUnavailable.Because(fmt.Errorf("%w: %w", repository.ErrNotBegun, errClosed))
	}
	return nil
}

// transact runs do in a transaction, again when another one was in its way. What do returns with a
// refusal around it is returned as it is, and nothing is written.
func (s *Store) transact(ctx context.Context, do func(tx *transaction) error) error {
	return s.through(ctx, &s.write, func(limited context.Context) error { return s.attempt(limited, ctx, do) })
}

// attempt runs do in one transaction. caller is the context by which do is to judge whether it is still
// wanted.
func (s *Store) attempt(ctx, caller context.Context, do func(tx *transaction) error) error {
	inner, err := s.write.db.BeginTx(ctx, s.dialect.isolation)
	if err != nil {
		return err
	}
	tx := &transaction{store: s, ctx: ctx, caller: caller, tx: inner}
	done := false
	defer func() {
		if !done {
			_ = bounded(ctx, inner.Rollback) // also when do panics; the connection goes when it fails
		}
	}()
	if err := do(tx); err != nil {
		if tx.failure != nil && s.dialect.judge(tx.failure) == crossed {
			return tx.failure // whatever do made of it
		}
		return err
	}
	if err := caller.Err(); err != nil {
		return err
	}
	done = true
	return bounded(ctx, inner.Commit)
}

// bounded runs what knows no context: a driver may wait for the answer to a commit for as long as it
// takes. What became of it is then unknown.
func bounded(ctx context.Context, do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusal is an error of the caller's own function, which gets it back as it is.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }

// crossing is an error of a transaction that others have been in the way of too often.
type crossing struct{ err error }

func (c crossing) Error() string { return "given up: " + c.err.Error() }

// fate is what an error of a driver means.
type fate uint8

const (
	// unforeseen is an error that nobody knows.
	unforeseen fate = iota
	// crossed is a transaction that another one was in the way of; it may be run again.
	crossed
	// away is a database that is not there, or cannot do anything now.
	away
	// lost is a connection that is none any more, or leads to a server that is not what it was; the others
	// in the pool will be like it.
	lost
	// duplicate is a value that must be unique and is there already.
	duplicate
)

// isLost says whether it is the connection that failed. One that was too slow need not be.
func (s *Store) isLost(err error) bool {
	var network net.Error
	slow := errors.As(err, &network) && network.Timeout()
	return !slow && (s.dialect.judge(err) == lost || isNetwork(err))
}

// translate returns the error that the contract has for one of a driver. ctx is the caller's.
func (s *Store) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var refused refusal
	if errors.As(err, &refused) {
		return refused.err
	}
	if models.AsError(err).Kind != models.KindInternal {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", s.dialect.name, ctx.Err())
	}
	var given crossing
	switch {
	case errors.As(err, &given), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, sql.ErrTxDone): // it was undone when its time was over
	case s.isLost(err):
		s.read.distrust()
	case errors.Is(err, sql.ErrConnDone), s.dialect.judge(err) == away, isNetwork(err):
	case s.closed.Load():
		return models.ErrUnavailable.Because(errClosed)
	default:
		return fmt.Errorf("%s: %w", s.dialect.name, err)
	}
	s.counters.failures.Add(1)
	return models.ErrUnavailable.Because(err)
}

// Misconfigured says whether an error comes from what the DSN names: a user who is refused, a database or a
// folder that is not there, a file that is something else. To wait does not mend it.
func Misconfigured(err error) bool {
	var postgres *pgconn.PgError
	var mariadb *mysql.MySQLError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &postgres):
		return strings.HasPrefix(postgres.Code, "28") || postgres.Code == "3D000" // invalid authorization, no such database
	case errors.As(err, &mariadb):
		return slices.Contains([]uint16{1044, 1045, 1049, 1698}, mariadb.Number) // access denied, no such database
	case errors.As(err, &lite):
		return slices.Contains([]int{8, 14, 26}, lite.Code()&0xff) // SQLITE_READONLY, _CANTOPEN, _NOTADB
	}
	return false
}
