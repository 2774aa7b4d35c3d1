package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
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
	// secure says that what comes is TLS. It is set before the first Accept.
	secure bool

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
	c := &conn{TCPConn: accepted, listener: l}
	c.heard.Store(time.Now().UnixNano())
	if l.secure {
		c.records = new(records)
	}
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
		case said == nothing && time.Since(time.Unix(0, c.heard.Load())) > firstOctet:
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
	said     atomic.Int32
	// heard is when something last came while nothing was said, in nanoseconds since 1970.
	heard   atomic.Int64
	records *records // nil without TLS
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 && c.said.Load() == nothing {
		c.listen(p[:n])
	}
	return n, err
}

// listen finds out what is said on a connection on which nothing was said before.
func (c *conn) listen(octets []byte) {
	c.heard.Store(time.Now().UnixNano())
	switch {
	case c.records != nil && !c.records.begun(octets):
	case c.records != nil && c.records.http2, c.records == nil && bytes.HasPrefix(octets, []byte("PRI")): // RFC 9113, section 3.4
		c.said.Store(http2)
	default:
		c.said.Store(http1)
	}
}

// greeted notes what a client has offered in its ClientHello. It is a tls.Config's GetConfigForClient, and
// returns nothing, which stands for the configuration as it is.
func greeted(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if c, ok := hello.Conn.(*conn); ok && c.records != nil {
		c.records.http2 = slices.Contains(hello.SupportedProtos, "h2") // which the server prefers
		c.records.finished = slices.Contains(hello.SupportedVersions, tls.VersionTLS13)
	}
	return nil, nil //nolint:nilnil // what crypto/tls wants
}

// records looks at a TLS connection from outside, to tell whether a client has begun to say something
// beyond its handshake: http.Server wants the *tls.Conn itself, which cannot be asked without waiting for
// its handshake. It is used by one reader at a time.
type records struct {
	header   [5]byte
	have     int  // octets of header that are there
	rest     int  // octets that are still to come of the record behind it
	data     int  // records of application data so far
	finished bool // TLS 1.3: the first of them is the end of the handshake (RFC 8446, section 5.1)
	http2    bool // what is said will be HTTP/2
}

// begun takes what has come and says whether any of it so far is application data.
func (r *records) begun(octets []byte) bool {
	for len(octets) > 0 {
		if r.rest > 0 {
			n := min(r.rest, len(octets))
			r.rest, octets = r.rest-n, octets[n:]
			continue
		}
		r.header[r.have] = octets[0]
		octets = octets[1:]
		if r.have++; r.have == len(r.header) {
			r.have, r.rest = 0, int(r.header[3])<<8|int(r.header[4])
			if r.header[0] == applicationData {
				r.data++
			}
		}
	}
	return r.data > 1 || r.data == 1 && !r.finished
}

// applicationData is the type of the records that hold it (RFC 8446, section 5.1).
const applicationData = 23

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}
