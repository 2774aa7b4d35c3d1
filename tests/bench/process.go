package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	readyWithin = 10 * time.Second
	stopWithin  = 5 * time.Second
)

// process is one server that this run started, listening on a loopback port of its own.
type process struct {
	name    string
	addr    string
	cmd     *exec.Cmd
	log     string        // file that takes stdout, as in production and unlike /dev/null
	errors  string        // file that takes stderr
	startup time.Duration // from exec to the first answer
	exited  chan struct{}
	idle    int64 // resident bytes then
	answers int64 // requests that it is known to have answered
	users   int64 // users that it has acknowledged
	outside bool  // that an engine of its own works for it, whose CPU time is not its own
	stopped bool
}

// launch says how to start a server; ready is the path whose first 200 ends the start.
type launch struct {
	name   string
	binary string
	ready  string
	args   []string
	env    []string // settings
	// outside says that a database works for it in a process of its own.
	outside bool
}

func (b *bench) launchService() launch {
	return launch{name: "service", binary: b.service, ready: "/health"}
}

func (b *bench) launchNaive() launch {
	return launch{name: "naive", binary: b.naive, ready: "/health"}
}

// start returns when the server has answered. A free port can be taken between being found and
// being used (the clients of this very run take ports too), hence three attempts.
func (b *bench) start(ctx context.Context, l launch) (*process, error) {
	var p *process
	var err error
	for range 3 {
		if p, err = b.attempt(ctx, l); err == nil || ctx.Err() != nil {
			break
		}
	}
	return p, err
}

func (b *bench) attempt(ctx context.Context, l launch) (*process, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, l.name+"-")
	if err != nil {
		return nil, err
	}
	p := &process{
		name: l.name, addr: addr, exited: make(chan struct{}), outside: l.outside,
		log: filepath.Join(dir, "stdout"), errors: filepath.Join(dir, "stderr"),
	}
	stdout, outErr := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	stderr, errErr := os.OpenFile(p.errors, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	defer stdout.Close()
	defer stderr.Close()
	if err := errors.Join(outErr, errErr); err != nil {
		return nil, err
	}

	// The command is not bound to ctx: stop ends it, gracefully first, so that the log is whole.
	p.cmd = exec.Command(l.binary, append([]string{"--addr", addr}, l.args...)...)
	p.cmd.Dir = dir // without a config.yaml: the defaults are what is measured
	p.cmd.Env = append(plainEnv(), l.env...)
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // The exit status of a server that we end ourselves says nothing.
		close(p.exited)
	}()
	b.started = append(b.started, p)

	if err := p.awaitAnswer(ctx, l.ready); err != nil {
		b.stop(p)
		return nil, err
	}
	p.startup = time.Since(begin)
	p.idle, _, err = p.memory()
	return p, err
}

// plainEnv is our environment without what would change the service's configuration.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "USERAPI_")
	})
}

func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (p *process) awaitAnswer(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		if _, err := p.get(ctx, path); err == nil {
			return nil
		}
		select {
		case <-p.exited:
			said, _ := os.ReadFile(p.errors)
			return fmt.Errorf("%s ended before it answered: %s", p.name, bytes.TrimSpace(said))
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer %s: %w", p.name, path, ctx.Err())
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// get answers the body of a 200; anything else is an error. Each call has its own connection.
func (p *process) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: GET %s answered %s", p.name, path, resp.Status)
	}
	return body, nil
}

// stop ends the process by its pid, gracefully and then hard, and counts what it logged.
func (b *bench) stop(p *process) {
	if p.stopped {
		return
	}
	p.stopped = true
	_ = p.cmd.Process.Signal(os.Interrupt) // An error means that it has ended already.
	select {
	case <-p.exited:
	case <-time.After(stopWithin):
		b.say("%s (pid %d) did not stop within %v: killed", p.name, p.cmd.Process.Pid, stopWithin)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if p.name == "service" && p.answers > 0 {
		lines, err := countLines(p.log)
		if err != nil {
			b.say("request log: %v", err)
		}
		b.answers += p.answers
		b.logged += min(lines, p.answers) // A surplus (start, stop) must not hide a loss elsewhere.
	}
	_ = os.RemoveAll(filepath.Dir(p.log)) // Logs grow by the hundred megabytes; close reports leftovers.
}

func countLines(path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var lines int64
	buf := make([]byte, 1<<20)
	for {
		n, err := file.Read(buf)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}
