package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// served starts a server that is answered for by the handler.
func served(t *testing.T, handler http.HandlerFunc) *process {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &process{name: "fake", addr: server.Listener.Addr().String()}
}

func TestClient_get(t *testing.T) {
	p := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/users":
			body := strings.Repeat("x", 10_000*len(r.URL.RawQuery))
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = io.WriteString(w, body)
		case "/endless":
			_ = http.NewResponseController(w).Flush()
		default:
			http.Error(w, "nobody", http.StatusNotFound)
		}
	})
	get := func(t *testing.T, paths ...string) ([]byte, error) {
		t.Helper()
		var body []byte
		err := withClients(t.Context(), p, 1, func(clients []*client) (err error) {
			for _, path := range paths {
				if body, err = clients[0].get(path); err != nil {
					return err
				}
			}
			return nil
		})
		return body, err
	}
	t.Run("each answer is read whole, over one connection", func(t *testing.T) {
		p.answers = 0
		body, err := get(t, "/users?1", "/users?55555", "/users?333")
		if err != nil || len(body) != 30_000 || p.answers != 3 {
			t.Errorf("%d bytes, %d answers, %v", len(body), p.answers, err)
		}
	})
	t.Run("anything but 200 is an error that says what was asked and answered", func(t *testing.T) {
		_, err := get(t, "/nowhere")
		if err == nil || !strings.Contains(err.Error(), "GET /nowhere") || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("an answer of unknown length is an error", func(t *testing.T) {
		if _, err := get(t, "/endless"); err == nil {
			t.Error("no error")
		}
	})
}

func TestTogether(t *testing.T) {
	wait := make(chan struct{})
	p := served(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-wait
		}
	})
	t.Cleanup(func() { close(wait) })
	t.Run("the first error cuts the others off", func(t *testing.T) {
		wrong := errors.New("wrong")
		err := withClients(t.Context(), p, 3, func(clients []*client) error {
			return together(clients, func(i int, c *client) error {
				if i == 1 {
					return wrong
				}
				return c.ask(getRequest(c.addr, "/slow"))
			})
		})
		if !errors.Is(err, wrong) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("the end of the context cuts all off and is told", func(t *testing.T) {
		late := errors.New("late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, late)
		defer cancel()
		err := withClients(ctx, p, 2, func(clients []*client) error {
			return together(clients, func(_ int, c *client) error { return c.ask(getRequest(c.addr, "/slow")) })
		})
		if !errors.Is(err, late) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestShare(t *testing.T) {
	p := served(t, func(http.ResponseWriter, *http.Request) {})
	t.Run("every number is dealt once", func(t *testing.T) {
		var dealt [100]atomic.Int32
		err := share(t.Context(), p, len(dealt), func(c *client, i int) error {
			dealt[i].Add(1)
			_, err := c.get("/")
			return err
		})
		for i := range dealt {
			if n := dealt[i].Load(); n != 1 {
				t.Errorf("%d was dealt %d times", i, n)
			}
		}
		if err != nil || p.answers != int64(len(dealt)) {
			t.Errorf("%d answers, %v", p.answers, err)
		}
	})
}

func TestTraffic_run(t *testing.T) {
	var refuse atomic.Bool
	p := served(t, func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() && r.URL.Path == "/3" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "hello")
	})
	requests := [][]byte{getRequest(p.addr, "/1"), getRequest(p.addr, "/2"), getRequest(p.addr, "/3")}
	run := func(t *testing.T, traffic traffic) (out outcome, err error) {
		t.Helper()
		err = withClients(t.Context(), p, traffic.connections, func(clients []*client) (err error) {
			out, err = traffic.run(clients, 20*time.Millisecond)
			return err
		})
		return out, err
	}
	t.Run("a run has a rate, sizes and latencies", func(t *testing.T) {
		out, err := run(t, cycle(requests, 2, 5))
		if err != nil || out.Requests < 2 || out.Bytes != 5*out.Requests || out.P50 <= 0 || out.P99 < out.P50 || out.Micros < 20_000 {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("one answer that is too short spoils the run", func(t *testing.T) {
		if _, err := run(t, cycle(requests, 2, 6)); err == nil {
			t.Error("no error")
		}
	})
	t.Run("one refusal spoils the run", func(t *testing.T) {
		refuse.Store(true)
		if _, err := run(t, cycle(requests, 2, 5)); err == nil || !strings.Contains(err.Error(), "GET /3") {
			t.Errorf("err = %v", err)
		}
	})
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		name  string
		times []time.Duration
		share float64
		want  time.Duration
	}{
		{"half of a hundred", hundred, 0.5, 50},
		{"all but one of a hundred", hundred, 0.99, 99},
		{"the only one", hundred[:1], 0.99, 1},
		{"of few the last", hundred[:3], 0.99, 3},
		{"of none zero", nil, 0.5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentile(c.times, c.share); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
