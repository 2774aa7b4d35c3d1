package testkit

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the one that Binary builds at its first use, for all tests of a package.
var program struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Binary returns the path of the program, built with plain flags as a stranger builds it.
func Binary(tb testing.TB) string {
	tb.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "userapi-test-"); program.err != nil { //nolint:usetesting // it outlives the test
			return
		}
		program.path = filepath.Join(program.dir, "userapi")
		watchSources()
		build := exec.Command("go", "build", "-o", program.path, "userapi")
		if output, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("%w\n%s", err, output)
		}
	})
	if program.err != nil {
		tb.Fatalf("the program cannot be built: %v", program.err)
	}
	return program.path
}

// watchSources looks at the sources of package main, of which a test binary holds nothing: go test
// notes what a test looks at and takes a result from its cache only while that has not changed.
func watchSources() {
	sources, _ := filepath.Glob(filepath.Join("..", "*.go"))
	for _, source := range sources {
		_, _ = os.Stat(source)
	}
}

// CleanUp removes what Binary has built. TestMain calls it last of all.
func CleanUp() { _ = os.RemoveAll(program.dir) }

// Start says how a process begins. The zero Start is the service with its default settings on any
// free port of the loopback interface, in an empty folder, with an empty environment.
type Start struct {
	// Args come behind `--addr 127.0.0.1:0`.
	Args []string
	// Env is the environment, as in os.Environ.
	Env []string
	// Dir is the working directory.
	Dir string
	// Trust is what the client believes over TLS.
	Trust *x509.CertPool
	// Stdout takes the place of the captured log. The process has no client then until Attach.
	Stdout *os.File
}

// Process is the built program at work.
type Process struct {
	*Client
	// Addr is host and port of the service.
	Addr string
	// Log is what the process writes to standard output.
	Log *Log

	command *exec.Cmd
	trust   *x509.CertPool
	stderr  *buffer
	ended   chan struct{}
	code    int
}

// Binary starts the program as a process and waits until it listens. It is killed at the end of the
// test if it is still there.
func (s Start) Binary(tb testing.TB) *Process {
	tb.Helper()
	p := s.Launch(tb)
	if s.Stdout == nil {
		p.Listening(tb)
	}
	return p
}

// Launch is Binary without the wait: the process has no client until Listening.
func (s Start) Launch(tb testing.TB) *Process {
	tb.Helper()
	return s.launch(tb, append([]string{"--addr", "127.0.0.1:0"}, s.Args...))
}

// Listening waits until a process that was launched listens, and makes its client.
func (p *Process) Listening(tb testing.TB) {
	tb.Helper()
	p.attach(tb, p.Log.Await(tb, "the process to listen", func(entry Entry) bool { return entry.Text("msg") == "listening" }).Text("url"))
}

// Attach waits until a process that was started with a Stdout of the test's answers at the URL, and
// makes its client.
func (p *Process) Attach(tb testing.TB, url string) {
	tb.Helper()
	p.attach(tb, url)
	Eventually(tb, "the process to listen", func() bool {
		conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", p.Addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (p *Process) attach(tb testing.TB, url string) {
	tb.Helper()
	p.Client = newClient(tb, url, p.Log)
	_, p.Addr, _ = strings.Cut(url, "://")
	if p.trust != nil {
		p.Client.trust(tb, p.trust)
	}
}

// Run lets the program run to its end and returns its exit code and what it wrote.
func (s Start) Run(tb testing.TB) (code int, stdout, stderr string) {
	tb.Helper()
	p := s.launch(tb, s.Args)
	p.Log.lenient = true
	code = p.Wait(tb, 10*time.Second)
	return code, string(p.Log.text), p.Stderr()
}

func (s Start) launch(tb testing.TB, args []string) *Process {
	tb.Helper()
	p := &Process{Log: newLog(tb), trust: s.Trust, stderr: new(buffer), ended: make(chan struct{})}
	p.command = exec.Command(Binary(tb), args...)
	p.command.Env = append([]string{}, s.Env...)
	p.command.Dir = s.Dir
	if s.Dir == "" {
		p.command.Dir = tb.TempDir()
	}
	p.command.Stdout = p.Log
	if s.Stdout != nil {
		p.command.Stdout = s.Stdout
	}
	p.command.Stderr = p.stderr
	if err := p.command.Start(); err != nil {
		tb.Fatalf("the program cannot be started: %v", err)
	}
	go func() {
		_ = p.command.Wait() // the code says it all
		p.code = p.command.ProcessState.ExitCode()
		close(p.ended)
	}()
	tb.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
		if text := p.Stderr(); tb.Failed() && text != "" {
			tb.Logf("standard error of the process, which ended with %d: %s", p.code, text)
		}
	})
	return p
}

// Signal sends a signal to the process.
func (p *Process) Signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		tb.Fatalf("%v cannot be sent: %v", signal, err)
	}
}

// PID is the number of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Ended is closed when the process has ended and its whole log is there.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Wait returns the exit code, which is -1 after the end by a signal. The test ends when the process
// takes longer.
func (p *Process) Wait(tb testing.TB, within time.Duration) int {
	tb.Helper()
	select {
	case <-p.ended:
		return p.code
	case <-time.After(within):
		tb.Fatalf("the process has not ended within %v; its log:\n%s", within, strings.Join(p.Log.Lines(), "\n"))
		return 0
	}
}

// Stderr returns what the process has written to standard error.
func (p *Process) Stderr() string { return p.stderr.String() }

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
