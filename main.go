// Command userapi serves user records over a REST API. See README.md.
//
// This file is the table of contents of the program: configuration, log, store, services, router,
// listener, and the same in reverse when it stops.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"userapi/config"
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
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	loaded, err := config.Load("", args, environ)
	if err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitUsage
	}
	if code, done := act(ctx, loaded, stdout, stderr); done {
		return code
	}

	signal.Ignore(syscall.SIGPIPE) // to lose the reader of the log is not to lose the service
	level, err := zap.ParseAtomicLevel(loaded.Config.Log.Level)
	if err != nil {
		fmt.Fprintln(stderr, "userapi:", err)
		return exitUsage
	}
	log, writer := newLogger(loaded.Config.Log.Format, level, stdout)
	defer writer.Close(logCloseBudget)
	defer tuneCollector(environ)()
	for _, warning := range loaded.Warnings {
		log.Warn(warning)
	}
	service := newService(loaded.Config, log, level)
	service.metrics = newMetrics(loaded.Config.Admin, writer.linesLost)
	service.load = func() (config.Loaded, error) { return loaded.Reload("", args, environ) }
	run := func() error { return start(ctx, service, signals, hangups) }
	if err := traced(service, environ, signals, run); err != nil { //nolint:contextcheck // the spans end when all else has
		fmt.Fprintln(stderr, "userapi:", err)
		if errors.As(err, new(unusableError)) {
			return exitUsage
		}
		return exitFailure
	}
	log.Info("stopped")
	return exitOK
}

// start builds the service from the store up, serves until it is told to stop, and takes it down. A
// store that is away does not keep it from serving: it answers 503 until the store is there.
func start(ctx context.Context, service *service, signals, hangups <-chan os.Signal) error {
	settings, log := service.settings, service.log
	defer service.callers.Close()
	authenticator, err := newAuthenticator(service.callers, settings, nil) //nolint:contextcheck // what it starts ends with callers
	if err != nil {
		return err // before anything is changed
	}
	warnOf(authenticator, log)
	service.metrics.SetIssuerKeys(service.callers.KeysRead)
	listener, err := listen(ctx, settings.HTTP.Addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // closed already when it was served
	if err := guarded(listener.Addr(), settings); err != nil {
		return err
	}
	stopAdmin, err := startAdmin(ctx, settings.Admin, service.metrics, log)
	if err != nil {
		return err
	}
	defer stopAdmin()
	store, err := newStorage(settings, service.traces, log) //nolint:contextcheck // what it starts ends with the store
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // what it has acknowledged is kept
	defer store.report()

	if service.limits, service.flight, err = newLimits(settings, service.metrics, log); err != nil {
		return err
	}
	defer service.limits.Close() //nolint:errcheck // it holds nothing that could be lost

	watch(service.metrics, service.lifecycle, store)
	server := newServer(settings, listener, &service.router, service.lifecycle, log)
	stopTLS, err := service.secure(server)
	if err != nil {
		return err
	}
	defer stopTLS()
	preparing := store.begin(ctx)
	defer preparing.end()
	if err := service.begin(preparing, store, server); err != nil { //nolint:contextcheck // what it starts ends with the service
		return err
	}
	defer service.follow(ctx, hangups)()
	announce(listener.Addr(), settings, log)
	return server.serve(ctx, signals)
}
