package testkit

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Direction is one way through a proxy.
type Direction int

// The directions.
const (
	// Up is from the service to what is behind the proxy, and Down the other way.
	Up Direction = iota
	Down
)

// String names the direction.
func (d Direction) String() string { return [...]string{"up", "down"}[d] }

// Toxic is what a network does to what goes one way. The zero Toxic does nothing.
type Toxic struct {
	// Latency is how much later everything arrives.
	Latency time.Duration
	// Slice cuts what goes through into pieces of so many octets, each sent by itself.
	Slice int
	// Hold has nothing arrive until the toxic is gone.
	Hold bool
	// Reset breaks a connection on which something is sent.
	Reset bool
	// Limit closes a connection in order behind so many octets, counted from the toxic's beginning.
	Limit int
	// SlowClose is how much later the end of a connection is told.
	SlowClose time.Duration
}

// Verdict is what becomes of a piece that a watcher has seen.
type Verdict int

// The verdicts.
const (
	// Pass lets it through.
	Pass Verdict = iota
	// ResetBefore breaks the connection instead.
	ResetBefore
	// ResetAfter lets it through, and breaks the connection when it has been answered.
	ResetAfter
)

// Proxy passes connections on to a server, and does harm to them. It is safe for concurrent use.
type Proxy struct {
	// Addr is where it listens.
	Addr string
	// Accepted counts the connections that it has taken.
	Accepted atomic.Int64

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	toxics  [2]Toxic
	changed chan struct{} // closed when the toxics change
	watcher func(way Direction, piece []byte) Verdict
	links   map[*link]bool
	closed  bool
}

// NewProxy starts a proxy before the server at an address; it ends with the test.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), target: target, listener: listener, changed: make(chan struct{}), links: map[*link]bool{}}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Harm has a toxic act on one way.
func (p *Proxy) Harm(way Direction, toxic Toxic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toxics[way] = toxic
	for link := range p.links {
		link.passed[way].Store(0)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Heal takes all toxics away.
func (p *Proxy) Heal() {
	p.Harm(Up, Toxic{})
	p.Harm(Down, Toxic{})
}

// Watch has a function see every piece that goes through; nil ends it.
func (p *Proxy) Watch(watcher func(way Direction, piece []byte) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watcher = watcher
}

func (p *Proxy) toxic(way Direction) (toxic Toxic, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return Toxic{}, p.changed
	}
	return p.toxics[way], p.changed
}

func (p *Proxy) verdict(way Direction, piece []byte) Verdict {
	p.mu.Lock()
	watcher := p.watcher
	p.mu.Unlock()
	if watcher == nil {
		return Pass
	}
	return watcher(way, piece)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.Accepted.Add(1)
		p.running.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

// serve carries one connection to its end.
func (p *Proxy) serve(client *net.TCPConn) {
	server, err := net.DialTimeout("tcp", p.target, time.Second)
	if err != nil {
		_ = client.SetLinger(0) // as if nobody listened
		_ = client.Close()
		return
	}
	l := &link{proxy: p, ends: [2]*net.TCPConn{client, server.(*net.TCPConn)}, broken: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = true
	if p.closed {
		l.reset()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.carry(Up) })
	both.Go(func() { l.carry(Down) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	_ = l.ends[0].Close()
	_ = l.ends[1].Close()
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for link := range p.links {
		link.reset()
	}
	p.mu.Unlock()
	p.Heal()
	p.running.Wait()
}

// link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	ends   [2]*net.TCPConn // the client's and the server's
	passed [2]atomic.Int64 // octets each way since the toxic began
	last   atomic.Bool     // the next answer ends it
	broken chan struct{}
	once   sync.Once
}

// piece is octets, or the end, and when they came.
type piece struct {
	octets []byte
	came   time.Time
}

// carry takes what comes from one end and gives it to the other. It reads ahead, so that latency does
// not make a connection narrower.
func (l *link) carry(way Direction) {
	line := make(chan piece, 1024)
	go func() {
		defer close(line)
		for {
			octets := make([]byte, 16<<10)
			n, err := l.ends[way].Read(octets)
			if n > 0 {
				select {
				case line <- piece{octets[:n], time.Now()}:
				case <-l.broken:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for next := range line {
		if !l.pass(way, next) {
			l.reset()
			for range line { // what is still on the way is lost
			}
			return
		}
	}
	toxic, _ := l.proxy.toxic(way)
	l.await(toxic.SlowClose)
	_ = l.ends[1-way].CloseWrite()
}

// pass gives a piece to the other end, and returns false when the connection is to break.
func (l *link) pass(way Direction, next piece) bool {
	for {
		toxic, changed := l.proxy.toxic(way)
		if toxic.Hold {
			select {
			case <-changed:
				continue
			case <-l.broken:
				return false
			}
		}
		if toxic.Reset || !l.await(time.Until(next.came.Add(toxic.Latency))) {
			return false
		}
		verdict := l.proxy.verdict(way, next.octets)
		if verdict == ResetBefore || way == Down && l.last.Load() {
			return false
		}
		if verdict == ResetAfter {
			l.last.Store(true)
		}
		return l.write(way, next.octets, toxic)
	}
}

func (l *link) write(way Direction, octets []byte, toxic Toxic) bool {
	size := len(octets)
	if toxic.Slice > 0 {
		size = toxic.Slice
	}
	for len(octets) > 0 {
		n := min(size, len(octets))
		if toxic.Limit > 0 {
			n = min(n, toxic.Limit-int(l.passed[way].Load()))
			if n <= 0 {
				_ = l.ends[0].Close()
				_ = l.ends[1].Close()
				return false
			}
		}
		if _, err := l.ends[1-way].Write(octets[:n]); err != nil {
			return false
		}
		l.passed[way].Add(int64(n))
		octets = octets[n:]
	}
	return true
}

// await waits, and returns false when the connection breaks meanwhile.
func (l *link) await(span time.Duration) bool {
	if span <= 0 {
		return true
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.broken:
		return false
	}
}

// reset breaks the connection at both ends.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.broken)
		for _, end := range l.ends {
			_ = end.SetLinger(0)
			_ = end.Close()
		}
	})
}
