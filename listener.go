package main

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// acceptRest is how long handshakes that have begun may take to end after finish.
const acceptRest = 100 * time.Millisecond

// listener is a TCP listener that can be closed without losing anybody, and that knows when the last
// of its connections is closed. A plain Close resets the connections that the kernel has queued,
// with requests in them perhaps.
type listener struct {
	*net.TCPListener
	finishing atomic.Bool
	open      sync.WaitGroup
}

// Accept implements net.Listener. After finish it returns the connections that are left and then
// net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.AcceptTCP()
	if err != nil {
		if l.finishing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			_ = l.Close()
			err = net.ErrClosed
		}
		return nil, err
	}
	l.open.Add(1)
	return &conn{TCPConn: accepted, closed: sync.OnceFunc(l.open.Done)}, nil
}

// finish has the kernel refuse new connections, where it can, and Accept return what is left and then
// end.
func (l *listener) finish() {
	l.finishing.Store(true)
	refuseNew(l.TCPListener)
	_ = l.SetDeadline(time.Now().Add(acceptRest))
}

// empty returns a channel that is closed when no connection is open. Accept must have ended.
func (l *listener) empty() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		l.open.Wait()
		close(done)
	}()
	return done
}

// conn is a connection that is counted until it is closed.
type conn struct {
	*net.TCPConn
	closed func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.closed()
	return c.TCPConn.Close()
}
