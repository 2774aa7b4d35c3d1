// Command bench measures the built service as a client meets it: the whole server over loopback,
// with its default middleware and its request log on, beside two baselines that live under this
// folder. It owns the processes it starts, ends only those, and judges by ratios, because the
// absolute figures of a shared machine say little. `make bench` runs it; docs/benchmarks.md explains it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// fewestUsers is how many seeds it takes until every filter that is measured fills a page.
const fewestUsers = 1000

// options are the flags, after -quick has been applied.
type options struct {
	rounds  int
	seconds int
	users   int
	size    int
	stock   int
	starts  int
	warmup  int // seconds of load before a row is measured
	// brief is the length of a run in the parts that have many rows. Many short runs in turn tell more
	// on a busy machine than few long ones.
	brief    time.Duration
	spread   int // different requests that a row about lists cycles through
	only     []string
	service  string
	markdown bool
	strict   bool
	timeout  time.Duration
}

var errNoWrk = errors.New("wrk is not installed: it is the Debian package `wrk` (apt-get install wrk)")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		fmt.Fprintln(stderr, "bench:", errNoWrk)
		return exitUsage
	}

	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	b := &bench{opt: opt, progress: stderr}
	err = b.measure(ctx)
	b.report.print(stdout, opt.markdown)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if b.report.broken() || opt.strict && b.report.missed() {
		return exitFailed
	}
	return exitOK
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var opt options
	var only string
	var quick bool
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&opt.rounds, "rounds", 5, "`rounds` per row; the order of the servers alternates")
	fs.IntVar(&opt.seconds, "seconds", 2, "`seconds` of load per server and round")
	fs.IntVar(&opt.users, "users", 1000, "`users` in the store for the rows against the baselines")
	fs.IntVar(&opt.size, "size", 1_000_000, "`users` in the large store of the rows about size")
	fs.IntVar(&opt.stock, "stock", 100_000, "`users` in the databases of the rows about engines")
	fs.IntVar(&opt.starts, "starts", 15, "`starts` to take the median start from")
	fs.BoolVar(&quick, "quick", false, "a look in about a minute: 1 round of 1 s at most, 100000 users, 10000 in databases, 5 starts, no warm-up")
	fs.StringVar(&only, "only", strings.Join(partNames(), ","), "comma list of the `parts` to measure")
	fs.StringVar(&opt.service, "service", "", "measure this `binary` instead of building the service")
	fs.BoolVar(&opt.markdown, "markdown", false, "print Markdown tables")
	fs.BoolVar(&opt.strict, "strict", false, "exit 1 when a goal is missed")
	fs.DurationVar(&opt.timeout, "timeout", 40*time.Minute, "end everything after this `duration`")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	opt.warmup, opt.spread = 1, 1000
	opt.brief = time.Duration(opt.seconds) * time.Second / 6
	if quick {
		opt.hurry(fs)
	}
	opt.only = strings.Split(only, ",")
	if err := opt.validate(fs.NArg()); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return options{}, err
	}
	return opt, nil
}

// hurry applies -quick to whatever was not set by a flag of its own.
func (o *options) hurry(fs *flag.FlagSet) {
	set := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	o.warmup, o.spread, o.brief = 0, 200, 100*time.Millisecond
	quick := []struct {
		name   string
		option *int
		value  int
	}{{"rounds", &o.rounds, 1}, {"seconds", &o.seconds, 1}, {"size", &o.size, 100_000}, {"stock", &o.stock, 10_000}, {"starts", &o.starts, 5}}
	for _, q := range quick {
		if !set[q.name] {
			*q.option = q.value
		}
	}
}

func (o options) validate(extra int) error {
	for _, name := range o.only {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("-only %s: the parts are %s", name, strings.Join(partNames(), ", "))
		}
	}
	switch {
	case extra > 0:
		return errors.New("no arguments are expected, only flags")
	case o.rounds < 1 || o.seconds < 1 || o.starts < 1:
		return errors.New("-rounds, -seconds and -starts must be at least 1")
	case o.users < fewestUsers || o.size < o.users || o.stock < fewestUsers:
		return fmt.Errorf("-users and -stock must be at least %d, and -size at least -users", fewestUsers)
	}
	return nil
}
