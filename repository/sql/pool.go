package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// mostAttempts is how often a transaction is run when others are in its way: on an engine without locks
// one that wants what everybody wants loses most of its races. Options.Timeout may end it sooner.
const mostAttempts = 50

// mostWaiting is how many requests may wait for a connection. Who comes later is told at once.
const mostWaiting = 2048

// idleTime is how long a connection is kept that nobody uses.
const idleTime = 5 * time.Minute

var (
	errBusy = errors.New("no connection was free in time")
	errLine = errors.New("too many requests wait for a connection")
)

// pool is connections, the line before them, and statements that are prepared on them.
type pool struct {
	db      *sql.DB
	places  chan struct{}
	waiting atomic.Int64
	// waits and waited are how many had to wait, and for how many nanoseconds.
	waits, waited atomic.Int64
	// direct says that the connections are those of pgx, which can be used past database/sql.
	direct bool
	// prepare keeps statements; without it each is sent as it is.
	prepare  bool
	prepared sync.Map // *sql.Stmt by text
}

// set gives the pool its connections: one more than there are places.
func (p *pool) set(db *sql.DB, places int, prepare bool) {
	db.SetMaxOpenConns(places + 1)
	db.SetMaxIdleConns(places + 1)
	db.SetConnMaxIdleTime(idleTime)
	p.db, p.places, p.prepare = db, make(chan struct{}, places), prepare
}

// enter waits for a place.
func (p *pool) enter(ctx context.Context, longest time.Duration) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	if p.waiting.Add(1) > mostWaiting {
		p.waiting.Add(-1)
		return errLine
	}
	p.waits.Add(1)
	since := time.Now()
	defer func() {
		p.waited.Add(int64(time.Since(since)))
		p.waiting.Add(-1)
	}()
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case p.places <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) leave() { <-p.places }

// statement returns the prepared form of a text, or nil where texts are sent as they are.
func (p *pool) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if !p.prepare {
		return nil, nil //nolint:nilnil // nothing to prepare is no error
	}
	if known, ok := p.prepared.Load(text); ok {
		return known.(*sql.Stmt), nil
	}
	made, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	known, twice := p.prepared.LoadOrStore(text, made)
	if twice {
		_ = made.Close() //nolint:sqlclosecheck // the other one is kept
	}
	return known.(*sql.Stmt), nil
}

// scanner is one row, or why there is none.
type scanner interface{ Scan(to ...any) error }

type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// row runs a statement, of which there are few, and returns its first row.
func (p *pool) row(ctx context.Context, text string, args ...any) scanner {
	if p.direct {
		return directRow{p, ctx, text, args}
	}
	prepared, err := p.statement(ctx, text) //nolint:sqlclosecheck // it is kept
	switch {
	case err != nil:
		return failed{err}
	case prepared != nil:
		return prepared.QueryRowContext(ctx, args...)
	}
	return p.db.QueryRowContext(ctx, text, args...)
}

// exec runs a statement, of which there are few, and returns how many rows it changed.
func (p *pool) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if p.direct {
		var rows int64
		err := p.directly(ctx, func(conn *pgx.Conn) error {
			tag, err := conn.Exec(ctx, text, args...)
			rows = tag.RowsAffected()
			return err
		})
		return rows, err
	}
	prepared, err := p.statement(ctx, text) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return 0, err
	}
	var result sql.Result
	if prepared != nil {
		result, err = prepared.ExecContext(ctx, args...)
	} else {
		result, err = p.db.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// distrust closes the connections that nobody uses, after one of them has shown a database that cannot
// serve: they may lead to one that is read-only, or gone.
func (p *pool) distrust() {
	p.db.SetMaxIdleConns(0)
	p.db.SetMaxIdleConns(cap(p.places) + 1)
}

func (p *pool) close() error {
	p.prepared.Range(func(_, known any) bool {
		_ = known.(*sql.Stmt).Close()
		return true
	})
	return p.db.Close()
}

// isNetwork says whether an error is that of a connection.
func isNetwork(err error) bool {
	var network net.Error
	var number syscall.Errno
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &network) || errors.As(err, &number)
}

// pace is how long to wait before something is tried again.
type pace struct {
	mu sync.Mutex
	// err is why the database did not take the last connection, and failed when that was; nil while it
	// takes them.
	err    error
	failed time.Time
	// trying says that somebody looks whether it is back.
	trying bool
}

// restAfterFailure is for how long no connection is tried after one has failed, so that an outage is
// not met by a storm of attempts.
const restAfterFailure = 100 * time.Millisecond

// pause waits before the next attempt, longer each time and by chance, and returns false when there is
// no time left for it.
func (p *pace) pause(ctx context.Context, attempt int) bool {
	longest := min(time.Millisecond<<min(attempt, 7), 100*time.Millisecond)
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // it need not be secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// paced is a driver.Connector that rests after a failure, and then tries one connection at a time until
// one succeeds. Who asks meanwhile gets the failure again.
type paced struct {
	driver.Connector
	pace *pace
}

// Connect implements driver.Connector.
func (c paced) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.pace.begin(); err != nil {
		return nil, err
	}
	conn, err := c.Connector.Connect(ctx)
	c.pace.end(err, ctx.Err() != nil)
	return conn, err
}

// begin returns nil when a connection may be tried.
func (p *pace) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil && (p.trying || time.Since(p.failed) < restAfterFailure) {
		return p.err
	}
	p.trying = true
	return nil
}

// end notes what became of an attempt. One that its caller gave up says nothing of the database.
func (p *pace) end(err error, givenUp bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trying = false
	switch {
	case err == nil:
		p.err = nil
	case !givenUp:
		p.err, p.failed = err, time.Now()
	}
}
