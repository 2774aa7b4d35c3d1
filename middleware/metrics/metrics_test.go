package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	dto "github.com/prometheus/client_model/go"

	"userapi/models"
)

// gathered returns what m exports, by name and then by the values of its labels.
func gathered(t testing.TB, m *Metrics) map[string]map[string]*dto.Metric {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]*dto.Metric{}
	for _, family := range families {
		series := map[string]*dto.Metric{}
		for _, metric := range family.GetMetric() {
			values := []string{}
			for _, label := range metric.GetLabel() {
				values = append(values, label.GetValue())
			}
			series[strings.Join(values, " ")] = metric
		}
		all[family.GetName()] = series
	}
	return all
}

// engine is a router whose only step is that which counts.
func engine(m *Metrics) *gin.Engine {
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(m.Requests())
	return e
}

// ask returns what the router panicked with, which net/http would catch.
func ask(e *gin.Engine, req *http.Request) (panicked any) {
	defer func() { panicked = recover() }()
	e.ServeHTTP(httptest.NewRecorder(), req)
	return nil
}

func request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
}

func TestMetrics_Requests(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	m := New(Build{})
	var clock time.Duration
	m.now = func() time.Duration {
		clock += 3 * time.Millisecond // between the beginning and the end of each request
		return clock
	}
	e := engine(m)
	e.GET("/things/:id", func(c *gin.Context) { c.String(http.StatusOK, "0123456789") })
	e.HEAD("/things/:id", func(c *gin.Context) { c.String(http.StatusOK, "0123456789") })
	e.POST("/things/", func(c *gin.Context) {
		_, _ = io.Copy(io.Discard, c.Request.Body)
		c.Status(http.StatusCreated)
	})
	e.POST("/gone/", func(c *gin.Context) {
		c.Status(499)
		panic(http.ErrAbortHandler)
	})
	e.GET("/cut/", func(c *gin.Context) {
		c.String(http.StatusOK, "half of")
		panic(http.ErrAbortHandler)
	})
	e.GET("/flying/", func(c *gin.Context) {
		now := gathered(t, m)["http_server_active_requests"]
		if now["GET"].GetGauge().GetValue() != 1 || now["POST"].GetGauge().GetValue() != 0 {
			t.Errorf("in flight: %v", now)
		}
	})
	for range 3 {
		ask(e, request(t, "GET", "/things/7?secret=1", ""))
	}
	ask(e, request(t, "HEAD", "/things/7", ""))
	ask(e, request(t, "POST", "/things/", strings.Repeat("x", 250)))
	chunked := request(t, "POST", "/things/", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 2500))), -1
	ask(e, chunked)
	ask(e, request(t, "GET", "/nothing/here", ""))
	ask(e, request(t, "PUT", "/things/7", ""))
	ask(e, request(t, "FROBNICATE", "/things/7", "odd"))
	ask(e, request(t, "GET", "/flying/", ""))
	for _, path := range []string{"/gone/", "/cut/"} {
		method := map[string]string{"/gone/": "POST", "/cut/": "GET"}[path]
		if panicked := ask(e, request(t, method, path, "")); panicked != http.ErrAbortHandler { //nolint:errorlint // it is handed on as it is
			t.Errorf("%s: what cuts the connection is not handed on: %v", path, panicked)
		}
	}
	all := gathered(t, m)
	t.Run("requests are counted by method, status and route", func(t *testing.T) {
		got := map[string]uint64{}
		for labels, metric := range all["http_server_request_duration_seconds"] {
			got[labels] = metric.GetHistogram().GetSampleCount()
		}
		want := map[string]uint64{
			"GET 200 /things/:id": 3, "HEAD 200 /things/:id": 1, "POST 201 /things/": 2, "GET 404 unmatched": 1, "PUT 405 unmatched": 1,
			"_OTHER 405 unmatched": 1, "GET 200 /flying/": 1, "POST 499 /gone/": 1, "GET 200 /cut/": 1,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
	t.Run("their time is in both kinds of histogram", func(t *testing.T) {
		h := all["http_server_request_duration_seconds"]["GET 200 /things/:id"].GetHistogram()
		if sum := h.GetSampleSum(); sum < .0089 || sum > .0091 {
			t.Errorf("three times 3 ms are %v s", sum)
		}
		for _, bucket := range h.GetBucket() {
			if want := uint64(3); bucket.GetUpperBound() >= .005 && bucket.GetCumulativeCount() != want || bucket.GetUpperBound() < .003 && bucket.GetCumulativeCount() != 0 {
				t.Errorf("%d are at most %v s", bucket.GetCumulativeCount(), bucket.GetUpperBound())
			}
		}
		if h.GetSchema() != 3 || len(h.GetPositiveDelta()) != 1 || h.GetPositiveDelta()[0] != 3 {
			t.Errorf("the native histogram is %v", h)
		}
	})
	t.Run("sizes are those of bodies, declared or read", func(t *testing.T) {
		sent := all["http_server_request_body_size_bytes"]
		if h := sent["POST 201 /things/"].GetHistogram(); h.GetSampleCount() != 2 || h.GetSampleSum() != 2750 {
			t.Errorf("sent: %v", h)
		}
		if h := sent["_OTHER 405 unmatched"].GetHistogram(); h.GetSampleSum() != 3 {
			t.Errorf("sent with a method that has no body as a rule: %v", h)
		}
		if sent["GET 200 /things/:id"] != nil {
			t.Error("a request without a body has the size of one")
		}
		answers := all["http_server_response_body_size_bytes"]
		if h := answers["GET 200 /things/:id"].GetHistogram(); h.GetSampleSum() != 30 {
			t.Errorf("answered: %v", h)
		}
		if h := answers["HEAD 200 /things/:id"].GetHistogram(); h.GetSampleSum() != 0 || h.GetSampleCount() != 1 {
			t.Errorf("the answer to HEAD has no body: %v", h)
		}
	})
	t.Run("what was cut off is counted once more", func(t *testing.T) {
		aborted := all["userapi_aborted_requests_total"]
		if len(aborted) != 2 || aborted["POST 499 /gone/"].GetCounter().GetValue() != 1 || aborted["GET 200 /cut/"].GetCounter().GetValue() != 1 {
			t.Errorf("%v", aborted)
		}
	})
	t.Run("nothing is in flight at the end", func(t *testing.T) {
		for method, metric := range all["http_server_active_requests"] {
			if metric.GetGauge().GetValue() != 0 {
				t.Errorf("%s: %v", method, metric)
			}
		}
	})
}

func TestMetrics_Bounded(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	m := New(Build{})
	e := engine(m)
	e.GET("/things/:id", func(c *gin.Context) { c.Status(http.StatusOK) })
	e.GET("/careless/:status", func(c *gin.Context) { // as no handler of ours does
		var status int
		_, _ = fmt.Sscan(c.Param("status"), &status)
		c.Status(status)
	})
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		letters := []byte("abcXYZ019-._~%!")
		made := make([]byte, 1+random.IntN(20))
		for i := range made {
			made[i] = letters[random.IntN(len(letters))]
		}
		return strings.ReplaceAll(string(made), "%", "%41")
	}
	t.Run("whatever clients send, the series are few", func(t *testing.T) {
		for range 5000 {
			path := "/things/" + word()
			if random.IntN(2) == 0 {
				path = "/" + word() + "/" + word()
			}
			method := "GET"
			if random.IntN(2) == 0 {
				method = strings.Trim(word(), "%~!.") + "X"
			}
			req := request(t, method, path+"?"+word()+"="+word(), "")
			req.Host = word()
			req.Header.Set(word(), word())
			ask(e, req)
		}
		// 200 and 404 for GET, 405 and 404 for all else.
		if n := len(gathered(t, m)["http_server_request_duration_seconds"]); n != 4 {
			t.Errorf("%d outcomes", n)
		}
	})
	t.Run("nor do statuses or words grow without end, should somebody make them of what clients send", func(t *testing.T) {
		for status := range 2 * mostOutcomes {
			ask(e, request(t, "GET", fmt.Sprintf("/careless/%d", 1000+status), ""))
		}
		observer := m.Store("memory")
		for n := range 1000 {
			m.Auth("basic", strings.Repeat("z", n%30)+string(rune('a'+n%26)))
			m.Limit("reads", word())
			_, end := observer(t.Context(), fmt.Sprint("get", n))
			end(nil)
		}
		all := gathered(t, m)
		for name, most := range map[string]int{
			"http_server_request_duration_seconds": mostOutcomes, "userapi_auth_attempts_total": mostWords,
			"userapi_limit_decisions_total": mostWords, "userapi_store_operation_duration_seconds": mostOperations,
		} {
			if n := len(all[name]); n > most+1 || n < 2 {
				t.Errorf("%s has %d series", name, n)
			}
		}
		counted := uint64(0)
		for _, metric := range all["http_server_request_duration_seconds"] {
			counted += metric.GetHistogram().GetSampleCount()
		}
		if want := uint64(5000 + 2*mostOutcomes); counted != want {
			t.Errorf("%d of %d requests are counted", counted, want)
		}
	})
}

func TestMetrics_Store(t *testing.T) {
	m := New(Build{})
	observer := m.Store("memory")
	errs := map[string]error{
		"ok": nil, "not_found": models.ErrUserNotFound, "conflict": models.ErrEmailTaken, "refused": models.ErrInvalid,
		"unavailable": models.ErrUnavailable.Because(errors.New("away")), "cancelled": fmt.Errorf("memory: %w", context.Canceled),
		"internal": errors.New("disk on fire"),
	}
	for _, err := range errs {
		_, end := observer(t.Context(), "get")
		end(err)
	}
	_, end := observer(t.Context(), "get")
	end(models.ErrPreconditionFailed.Because(nil))
	_, end = observer(t.Context(), "get")
	end(context.DeadlineExceeded)
	series := gathered(t, m)["userapi_store_operation_duration_seconds"]
	t.Run("each error is one outcome", func(t *testing.T) {
		if len(series) != len(errs) {
			t.Errorf("%d series", len(series))
		}
		for outcome := range errs {
			want := uint64(1)
			if outcome == "conflict" || outcome == "unavailable" {
				want = 2
			}
			if n := series["memory get "+outcome].GetHistogram().GetSampleCount(); n != want {
				t.Errorf("%s: %d", outcome, n)
			}
		}
	})
}

// answering is a service for requests that are sent again.
type answering struct {
	replayed bool
	kept     bool
	err      error
}

func (a answering) Do(_ context.Context, keep *models.Keep, _ func(context.Context) (models.Answer, error)) (models.Answer, bool, error) {
	keep.Kept = a.kept
	return models.Answer{Status: 201}, a.replayed, a.err
}

func TestCountedRetries_Do(t *testing.T) {
	m := New(Build{})
	for outcome, inner := range map[string]answering{
		"first": {kept: true}, "replayed": {replayed: true}, "failed": {err: models.ErrUnavailable}, "not_kept": {}, "reused": {err: models.ErrKeyReused},
		"in_progress": {err: models.ErrRequestInProgress},
	} {
		t.Run(outcome+" is counted, and handed on", func(t *testing.T) {
			answer, replayed, err := m.Retries(inner).Do(t.Context(), &models.Keep{}, nil)
			if answer.Status != 201 || replayed != inner.replayed || !errors.Is(err, inner.err) {
				t.Errorf("%v, %v, %v", answer, replayed, err)
			}
			if n := gathered(t, m)["userapi_idempotent_requests_total"][outcome].GetCounter().GetValue(); n != 1 {
				t.Errorf("%v times", n)
			}
		})
	}
}

func TestMetrics_Off(t *testing.T) {
	t.Run("those who tell of events need not know whether anybody listens", func(*testing.T) {
		var off *Metrics
		off.Auth("basic", "ok")
		off.Limit("reads", "allowed")
		off.SetShedding(func() Shedding { return Shedding{} })
		off.SetCallers(func() Callers { return Callers{} })
		off.SetCertificate(func() time.Time { return time.Time{} })
		off.SetIssuerKeys(func() time.Time { return time.Time{} })
		off.SetCache(func() Cache { return Cache{} })
		off.SetDatabase(func() Database { return Database{} })
		off.SetReady(func() bool { return true })
		off.SetUsers(func() int64 { return 0 })
		off.SetLogLinesDropped(func() int64 { return 0 })
		off.SetSpansDropped(func() int64 { return 0 })
	})
}

func TestMetrics_Sources(t *testing.T) {
	m := New(Build{})
	t.Run("what nobody can be asked about has no series", func(t *testing.T) {
		all := gathered(t, m)
		for _, name := range []string{"userapi_users", "userapi_store_connections", "userapi_cache_reads_total", "userapi_ready", "userapi_trace_spans_dropped_total", "userapi_tls_certificate_expiry_timestamp_seconds", "userapi_auth_issuer_keys_timestamp_seconds"} {
			if all[name] != nil {
				t.Errorf("%s: %v", name, all[name])
			}
		}
	})
	t.Run("the last one who is named is asked at each scrape", func(t *testing.T) {
		users := int64(7)
		m.SetUsers(func() int64 { return -1 })
		m.SetUsers(func() int64 { return users })
		m.SetReady(func() bool { return users == 8 })
		for _, users = range []int64{7, 8} {
			all := gathered(t, m)
			if got := all["userapi_users"][""].GetGauge().GetValue(); got != float64(users) {
				t.Errorf("%v users, want %d", got, users)
			}
			if got := all["userapi_ready"][""].GetGauge().GetValue(); (got == 1) != (users == 8) {
				t.Errorf("ready is %v", got)
			}
		}
	})
	t.Run("no certificate and no limit have no series", func(t *testing.T) {
		var until time.Time
		m.SetCertificate(func() time.Time { return until })
		m.SetShedding(func() Shedding { return Shedding{Shed: 3} })
		all := gathered(t, m)
		if all["userapi_tls_certificate_expiry_timestamp_seconds"] != nil || all["userapi_requests_in_flight_limit"] != nil || all["userapi_requests_shed_total"][""].GetCounter().GetValue() != 3 {
			t.Errorf("%v", all)
		}
		until = time.Unix(1_800_000_000, 0)
		if got := gathered(t, m)["userapi_tls_certificate_expiry_timestamp_seconds"][""].GetGauge().GetValue(); got != 1_800_000_000 {
			t.Errorf("%v", got)
		}
	})
}

func TestChildren_of(t *testing.T) {
	t.Run("those who come at once get the same child", func(t *testing.T) {
		born := 0
		c := newChildren(100, -1, func(key int) *int {
			born++ // under the lock
			return &key
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for key := range 50 {
					if child := c.of(key); *child != key {
						t.Errorf("%d is the child of %d", *child, key)
					}
				}
			})
		}
		all.Wait()
		if born != 50 {
			t.Errorf("%d were made", born)
		}
	})
}

// step is one request through the step alone, without gin's router and net/http.
func step(tb testing.TB) (serve func()) {
	tb.Helper()
	gin.SetMode(gin.ReleaseMode)
	m := New(Build{})
	e := engine(m)
	e.GET("/users/:id", func(*gin.Context) {})
	w, req := httptest.NewRecorder(), httptest.NewRequestWithContext(tb.Context(), "GET", "/users/7", nil)
	return func() { e.ServeHTTP(w, req) }
}

func TestMetrics_Allocations(t *testing.T) {
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector has pools forget things")
	}
	serve := step(t)
	serve()
	if n := testing.AllocsPerRun(1000, serve); n != 0 {
		t.Errorf("counting a request allocates %v times", n)
	}
	ctx, observer := t.Context(), New(Build{}).Store("memory")
	if n := testing.AllocsPerRun(1000, func() {
		_, end := observer(ctx, "get")
		end(nil)
	}); n != 0 {
		t.Errorf("counting an operation of the store allocates %v times", n)
	}
}

func BenchmarkRequests(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	bare := gin.New()
	bare.GET("/users/:id", func(*gin.Context) {})
	b.Run("without", func(b *testing.B) {
		w, req := httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), "GET", "/users/7", nil)
		b.ReportAllocs()
		for b.Loop() {
			bare.ServeHTTP(w, req)
		}
	})
	b.Run("with", func(b *testing.B) {
		serve := step(b)
		b.ReportAllocs()
		for b.Loop() {
			serve()
		}
	})
}

func BenchmarkStore(b *testing.B) {
	observer := New(Build{}).Store("memory")
	b.ReportAllocs()
	for b.Loop() {
		_, end := observer(b.Context(), "get")
		end(nil)
	}
}
