package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/models"
	"userapi/repository"
	"userapi/repository/cached"
	"userapi/repository/memory"
	"userapi/repository/sql"
)

const (
	// firstLook is how long the start waits for a database that is slow, or for a migration, before it
	// goes on without.
	firstLook = 3 * time.Second
	// looksEvery is the longest pause between two looks for a database that is away.
	looksEvery = time.Second
	// complainsEvery is how often the log says that it still is.
	complainsEvery = time.Minute
)

// storage is where the service keeps what it keeps.
type storage struct {
	repository.Store
	// database is the durable store, or nil.
	database *sql.Store
	// front is the cache before the database, or nil.
	front *cached.Store
	// memory is the store that is no database, or nil.
	memory   *memory.Store
	settings config.Config
	traces   *tracing
	log      *zap.Logger
}

// newStorage returns the store that the settings name, traced if anything is. It asks nothing of a database.
func newStorage(settings config.Config, traces *tracing, log *zap.Logger) (*storage, error) {
	s := &storage{settings: settings, traces: traces, log: log}
	limits := settings.Idempotency
	if settings.Storage.Engine == config.EngineMemory {
		s.memory = memory.NewLimited(memory.KeyLimits{Age: limits.MaxAge, Count: limits.MaxKeys, Bytes: limits.MaxBytes}, time.Now)
		s.Store = traces.database(s.memory, settings)
		return s, nil
	}
	var err error
	if s.database, err = openDatabase(settings); err != nil {
		return nil, err
	}
	s.Store = traces.database(s.database, settings)
	return s, nil
}

// closed returns a store that is away: every method says so.
func closed() repository.Store {
	store := memory.New()
	_ = store.Close()
	return store
}

func openDatabase(settings config.Config) (*sql.Store, error) {
	limits, wanted := settings.Idempotency, settings.Storage
	database, err := sql.Open(sql.Options{
		Engine: wanted.Engine, DSN: wanted.DSN.Reveal(), MaxConns: wanted.MaxConns, MaxWait: wanted.MaxWait, Timeout: wanted.Timeout,
		Statements: wanted.Statements, Normal: wanted.Synchronous == config.SynchronousNormal,
		Keys: sql.KeyLimits{Age: limits.MaxAge, Count: int64(limits.MaxKeys), Bytes: limits.MaxBytes}, Now: time.Now,
	})
	if err != nil {
		return nil, unusable(err)
	}
	return database, nil
}

// unusableError is a store that the settings have to change for.
type unusableError struct{ error }

// unusable says in one line which setting has to change, and to what.
func unusable(err error) error {
	if known := models.AsError(err); known.Cause != nil && known.Kind == models.KindUnavailable {
		err = known.Cause // what a client would be told is no help here
	}
	key, mend := "storage.dsn", "correct it"
	switch {
	case errors.Is(err, sql.ErrSchemaNewer):
		key, mend = "storage.engine", "start the program that is as new as the schema, or name another database in storage.dsn"
	case errors.Is(err, errCache):
		key, mend = "cache.redis", "write it like redis.example:6379, or as a redis:// URL"
	case errors.Is(err, sql.ErrSchemaOlder):
		key, mend = "storage.migrate", "run this program with --migrate once, or set it to auto"
	}
	return unusableError{fmt.Errorf("%s: %s; %s", key, strings.Join(strings.Fields(err.Error()), " "), mend)}
}

// prepare brings the schema up to date, as far as the settings want it, and returns the key of the
// cursors. Its error is an unusableError, or models.ErrUnavailable when the database is away.
func (s *storage) prepare(ctx context.Context) (key []byte, err error) {
	if s.database != nil {
		switch s.settings.Storage.Migrate {
		case config.MigrateAuto:
			err = migrate(ctx, s.database, s.log)
		case config.MigrateCheck:
			err = s.database.CheckSchema(ctx)
		default:
			err = s.database.Ping(ctx)
		}
	}
	if err == nil {
		key, err = s.cursorKey(ctx)
	}
	if err == nil {
		err = s.cache(ctx)
	}
	if err != nil && (!errors.Is(err, models.ErrUnavailable) || sql.Misconfigured(err)) {
		err = unusable(err)
	}
	return key, err
}

// errCache says that the cache cannot be what the settings say.
var errCache = errors.New("the cache cannot be used")

// cache puts the cache that the settings name in front of the database, whose schema is there by now.
func (s *storage) cache(ctx context.Context) error {
	wanted := s.settings.Cache
	if wanted.Redis == "" && wanted.Local == 0 {
		return nil
	}
	// Each database has a name of its own in Redis, which the instances over it share, so that services
	// with other users can have the same Redis.
	name, err := s.database.Setting(ctx, "cache.name", func() ([]byte, error) { return random(8) })
	if err != nil {
		return err
	}
	behind := s.traces.database(s.database, s.settings)
	front, err := cached.New(behind, cached.Options{ //nolint:contextcheck // it outlives the start
		Local: wanted.Local, Redis: wanted.Redis.Reveal(), Prefix: "userapi:" + hex.EncodeToString(name),
		Coordinator: s.database, TTL: wanted.TTL, Timeout: wanted.Timeout,
		WriteTimeout: s.settings.Storage.Timeout,
		Away: func(err error) {
			if err == nil {
				s.log.Info("the shared cache is used again")
			} else {
				s.log.Warn("the shared cache is away; users are read from the store", zap.Error(err))
			}
		},
	})
	if err != nil {
		return errCache // its words may repeat a password
	}
	s.front = front
	s.Store = struct {
		repository.UserRepository
		repository.IdempotencyRepository
	}{s.traces.cache(front, s.settings), behind}
	return nil
}

func migrate(ctx context.Context, database *sql.Store, log *zap.Logger) error {
	steps, err := database.Migrate(ctx)
	if err == nil && steps > 0 {
		log.Info("the schema was brought up to date", zap.Int("steps", steps))
	}
	return err
}

// cursorKey returns the key that the settings name, or that which the instances share by the database,
// or a random one.
func (s *storage) cursorKey(ctx context.Context) ([]byte, error) {
	key, err := s.settings.Cursor.KeyBytes()
	if err != nil || key != nil {
		return key, err
	}
	made := func() ([]byte, error) { return random(32) }
	if s.database != nil {
		return s.database.Setting(ctx, "cursor.key", made)
	}
	s.log.Info("cursors are sealed with a random key and end with this process; set cursor.key to keep them")
	return made()
}

func random(octets int) ([]byte, error) {
	made := make([]byte, octets)
	_, err := rand.Read(made)
	return made, err
}

// preparation is a store on its way to be ready.
type preparation struct {
	end  func()        // gives it up, and returns when nothing of it is left
	away chan struct{} // closed when the database is found not to be there
	done chan struct{} // closed when key and err are
	key  []byte
	err  error
}

// begin prepares the store beside what its caller does, again and again until the database is there. It
// ends with an unusableError, or that of ctx.
func (s *storage) begin(ctx context.Context) *preparation {
	ctx, cancel := context.WithCancel(ctx)
	p := &preparation{away: make(chan struct{}), done: make(chan struct{})}
	p.end = func() {
		cancel()
		<-p.done
	}
	go func() {
		defer close(p.done)
		p.key, p.err = s.await(ctx, sync.OnceFunc(func() { close(p.away) }))
	}()
	return p
}

// look waits for the store until the database is found away, but no longer than some time.
func (p *preparation) look(longest time.Duration) (key []byte, err error, done bool) {
	select {
	case <-p.done:
		return p.key, p.err, true
	case <-p.away:
	case <-time.After(longest):
	}
	return nil, nil, false
}

// wait waits for the store until ctx ends.
func (p *preparation) wait(ctx context.Context) ([]byte, error) {
	select {
	case <-p.done:
		return p.key, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// await prepares a database again and again until it is there, and says each time when it is away. Its
// error is an unusableError, or that of ctx.
func (s *storage) await(ctx context.Context, away func()) ([]byte, error) {
	pause := looksEvery / 8
	var told time.Time
	for {
		key, err := s.prepare(ctx)
		if !errors.Is(err, models.ErrUnavailable) || errors.As(err, new(unusableError)) {
			return key, err
		}
		away()
		if now := time.Now(); now.Sub(told) >= complainsEvery {
			s.log.Warn("the store is away; every request about users is answered 503 until it is there", zap.Error(err))
			told = now
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, looksEvery)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// report says what became of the store while the process ran.
func (s *storage) report() {
	if s.database == nil {
		return
	}
	stats := s.database.Stats()
	s.log.Info("store", zap.Int64("retries", stats.Retries), zap.Int64("abandoned", stats.Abandoned),
		zap.Int64("refused", stats.Refused), zap.Int64("failures", stats.Failures))
	if s.front == nil {
		return
	}
	seen := s.front.Stats()
	s.log.Info("cache", zap.Int64("hits", seen.Hits), zap.Int64("misses", seen.Misses), zap.Int64("loads", seen.Loads),
		zap.Int64("blocked", seen.Blocked), zap.Int64("bypassed", seen.Bypassed), zap.Int64("suspensions", seen.Suspensions),
		zap.Int64("errors", seen.Errors))
}

// migrateOnly is the program that brings the schema up to date and ends.
func migrateOnly(ctx context.Context, settings config.Config, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "userapi:", err)
		return code
	}
	if settings.Storage.Engine == config.EngineMemory {
		return fail(exitUsage, errors.New("storage.engine: memory has no schema; set it to sqlite, postgres or mysql"))
	}
	database, err := openDatabase(settings) //nolint:contextcheck // what it starts ends with the store
	if err != nil {
		return fail(exitUsage, err)
	}
	defer database.Close() //nolint:errcheck // what it did is done
	steps, err := database.Migrate(ctx)
	switch {
	case errors.Is(err, sql.ErrSchemaNewer), err != nil && sql.Misconfigured(err):
		return fail(exitUsage, unusable(err))
	case err != nil:
		return fail(exitFailure, err)
	}
	fmt.Fprintf(stdout, "the schema is up to date; steps taken: %d\n", steps)
	return exitOK
}
