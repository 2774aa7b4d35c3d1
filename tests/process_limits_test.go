package tests

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// hurried is a service that closes slow connections soon, each kind at a time of its own.
func hurried(t *testing.T) *testkit.Process {
	t.Helper()
	return testkit.Start{Args: []string{
		"--set", "http.read_header_timeout=200ms", "--set", "http.idle_timeout=200ms", "--set", "http.read_timeout=2s",
	}}.Binary(t)
}

const stopsInBody = "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name"

func TestProcess_SlowClients(t *testing.T) {
	t.Parallel()
	p := hurried(t)
	p.Create(t, ada)
	const each = 20
	slow := []struct {
		says, octets string
		within       time.Duration
	}{
		{"say nothing", "", 1700 * time.Millisecond},
		{"stop in the request line", "GET /use", 1700 * time.Millisecond},
		{"stop in the headers", "GET /users/1 HTTP/1.1\r\nHost: x\r\nX-Slow: ", 1700 * time.Millisecond},
		{"stop after an answer", "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n", 1700 * time.Millisecond},
		{"stop in the preface of h2c", "PRI * HTTP/2.0\r\n\r\nSM", 6 * time.Second},
		{"stop in the body", stopsInBody, 6 * time.Second},
		{"stop in a chunk", "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"name", 6 * time.Second},
		{"stop in a body that nobody reads", "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 6 * time.Second},
		{"stop in the body of a 405", "PATCH /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 6 * time.Second},
		{"stop in the body of a 415", "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 6 * time.Second},
	}
	wires := make([][each]*testkit.Wire, len(slow))
	start := time.Now()
	for n, kind := range slow {
		for i := range each {
			wires[n][i] = p.Dial(t)
			wires[n][i].Write(t, kind.octets)
		}
	}
	t.Run("others are served meanwhile", func(t *testing.T) {
		for range 50 {
			asked := time.Now()
			p.Get(t, "/users/1").Want(http.StatusOK)
			if took := time.Since(asked); took > time.Second {
				t.Errorf("took %v beside %d slow clients", took, each*len(slow))
			}
		}
	})
	for n, kind := range slow {
		t.Run(fmt.Sprintf("clients that %s are closed within %v", kind.says, kind.within), func(t *testing.T) {
			for _, wire := range wires[n] {
				if !wire.Closed(time.Until(start.Add(kind.within))) {
					t.Fatalf("still open after %v", time.Since(start))
				}
			}
		})
	}
	t.Run("a body that stops is answered 408", func(t *testing.T) {
		t.Parallel()
		wire := p.Dial(t)
		wire.Write(t, stopsInBody)
		answer, err := wire.Read(t, http.MethodPost)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		answer.WantProblem(http.StatusRequestTimeout, "request_timeout")
	})
	t.Run("a body that drips octet by octet has no longer", func(t *testing.T) {
		t.Parallel()
		wire := p.Dial(t)
		wire.Write(t, strings.TrimSuffix(stopsInBody, `{"name`))
		begun := time.Now()
		for !wire.Closed(50*time.Millisecond) && time.Since(begun) < 10*time.Second {
			_ = wire.SetDeadline(time.Now().Add(time.Second))
			if _, err := wire.Conn.Write([]byte(" ")); err != nil {
				break
			}
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("it had %v", took)
		}
	})
}

func TestProcess_SlowReader(t *testing.T) {
	t.Parallel()
	p := testkit.Start{Args: []string{"--set", "http.write_timeout=1s"}}.Binary(t)
	for n := range 300 {
		p.Create(t, named(n, quoted(strings.Repeat("😀", 100))))
	}
	wire := p.Dial(t)
	_ = wire.Conn.(*net.TCPConn).SetReadBuffer(4096)
	wire.Write(t, strings.Repeat("GET /users/?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n", 200))
	// Nothing is read: the answers, 30 MB of them, do not fit into the buffers on the way.
	p.Log.Await(t, "the answer that nobody reads to be given up", func(entry testkit.Entry) bool {
		return entry.Text("route") == "/users/" && entry.Number("duration_us") > 500_000
	})
	if read, err := io.Copy(io.Discard, wire.Conn); read > 20<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d octets and %v: the connection went on", read, err)
	}
	p.Get(t, "/users/1").Want(http.StatusOK)
}

func TestProcess_HeaderLimit(t *testing.T) {
	t.Parallel()
	p := testkit.Start{}.Binary(t)
	for _, c := range []struct {
		size   int
		status int
	}{{8 << 10, 404}, {64 << 10, 431}, {1 << 20, 431}} {
		t.Run(fmt.Sprintf("%d octets of headers are %d", c.size, c.status), func(t *testing.T) {
			wire := p.Dial(t)
			_, _ = fmt.Fprintf(wire.Conn, "GET /users/9 HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", c.size))
			answer, err := wire.Read(t, http.MethodGet)
			if err != nil || answer.Status != c.status {
				t.Errorf("answered %v, %v", answer, err)
			}
		})
	}
	t.Run("a long URL is 431 too", func(t *testing.T) {
		wire := p.Dial(t)
		_, _ = fmt.Fprintf(wire.Conn, "GET /users/?%s HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 64<<10))
		if answer, err := wire.Read(t, http.MethodGet); err != nil || answer.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %v, %v", answer, err)
		}
	})
}

// TestProcess_HostileFraming sends what no client sends. Each must be answered at most once or have
// its connection closed, and none may harm the next client.
func TestProcess_HostileFraming(t *testing.T) {
	t.Parallel()
	p := testkit.Start{}.Binary(t)
	const smuggled = "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n"
	for says, octets := range map[string]string{
		"two lengths":                "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}" + smuggled,
		"a negative length":          "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + smuggled,
		"a length in hex":            "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}" + smuggled,
		"a length too large":         "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n" + smuggled,
		"an unknown transfer coding": "POST /users/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}" + smuggled,
		"two transfer codings":       "POST /users/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
		"a bad chunk size":           "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk that is too long":   "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + smuggled,
		"no host":                    "GET /users/1 HTTP/1.1\r\n\r\n" + smuggled,
		"two hosts":                  "GET /users/1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled,
		"a space before a colon":     "GET /users/1 HTTP/1.1\r\nHost : x\r\n\r\n" + smuggled,
		"NUL in a header":            "GET /users/1 HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n" + smuggled,
		"a bare CR in a header":      "GET /users/1 HTTP/1.1\r\nHost: x\r\nX: a\rSet: b\r\n\r\n" + smuggled,
		"another version":            "GET /users/1 HTTP/3.7\r\nHost: x\r\n\r\n" + smuggled,
		"TLS":                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + smuggled,
		"noise":                      "\x00\xff\x00\xff\r\n\r\n" + smuggled,
	} {
		t.Run(says, func(t *testing.T) {
			wire := p.Dial(t)
			_, _ = wire.Conn.Write([]byte(octets))
			answers := 0
			for {
				answer, err := wire.Read(t, http.MethodPost)
				if err != nil {
					break
				}
				if answers++; answer.Status < 400 {
					t.Errorf("answered %d", answer.Status)
				}
				if answer.Status >= 500 && answer.Status != http.StatusNotImplemented && answer.Status != http.StatusHTTPVersionNotSupported {
					t.Errorf("answered %d: %s", answer.Status, answer.Body)
				}
			}
			if answers > 1 {
				t.Errorf("%d answers: the octets behind were taken for a request", answers)
			}
		})
	}
	t.Run("both a length and chunks: the connection is closed behind the one answer", func(t *testing.T) {
		wire := p.Dial(t)
		wire.Write(t, "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled)
		answers := 0
		for ; answers < 3; answers++ {
			_ = wire.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := wire.Read(t, http.MethodPost); err != nil {
				break
			}
		}
		if answers != 1 {
			t.Errorf("%d answers (RFC 9112, section 6.1)", answers)
		}
	})
	p.Get(t, "/health").Want(http.StatusOK)
}

func TestProcess_Protocols(t *testing.T) {
	t.Parallel()
	p := testkit.Start{}.Binary(t)
	p.Create(t, ada)
	t.Run("HTTP/2 without TLS by prior knowledge, with many requests on one connection", func(t *testing.T) {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() {
				answer, err := client.Get(fmt.Sprintf("%s/users/%d", p.URL, 1+n%2))
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				defer answer.Body.Close()
				if answer.ProtoMajor != 2 || answer.StatusCode != []int{200, 404}[n%2] {
					t.Errorf("%s %s", answer.Proto, answer.Status)
				}
			})
		}
		all.Wait()
		body := strings.NewReader(`{"name":"Two","email":"two@example.com"}`)
		answer, err := client.Post(p.URL+"/users/", "application/json", body)
		if err != nil || answer.StatusCode != http.StatusCreated {
			t.Fatalf("POST: %v, %v", answer, err)
		}
		_ = answer.Body.Close()
	})
	t.Run("HTTP/1.1 keeps its connection", func(t *testing.T) {
		wire := p.Dial(t)
		for range 3 {
			wire.Write(t, "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := wire.Read(t, http.MethodGet)
			if err != nil || answer.Status != http.StatusOK || answer.Close {
				t.Fatalf("%v, %v", answer, err)
			}
		}
	})
	t.Run("requests sent ahead are answered in order", func(t *testing.T) {
		wire := p.Dial(t)
		wire.Write(t, "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /users/99 HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		for _, status := range []int{200, 404, 200} {
			if answer, err := wire.Read(t, http.MethodGet); err != nil || answer.Status != status {
				t.Fatalf("%v, %v; want %d", answer, err, status)
			}
		}
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		wire := p.Dial(t)
		wire.Write(t, "GET /users/1 HTTP/1.0\r\n\r\n")
		if answer, err := wire.Read(t, http.MethodGet); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("%v, %v", answer, err)
		}
	})
	t.Run("OPTIONS * has its request id as every answer", func(t *testing.T) {
		wire := p.Dial(t)
		wire.Write(t, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer, err := wire.Read(t, http.MethodOptions); err != nil || answer.Header.Get("X-Request-ID") == "" {
			t.Errorf("answered %d with %v, %v", answer.Status, answer.Header, err)
		}
	})
}

// TestProcess_BlockedLog gives the service a pipe for its log that nobody reads.
func TestProcess_BlockedLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	port := freePort(t)
	p := testkit.Start{Args: []string{"--addr", "127.0.0.1:" + port, "--log-level", "debug"}, Stdout: writer}.Binary(t)
	_ = writer.Close()
	p.Attach(t, "http://127.0.0.1:"+port)
	padding := "X-Padding: " + strings.Repeat("x", 8<<10)
	start := time.Now()
	for n := range 1000 { // 8 MB of log, and the pipe holds 64 KB
		asked := time.Now()
		p.Get(t, "/users/9", padding)
		if took := time.Since(asked); took > time.Second {
			t.Fatalf("request %d took %v", n, took)
		}
	}
	t.Logf("1000 requests in %v", time.Since(start))
	p.Signal(t, syscall.SIGINT)
	if code := p.Wait(t, 5*time.Second); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestProcess_BrokenLog takes the reader of the log away, as a collector that crashes does.
func TestProcess_BrokenLog(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	p := testkit.Start{Args: []string{"--addr", "127.0.0.1:" + port}, Stdout: writer}.Binary(t)
	_ = writer.Close()
	p.Attach(t, "http://127.0.0.1:"+port)
	_ = reader.Close()
	for n := range 20 {
		p.Create(t, named(n, `"Ada"`))
		select {
		case <-p.Ended():
			t.Fatalf("the process ended after %d requests because nobody reads its log", n+1)
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.Signal(t, syscall.SIGINT)
	if code := p.Wait(t, 5*time.Second); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
