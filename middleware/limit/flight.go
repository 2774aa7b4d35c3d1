package limit

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Flight bounds how many requests are worked at. A request that is waited for does not count: neither
// while its body arrives nor from when its answer begins to leave, so that no slow client takes a place
// from others. It is safe for concurrent use.
type Flight struct {
	most     atomic.Int64
	current  atomic.Int64
	shed     atomic.Int64
	passages sync.Pool // of *passage
}

// NewFlight returns a bound; 0 is none.
func NewFlight(most int) *Flight {
	f := &Flight{passages: sync.Pool{New: func() any { return new(passage) }}}
	f.Configure(most)
	return f
}

// Configure changes the bound; 0 is none. Those in flight stay.
func (f *Flight) Configure(most int) { f.most.Store(int64(most)) }

// FlightStats is how many requests can be worked at, how many are now, and how many were refused since
// NewFlight.
type FlightStats struct{ Most, Current, Shed int64 }

// Stats returns the counts as they are now.
func (f *Flight) Stats() FlightStats {
	return FlightStats{f.most.Load(), f.current.Load(), f.shed.Load()}
}

// enter takes a place if one is free.
func (f *Flight) enter() bool {
	if now, most := f.current.Add(1), f.most.Load(); most > 0 && now > most {
		f.current.Add(-1)
		f.shed.Add(1)
		return false
	}
	return true
}

// Step lets a request through for which there is a place, and else has it answered with the error that
// tells of overload.
func (f *Flight) Step(overload error, answer func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !f.enter() {
			answer(c, overload)
			c.Abort()
			return
		}
		p := f.passages.Get().(*passage)
		p.ResponseWriter, p.flight, p.holds = c.Writer, f, true
		c.Writer = p
		if body := c.Request.Body; body != nil && body != http.NoBody {
			c.Request.Body = &arrival{ReadCloser: body, passage: p, overload: overload}
			defer func() { c.Request.Body = body }()
		}
		defer p.end(c)
		c.Next()
	}
}

// passage is one request on its way through, and the writer of its answer.
type passage struct {
	gin.ResponseWriter
	flight *Flight
	holds  bool // a place
}

// release gives the place back, if the request has one.
func (p *passage) release() {
	if p.holds {
		p.holds = false
		p.flight.current.Add(-1)
	}
}

func (p *passage) end(c *gin.Context) {
	p.release()
	c.Writer = p.ResponseWriter
	flight := p.flight
	p.ResponseWriter, p.flight = nil, nil
	flight.passages.Put(p)
}

// Write implements http.ResponseWriter.
func (p *passage) Write(octets []byte) (int, error) {
	p.release()
	return p.ResponseWriter.Write(octets) //nolint:wrapcheck // it is that writer
}

// WriteString implements io.StringWriter.
func (p *passage) WriteString(text string) (int, error) {
	p.release()
	return p.ResponseWriter.WriteString(text) //nolint:wrapcheck // it is that writer
}

// Flush implements http.Flusher.
func (p *passage) Flush() {
	p.release()
	p.ResponseWriter.Flush()
}

// Unwrap is for http.ResponseController.
func (p *passage) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// arrival is the body of a request, which has no place while it arrives.
type arrival struct {
	io.ReadCloser
	passage  *passage
	overload error
	ended    error
}

// Read implements io.Reader. At its end the request needs a place again, and fails if there is none.
func (a *arrival) Read(octets []byte) (int, error) {
	if a.ended != nil {
		return 0, a.ended
	}
	a.passage.release()
	n, err := a.ReadCloser.Read(octets)
	if errors.Is(err, io.EOF) {
		if a.passage.holds = a.passage.flight.enter(); !a.passage.holds {
			err = a.overload
		}
	}
	a.ended = err
	return n, err //nolint:wrapcheck // as it came, since io.EOF is not an error
}
