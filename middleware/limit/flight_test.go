package limit

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
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
		f := NewFlight(2)
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
		if got := f.Stats(); got != (FlightStats{2, 2, 0}) {
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
		if got := f.Stats(); got != (FlightStats{2, 0, 1}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("without a bound all are counted and none is refused", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(0)
		engine := flown(f, func(c *gin.Context) { c.JSON(http.StatusOK, f.Stats()) })
		if got := fly(t, engine, nil); got != http.StatusOK || f.Stats() != (FlightStats{}) {
			t.Errorf("%d, %+v", got, f.Stats())
		}
	})
	t.Run("a bound that is lowered holds for those who come", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(5)
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
		f := NewFlight(1)
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
		if f.Stats() != (FlightStats{Most: 1}) {
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
		f := NewFlight(1)
		engine := flown(f, func(c *gin.Context) {
			current(t, f, 1, "before the body")
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
		f := NewFlight(1)
		engine := flown(f, func(c *gin.Context) {
			f.enter() // by somebody else, who is slow
			_, err := io.ReadAll(c.Request.Body)
			if err == nil {
				err = errors.New("it was let in")
			}
			c.String(http.StatusServiceUnavailable, err.Error())
			if !errors.Is(err, errFull) {
				t.Error(err)
			}
		})
		blocked := false
		watched := &reader{strings.NewReader("a"), func() {
			if !blocked {
				blocked = f.enter()
			}
		}}
		if got := fly(t, engine, watched); got != http.StatusServiceUnavailable {
			t.Errorf("%d", got)
		}
		if got := f.Stats().Shed; got < 1 {
			t.Errorf("%d were shed", got)
		}
	})
	t.Run("a body that breaks off leaves no place taken", func(t *testing.T) {
		t.Parallel()
		f := NewFlight(1)
		broken := errors.New("broken")
		engine := flown(f, func(c *gin.Context) {
			for range 2 {
				if _, err := io.ReadAll(c.Request.Body); !errors.Is(err, broken) {
					t.Error(err)
				}
			}
		})
		fly(t, engine, io.MultiReader(strings.NewReader("a"), &failing{broken}))
		current(t, f, 0, "at the end")
	})
	for says, write := range map[string]func(w gin.ResponseWriter){
		"Write":       func(w gin.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"WriteString": func(w gin.ResponseWriter) { _, _ = w.WriteString("x") },
		"Flush":       func(w gin.ResponseWriter) { w.Flush() },
	} {
		t.Run("an answer that leaves by "+says+" takes no place", func(t *testing.T) {
			t.Parallel()
			f := NewFlight(1)
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
		f := NewFlight(1)
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

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
