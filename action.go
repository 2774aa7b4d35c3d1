package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"userapi/config"
)

// act does what the command line asks for instead of serving, if that is so, and returns the exit code.
func act(ctx context.Context, loaded config.Loaded, stdout, stderr io.Writer) (code int, done bool) {
	switch loaded.Action {
	case config.ShowHelp:
		fmt.Fprint(stdout, config.Help())
		return exitOK, true
	case config.ShowVersion:
		fmt.Fprintln(stdout, version())
		return exitOK, true
	case config.PrintConfig:
		printWarnings(stderr, loaded.Warnings)
		fmt.Fprint(stdout, loaded.YAML())
		return exitOK, true
	case config.Migrate:
		return migrateOnly(ctx, loaded.Config, stdout, stderr), true
	case config.NewAPIKey:
		return newAPIKey(loaded.NewKey, time.Now(), stdout, stderr), true
	case config.HealthCheck:
		return healthCheck(ctx, loaded.Config, stdout, stderr), true
	case config.Serve:
	}
	return exitOK, false
}

func printWarnings(stderr io.Writer, warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintln(stderr, "userapi: warning:", warning)
	}
}
