package testkit

import (
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
)

// daemon is a program of somebody else's that a test has started.
type daemon struct {
	command *exec.Cmd
	output  *buffer
	ended   chan struct{}
}

// run starts a program; it ends with the test.
func run(tb testing.TB, name string, args ...string) *daemon {
	tb.Helper()
	d := &daemon{command: exec.Command(name, args...), output: new(buffer), ended: make(chan struct{})}
	d.command.Stdout, d.command.Stderr = d.output, d.output
	if err := d.command.Start(); err != nil {
		tb.Fatalf("%s cannot be started: %v", name, err)
	}
	go func() {
		_ = d.command.Wait() // how it ends is nobody's business
		close(d.ended)
	}()
	tb.Cleanup(d.kill)
	return d
}

func (d *daemon) kill() {
	_ = d.command.Process.Kill()
	<-d.ended
}

// await waits until somebody answers at an address.
func (d *daemon) await(tb testing.TB, addr string) {
	tb.Helper()
	Eventually(tb, "the start of "+d.command.Path, func() bool {
		select {
		case <-d.ended:
			tb.Fatalf("%s has ended:\n%s", d.command.Path, d.output)
		default:
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// Redis is a redis-server of a test's own. It is not safe for concurrent use.
type Redis struct {
	// Addr is where it listens.
	Addr string

	dir    string
	daemon *daemon
}

// NewRedis starts a server that ends with the test.
func NewRedis(tb testing.TB) *Redis {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		sqltest.Missing(tb, "redis-server is not installed")
	}
	r := &Redis{Addr: FreeAddr(tb), dir: tb.TempDir()}
	r.Start(tb)
	return r
}

// Start starts the server, with what it held when it was last told to SAVE.
func (r *Redis) Start(tb testing.TB) {
	tb.Helper()
	host, port, _ := net.SplitHostPort(r.Addr)
	r.daemon = run(tb, "redis-server", "--bind", host, "--port", port, "--save", "", "--dir", r.dir)
	r.daemon.await(tb, r.Addr)
}

// Signal sends a signal to the server.
func (r *Redis) Signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := r.daemon.command.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the server, which forgets what it has learnt since it was last told to SAVE.
func (r *Redis) Kill() { r.daemon.kill() }
