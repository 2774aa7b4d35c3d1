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
	engine.Any("/", handler)
	return engine
}

// fly sends a request and returns the status of the answer.
func fly(tb testing.TB, handler http.Handler, body io.Reader) int {
	tb.Helper()
	return flyBy(tb, handler, http.MethodPost, body)
}

func flyBy(tb testing.TB, handler http.Handler, method string, body io.Reader) int {
	tb.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(tb.Context(), method, "/", body))
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
		if got := f.Stats(); got != (FlightStats{2, 2, 2, 0, 0}) {
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
		if got := f.Stats(); got != (FlightStats{2, 2, 0, 1, 0}) {
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
	t.Run("nor does a judgement of the bound before it", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1000, time.Now)
		f.Configure(100)
		f.allowed.Store(1000) // by whoever judged meanwhile
		for range 100 {
			f.enter()
		}
		if _, ok := f.enter(); ok || f.Stats().Allowed != 100 {
			t.Errorf("%v, %+v", ok, f.Stats())
		}
		f.Configure(1000)
		f.allowed.Store(0) // likewise, when it was none
		if _, ok := f.enter(); ok || f.Stats().Allowed != calm {
			t.Errorf("%v, %+v", ok, f.Stats())
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
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions} {
		t.Run("a body that nobody reads defers nothing: "+method, func(t *testing.T) {
			t.Parallel()
			f := NewFlight(1, time.Now)
			var engine *gin.Engine
			engine = flown(f, func(c *gin.Context) {
				current(t, f, 1, "in the handler")
				c.Status(flyBy(t, engine, method, strings.NewReader("x")))
			})
			if got := flyBy(t, engine, method, strings.NewReader("x")); got != http.StatusServiceUnavailable {
				t.Errorf("a second is answered %d", got)
			}
			current(t, f, 0, "at the end")
		})
	}
	t.Run("nor does one that never ends, over HTTP/2", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		server := httptest.NewUnstartedServer(flown(f, func(c *gin.Context) {
			current(t, f, 1, "in the handler")
			c.String(http.StatusOK, c.Request.Proto)
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		body, end := io.Pipe()
		defer end.Close()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if proto, err := io.ReadAll(answer.Body); string(proto) != "HTTP/2.0" || err != nil {
			t.Errorf("%s, %v", proto, err)
		}
	})
	t.Run("only so many bodies arrive at a time", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(2, time.Now)
		depth := 0
		var engine *gin.Engine
		engine = flown(f, func(c *gin.Context) {
			if depth++; depth <= 2*arriving {
				c.Status(fly(t, engine, strings.NewReader("x")))
			}
			_, _ = io.ReadAll(c.Request.Body)
		})
		if got := fly(t, engine, strings.NewReader("x")); got != http.StatusServiceUnavailable || depth != 2*arriving {
			t.Errorf("%d for the last, %d were let in", got, depth)
		}
		if f.Stats() != (FlightStats{Most: 2, Allowed: 2, Shed: 1}) {
			t.Errorf("%+v", f.Stats())
		}
	})
	t.Run("and one that has arrived, or broke off, arrives no more", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1, time.Now)
		engine := flown(f, func(c *gin.Context) {
			if got := f.Stats().Arriving; got != 1 {
				t.Errorf("%d before", got)
			}
			_, _ = io.ReadAll(c.Request.Body)
			_, _ = io.ReadAll(c.Request.Body)
			if got := f.Stats().Arriving; got != 0 {
				t.Errorf("%d behind", got)
			}
		})
		fly(t, engine, strings.NewReader("x"))
		fly(t, engine, iotest.ErrReader(errors.New("broken")))
		if got := f.Stats().Arriving; got != 0 {
			t.Errorf("%d at the end", got)
		}
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
		if got := f.Stats(); got != (FlightStats{1, 1, 1, 1, 0}) {
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
