package limit

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
)

var errFull = errors.New("full")

// flown is a router with one route behind a bound, whose handler is given.
func flown(f *Flight, handler gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.Use(f.Step(errFull, func(c *gin.Context, err error) { c.String(http.StatusServiceUnavailable, err.Error()) }))
	engine.POST("/", handler)
	return engine
}

// fly sends a request and returns the status of the answer.
func fly(tb testing.TB, handler http.Handler, body io.Reader) int {
	tb.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/", body))
	return recorder.Code
}

// reader is a body of which each read is watched.
type reader struct {
	io.Reader
	watch func()
}

func (r *reader) Read(octets []byte) (int, error) {
	r.watch()
	return r.Reader.Read(octets)
}

func TestFlight_Step(t *testing.T) {
	t.Parallel()
	t.Run("one more than the bound is refused, and there is room again when one has ended", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(2, time.Now)
		entered, leave := make(chan bool), make(chan bool)
		engine := flown(f, func(c *gin.Context) {
			entered <- true
			<-leave
			c.Status(http.StatusNoContent)
		})
		ended := make(chan int)
		for range 2 {
			go func() { ended <- fly(t, engine, nil) }()
			<-entered
		}
		if got := f.Stats(); got != (FlightStats{2, 2, 2, 0}) {
			t.Errorf("%+v", got)
		}
		if got := fly(t, engine, nil); got != http.StatusServiceUnavailable {
			t.Errorf("a third is answered %d", got)
		}
		leave <- true
		if got := <-ended; got != http.StatusNoContent {
			t.Errorf("%d", got)
		}
		go func() { ended <- fly(t, engine, nil) }()
		<-entered
		leave <- true
		leave <- true
		<-ended
		<-ended
		if got := f.Stats(); got != (FlightStats{2, 2, 0, 1}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("without a bound all are counted and none is refused", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(0, time.Now)
		engine := flown(f, func(c *gin.Context) { c.JSON(http.StatusOK, f.Stats()) })
		if got := fly(t, engine, nil); got != http.StatusOK || f.Stats() != (FlightStats{}) {
			t.Errorf("%d, %+v", got, f.Stats())
		}
	})
	t.Run("a bound that is lowered holds for those who come", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(5, time.Now)
		engine := flown(f, func(c *gin.Context) {
			f.Configure(1)
			c.Status(fly(t, flown(f, func(c *gin.Context) { c.Status(http.StatusOK) }), nil))
		})
		if got := fly(t, engine, nil); got != http.StatusServiceUnavailable {
			t.Errorf("%d", got)
		}
	})
	t.Run("a panic gives the place back, and whoever catches it has the writer", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		engine := gin.New()
		engine.Use(func(c *gin.Context) {
			defer func() {
				_ = recover()
				if _, still := c.Writer.(*passage); still {
					t.Error("the writer is still that of the passage")
				}
				c.Status(http.StatusInternalServerError)
			}()
			c.Next()
		}, f.Step(errFull, func(c *gin.Context, err error) { c.String(http.StatusServiceUnavailable, err.Error()) }))
		engine.POST("/", func(*gin.Context) { panic("broken") })
		for range 3 {
			if got := fly(t, engine, strings.NewReader("x")); got != http.StatusInternalServerError {
				t.Errorf("%d", got)
			}
		}
		if f.Stats() != (FlightStats{Most: 1, Allowed: 1}) {
			t.Errorf("%+v", f.Stats())
		}
	})
}

func TestFlight_slow(t *testing.T) {
	t.Parallel()
	current := func(t *testing.T, f *Flight, want int64, when string) {
		t.Helper()
		if got := f.Stats().Current; got != want {
			t.Errorf("%s: %d in flight, want %d", when, got, want)
		}
	}
	t.Run("a body that arrives takes no place, and one that has arrived does", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		engine := flown(f, func(c *gin.Context) {
			current(t, f, 0, "before the body")
			body, err := io.ReadAll(c.Request.Body)
			if err != nil || string(body) != "ab" {
				t.Errorf("%q, %v", body, err)
			}
			current(t, f, 1, "behind the body")
			if n, err := c.Request.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("behind the end: %d, %v", n, err)
			}
			current(t, f, 1, "behind the end")
		})
		watched := &reader{io.MultiReader(strings.NewReader("a"), strings.NewReader("b")), func() { current(t, f, 0, "while the body arrives") }}
		if got := fly(t, engine, watched); got != http.StatusOK {
			t.Errorf("%d", got)
		}
		current(t, f, 0, "at the end")
	})
	t.Run("who finds no place behind his body is refused", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		engine := flown(f, func(c *gin.Context) {
			_, _ = f.enter() // by somebody else, who is slow
			_, err := io.ReadAll(c.Request.Body)
			if err == nil {
				err = errors.New("it was let in")
			}
			c.String(http.StatusServiceUnavailable, err.Error())
			if !errors.Is(err, errFull) {
				t.Error(err)
			}
		})
		if got := fly(t, engine, strings.NewReader("a")); got != http.StatusServiceUnavailable {
			t.Errorf("%d", got)
		}
		if got := f.Stats(); got != (FlightStats{1, 1, 1, 1}) {
			t.Errorf("%+v", got)
		}
		if got := fly(t, engine, iotest.ErrReader(errors.New("nobody reads this"))); got != http.StatusServiceUnavailable || f.Stats().Shed != 2 {
			t.Errorf("%d while no place is free; %+v", got, f.Stats())
		}
	})
	t.Run("a body that breaks off leaves no place taken", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		broken := errors.New("broken")
		engine := flown(f, func(c *gin.Context) {
			for range 2 {
				if _, err := io.ReadAll(c.Request.Body); !errors.Is(err, broken) {
					t.Error(err)
				}
			}
		})
		fly(t, engine, io.MultiReader(strings.NewReader("a"), iotest.ErrReader(broken)))
		current(t, f, 0, "at the end")
	})
	for says, write := range map[string]func(w gin.ResponseWriter){
		"Write":       func(w gin.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"WriteString": func(w gin.ResponseWriter) { _, _ = w.WriteString("x") },
		"Flush":       func(w gin.ResponseWriter) { w.Flush() },
	} {
		t.Run("an answer that leaves by "+says+" takes no place", func(t *testing.T) {
			t.Parallel()
			f := NewFlight(1, time.Now)
			engine := flown(f, func(c *gin.Context) {
				c.Writer.WriteHeader(http.StatusTeapot)
				current(t, f, 1, "before the answer")
				write(c.Writer)
				current(t, f, 0, "behind the answer")
				write(c.Writer)
			})
			if got := fly(t, engine, nil); got != http.StatusTeapot {
				t.Errorf("%d", got)
			}
			current(t, f, 0, "at the end")
		})
	}
	t.Run("what http.ResponseController does still reaches the connection", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		engine := flown(f, func(c *gin.Context) {
			if err := http.NewResponseController(c.Writer).SetReadDeadline(c.GetTime("none")); err != nil {
				t.Error(err)
			}
		})
		server := httptest.NewServer(engine)
		defer server.Close()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	})
}

// line is a server that works at one request after the other, behind a bound, on a clock of the test's.
type line struct {
	flight *Flight
	clock  *clock
	work   time.Duration // that one request takes

	waiting     []time.Duration // since when, by the bound
	came        []time.Duration // since when, by the clock
	busy        time.Duration
	good, tries int
}

func newLine(most int, work time.Duration) *line {
	l := &line{clock: newClock(), work: work}
	l.flight = NewFlight(most, l.clock.now)
	return l
}

// come has a request ask to be let in.
func (l *line) come(now time.Duration) {
	l.tries++
	if since, ok := l.flight.enter(); ok {
		l.waiting, l.came = append(l.waiting, since), append(l.came, now)
	}
}

// run has requests come at a rate for a time, and returns how many were answered within a second.
func (l *line) run(rate float64, length time.Duration) (good int) {
	const tick = time.Millisecond
	l.good = 0
	begun := l.tries
	for now := time.Duration(0); now < length; now += tick {
		for float64(l.tries-begun) < now.Seconds()*rate {
			l.come(now)
		}
		for l.busy += tick; l.busy >= l.work; l.busy -= l.work {
			if len(l.waiting) == 0 {
				l.busy = 0
				break
			}
			l.flight.leave(l.waiting[0])
			if now-l.came[0] <= time.Second {
				l.good++
			}
			l.waiting, l.came = l.waiting[1:], l.came[1:]
		}
		l.clock.advance(tick)
	}
	for i := range l.came {
		l.came[i] -= length
	}
	return l.good
}

func TestFlight_overload(t *testing.T) {
	t.Parallel()
	t.Run("three times too much leaves nearly as many good answers as there can be, at any speed", func(t *testing.T) {
		t.Parallel()
		for _, work := range []time.Duration{2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
			l := newLine(1000, work)
			most := float64(time.Second / work)
			if got := float64(l.run(3*most, 20*time.Second)) / (20 * most); got < 0.85 {
				t.Errorf("%v a request: %.2f of them", work, got)
			}
			if got := float64(l.run(0.5*most, 5*time.Second)) / (2.5 * most); got < 0.95 {
				t.Errorf("%v a request: %.2f of half as much as can be done, behind it", work, got)
			}
		}
	})
	t.Run("a bound alone would leave none", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		l.flight.now = newClock().now // which stands, so that nothing is ever slow
		if got := l.run(600, 20*time.Second); got > 20*200/5 {
			t.Errorf("%d were good", got)
		}
	})
	t.Run("a burst is let in whole, and the next one too", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		for range 3 {
			for range 1000 {
				l.come(0)
			}
			l.run(0, 10*time.Second)
		}
		if got := l.flight.Stats(); got.Shed != 0 || got.Current != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("few who are slow are not too many", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 5*time.Millisecond)
		for range 50 {
			for range calm {
				l.come(0)
			}
			l.clock.advance(10 * time.Second)
			l.run(0, time.Second)
		}
		if got := l.flight.Stats(); got.Shed != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("what is let in when there is too much never falls below what is never too much, and comes back", func(t *testing.T) {
		t.Parallel()
		l := newLine(1000, 10*time.Millisecond)
		l.run(300, 20*time.Second)
		if got := l.flight.Stats().Allowed; got != calm {
			t.Errorf("%d are let in", got)
		}
		l.run(5, 10*time.Second)
		for range 1000 {
			l.come(0)
		}
		if got := l.flight.Stats(); got.Allowed != 1000 {
			t.Errorf("%+v", got)
		}
	})
}

// TestFlight_compressed: to compress an answer is work, and to send it is not.
func TestFlight_compressed(t *testing.T) {
	t.Parallel()
	f := NewFlight(1, time.Now)
	engine := gin.New()
	var sending int64
	engine.Use(func(c *gin.Context) {
		c.Next()
		sending = f.Stats().Current
	}, f.Step(errFull, func(*gin.Context, error) {}))
	var behind int64
	engine.GET("/", func(c *gin.Context) {
		c.String(http.StatusOK, "hello")
		behind = f.Stats().Current
	})
	around, err := middleware.Compress(engine)
	if err != nil {
		t.Fatal(err)
	}
	for coding, want := range map[string]int64{"": 0, "gzip": 1} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("Accept-Encoding", coding)
		around.ServeHTTP(httptest.NewRecorder(), req)
		if behind != want || sending != 0 {
			t.Errorf("%q: %d are in flight when the answer is written, %d when it is sent", coding, behind, sending)
		}
	}
}
