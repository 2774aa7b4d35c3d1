// Command userapi serves user records over a REST API. See README.md.
//
// This file is the table of contents of the program: configuration, log, store, services, router,
// listener, and the same in reverse when it stops.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/handlers"
	"userapi/middleware"
	"userapi/repository/memory"
	"userapi/services"
)

const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	// logCloseBudget is how long the last log lines may take to be written.
	logCloseBudget = time.Second
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program with everything that it takes from the system as arguments. It returns the exit
// code, after a signal or when ctx ends.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	loaded, err := config.Load("", args, environ)
	if err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitUsage
	}
	switch loaded.Action {
	case config.ShowHelp:
		fmt.Fprint(stdout, config.Help())
		return exitOK
	case config.ShowVersion:
		fmt.Fprintln(stdout, version())
		return exitOK
	case config.PrintConfig:
		printWarnings(stderr, loaded.Warnings)
		fmt.Fprint(stdout, loaded.YAML())
		return exitOK
	case config.Migrate, config.HealthCheck:
		fmt.Fprintln(stderr, "userapi: not available")
		return exitFailure
	case config.Serve:
	}

	signal.Ignore(syscall.SIGPIPE) // to lose the reader of the log is not to lose the service
	log, writer, err := newLogger(loaded.Config.Log, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitUsage
	}
	defer writer.Close(logCloseBudget)
	defer tuneCollector(environ)()
	for _, warning := range loaded.Warnings {
		log.Warn(warning)
	}
	if err := start(ctx, loaded.Config, signals, log); err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitFailure
	}
	log.Info("stopped")
	return exitOK
}

// start builds the service from the store up, serves until it is told to stop, and takes it down.
func start(ctx context.Context, settings config.Config, signals <-chan os.Signal, log *zap.Logger) error {
	listener, err := listen(ctx, settings.HTTP.Addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // closed already when it was served
	key, err := cursorKey(settings.Cursor, log)
	if err != nil {
		return err
	}
	limits := settings.Idempotency
	store := memory.NewLimited(memory.KeyLimits{Age: limits.MaxAge, Count: limits.MaxKeys, Bytes: limits.MaxBytes}, time.Now)
	defer store.Close() //nolint:errcheck // a memory store has nothing to lose at its end

	lifecycle := new(middleware.Lifecycle)
	router, err := handlers.New(handlers.Deps{
		Users:                services.NewUsers(store, time.Now),
		Retries:              services.NewRetries(store),
		Store:                store,
		Lifecycle:            lifecycle,
		Log:                  log,
		Now:                  time.Now,
		MaxBodyBytes:         settings.HTTP.MaxBodyBytes,
		IgnoreUnknownMembers: settings.HTTP.UnknownMembers == config.UnknownIgnore,
		RequireIfMatch:       settings.HTTP.RequireIfMatch,
		TrustedProxies:       settings.HTTP.TrustedProxies,
		CursorKey:            key,
		Documents:            settings.HTTP.Swagger,
	})
	if err != nil {
		return err
	}
	announce(listener.Addr(), settings, log)
	return newServer(settings, listener, router, lifecycle, log).serve(ctx, signals)
}

// cursorKey returns the key that the settings name, or a random one.
func cursorKey(settings config.Cursor, log *zap.Logger) ([]byte, error) {
	key, err := settings.KeyBytes()
	if err != nil || key != nil {
		return key, err
	}
	log.Info("cursors are sealed with a random key and end with this process; set cursor.key to keep them")
	key = make([]byte, 32)
	_, err = rand.Read(key)
	return key, err
}

func printWarnings(stderr io.Writer, warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintln(stderr, "userapi: warning:", warning)
	}
}
