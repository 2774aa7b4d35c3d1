package tests

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/config"
	"userapi/tests/testkit"
)

// stopping waits until a process that was told to stop says that it drains.
func stopping(t *testing.T, p *testkit.Process) {
	t.Helper()
	p.Log.Await(t, "the stop to begin", func(entry testkit.Entry) bool { return entry.Text("msg") == "stopping" })
}

// stopped judges the end of a process that was told to stop in order.
func stopped(t *testing.T, p *testkit.Process, within time.Duration) {
	t.Helper()
	if code := p.Wait(t, within); code != 0 || p.Stderr() != "" {
		t.Errorf("exit %d, stderr %q", code, p.Stderr())
	}
	lines := p.Log.Entries(t)
	if last := lines[len(lines)-1]; last.Text("msg") != "stopped" {
		t.Errorf("the last line is %v", last)
	}
}

// refused says whether nobody listens at the address of the process any more.
func refused(p *testkit.Process) bool {
	conn, err := net.DialTimeout("tcp", p.Addr, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

const half = "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

// posting begins a POST on a connection and returns what is left to send of it.
func posting(t *testing.T, p *testkit.Process, n int) (*testkit.Wire, string) {
	t.Helper()
	body := named(n, `"Ada"`)
	wire := p.Dial(t)
	wire.Write(t, fmt.Sprintf(half, len(body))+body[:10])
	return wire, body[10:]
}

func TestProcess_Interrupt(t *testing.T) {
	t.Parallel()
	t.Run("SIGINT stops an idle service at once", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		p.Create(t, ada) // its connection stays, idle
		start := time.Now()
		p.Signal(t, syscall.SIGINT)
		stopped(t, p, 10*time.Second)
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("connections that were opened and never used do not hold it up", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		for range 4 { // a browser opens such ahead
			p.Dial(t)
		}
		p.Get(t, "/health").Want(http.StatusOK)
		start := time.Now()
		p.Signal(t, syscall.SIGINT)
		stopped(t, p, 20*time.Second)
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("idle connections of HTTP/2 do not hold it up", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(p.URL + "/health")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		start := time.Now()
		p.Signal(t, syscall.SIGINT)
		stopped(t, p, 20*time.Second)
		if took := time.Since(start); took > 3*time.Second { // net/http gives a GOAWAY one second
			t.Errorf("took %v", took)
		}
	})
	t.Run("a request that was read is finished, and its line is in the log", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		p.Get(t, "/health", "X-Request-ID: before").Want(http.StatusOK)
		wire, rest := posting(t, p, 1)
		p.Get(t, "/health").Want(http.StatusOK) // the first one has been read as far as it goes by now
		p.Signal(t, syscall.SIGINT)
		stopping(t, p)
		testkit.Eventually(t, "the listener to close", func() bool { return refused(p) })
		wire.Write(t, rest)
		answer, err := wire.Read(t, http.MethodPost)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		if answer.Want(http.StatusCreated); !wire.Closed(5 * time.Second) {
			t.Error("the connection is left open")
		}
		stopped(t, p, 10*time.Second)
		p.Log.Request(t, "before")
		p.Log.Request(t, answer.Header.Get("X-Request-ID"))
	})
}

func TestProcess_Terminate(t *testing.T) {
	t.Parallel()
	t.Run("SIGTERM drains for two seconds by default", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{}.Binary(t)
		p.Get(t, "/readyz").Want(http.StatusOK)
		start := time.Now()
		p.Signal(t, syscall.SIGTERM)
		stopping(t, p)
		p.Get(t, "/readyz").WantProblem(http.StatusServiceUnavailable, "not_ready")
		user := p.Create(t, ada)
		for _, path := range []string{"/health", "/users/", fmt.Sprintf("/users/%d", user.ID)} {
			if answer := p.Get(t, path).Want(http.StatusOK); !answer.Close {
				t.Errorf("%s leaves its connection open", path)
			}
		}
		last := p.Get(t, "/users/99", "X-Request-ID: last-one").Want(http.StatusNotFound)
		if !last.Close {
			t.Error("a failure leaves its connection open")
		}
		stopped(t, p, 10*time.Second)
		if took := time.Since(start); took < 2*time.Second || took > 4*time.Second {
			t.Errorf("took %v", took)
		}
		p.Log.Request(t, "last-one")
	})
	t.Run("16 requests that were sent by half are answered, during the drain and after it", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "shutdown.drain=300ms"}}.Binary(t)
		wires, rests := make([]*testkit.Wire, 16), make([]string, 16)
		for n := range wires {
			wires[n], rests[n] = posting(t, p, n)
		}
		p.Get(t, "/health").Want(http.StatusOK)
		p.Signal(t, syscall.SIGTERM)
		stopping(t, p)
		for n, wire := range wires {
			if n == 8 {
				testkit.Eventually(t, "the listener to close", func() bool { return refused(p) })
			}
			wire.Write(t, rests[n])
			answer, err := wire.Read(t, http.MethodPost)
			if err != nil {
				t.Fatalf("request %d was not answered: %v", n, err)
			}
			answer.Want(http.StatusCreated)
		}
		stopped(t, p, 10*time.Second)
	})
	t.Run("by default it takes no longer than 15 s", func(t *testing.T) {
		if stop := config.Default().Shutdown; stop.Drain+stop.Timeout > 14*time.Second {
			t.Errorf("a drain of %v and %v for what is in flight", stop.Drain, stop.Timeout)
		}
	})
	t.Run("clients that are stuck do not keep it beyond the time it has", func(t *testing.T) {
		t.Parallel()
		p := testkit.Start{Args: []string{"--set", "shutdown.drain=200ms", "--set", "shutdown.timeout=2s", "--set", "http.read_timeout=1m", "--set", "http.write_timeout=1m", "--set", "http.read_header_timeout=1m"}}.Binary(t)
		for n := range 300 {
			p.Create(t, named(1000+n, quoted(strings.Repeat("😀", 100))))
		}
		for n := range 4 {
			posting(t, p, n)
			p.Dial(t)
			p.Dial(t).Write(t, "GET /users/")
			wire := p.Dial(t) // asks for much and reads nothing of it
			_ = wire.Conn.(*net.TCPConn).SetReadBuffer(4096)
			wire.Write(t, strings.Repeat("GET /users/?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n", 200))
		}
		p.Get(t, "/health").Want(http.StatusOK)
		start := time.Now()
		p.Signal(t, syscall.SIGTERM)
		stopped(t, p, 10*time.Second)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestProcess_SecondSignal(t *testing.T) {
	t.Parallel()
	for _, first := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(fmt.Sprintf("%v and then %v exits at once with 1", first, second), func(t *testing.T) {
				t.Parallel()
				p := testkit.Start{Args: []string{"--set", "shutdown.drain=30s", "--set", "shutdown.timeout=30s"}}.Binary(t)
				posting(t, p, 1) // a client that is stuck
				p.Get(t, "/health").Want(http.StatusOK)
				p.Signal(t, first)
				stopping(t, p)
				start := time.Now()
				p.Signal(t, second)
				if code := p.Wait(t, 10*time.Second); code != 1 || time.Since(start) > time.Second {
					t.Errorf("exit %d after %v", code, time.Since(start))
				}
				if strings.Count(p.Stderr(), "\n") != 1 {
					t.Errorf("stderr is %q", p.Stderr())
				}
			})
		}
	}
}
