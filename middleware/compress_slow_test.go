package middleware

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// stuck is the writer of an answer that nobody reads until free is closed.
type stuck struct {
	discarded
	reached *sync.WaitGroup
	free    chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.reached.Done()
	<-s.free
	return len(p), nil
}

// inUse is how many octets of memory are.
func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestCompress_notRead: whoever does not read holds no encoder, and little memory.
func TestCompress_notRead(t *testing.T) {
	const readers = 200
	content := people(1000)
	for _, coding := range []string{CodingGzip, CodingZstd} {
		around, err := Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content)
		}))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(w http.ResponseWriter) {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			req.Header.Set("Accept-Encoding", coding)
			around.ServeHTTP(w, req)
		}
		before := inUse()
		var reached, ended sync.WaitGroup
		free := make(chan struct{})
		reached.Add(readers)
		for range readers {
			ended.Go(func() { ask(&stuck{discarded{http.Header{}}, &reached, free}) })
		}
		reached.Wait()
		recorder := httptest.NewRecorder()
		ask(recorder) // and is answered
		each := (inUse() - before) / readers
		close(free)
		ended.Wait()
		size := recorder.Body.Len()
		t.Logf("%s: %d octets for each answer of %d, which is %d as it is", coding, each, size, len(content))
		if limit := uint64(size)*3/2 + 64<<10; each > limit { // the encoders are in it
			t.Errorf("%s: %d octets for each answer of %d", coding, each, size)
		}
	}
}

// late is a writer that takes a second, by the clock of a test, and may fail.
type late struct {
	discarded
	at  *time.Time
	err error
}

func (l *late) Write(p []byte) (int, error) {
	*l.at = l.at.Add(time.Second)
	return len(p), l.err
}

func TestSend(t *testing.T) {
	t.Parallel()
	for _, declared := range []bool{true, false} {
		for _, fails := range []error{nil, errors.New("the client takes nothing")} {
			at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			s := new(stack)
			engine := gin.New()
			core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&s.log), s.level)
			engine.Use(RequestID(), AccessLog(zap.New(core), func() time.Time { return at }), Send())
			content := page(5000)
			engine.GET("/", func(c *gin.Context) {
				if declared {
					c.Header("Content-Length", strconv.Itoa(len(content)))
				}
				c.Data(http.StatusOK, "application/json", content)
			})
			around, err := Compress(engine)
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			req.Header.Set("Accept-Encoding", "zstd")
			var panicked any
			func() {
				defer func() { panicked = recover() }()
				around.ServeHTTP(&late{discarded{http.Header{}}, &at, fails}, req)
			}()
			var entry map[string]any
			if err := json.Unmarshal(s.log.Bytes(), &entry); err != nil {
				t.Fatal(err)
			}
			if entry["duration_us"] != 1e6 || entry["bytes"] != 5000.0 || entry["status"] != 200.0 {
				t.Errorf("%v", entry)
			}
			if cut := fails != nil; cut != (panicked == http.ErrAbortHandler) || cut != (entry["aborted"] == true) { //nolint:errorlint // the value itself is the signal
				t.Errorf("an answer that fails with %v: %v, panics with %v", fails, entry, panicked)
			}
		}
	}
}
