package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// The engines, by the names that the settings have for them.
const (
	engineSQLite   = "sqlite"
	enginePostgres = "postgres"
	engineMySQL    = "mysql"
)

// The variables that name servers on which databases may be made and removed.
const (
	postgresVariable = "TEST_POSTGRES_DSN"
	mysqlVariable    = "TEST_MYSQL_DSN"
	redisVariable    = "TEST_REDIS_ADDR"
	requireVariable  = "TEST_REQUIRE_SERVICES"
)

// database is an empty one that ends with the run.
type database struct {
	engine string
	dsn    string
}

// named returns what a variable names. An empty answer means that the row is to be left out, which the
// report then says; it is an error where all servers must be there.
func (b *bench) named(variable, row string) (string, error) {
	value := os.Getenv(variable)
	if value != "" {
		return value, nil
	}
	if os.Getenv(requireVariable) != "" {
		return "", fmt.Errorf("%s names no server, and %s is set", variable, requireVariable)
	}
	left := fmt.Sprintf("%s was left out, for %s names no server", row, variable)
	b.say("%s", left)
	b.report.setting = append(b.report.setting, left)
	return "", nil
}

// database makes one, or returns nil when no server is named.
func (b *bench) database(ctx context.Context, engine, row string) (*database, error) {
	name := fmt.Sprintf("userapi_bench_%d_%d", os.Getpid(), len(b.drops)+1)
	var driver, server, dsn string
	var err error
	switch engine {
	case enginePostgres:
		driver = "pgx"
		if server, err = b.named(postgresVariable, row); err == nil && server != "" {
			dsn, err = postgresWith(server, name)
		}
	case engineMySQL:
		driver = "mysql"
		if server, err = b.named(mysqlVariable, row); err == nil && server != "" {
			dsn, err = mysqlWith(server, name)
		}
	default:
		dir, err := os.MkdirTemp(b.dir, "sqlite-")
		return &database{engine, filepath.Join(dir, "users.db")}, err
	}
	if err != nil || server == "" {
		return nil, err
	}
	if err := onServer(ctx, driver, server, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("%s: %w", engine, err)
	}
	b.drops = append(b.drops, func() error {
		const patience = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return onServer(ctx, driver, server, "DROP DATABASE "+name)
	})
	return &database{engine, dsn}, nil
}

// postgresWith puts another database into a DSN.
func postgresWith(server, name string) (string, error) {
	at, err := url.Parse(server)
	if err != nil || at.Scheme == "" {
		return "", fmt.Errorf("%s must be a URL", postgresVariable) // the parser's words may repeat a password
	}
	at.Path = "/" + name
	return at.String(), nil
}

func mysqlWith(server, name string) (string, error) {
	config, err := mysql.ParseDSN(server)
	if err != nil {
		return "", fmt.Errorf("%s: %w", mysqlVariable, err)
	}
	config.DBName = name
	return config.FormatDSN(), nil
}

func onServer(ctx context.Context, driver, dsn string, texts ...string) (err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, text := range texts {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// launchOn is how to start the service on a database, with further settings as NAME=value.
func (b *bench) launchOn(d *database, settings ...string) launch {
	l := b.launchService()
	l.ready = "/readyz"
	l.outside = d.engine != engineSQLite
	l.env = append([]string{"USERAPI_STORAGE_ENGINE=" + d.engine, "USERAPI_STORAGE_DSN=" + d.dsn}, settings...)
	return l
}

// serve starts the service on a new database and puts seeds into it. It returns nil when no server is
// named.
func (b *bench) serve(ctx context.Context, engine, row string, users int, s seeder, settings ...string) (*process, *database, error) {
	d, err := b.database(ctx, engine, row)
	if err != nil || d == nil {
		return nil, nil, err
	}
	p, err := b.start(ctx, b.launchOn(d, settings...))
	if err != nil {
		return nil, nil, err
	}
	if err := b.fill(ctx, d, users, s); err != nil {
		return nil, nil, fmt.Errorf("fill %s: %w", engine, err)
	}
	p.users = int64(users)
	return p, d, nil
}
