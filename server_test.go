package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"userapi/config"
	"userapi/middleware"
)

// loopback returns a listener on a free port that ends with the test.
func loopback(t *testing.T) *listener {
	t.Helper()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// dialled returns a connection to a listener that ends with the test.
func dialled(t *testing.T, l *listener) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	here, there := &net.TCPAddr{IP: net.IPv6loopback, Port: 80}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	keys := func(c *config.Config) { c.Auth.Mode = []string{config.AuthAPIKey} }
	for _, c := range []struct {
		name   string
		addr   net.Addr
		change func(*config.Config)
		want   string // how the one warning begins
	}{
		{"nobody is asked, and nobody can connect", here, func(*config.Config) {}, ""},
		{"nobody is asked", there, func(*config.Config) {}, "nobody is asked who they are"},
		{"credentials stay on this machine", here, keys, ""},
		{"credentials go in the open", there, keys, "passwords, keys and tokens can be read on the way"},
		{"credentials go over TLS", there, func(c *config.Config) { keys(c); c.TLS.CertFile = "cert" }, ""},
	} {
		t.Run("warns as it has to when "+c.name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.WarnLevel)
			settings := config.Default()
			c.change(&settings)
			announce(c.addr, settings, zap.New(core))
			said := logs.TakeAll()
			if c.want == "" && len(said) > 0 || c.want != "" && (len(said) != 1 || !strings.HasPrefix(said[0].Message, c.want)) {
				t.Errorf("it said %v, want %q", said, c.want)
			}
		})
	}
}

func TestGuarded(t *testing.T) {
	t.Parallel()
	here, there := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	t.Run("a name that is another address than it seemed is refused, unless that is meant or somebody asks", func(t *testing.T) {
		t.Parallel()
		settings := config.Default()
		settings.HTTP.Addr = "localhost:80"
		if err := guarded(here, settings); err != nil {
			t.Error(err)
		}
		err := guarded(there, settings)
		if !errors.As(err, new(unusableError)) || !strings.HasPrefix(err.Error(), "auth.mode: localhost:80 is 192.0.2.1:80, ") {
			t.Errorf("%v", err)
		}
		settings.Auth.AllowAnonymous = true
		if err := guarded(there, settings); err != nil {
			t.Error(err)
		}
		settings.Auth.AllowAnonymous, settings.Auth.Mode = false, []string{config.AuthBasic}
		if err := guarded(there, settings); err != nil {
			t.Error(err)
		}
	})
}

func TestListen(t *testing.T) {
	t.Parallel()
	t.Run("a port in use says so and what to do", func(t *testing.T) {
		t.Parallel()
		_, err := listen(t.Context(), loopback(t).Addr().String())
		if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--addr") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	})
	t.Run("an address that is not ours says so and what to do", func(t *testing.T) {
		t.Parallel()
		_, err := listen(t.Context(), "192.0.2.1:0")
		if err == nil || !errors.Is(err, syscall.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "--addr") {
			t.Errorf("%v", err)
		}
	})
}

func TestListener(t *testing.T) {
	t.Parallel()
	t.Run("after finish it returns the connections that were queued and then ends", func(t *testing.T) {
		t.Parallel()
		const queued = 20
		l := loopback(t)
		for range queued {
			dialled(t, l)
		}
		l.finish()
		accepted := 0
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("it ends with %v", err)
				}
				break
			}
			accepted++
			_ = c.Close()
		}
		if accepted != queued {
			t.Errorf("%d of %d connections", accepted, queued)
		}
		if c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
			_ = c.Close()
			t.Error("it still listens")
		}
	})
	t.Run("it settles when the last connection of HTTP/1 is closed, however often that is said", func(t *testing.T) {
		t.Parallel()
		l := loopback(t)
		says := func(words string) net.Conn {
			_, _ = dialled(t, l).Write([]byte(words))
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 64)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		first, second, other := says("GET / HTTP/1.1"), says("P"), says("PRI * HTTP/2.0")
		_ = first.Close()
		_ = first.Close()
		if left := l.settle(); left != 1 {
			t.Errorf("%d are left of one", left)
		}
		_ = second.Close()
		if left := l.settle(); left != 0 {
			t.Errorf("%d are left", left)
		}
		if _, err := other.Write([]byte("x")); err != nil {
			t.Errorf("the one of HTTP/2 was closed: %v", err)
		}
	})
	t.Run("it closes a connection on which nobody says anything", func(t *testing.T) {
		t.Parallel()
		l := loopback(t)
		dialled(t, l)
		silent, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := silent.Read(make([]byte, 1))
			_ = silent.Close()
			ended <- err
		}()
		if left := l.settle(); left != 1 {
			t.Errorf("%d are left of one that may still begin", left)
		}
		eventually(t, "it to be closed", func() bool { return l.settle() == 0 })
		if err := <-ended; err == nil {
			t.Error("its reader was told nothing")
		}
	})
}

// running is a server at work.
type running struct {
	listener  *listener
	lifecycle *middleware.Lifecycle
	signals   chan os.Signal
	cancel    context.CancelFunc
	ended     chan error
}

// serving starts a server of a handler.
func serving(t *testing.T, stop config.Shutdown, handler http.Handler) *running {
	t.Helper()
	settings := config.Default()
	settings.Shutdown = stop
	r := &running{listener: loopback(t), lifecycle: new(middleware.Lifecycle), signals: make(chan os.Signal, 2), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	s := newServer(settings, r.listener, handler, r.lifecycle, zap.NewNop())
	go func() { r.ended <- s.serve(ctx, r.signals) }()
	eventually(t, "the server to serve", r.lifecycle.Serving)
	t.Cleanup(func() {
		cancel()
		_ = s.http.Close()
	})
	return r
}

// end waits for the server's end.
func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

func TestServer_Serve(t *testing.T) {
	t.Parallel()
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	t.Run("it ends in order with its context", func(t *testing.T) {
		t.Parallel()
		r := serving(t, config.Default().Shutdown, nothing)
		r.cancel()
		if err := r.end(t); err != nil || r.lifecycle.Serving() {
			t.Errorf("%v", err)
		}
	})
	t.Run("a listener that fails is an error", func(t *testing.T) {
		t.Parallel()
		r := serving(t, config.Default().Shutdown, nothing)
		_ = r.listener.Close()
		if err := r.end(t); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("so is one that fails during the drain", func(t *testing.T) {
		t.Parallel()
		r := serving(t, config.Shutdown{Drain: time.Minute, Timeout: time.Minute}, nothing)
		r.signals <- syscall.SIGTERM
		eventually(t, "the drain", func() bool { return !r.lifecycle.Serving() })
		_ = r.listener.Close()
		if err := r.end(t); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a second signal ends it at once, in the drain and after it", func(t *testing.T) {
		t.Parallel()
		for _, first := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			reached, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			r := serving(t, config.Shutdown{Drain: time.Minute, Timeout: time.Minute}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				once.Do(func() { close(reached) })
				<-release
			}))
			_, _ = io.WriteString(dialled(t, r.listener), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-reached
			r.signals <- first
			eventually(t, "the stop", func() bool { return !r.lifecycle.Serving() })
			r.signals <- os.Interrupt
			if err := r.end(t); !errors.Is(err, errForced) {
				t.Errorf("%v: %v", first, err)
			}
			close(release)
		}
	})
	t.Run("requests that do not end are cut off when the time is over", func(t *testing.T) {
		t.Parallel()
		reached := make(chan struct{})
		left := make(chan struct{})
		r := serving(t, config.Shutdown{Timeout: 100 * time.Millisecond}, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			close(reached)
			<-req.Context().Done()
			close(left)
		}))
		_, _ = io.WriteString(dialled(t, r.listener), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-reached
		r.signals <- syscall.SIGTERM
		if err := r.end(t); err != nil {
			t.Errorf("%v", err)
		}
		<-left
	})
	t.Run("a request that comes on a connection that was idle through the drain is answered or refused, never dropped in the middle", func(t *testing.T) {
		t.Parallel()
		r := serving(t, config.Shutdown{Timeout: time.Minute}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
		idle := dialled(t, r.listener)
		reader := bufio.NewReader(idle)
		for range 2 {
			_, _ = io.WriteString(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		r.signals <- os.Interrupt
		if err := r.end(t); err != nil {
			t.Errorf("%v", err)
		}
		if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection ended with %v", err)
		}
	})
}

func TestListener_finish(t *testing.T) {
	t.Run("connections in the queue are accepted, also when the process was busy with other things meanwhile", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("elsewhere the kernel cannot be told to take no more")
		}
		const waiting = 5
		l := loopback(t)
		for range waiting {
			dialled(t, l)
		}
		l.finish()
		<-time.After(acceptRest + acceptRest/2)
		for n := range waiting {
			conn, err := l.Accept()
			if err != nil {
				t.Fatalf("connection %d: %v", n, err)
			}
			defer conn.Close()
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("at the end: %v", err)
		}
	})
}
