package tests

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// slowClient is what one kind of slow client does on its connection, again and again, until it is closed.
type slowClient struct {
	kind  string
	count int
	first string
	then  string // each 50 ms; nothing is for one that waits
	reads bool   // it reads an octet each 50 ms
}

// TestProcess_Crowd has two thousand clients that idle, or send and take their octets one by one, beside
// some who want to work.
func TestProcess_Crowd(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 5000 {
		t.Skipf("this process may have %d files open (ulimit -n), and 5000 are needed", limit.Cur)
	}
	p := testkit.Start{Args: []string{
		"--set", "http.read_header_timeout=3s", "--set", "http.read_timeout=3s", "--set", "http.write_timeout=3s", "--set", "http.idle_timeout=3s",
	}}.Binary(t)
	for n := range 200 {
		p.Create(t, named(n, quoted(strings.Repeat("😀", 100))))
	}
	base, quiet := resident(t, p), files(t, p)
	const get = "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n"
	kinds := []slowClient{
		{"say nothing", 500, "", "", false},
		{"idle behind an answer", 500, get, "", false},
		{"send their headers octet by octet", 480, "GET /users/1 HTTP/1.1\r\nHost: x\r\nX-Slow: ", "x", false},
		{"send a body octet by octet", 480, "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", " ", false},
		{"take a page octet by octet", 40, strings.Repeat("GET /users/?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n", 100), "", true},
		{"take a page in zstd octet by octet", 40, strings.Repeat("GET /users/?limit=1000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: zstd\r\n\r\n", 100), "", true},
	}
	var crowd sync.WaitGroup
	var open, closed atomic.Int64
	stop := make(chan struct{})
	for _, kind := range kinds {
		for range kind.count {
			if kind.reads {
				crowd.Go(func() { kind.take(t, p.Addr, &open, stop) })
			} else {
				crowd.Go(func() { kind.behave(t, p.Addr, &open, &closed) })
			}
		}
	}
	testkit.Eventually(t, "the crowd to be there", func() bool { return open.Load() >= 2000 || closed.Load() > 0 })
	if there := files(t, p) - quiet; there < 1500 {
		t.Errorf("the service has only %d connections", there)
	}

	most, slowest, asked := base, time.Duration(0), 0
	busy := func() bool { return closed.Load() < 1960 || files(t, p) > quiet+5 }
	begun := time.Now()
	for ; busy() && time.Since(begun) < 10*time.Second; asked++ {
		start := time.Now()
		if asked%5 == 0 {
			p.Create(t, named(1000+asked, `"Ada"`))
		} else {
			p.Get(t, "/users/1").Want(200)
		}
		slowest, most = max(slowest, time.Since(start)), max(most, resident(t, p))
	}
	if busy() {
		t.Errorf("%d of 1960 are closed, and the service still has %d files open, before the crowd %d", closed.Load(), files(t, p), quiet)
	}
	close(stop)
	crowd.Wait()
	p.Log.Await(t, "a line about a page that nobody took", func(entry testkit.Entry) bool { return entry["aborted"] == true })
	t.Logf("%d requests beside the crowd in %v, the slowest in %v; memory grew from %d to %d MB", asked, time.Since(begun), slowest, base>>20, most>>20)
	if asked < 20 {
		t.Errorf("only %d requests were answered", asked)
	}
	if slowest > 2*time.Second {
		t.Errorf("a request took %v", slowest)
	}
	if grown := most - base; grown > 150<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
}

// take opens a connection on which it asks for much and takes an octet each 50 ms, until stop is closed: it
// does not see when the service closes it, because so much is on the way.
func (s slowClient) take(t *testing.T, addr string, open *atomic.Int64, stop <-chan struct{}) {
	conn, err := net.Dial("tcp", addr)
	open.Add(1)
	if err != nil {
		t.Errorf("clients that %s: %v", s.kind, err)
		return
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	_, _ = io.WriteString(conn, s.first)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-stop:
			tick.Stop()
			return
		case <-tick.C:
			_, _ = conn.Read(make([]byte, 1))
		}
	}
}

// behave opens a connection and does what the kind does, until the service closes it.
func (s slowClient) behave(t *testing.T, addr string, open, closed *atomic.Int64) {
	conn, err := net.Dial("tcp", addr)
	open.Add(1)
	if err != nil {
		t.Errorf("clients that %s: %v", s.kind, err)
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, s.first)
	octets := make([]byte, 4096)
	for end := time.Now().Add(10 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded); {
		if time.Now().After(end) {
			t.Errorf("clients that %s: one is still open after 10 s", s.kind)
			return
		}
		if s.then != "" {
			if _, err = io.WriteString(conn, s.then); err != nil {
				break
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = conn.Read(octets)
	}
	closed.Add(1)
}

// resident is how much memory a process has, in octets; 0 where nobody says.
func resident(t *testing.T, p *testkit.Process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// files is how many files and connections a process has open; 0 where nobody says.
func files(t *testing.T, p *testkit.Process) int {
	t.Helper()
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	return len(entries)
}
