package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// pageLimit is the page that the list rows ask for; it is also the service's default.
const pageLimit = 50

//go:embed load.lua
var loadScript []byte

// bench is one run of the driver. It is used by one goroutine.
type bench struct {
	opt      options
	progress io.Writer
	report   report

	dir     string // scratch folder; removed at the end
	script  string
	service string
	bare    string
	naive   string

	// The large stores, which some parts share. Both are nil until one of them asks.
	indexed *process // with every index in use
	plain   *process // with those alone that the service always has, until it is the other store of the writers

	started []*process
	answers int64         // what the service answered over all its processes so far
	logged  int64         // the lines that its request logs hold for them
	foreign time.Duration // CPU time that other programs took while wrk ran
	driven  time.Duration // how long wrk ran, by the clock
	runs    int           // numbers the runs of "create", so that no address comes twice

	drops []func() error // what this run has made on servers that it did not start
}

type part struct {
	name    string
	measure func(*bench, context.Context) error
}

// parts are measured in this order. Each has processes of its own, but for the large stores.
func parts() []part {
	return []part{
		{"start", (*bench).measureStart},
		{"ratio", (*bench).measureRatios},
		{"guards", (*bench).measureGuards},
		{"overload", (*bench).measureOverload},
		{"create", (*bench).measureCreate},
		{"memory", (*bench).measureMemory},
		{"growth", (*bench).measureGrowth},
		{"pages", (*bench).measurePages},
		{"search", (*bench).measureSearch},
		{"writers", (*bench).measureWriters},
		{"postgres", (*bench).measurePostgres},
		{"mysql", (*bench).measureMySQL},
		{"sqlite", (*bench).measureSQLite},
		{"cache", (*bench).measureCache},
		{"growth-sql", (*bench).measureGrowthSQL},
	}
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// measure builds, measures every part asked for and cleans up, also after an error or a signal.
func (b *bench) measure(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "userapi-bench-"); err != nil {
		return err
	}
	defer b.close()
	b.script = filepath.Join(b.dir, "load.lua")
	if err := os.WriteFile(b.script, loadScript, 0o600); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	b.report.describe(ctx, b.opt)
	for _, p := range parts() {
		if !slices.Contains(b.opt.only, p.name) {
			continue
		}
		if err := p.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for _, p := range b.started {
		b.stop(p)
	}
	b.reportLog()
	if b.driven > 0 {
		b.report.setting = append(b.report.setting, fmt.Sprintf("other programs took %.0f %% of the CPUs under load",
			100*float64(b.foreign)/float64(b.driven)/float64(runtime.NumCPU())))
	}
	return nil
}

// build compiles the three servers with the flags that the Makefile ships the service with.
func (b *bench) build(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	targets := []struct {
		binary *string
		pkg    string
	}{{&b.service, "."}, {&b.bare, "./tests/bench/bare"}, {&b.naive, "./tests/bench/naive"}}
	for _, t := range targets {
		if t.pkg == "." && b.opt.service != "" {
			if b.service, err = filepath.Abs(b.opt.service); err != nil {
				return err
			}
			continue
		}
		b.say("building %s", t.pkg)
		*t.binary = filepath.Join(b.dir, "bin", "server-"+filepath.Base(t.pkg))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w",
			"-o", *t.binary, t.pkg)
		cmd.Dir = strings.TrimSpace(string(root))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", t.pkg, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// close ends what is still running and removes every file of the run, and every database.
func (b *bench) close() {
	for _, p := range b.started {
		b.stop(p)
	}
	for _, drop := range b.drops {
		if err := drop(); err != nil {
			b.say("on a server something stays behind: %v", err)
		}
	}
	if err := os.RemoveAll(b.dir); err != nil {
		b.say("scratch folder stays behind: %v", err)
	}
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// reportLog proves that the service was measured with its request log on.
func (b *bench) reportLog() {
	if b.answers == 0 {
		return
	}
	b.report.add(row{
		name: "request log: lines per answer", values: []float64{float64(b.logged) / float64(b.answers)},
		unit: asRatio, goal: atLeast(0.99), note: "condition of every row above",
	})
}
