package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// acceptRest is how long handshakes that have begun may take to end after finish.
	acceptRest = 100 * time.Millisecond
	// firstOctet is how long a connection that is open may take to begin its first request while the
	// service stops.
	firstOctet = 500 * time.Millisecond
)

// listener is a TCP listener that can be closed without losing anybody, and that knows what is open.
// A plain Close resets the connections that the kernel has queued, with requests in them perhaps. It
// is safe for concurrent use.
type listener struct {
	*net.TCPListener
	finishing atomic.Bool

	mu   sync.Mutex
	open map[*conn]bool
}

func newListener(socket *net.TCPListener) *listener {
	return &listener{TCPListener: socket, open: map[*conn]bool{}}
}

// Accept implements net.Listener. After finish it returns the connections that are left and then
// net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.AcceptTCP()
	for err != nil && l.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded) && queued(l.TCPListener) {
		// The process was busy with other things until the time was up, and nobody has looked.
		_ = l.SetDeadline(time.Now().Add(acceptRest))
		accepted, err = l.AcceptTCP()
	}
	if err != nil {
		if l.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			_ = l.Close()
			err = net.ErrClosed
		}
		return nil, err
	}
	c := &conn{TCPConn: accepted, listener: l, since: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return c, nil
}

// finish has the kernel refuse new connections, where it can, and Accept return what is left and then
// end.
func (l *listener) finish() {
	l.finishing.Store(true)
	refuseNew(l.TCPListener)
	_ = l.SetDeadline(time.Now().Add(acceptRest))
}

// settle closes the connections on which nobody has said anything for a while, and returns how many of
// HTTP/1 are left.
func (l *listener) settle() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := 0
	for c := range l.open {
		switch said := c.said.Load(); {
		case said == nothing && time.Since(c.since) > firstOctet:
			_ = c.TCPConn.Close() // its reader fails and closes the rest
		case said != http2:
			left++
		}
	}
	return left
}

// What was said first on a connection.
const (
	nothing int32 = iota
	http1
	http2
)

// conn is a connection that is known to its listener until it is closed.
type conn struct {
	*net.TCPConn
	listener *listener
	since    time.Time
	said     atomic.Int32
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && c.said.Load() == nothing {
		if bytes.HasPrefix(p[:n], []byte("PRI")) { // RFC 9113, section 3.4
			c.said.Store(http2)
		} else {
			c.said.Store(http1)
		}
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}
