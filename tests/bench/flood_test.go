package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestReception(t *testing.T) {
	t.Run("what was answered is good, late or refused, by when it was due", func(t *testing.T) {
		r := reception{took: time.Second, bins: make([][2]int64, 5)}
		for _, s := range []sample{
			{0, 10 * time.Millisecond, 200}, {0, deadline, 200}, {2 * bin, deadline + 1, 200}, {2 * bin, time.Millisecond, 503}, {3 * bin, time.Millisecond, 200},
		} {
			r.bins[s.due/bin][0]++
			r.count(s)
		}
		if r.good != 3 || r.late != 1 || r.refused != 1 || r.rate() != 3 || len(r.refusals) != 1 {
			t.Errorf("%+v", r)
		}
		if r.bins[0] != [2]int64{2, 2} || r.bins[2] != [2]int64{2, 0} || r.bins[3] != [2]int64{1, 1} {
			t.Errorf("%v", r.bins)
		}
		if got := r.recovered(); got != 3*bin {
			t.Errorf("recovered after %v", got)
		}
	})
}

func TestBench_Flow(t *testing.T) {
	var busy atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer busy.Add(-1)
		w.Header().Set("Content-Length", "2")
		if busy.Add(1) > 5 {
			w.WriteHeader(http.StatusServiceUnavailable)
		} else {
			time.Sleep(20 * time.Millisecond)
		}
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	p := &process{name: "test", addr: strings.TrimPrefix(server.URL, "http://")}
	request := [][]byte{getRequest(p.addr, "/")}
	b := &bench{}
	t.Run("requests come at their rate, though no answer has", func(t *testing.T) {
		got, err := b.flow(t.Context(), p, 100, flood{1000, 500 * time.Millisecond, request})
		if err != nil {
			t.Fatal(err)
		}
		if got.due < 450 || got.due > 501 {
			t.Errorf("%d were due in half a second at 1000 a second", got.due)
		}
		if got.good == 0 || got.refused == 0 || got.good > 200 || got.good+got.late+got.refused > got.due {
			t.Errorf("%d good, %d late, %d refused of %d", got.good, got.late, got.refused, got.due)
		}
		if p.answers != got.good+got.late+got.refused {
			t.Errorf("%d answers", p.answers)
		}
	})
	t.Run("an answer of another kind fails it", func(t *testing.T) {
		server.Config.Handler = http.NotFoundHandler()
		if _, err := b.flow(t.Context(), p, 3, flood{100, time.Second, request}); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("%v", err)
		}
	})
}
