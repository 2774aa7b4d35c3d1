package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware/metrics"
)

// Limits of the admin side, which few people ask and seldom.
const (
	adminHeaderTimeout = 5 * time.Second
	adminReadTimeout   = 10 * time.Second
	// adminWriteTimeout is longer than the profile of half a minute that pprof takes when nobody says
	// for how long; net/http/pprof refuses those that would not end in time.
	adminWriteTimeout = 2 * time.Minute
	adminIdleTimeout  = 2 * time.Minute
	adminHeaderBytes  = 16 << 10
	// adminStop is how long a scrape may take to end when the service stops.
	adminStop = 250 * time.Millisecond
)

// startAdmin serves what only the operator sees at an address of its own, from now on until stop is
// called, so that also the start and the stop of the service can be watched. Without an address it does
// nothing.
func startAdmin(ctx context.Context, settings config.Admin, counted *metrics.Metrics, log *zap.Logger) (stop func(), err error) {
	if settings.Addr == "" {
		return func() {}, nil
	}
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", settings.Addr)
	if err != nil {
		return nil, fmt.Errorf("admin.addr: %w", cannotListen(settings.Addr, "--set admin.addr=9091", err))
	}
	warnings := zap.NewStdLog(log.Named("admin"))
	if at, err := zap.NewStdLogAt(log.Named("admin"), zap.WarnLevel); err == nil {
		warnings = at
	}
	server := &http.Server{
		Handler:           adminHandler(settings.Pprof, counted),
		ReadHeaderTimeout: adminHeaderTimeout,
		ReadTimeout:       adminReadTimeout,
		WriteTimeout:      adminWriteTimeout,
		IdleTimeout:       adminIdleTimeout,
		MaxHeaderBytes:    adminHeaderBytes,
		ErrorLog:          warnings,
	}
	log.Info("admin listening", zap.String("url", "http://"+socket.Addr().String()), zap.Bool("pprof", settings.Pprof))
	if tcp, ok := socket.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		log.Warn("whoever can reach admin.addr can read the metrics, and the profiles where they are on: there is no authentication", zap.Stringer("addr", tcp))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the admin side has ended; the service goes on without", zap.Error(err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminStop)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-ended
	}, nil
}

// adminHandler answers a scrape, a probe and, if that is wanted, those who ask for profiles. There is
// nothing else, and nothing that changes anything.
func adminHandler(profiles bool, counted *metrics.Metrics) http.Handler {
	pages := map[string]http.Handler{"/metrics": counted.Handler(), "/livez": http.HandlerFunc(adminLive)}
	if profiles {
		pages["/debug/pprof/cmdline"] = http.NotFoundHandler() // arguments may hold a secret
		pages["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		pages["/debug/pprof/symbol"] = http.HandlerFunc(pprof.Symbol)
		pages["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := pages[r.URL.Path]
		if page == nil && profiles && strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
			page = http.HandlerFunc(pprof.Index)
		}
		// pprof sends the addresses that it asks about in a POST.
		asks := r.Method == http.MethodGet || r.Method == http.MethodHead ||
			r.Method == http.MethodPost && r.URL.Path == "/debug/pprof/symbol"
		switch {
		case page == nil:
			http.NotFound(w, r)
		case !asks:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
		default:
			w.Header().Set("Cache-Control", "no-store")
			page.ServeHTTP(w, r)
		}
	})
}

func adminLive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"pass"}`)) // who asks may have gone away
}
