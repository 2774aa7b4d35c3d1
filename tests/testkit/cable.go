package testkit

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Cable is the network between one instance and a server that it uses. It is safe for concurrent use.
type Cable struct {
	// Addr is where the instance finds the server.
	Addr string

	listener net.Listener
	target   string
	carrying sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	flows chan struct{} // closed while data passes
	ends  map[net.Conn]bool
}

// NewCable lays a cable to a server; it goes with the test.
func NewCable(tb testing.TB, target string) *Cable {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cable{Addr: listener.Addr().String(), listener: listener, target: target, flows: make(chan struct{}), ends: map[net.Conn]bool{}}
	close(c.flows)
	c.carrying.Go(c.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		c.Cut()
		c.carrying.Wait()
	})
	return c
}

// Cut ends all connections, and every new one at once.
func (c *Cable) Cut() {
	c.Mend()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for end := range c.ends {
		_ = end.Close()
	}
}

// Hang has connections stay and carry nothing.
func (c *Cable) Hang() {
	c.Mend()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows = make(chan struct{})
}

// Mend undoes Cut and Hang. What was held up meanwhile arrives now.
func (c *Cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
	select {
	case <-c.flows:
	default:
		close(c.flows)
	}
}

func (c *Cable) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.carrying.Go(func() { c.connect(client) })
	}
}

// connect carries one connection to its end.
func (c *Cable) connect(client net.Conn) {
	server, err := net.DialTimeout("tcp", c.target, time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	ends := []net.Conn{client, server}
	c.mu.Lock()
	for _, end := range ends {
		c.ends[end] = true
		if c.cut {
			_ = end.Close()
		}
	}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.carry(server, client) })
	both.Go(func() { c.carry(client, server) })
	both.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, end := range ends {
		delete(c.ends, end)
	}
}

// carry takes what comes from one end to the other until one of them is closed, and then closes both.
func (c *Cable) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	octets := make([]byte, 16<<10)
	for {
		n, err := from.Read(octets)
		if n > 0 {
			c.mu.Lock()
			flows := c.flows
			c.mu.Unlock()
			<-flows
			if _, err := to.Write(octets[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
