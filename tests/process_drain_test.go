package tests

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// loss is a request whose octets were all sent and that was not answered.
type loss struct {
	fresh bool // it was the first on its connection
	err   error
}

// herd is many clients that each keep a connection busy, take another when the service closes it, and
// go home when the service refuses one.
type herd struct {
	addr     string
	secure   *tls.Config // nil without TLS
	answered atomic.Int64
	closing  atomic.Int64 // answers with Connection: close

	mu     sync.Mutex
	losses []loss
}

// graze sends requests until no connection can be had.
func (h *herd) graze(n int) {
	for serial := 0; ; {
		conn, err := net.DialTimeout("tcp", h.addr, 5*time.Second)
		if err != nil {
			return
		}
		if h.secure != nil {
			conn = tls.Client(conn, h.secure)
			if conn.(*tls.Conn).Handshake() != nil {
				_ = conn.Close()
				continue // nothing was sent
			}
		}
		h.use(conn, n, &serial)
		_ = conn.Close()
	}
}

// use sends requests on one connection until the service wants no more on it.
func (h *herd) use(conn net.Conn, n int, serial *int) {
	reader := bufio.NewReader(conn)
	for fresh := true; ; fresh = false {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		*serial++
		request := "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n"
		if *serial%4 == 0 {
			body := fmt.Sprintf(`{"name":"Ada","email":"herd%d-%d@example.com"}`, n, *serial)
			request = fmt.Sprintf(half, len(body)) + body
		}
		if _, err := io.WriteString(conn, request); err != nil {
			return // not all of it was sent
		}
		answer, err := http.ReadResponse(reader, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		if err != nil {
			h.mu.Lock()
			h.losses = append(h.losses, loss{fresh, err})
			h.mu.Unlock()
			return
		}
		h.answered.Add(1)
		if answer.Close {
			h.closing.Add(1)
			return
		}
	}
}

// run stops a process under the load of a herd and returns the herd when it has gone home.
func (h *herd) run(t *testing.T, p *testkit.Process, size int, signal syscall.Signal) {
	t.Helper()
	h.addr = p.Addr
	var grazing sync.WaitGroup
	for n := range size {
		grazing.Go(func() { h.graze(n) })
	}
	testkit.Eventually(t, "the load", func() bool { return h.answered.Load() > int64(20*size) })
	p.Signal(t, signal)
	grazing.Wait()
	stopped(t, p, 10*time.Second)
}

func TestProcess_DrainLosesNothing(t *testing.T) {
	// SIGINT has no drain, but the same way to stop.
	for round, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT} {
		p := testkit.Start{Args: []string{"--set", "shutdown.drain=300ms"}}.Binary(t)
		p.Create(t, ada)
		h := new(herd)
		h.run(t, p, 32, signal)
		if len(h.losses) > 0 {
			t.Errorf("round %d, %v: %d requests were sent and not answered; the first (on a new connection: %v): %v", round, signal, len(h.losses), h.losses[0].fresh, h.losses[0].err)
		}
		if h.closing.Load() == 0 {
			t.Error("no answer said Connection: close")
		}
		t.Logf("round %d: %d answered, %d of them with Connection: close, %d lost", round, h.answered.Load(), h.closing.Load(), len(h.losses))
	}
}

// TestProcess_DrainLosesNothing_TLS does the same over TLS, where the service cannot see what its
// connections say: half of the load is HTTP/1.1, half HTTP/2.
func TestProcess_DrainLosesNothing_TLS(t *testing.T) {
	authority := testkit.NewAuthority(t)
	certFile, keyFile := authority.Issue(t, t.TempDir(), 1)
	for round, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := testkit.Start{Trust: authority.Pool, Args: []string{
			"--set", "shutdown.drain=300ms", "--set", "tls.cert_file=" + certFile, "--set", "tls.key_file=" + keyFile,
		}}.Binary(t)
		p.Create(t, ada)
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialer := &tls.Dialer{Config: &tls.Config{RootCAs: authority.Pool, NextProtos: []string{"h2"}}}
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				err = errors.Join(errNotBegun, err)
			}
			return conn, err
		}}}
		var streams sync.WaitGroup
		for range 8 {
			streams.Go(func() { graze2(t, client, p.URL) })
		}
		h := &herd{secure: &tls.Config{RootCAs: authority.Pool, ServerName: "localhost"}}
		h.run(t, p, 16, signal)
		streams.Wait()
		client.CloseIdleConnections()
		if len(h.losses) > 0 {
			t.Errorf("round %d, %v: %d requests were sent and not answered; the first (on a new connection: %v): %v", round, signal, len(h.losses), h.losses[0].fresh, h.losses[0].err)
		}
		t.Logf("round %d: %d answered over HTTP/1.1", round, h.answered.Load())
	}
}

// errNotBegun says that a handshake failed, before anything was sent.
var errNotBegun = errors.New("no connection")

// graze2 sends requests by a client that speaks HTTP/2 until the service takes no connection any more.
func graze2(t *testing.T, client *http.Client, url string) {
	for {
		answer, err := client.Get(url + "/users/1")
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return
		case errors.Is(err, errNotBegun):
			continue
		}
		if err != nil || answer.ProtoMajor != 2 {
			t.Errorf("%v, %v", answer, err)
			return
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

// TestProcess_DrainLosesNothingOfHTTP2 does the same on connections that carry many requests at once.
func TestProcess_DrainLosesNothingOfHTTP2(t *testing.T) {
	p := testkit.Start{Args: []string{"--set", "shutdown.drain=300ms"}}.Binary(t)
	p.Create(t, ada)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	var answered atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		for range 8 {
			all.Go(func() {
				for {
					answer, err := client.Get(p.URL + "/users/1")
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						t.Errorf("after %d answers: %v", answered.Load(), err)
						return
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
					answered.Add(1)
				}
			})
		}
	}
	testkit.Eventually(t, "the load", func() bool { return answered.Load() > 500 })
	p.Signal(t, syscall.SIGTERM)
	all.Wait()
	stopped(t, p, 10*time.Second)
	t.Logf("%d answered", answered.Load())
}
