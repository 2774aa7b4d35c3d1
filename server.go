package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"userapi/config"
	"userapi/middleware"
)

// maxStreams bounds the requests that one HTTP/2 connection has in flight.
const maxStreams = 100

// headerSlop is what net/http adds to its MaxHeaderBytes.
const headerSlop = 4096

// settlePause is how often the connections that are left are looked at while the service stops.
const settlePause = 5 * time.Millisecond

// errForced says that a second signal cut the stop short.
var errForced = errors.New("stopped at once by a second signal")

// server is the listening side: an http.Server with every limit set, and the way it stops.
type server struct {
	http      *http.Server
	listener  *listener
	lifecycle *middleware.Lifecycle
	stop      config.Shutdown
	log       *zap.Logger
	// opening, if not nil, is what has still to be done before the service is ready; it ends with its
	// context.
	opening func(ctx context.Context) error
}

// listen binds the address. Its error is one sentence that says what to do.
func listen(ctx context.Context, addr string) (*listener, error) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // refuseNew is sure to work on plain TCP only
	socket, err := plain.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, cannotListen(addr, "--addr 127.0.0.1:9000", err)
	}
	return newListener(socket.(*net.TCPListener)), nil
}

// cannotListen says why an address cannot be had and, by an example, how to choose another one.
func cannotListen(addr, example string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another process; stop that one or choose another port, such as %s", addr, example)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s needs rights that this process does not have; choose a port above 1023, such as %s", addr, example)
	}
	option, _, _ := strings.Cut(example, " ")
	if setting, _, ok := strings.Cut(example, "="); ok {
		option = setting
	}
	return fmt.Errorf("cannot listen on %s: %w; choose another address with %s", addr, err, option)
}

// announce says in the log where the service listens.
func announce(addr net.Addr, settings config.Config, log *zap.Logger) {
	scheme := "http"
	if settings.TLS.CertFile != "" {
		scheme = "https"
	}
	log.Info("listening", zap.String("url", scheme+"://"+addr.String()), zap.Bool("swagger", settings.HTTP.Swagger), zap.Strings("auth", settings.Auth.Mode))
	switch {
	case onLoopback(addr):
	case !slices.Contains(settings.Auth.Mode, config.AuthNone):
		if settings.TLS.CertFile == "" {
			log.Warn("passwords, keys and tokens can be read on the way, and so can users: there is no TLS; set tls.cert_file and tls.key_file, unless a proxy in front ends it",
				zap.Stringer("addr", addr))
		}
	default:
		log.Warn("nobody is asked who they are: whoever can reach this address can read and change every user", zap.Stringer("addr", addr))
		if settings.Admin.MetricsOnMain {
			log.Warn("whoever can reach this address can read the metrics: admin.metrics_on_main is set, and auth.mode is none", zap.Stringer("addr", addr))
		}
	}
}

// onLoopback says whether nobody but this machine can connect to an address that is listened on.
func onLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// guarded returns an unusableError when others can connect to an address and would not be asked who they
// are, though nobody has said that this is meant. The settings have been judged by the name of the address;
// what localhost is they cannot know, since it may be DNS that says.
func guarded(addr net.Addr, settings config.Config) error {
	if onLoopback(addr) || settings.Auth.AllowAnonymous || !slices.Contains(settings.Auth.Mode, config.AuthNone) {
		return nil
	}
	return about("auth.mode", fmt.Errorf("%s is %v, where others than this machine can connect, and nobody is asked who they are; "+
		"listen on 127.0.0.1, or set this to basic, api_key or jwt, or say by auth.allow_anonymous: true that it is meant", settings.HTTP.Addr, addr))
}

// newServer returns a server for HTTP/1.1 and h2c on the listener, until secure is called.
func newServer(settings config.Config, listener *listener, handler http.Handler, lifecycle *middleware.Lifecycle, log *zap.Logger) *server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &server{
		http: &http.Server{
			Handler: handler,
			// `OPTIONS *` is ours to answer, with a request id and a log line.
			DisableGeneralOptionsHandler: true,

			Protocols:         protocols,
			HTTP2:             http2Limits(settings.HTTP),
			ReadHeaderTimeout: settings.HTTP.ReadHeaderTimeout,
			ReadTimeout:       settings.HTTP.ReadTimeout,
			WriteTimeout:      settings.HTTP.WriteTimeout,
			IdleTimeout:       settings.HTTP.IdleTimeout,
			MaxHeaderBytes:    max(settings.HTTP.MaxHeaderBytes-headerSlop, 1),
			ErrorLog:          stdlog.New(&complaints{log.Named("http")}, "", 0),
		},
		listener:  listener,
		lifecycle: lifecycle,
		stop:      settings.Shutdown,
		log:       log,
	}
}

// secure has the server speak TLS, and HTTP/2 with clients that offer it in the handshake.
func (s *server) secure(pair *certificate) {
	s.http.TLSConfig = pair.config()
	s.http.TLSConfig.GetConfigForClient = greeted
	s.http.Protocols = new(http.Protocols)
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.listener.secure = true
}

// http2Limits bounds what one connection of HTTP/2 can cost. Beside these, net/http closes a connection
// that has four times as many streams waiting as it may have, or ten thousand frames that it does not read.
func http2Limits(settings config.HTTP) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams,
		// A frame is held in memory as a whole, for as long as its connection lives.
		MaxReadFrameSize: 16 << 10,
		// What may be sent ahead of what the service has read: without a bound on the whole, a megabyte a
		// connection. A body of a megabyte takes four round trips.
		MaxReceiveBufferPerConnection: 512 << 10,
		MaxReceiveBufferPerStream:     256 << 10,
		// Tables of header fields are kept with the connection, too.
		MaxDecoderHeaderTableSize: 4 << 10,
		MaxEncoderHeaderTableSize: 4 << 10,
		// Who takes nothing for as long as an answer may last is gone.
		WriteByteTimeout: settings.WriteTimeout,
		// Who says nothing for as long as a connection may idle, while requests of his are running, is asked.
		SendPingTimeout: settings.IdleTimeout,
		PingTimeout:     settings.ReadTimeout,
	}
}

// complaints is where net/http says what went wrong.
type complaints struct{ log *zap.Logger }

// Write logs one complaint. Handshakes that fail do so by what clients send, and any scan of the port is
// full of them.
func (c *complaints) Write(text []byte) (int, error) {
	said := strings.TrimSpace(string(text))
	if strings.HasPrefix(said, "http: TLS handshake error") {
		c.log.Debug(said)
	} else {
		c.log.Warn(said)
	}
	return len(text), nil
}

// serve answers requests until a signal comes or ctx ends, and then stops: an interrupt at once, a
// termination after the drain. It returns nil after a stop in order, also when requests that would
// not end were cut off, errForced after a second signal, or why the listener failed.
func (s *server) serve(ctx context.Context, signals <-chan os.Signal) error {
	ended := make(chan error, 1)
	go func() {
		if s.listener.secure {
			ended <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		ended <- s.http.Serve(s.listener)
	}()
	opened, abandon := s.open(ctx)
	defer abandon()

	select {
	case err := <-ended:
		return fmt.Errorf("the listener failed: %w", err)
	case err := <-opened:
		_ = s.http.Close()
		return err
	case received := <-signals:
		s.log.Info("stopping", zap.String("signal", received.String()))
		s.lifecycle.Drain()
		if received == syscall.SIGTERM {
			if err := s.drain(signals, ended); err != nil {
				return err
			}
		}
	case <-ctx.Done():
		s.log.Info("stopping", zap.Error(context.Cause(ctx)))
		s.lifecycle.Drain()
	}
	s.listener.finish()
	<-ended //nolint:errcheck // it ended because it was told to
	s.http.SetKeepAlivesEnabled(false)
	return s.shutdown(signals) //nolint:contextcheck // ctx may be what ended it
}

// open makes the service ready, at once or when what is still to be done is. Why that cannot be done
// comes through the channel. abandon ends it, and returns when it has ended.
func (s *server) open(ctx context.Context) (failed <-chan error, abandon func()) {
	if s.opening == nil {
		s.lifecycle.Serve()
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	failures, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		err := s.opening(ctx)
		switch {
		case err == nil:
			s.lifecycle.Serve()
			s.log.Info("the store is there; the service is ready")
		case ctx.Err() == nil:
			failures <- err
		}
	}()
	return failures, func() {
		cancel()
		<-done
	}
}

// drain goes on serving for a while, so that those who send requests see that no more are wanted.
func (s *server) drain(signals <-chan os.Signal, ended <-chan error) error {
	select {
	case <-time.After(s.stop.Drain):
		return nil
	case <-signals:
		_ = s.http.Close()
		return errForced
	case err := <-ended:
		return fmt.Errorf("the listener failed: %w", err)
	}
}

// shutdown lets the requests on all connections finish within the budget, also those that are only
// half here. http.Server.Shutdown drops each request of HTTP/1 that it finishes reading after its
// call, so it comes last and has only those of HTTP/2 to look after; with keep-alives off, the others
// close behind their next answer.
func (s *server) shutdown(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.stop.Timeout)
	defer cancel()
	finished := make(chan error, 1)
	go func() {
		for s.listener.settle() > 0 && ctx.Err() == nil {
			time.Sleep(settlePause) //nolint:forbidigo // net/http tells nobody when a connection ends
		}
		finished <- s.http.Shutdown(ctx)
	}()
	select {
	case err := <-finished:
		if err != nil {
			s.log.Warn("requests in flight were cut off", zap.Duration("after", s.stop.Timeout))
			_ = s.http.Close()
		}
		return nil
	case <-signals:
		_ = s.http.Close()
		return errForced
	}
}
