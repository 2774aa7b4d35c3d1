package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"userapi/config"
	"userapi/middleware"
)

// rawHTTP2 is a connection of HTTP/2 on which a test writes frame by frame.
type rawHTTP2 struct {
	net.Conn
	*h2.Framer
	head    []byte // a GET of /slow, encoded
	settled chan struct{}
	// ended gets why the service ended the connection.
	ended    chan error
	settings map[h2.SettingID]uint32
}

// speak opens a connection of HTTP/2. Unless deaf is set, what comes is read and dropped.
func speak(t *testing.T, l *listener, deaf bool) *rawHTTP2 {
	t.Helper()
	conn := dialled(t, l)
	if deaf {
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, h2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/slow"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	c := &rawHTTP2{
		Conn: conn, Framer: h2.NewFramer(conn, conn), head: head.Bytes(),
		settled: make(chan struct{}), ended: make(chan error, 1), settings: map[h2.SettingID]uint32{},
	}
	if err := c.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if !deaf {
		go c.listen()
	}
	return c
}

func (c *rawHTTP2) listen() {
	var reason error
	first := true
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			if reason == nil {
				reason = err
			}
			c.ended <- reason
			return
		}
		switch frame := frame.(type) {
		case *h2.SettingsFrame:
			if first {
				_ = frame.ForeachSetting(func(s h2.Setting) error { c.settings[s.ID] = s.Val; return nil })
				first = false
				close(c.settled)
			}
		case *h2.GoAwayFrame:
			reason = h2.ConnectionError(frame.ErrCode)
		}
	}
}

func (c *rawHTTP2) ask(stream uint32) error {
	return c.WriteHeaders(h2.HeadersFrameParam{StreamID: stream, BlockFragment: c.head, EndStream: true, EndHeaders: true})
}

// besieged is a server with short times. Requests for /slow last until they are given up, all others are
// answered at once.
type besieged struct {
	*listener
	running, most, begun atomic.Int64
}

func guard(t *testing.T, large bool) *besieged {
	t.Helper()
	settings := config.Default()
	settings.HTTP.ReadTimeout, settings.HTTP.WriteTimeout, settings.HTTP.IdleTimeout = time.Second, time.Second, time.Second
	g := &besieged{listener: loopback(t)}
	lifecycle := new(middleware.Lifecycle)
	s := newServer(settings, g.listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			_, _ = io.WriteString(w, "hello")
			return
		}
		g.begun.Add(1)
		now := g.running.Add(1)
		defer g.running.Add(-1)
		for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
		}
		if large {
			_, _ = w.Write(make([]byte, 1<<20))
			return
		}
		<-r.Context().Done()
	}), lifecycle, zap.NewNop())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(t.Context(), nil) }()
	eventually(t, "the server to serve", lifecycle.Serving)
	t.Cleanup(func() { _ = s.http.Close() })
	return g
}

// connections is how many connections of HTTP/2 are open.
func (g *besieged) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	open := 0
	for c := range g.open {
		if c.said.Load() == http2 {
			open++
		}
	}
	return open
}

// others sends requests as an honest client does, until it is stopped, and fails the test for each that is
// not answered soon.
func (g *besieged) others(t *testing.T) (stop func()) {
	t.Helper()
	stopping, done := make(chan struct{}), make(chan struct{})
	client := &http.Client{Timeout: 5 * time.Second, Transport: new(http.Transport)}
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stopping:
				if n >= 3 {
					client.CloseIdleConnections()
					return
				}
			default:
			}
			answer, err := client.Get("http://" + g.Addr().String() + "/")
			if err != nil {
				t.Errorf("request %d of others: %v", n, err)
				continue
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}()
	return func() {
		close(stopping)
		<-done
	}
}

// TestServer_HTTP2Floods sends what wears out servers of HTTP/2. The connection has to stay within its
// bounds or be closed, and others must not notice.
func TestServer_HTTP2Floods(t *testing.T) {
	t.Run("the bounds are announced", func(t *testing.T) {
		c := speak(t, guard(t, false).listener, false)
		<-c.settled
		for id, want := range map[h2.SettingID]uint32{
			h2.SettingMaxConcurrentStreams: maxStreams, h2.SettingMaxFrameSize: 16 << 10,
			h2.SettingInitialWindowSize: 256 << 10, h2.SettingHeaderTableSize: 4 << 10,
		} {
			if got, said := c.settings[id]; got != want && (said || id != h2.SettingHeaderTableSize) {
				t.Errorf("%v is %d, want %d", id, got, want)
			}
		}
		if got := c.settings[h2.SettingMaxHeaderListSize]; got == 0 || got > 64<<10 {
			t.Errorf("header fields of %d octets are welcome", got)
		}
	})
	t.Run("streams that are reset at once (CVE-2023-44487)", func(t *testing.T) {
		g := guard(t, false)
		stop := g.others(t)
		base := runtime.NumGoroutine()
		c := speak(t, g.listener, false)
		sent := 0
		for ; sent < 20_000; sent++ {
			stream := uint32(2*sent + 1)
			if errors.Join(c.ask(stream), c.WriteRSTStream(stream, h2.ErrCodeCancel)) != nil {
				break // closed, which is as good
			}
		}
		stop()
		t.Logf("%d resets, %d handlers began, %d at once", sent, g.begun.Load(), g.most.Load())
		if most := g.most.Load(); most > maxStreams {
			t.Errorf("%d handlers ran at once", most)
		}
		_ = c.Close()
		eventually(t, "the handlers to end", func() bool { return g.running.Load() == 0 })
		eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= base+5 })
	})
	t.Run("more streams than there may be", func(t *testing.T) {
		g := guard(t, false)
		stop := g.others(t)
		c := speak(t, g.listener, false)
		for n := range 10 * maxStreams {
			if c.ask(uint32(2*n+1)) != nil {
				break
			}
		}
		eventually(t, "some to run", func() bool { return g.begun.Load() > 0 })
		stop()
		if most := g.most.Load(); most > maxStreams {
			t.Errorf("%d handlers ran at once", most)
		}
	})
	t.Run("header fields without an end (CONTINUATION)", func(t *testing.T) {
		g := guard(t, false)
		stop := g.others(t)
		c := speak(t, g.listener, false)
		err := c.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head, EndStream: true})
		fragment := bytes.Repeat([]byte("\x00\x01a\x01b"), 3000) // 3000 times `a: b`, as they are
		sent := 0
		for ; err == nil && sent < 64<<20; sent += len(fragment) {
			err = c.WriteContinuation(1, false, fragment)
		}
		stop()
		t.Logf("closed after some %d octets: %v", sent, err)
		if err == nil {
			t.Error("it takes 64 MB of header fields")
		}
		if g.begun.Load() > 0 {
			t.Error("it became a request")
		}
	})
	t.Run("questions that nobody wants answered (PING, SETTINGS)", func(t *testing.T) {
		for name, flood := range map[string]func(*rawHTTP2) error{
			"PING":     func(c *rawHTTP2) error { return c.WritePing(false, [8]byte{}) },
			"SETTINGS": func(c *rawHTTP2) error { return c.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1}) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := guard(t, false)
				stop := g.others(t)
				defer stop()
				thousand := new(bytes.Buffer)
				for range 1000 {
					_ = flood(&rawHTTP2{Framer: h2.NewFramer(thousand, nil)})
				}
				c := speak(t, g.listener, true)
				eventually(t, "the connection", func() bool { return g.connections() == 1 })
				rest := thousand.Bytes()
				for start := time.Now(); time.Since(start) < 15*time.Second; {
					_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
					n, _ := c.Write(rest)
					if rest = rest[n:]; len(rest) == 0 {
						rest = thousand.Bytes()
					}
					// The system does not tell who leaves everything unread that it was closed.
					if g.connections() == 0 {
						return
					}
				}
				t.Error("the connection is open for ever")
			})
		}
	})
	t.Run("answers that nobody takes", func(t *testing.T) {
		g := guard(t, true)
		stop := g.others(t)
		c := speak(t, g.listener, false)
		if err := c.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 0}); err != nil {
			t.Fatal(err)
		}
		for n := range maxStreams {
			if err := c.ask(uint32(2*n + 1)); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "them to begin", func() bool { return g.begun.Load() == maxStreams })
		eventually(t, "them to be given up", func() bool { return g.running.Load() == 0 })
		stop()
	})
}
