package limit

import (
	"errors"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
)

const (
	// calm is how many requests are never too many. A store that works at a few of them at a time can
	// be slow with that many, but not overloaded.
	calm = 64
	// watched is with how many the clock is looked at, so that it is with those who are let in when there
	// are too many.
	watched = calm / 2
	// patience is how long a request may be worked at, the fastest of those that end at a time, before
	// there are more of them than can be worked at. Clients wait a second or so.
	patience = 250 * time.Millisecond
	// glance is how often that is judged, and memory how long a judgement holds that nobody renews.
	glance = 100 * time.Millisecond
	memory = time.Second
	// arriving is how many bodies may arrive, for each request that may be worked at: they take memory and
	// nothing else.
	arriving = 4
)

// Flight bounds how many requests are worked at. A request that is waited for does not count: neither
// while a body arrives that its route reads, nor from when its answer begins to leave, so that no slow
// client takes a place from others. Of bodies that arrive there may be several times as many, since they
// take memory. What compresses the answer counts, since that is work. It is safe for concurrent use.
//
// The bound is for bursts. A load that stays beyond what can be done would keep that many waiting, and
// where they are not worked off in time everybody gets his answer too late. So when even the fastest
// request takes longer than it should, only as many are let in as end in that time (Little's law), until
// the fastest is fast again.
type Flight struct {
	now      func() time.Time
	start    time.Time
	most     atomic.Int64
	allowed  atomic.Int64 // at present, of most
	current  atomic.Int64
	arriving atomic.Int64 // bodies
	shed     atomic.Int64
	passages sync.Pool // of *passage

	// What has ended since a time, by the clock of elapsed. Each is touched only when it is crowded.
	since   atomic.Int64
	ended   atomic.Int64
	fastest atomic.Int64
	slow    atomic.Bool // as it was judged last
}

// NewFlight returns a bound; 0 is none.
func NewFlight(most int, now func() time.Time) *Flight {
	f := &Flight{now: now, start: now(), passages: sync.Pool{New: func() any { return new(passage) }}}
	f.Configure(most)
	f.fastest.Store(math.MaxInt64)
	return f
}

// Configure changes the bound; 0 is none. Those in flight stay.
func (f *Flight) Configure(most int) {
	f.most.Store(int64(most))
	f.allowed.Store(int64(most))
}

// FlightStats is how many requests can be worked at, how many of them are let in at present and how many
// are worked at now, how many were refused since NewFlight, and how many bodies arrive now.
type FlightStats struct{ Most, Allowed, Current, Shed, Arriving int64 }

// Stats returns the counts as they are now.
func (f *Flight) Stats() FlightStats {
	most := f.most.Load()
	return FlightStats{most, f.bound(most), f.current.Load(), f.shed.Load(), f.arriving.Load()}
}

// bound is how many of most are let in at present. What was judged may be of another most, since that can
// change at any time.
func (f *Flight) bound(most int64) int64 { return min(max(f.allowed.Load(), calm), most) }

// elapsed is never zero, which stands for a time that nobody has looked at.
func (f *Flight) elapsed() time.Duration { return f.now().Sub(f.start) + 1 }

// tooMany says whether so many are more than are let in.
func (f *Flight) tooMany(count int64) bool {
	most := f.most.Load()
	return most > 0 && count > f.bound(most) && (count > most || !f.forget())
}

// await lets a body arrive, unless there is no place that its request could take, or too many arrive.
func (f *Flight) await() bool {
	now, most := f.arriving.Add(1), f.most.Load()
	if most > 0 && now > arriving*most || f.tooMany(f.current.Load()+1) {
		f.arriving.Add(-1)
		f.shed.Add(1)
		return false
	}
	return true
}

// enter takes a place if one is free, and returns since when.
func (f *Flight) enter() (since time.Duration, ok bool) {
	now := f.current.Add(1)
	if f.tooMany(now) {
		f.current.Add(-1)
		f.shed.Add(1)
		return 0, false
	}
	if now <= watched {
		return 0, true // and the clock is spared
	}
	return f.elapsed(), true
}

// leave gives a place back.
func (f *Flight) leave(since time.Duration) {
	f.current.Add(-1)
	if since == 0 {
		return
	}
	now := f.elapsed()
	took := int64(now - since)
	for fastest := f.fastest.Load(); took < fastest && !f.fastest.CompareAndSwap(fastest, took); fastest = f.fastest.Load() {
	}
	f.ended.Add(1)
	begun := f.since.Load()
	if span := now - time.Duration(begun); span >= glance && f.since.CompareAndSwap(begun, int64(now)) {
		f.judge(span, f.ended.Swap(0), time.Duration(f.fastest.Swap(math.MaxInt64)))
	}
}

// judge decides how many are let in, by how many have ended in a span of time and how long the fastest of
// them took. To be slow once may be a pause of the process, behind which hardly any has ended yet.
func (f *Flight) judge(span time.Duration, ended int64, fastest time.Duration) {
	most, allowed := f.most.Load(), f.allowed.Load()
	switch {
	case span > memory: // they came after a pause
		f.slow.Store(false)
		allowed = most
	case fastest > patience && !f.slow.Swap(true):
	case fastest > patience:
		allowed = int64(float64(ended) * patience.Seconds() / span.Seconds())
	default:
		f.slow.Store(false)
		allowed += allowed/32 + 1 // slowly, for it takes as long as a request to see what comes of it
	}
	f.allowed.Store(min(max(allowed, calm), most))
}

// forget lets as many in as can be when it is long ago that there were too many, and says whether it is.
func (f *Flight) forget() bool {
	if begun := f.since.Load(); f.elapsed()-time.Duration(begun) > memory {
		f.allowed.Store(f.most.Load())
		return true
	}
	return false
}

// Step lets a request through for which there is a place, and else has it answered with the error that
// tells of overload. One whose route reads a body takes its place when the body is there; until then
// nothing may be asked of the store.
func (f *Flight) Step(overload error, answer func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		body := c.Request.Body
		arrives := body != nil && body != http.NoBody && sends(c.Request.Method)
		var since time.Duration
		var ok bool
		if arrives {
			ok = f.await()
		} else {
			since, ok = f.enter()
		}
		if !ok {
			answer(c, overload)
			c.Abort()
			return
		}
		p := f.passages.Get().(*passage)
		p.ResponseWriter, p.flight, p.since, p.holds, p.waits = c.Writer, f, since, !arrives, arrives
		p.kept = middleware.Keeps(c.Writer)
		c.Writer = p
		if arrives {
			c.Request.Body = &arrival{ReadCloser: body, passage: p, overload: overload}
			defer func() { c.Request.Body = body }()
		}
		defer p.end(c)
		c.Next()
	}
}

// sends says whether routes with a method read a body. A body that comes with another is never read to its
// end, and so nothing can wait for that.
func sends(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// passage is one request on its way through, and the writer of its answer.
type passage struct {
	gin.ResponseWriter
	flight *Flight
	since  time.Duration
	holds  bool // a place
	waits  bool // for its body
	kept   bool // the answer leaves when this is over
}

// arrived says that nothing more comes of the body.
func (p *passage) arrived() {
	if p.waits {
		p.waits = false
		p.flight.arriving.Add(-1)
	}
}

// release gives the place back, if the request has one.
func (p *passage) release() {
	if p.holds {
		p.holds = false
		p.flight.leave(p.since)
	}
}

// leaving gives the place back when what is written from now on is for the client to take.
func (p *passage) leaving() {
	if !p.kept {
		p.release()
	}
}

func (p *passage) end(c *gin.Context) {
	p.arrived()
	p.release()
	c.Writer = p.ResponseWriter
	flight := p.flight
	p.ResponseWriter, p.flight = nil, nil
	flight.passages.Put(p)
}

// Write implements http.ResponseWriter.
func (p *passage) Write(octets []byte) (int, error) {
	p.leaving()
	return p.ResponseWriter.Write(octets) //nolint:wrapcheck // it is that writer
}

// WriteString implements io.StringWriter.
func (p *passage) WriteString(text string) (int, error) {
	p.leaving()
	return p.ResponseWriter.WriteString(text) //nolint:wrapcheck // it is that writer
}

// Flush implements http.Flusher.
func (p *passage) Flush() {
	p.leaving()
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

// Read implements io.Reader. At its end the request needs a place, and fails if there is none.
func (a *arrival) Read(octets []byte) (int, error) {
	if a.ended != nil {
		return 0, a.ended
	}
	n, err := a.ReadCloser.Read(octets)
	if err != nil {
		a.passage.arrived()
	}
	if errors.Is(err, io.EOF) {
		if a.passage.since, a.passage.holds = a.passage.flight.enter(); !a.passage.holds {
			err = a.overload
		}
	}
	a.ended = err
	return n, err //nolint:wrapcheck // as it came, since io.EOF is not an error
}
