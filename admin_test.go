package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware/metrics"
)

func TestAdminHandler(t *testing.T) {
	t.Parallel()
	counted := metrics.New(metrics.Build{})
	cases := []struct {
		method, path string
		plain, pprof int // the statuses without profiles and with them
	}{
		{"GET", "/metrics", 200, 200},
		{"HEAD", "/metrics", 200, 200},
		{"POST", "/metrics", 405, 405},
		{"GET", "/livez", 200, 200},
		{"DELETE", "/livez", 405, 405},
		{"GET", "/debug/pprof/", 404, 200},
		{"GET", "/debug/pprof/heap", 404, 200},
		{"GET", "/debug/pprof/goroutine?debug=1", 404, 200},
		{"GET", "/debug/pprof/nothing", 404, 404},
		{"GET", "/debug/pprof/cmdline", 404, 404},
		{"GET", "/debug/pprof/symbol", 404, 200},
		{"POST", "/debug/pprof/symbol", 404, 200},
		{"POST", "/debug/pprof/heap", 404, 405},
		{"GET", "/debug/pprof", 404, 404},
		{"GET", "/debug/vars", 404, 404},
		{"GET", "/", 404, 404},
		{"GET", "//metrics", 404, 404},
		{"GET", "/metrics/", 404, 404},
		{"GET", "/users/", 404, 404},
		{"GET", "/readyz", 404, 404},
	}
	for _, profiles := range []bool{false, true} {
		handler := adminHandler(profiles, counted)
		for _, c := range cases {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), c.method, "http://localhost"+c.path, nil))
			want := c.plain
			if profiles {
				want = c.pprof
			}
			if recorder.Code != want {
				t.Errorf("%s %s, profiles %v: %d, want %d", c.method, c.path, profiles, recorder.Code, want)
			}
			if got := recorder.Header().Get("Content-Type"); want == 404 && got != "text/plain; charset=utf-8" {
				t.Errorf("%s %s: a 404 of type %q", c.method, c.path, got)
			}
		}
	}
}

func TestStartAdmin(t *testing.T) {
	t.Parallel()
	t.Run("without an address there is none", func(t *testing.T) {
		t.Parallel()
		stop, err := startAdmin(t.Context(), config.Admin{}, nil, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		stop()
	})
	t.Run("a busy address is one sentence that names the setting", func(t *testing.T) {
		t.Parallel()
		busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		_, err = startAdmin(t.Context(), config.Admin{Addr: busy.Addr().String()}, metrics.New(metrics.Build{}), zap.NewNop())
		if err == nil || !strings.HasPrefix(err.Error(), "admin.addr: 127.0.0.1:") || !strings.Contains(err.Error(), "in use") || !strings.HasSuffix(err.Error(), "--set admin.addr=9091") {
			t.Errorf("%v", err)
		}
	})
	t.Run("an address of another machine names the setting too", func(t *testing.T) {
		t.Parallel()
		_, err := startAdmin(t.Context(), config.Admin{Addr: "192.0.2.1:9091"}, metrics.New(metrics.Build{}), zap.NewNop())
		if err == nil || !strings.HasSuffix(err.Error(), "choose another address with --set admin.addr") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a profile that does not end does not hold up the stop", func(t *testing.T) {
		t.Parallel()
		lines := &output{}
		log, writer := newLogger(config.LogJSON, zap.NewAtomicLevel(), lines)
		stop, err := startAdmin(t.Context(), config.Admin{Addr: "127.0.0.1:0", Pprof: true}, metrics.New(metrics.Build{}), log)
		if err != nil {
			t.Fatal(err)
		}
		writer.Close(time.Minute)
		_, addr, _ := strings.Cut(lines.String(), `"url":"`)
		addr, _, _ = strings.Cut(addr, `"`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/debug/pprof/trace?seconds=60", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultTransport.RoundTrip(req) // the head comes at once
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		start := time.Now()
		stop()
		if took := time.Since(start); took > 20*adminStop {
			t.Errorf("took %v", took)
		}
		if _, err := io.ReadAll(answer.Body); err == nil {
			t.Error("the profile ended as if it were whole")
		}
	})
}
