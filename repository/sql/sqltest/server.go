package sqltest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL of a test's own, which the test may kill, stop and bring back. It listens on
// the loopback interface, in a folder that goes with the test.
type Server struct {
	// Addr is its host and port, the same after every Start.
	Addr string

	dir, postgres string
	owner         *syscall.Credential
	process       *exec.Cmd
	ended         chan struct{}
	output        bytes.Buffer
}

// NewServer makes a PostgreSQL that does not run yet. The test is skipped where there are no programs
// for it, or fails where all must be there.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{postgres: program(tb), owner: owner(tb)}
	var err error
	if s.dir, err = os.MkdirTemp("", "userapi-postgres-"); err != nil { //nolint:usetesting // it belongs to another user
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Kill(tb)
		_ = os.RemoveAll(s.dir)
	})
	if s.owner != nil {
		if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	initdb := s.command(filepath.Join(filepath.Dir(s.postgres), "initdb"),
		"-D", s.data(), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
	if output, err := initdb.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, output)
	}
	s.Addr = vacant(tb)
	return s
}

// program returns the path of the server.
func program(tb testing.TB) string {
	tb.Helper()
	if path, err := exec.LookPath("postgres"); err == nil {
		return path
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(paths) == 0 {
		Missing(tb, "the programs of PostgreSQL are not installed")
	}
	return paths[len(paths)-1]
}

// owner is who runs the server: it refuses to be run by root.
func owner(tb testing.TB) *syscall.Credential {
	tb.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if known, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(known.Uid, 10, 32)
			gid, _ := strconv.ParseUint(known.Gid, 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	Missing(tb, "there is no user who could run PostgreSQL")
	return nil
}

// vacant returns an address on which nobody listens.
func vacant(tb testing.TB) string {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nobody has used it
	return listener.Addr().String()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(path string, args ...string) *exec.Cmd {
	command := exec.Command(path, args...) //nolint:gosec,noctx // a program of PostgreSQL, which Kill ends
	command.Dir = s.dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return command
}

// DSN leads to the server's database as its superuser.
func (s *Server) DSN() string { return s.At(s.Addr) }

// At is DSN by way of another address, such as that of a proxy.
func (s *Server) At(addr string) string {
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

// Start starts the server and returns when it takes connections. What a test is after is the death of a
// process, not of a machine, so that nothing waits for the disk.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	s.process = s.command(s.postgres, "-D", s.data(), "-p", port, "-k", s.dir, "-c", "listen_addresses="+host,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "deadlock_timeout=20ms")
	s.output.Reset()
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	s.process.WaitDelay = time.Second
	if err := s.process.Start(); err != nil {
		tb.Fatalf("PostgreSQL cannot be started: %v", err)
	}
	s.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait()
		close(ended)
	}(s.process, s.ended)
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := s.run(tb.Context(), "SELECT 1")
		if err == nil {
			return
		}
		select {
		case <-s.ended:
			tb.Fatalf("PostgreSQL has ended: %s", s.output.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			tb.Fatalf("PostgreSQL does not start: %v", err)
		}
	}
}

// Kill ends the server at once, as `pg_ctl stop -m immediate` does: nothing is brought to an end, and
// its next start has to recover. It returns when the server is gone.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if s.process == nil {
		return
	}
	s.Resume(tb)
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.process.Process.Kill()
		<-s.ended
	}
	s.process = nil
}

// Pause stops all processes of the server where they are: connections stay, and nothing answers.
func (s *Server) Pause(tb testing.TB) { s.each(tb, syscall.SIGSTOP) }

// Resume lets them go on.
func (s *Server) Resume(tb testing.TB) { s.each(tb, syscall.SIGCONT) }

// each sends a signal to the first process of the server and then to those that it has started.
func (s *Server) each(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	first := s.process.Process.Pid
	_ = syscall.Kill(first, signal)
	states, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range states {
		text, err := os.ReadFile(path) //nolint:gosec // of /proc
		if err != nil {
			continue // it has ended
		}
		_, behind, _ := strings.Cut(string(text), ") ") // a name may hold anything
		if fields := strings.Fields(behind); len(fields) > 1 && fields[1] == strconv.Itoa(first) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			_ = syscall.Kill(pid, signal)
		}
	}
}

// Exec runs a statement on the server, past everything that is set for all.
func (s *Server) Exec(tb testing.TB, text string) {
	tb.Helper()
	if err := s.run(tb.Context(), text); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
}

func (s *Server) run(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN()+"&default_transaction_read_only=off")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what it did is done
	if _, err := conn.Exec(ctx, text); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}
