package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"userapi/config"
	"userapi/middleware"
)

// issued is a certificate that signs itself, with its key, in PEM.
type issued struct{ cert, key []byte }

// issue makes a certificate with a number by which it is told from others.
func issue(t *testing.T, number int64, notBefore, notAfter time.Time) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: notBefore, NotAfter: notAfter,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return issued{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

// current makes a certificate that is valid for some months.
func current(t *testing.T, number int64) issued {
	t.Helper()
	return issue(t, number, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour))
}

// store writes the pair into a folder as server.crt and server.key.
func (i issued) store(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	overwrite(t, certFile, i.cert)
	overwrite(t, keyFile, i.key)
	return certFile, keyFile
}

func overwrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// loaded is a certificate in use, and what it has logged.
func loaded(t *testing.T, pair issued) (c *certificate, dir string, log *observer.ObservedLogs) {
	t.Helper()
	dir = t.TempDir()
	core, log := observer.New(zapcore.InfoLevel)
	certFile, keyFile := pair.store(t, dir)
	c, err := newCertificate(config.TLS{CertFile: certFile, KeyFile: keyFile}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	return c, dir, log
}

// number returns that of the certificate that a new handshake gets.
func (c *certificate) number(t *testing.T) int64 {
	t.Helper()
	pair, err := c.config().GetCertificate(new(tls.ClientHelloInfo))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.Int64()
}

func TestNewCertificate(t *testing.T) {
	t.Parallel()
	good, other := current(t, 1), current(t, 2)
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("nothing")})
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("nothing")})
	for _, c := range []struct {
		name      string
		cert, key []byte // nil is no file
		want      []string
	}{
		{"no certificate file", nil, good.key, []string{"tls.cert_file", "no such file", "name a file"}},
		{"no key file", good.cert, nil, []string{"tls.key_file", "no such file", "name a file"}},
		{"an empty certificate", []byte{}, good.key, []string{"tls.cert_file", "holds no certificate", "in PEM"}},
		{"the two files swapped", good.key, good.cert, []string{"tls.cert_file", "holds no certificate"}},
		{"a damaged certificate", damaged, good.key, []string{"tls.cert_file", "damaged", "in PEM"}},
		{"a damaged one behind a good one", append(bytes.Clone(good.cert), damaged...), good.key, []string{"tls.cert_file", "damaged"}},
		{"a key of another certificate", good.cert, other.key, []string{"tls.key_file", "does not match", "belongs to"}},
		{"a key that is none", good.cert, []byte("hunter2"), []string{"tls.key_file", "belongs to"}},
		{"a key with a password", good.cert, encrypted, []string{"tls.key_file", "encrypted", "openssl"}},
		{"a file without an end", bytes.Repeat([]byte("x"), 1<<20+1), good.key, []string{"tls.cert_file", "longer than"}},
	} {
		t.Run(c.name+" is a fault with its mend", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
			for path, content := range map[string][]byte{certFile: c.cert, keyFile: c.key} {
				if content != nil {
					overwrite(t, path, content)
				}
			}
			_, err := newCertificate(config.TLS{CertFile: certFile, KeyFile: keyFile}, zap.NewNop())
			if !errors.As(err, new(unusableError)) {
				t.Fatalf("%v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q", err)
			}
		})
	}
	t.Run("one that has expired is used, and complained of", func(t *testing.T) {
		t.Parallel()
		c, _, log := loaded(t, issue(t, 7, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)))
		if c.number(t) != 7 || c.DaysLeft() > -0.9 || c.DaysLeft() < -1.1 {
			t.Errorf("number %d, %v days left", c.number(t), c.DaysLeft())
		}
		if log.FilterLevelExact(zapcore.ErrorLevel).FilterMessageSnippet("not valid").Len() != 1 {
			t.Errorf("%v", log.All())
		}
	})
	t.Run("one that ends soon is complained of once a day", func(t *testing.T) {
		t.Parallel()
		c, _, log := loaded(t, issue(t, 7, time.Now().Add(-time.Hour), time.Now().Add(72*time.Hour)))
		start := time.Now()
		for hour := range 48 {
			c.now = func() time.Time { return start.Add(time.Duration(hour) * time.Hour) }
			c.warn()
		}
		if got := log.FilterMessageSnippet("ends soon").Len(); got != 2 {
			t.Errorf("%d times in two days: %v", got, log.All())
		}
	})
}

func TestCertificate_Reload(t *testing.T) {
	t.Parallel()
	t.Run("a changed pair is used by new handshakes", func(t *testing.T) {
		t.Parallel()
		c, dir, _ := loaded(t, current(t, 1))
		later := issue(t, 2, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
		later.store(t, dir)
		if err := c.Reload(); err != nil || c.number(t) != 2 || c.DaysLeft() < 300 || !c.NotAfter().After(time.Now()) {
			t.Errorf("%v, number %d, %v days left", err, c.number(t), c.DaysLeft())
		}
	})
	t.Run("half a pair, a damaged one and none change nothing until there is a whole one", func(t *testing.T) {
		t.Parallel()
		c, dir, _ := loaded(t, current(t, 1))
		next := current(t, 2)
		certFile, keyFile := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
		for name, content := range map[string][]byte{certFile: next.cert, keyFile: next.key[:40]} {
			before, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, name, content)
			if err := c.Reload(); err == nil || c.number(t) != 1 {
				t.Errorf("%s: %v, number %d", name, err, c.number(t))
			}
			overwrite(t, name, before)
		}
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		if err := c.Reload(); err == nil || c.number(t) != 1 {
			t.Errorf("no key: %v, number %d", err, c.number(t))
		}
		next.store(t, dir)
		if err := c.Reload(); err != nil || c.number(t) != 2 {
			t.Errorf("a whole pair: %v, number %d", err, c.number(t))
		}
	})
	t.Run("one that has expired does not take the place of one that has not", func(t *testing.T) {
		t.Parallel()
		c, dir, _ := loaded(t, current(t, 1))
		issue(t, 2, time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)).store(t, dir)
		if err := c.Reload(); err == nil || !strings.Contains(err.Error(), "tls.cert_file") || c.number(t) != 1 {
			t.Errorf("%v, number %d", err, c.number(t))
		}
	})
	t.Run("a link that is turned to another folder is followed, as Kubernetes does it", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for number, name := range []string{"old", "new"} {
			folder := filepath.Join(dir, name)
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			certFile, keyFile := current(t, int64(number)+1).store(t, folder)
			for _, path := range []string{certFile, keyFile} { // the same size and time: only the content differs
				if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
					t.Fatal(err)
				}
			}
		}
		turn := func(to string) {
			if err := errors.Join(os.Symlink(to, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
				t.Fatal(err)
			}
		}
		turn("old")
		certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		if err := errors.Join(os.Symlink("..data/server.crt", certFile), os.Symlink("..data/server.key", keyFile)); err != nil {
			t.Fatal(err)
		}
		c, err := newCertificate(config.TLS{CertFile: certFile, KeyFile: keyFile}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		turn("new")
		if err := c.Reload(); err != nil || c.number(t) != 2 {
			t.Errorf("%v, number %d", err, c.number(t))
		}
	})
}

func TestCertificate_watch(t *testing.T) {
	t.Parallel()
	t.Run("it takes a new pair, until it is stopped", func(t *testing.T) {
		t.Parallel()
		c, dir, _ := loaded(t, current(t, 1))
		stop := c.watch(time.Millisecond)
		current(t, 2).store(t, dir)
		eventually(t, "the new pair", func() bool { return c.number(t) == 2 })
		stop()
		current(t, 3).store(t, dir)
		<-time.After(20 * time.Millisecond)
		if c.number(t) != 2 {
			t.Error("it goes on")
		}
	})
	t.Run("a fault is said when it lasts, once, and again when it comes back", func(t *testing.T) {
		t.Parallel()
		c, dir, log := loaded(t, current(t, 1))
		var faults certificateFaults
		for round := range 2 {
			overwrite(t, filepath.Join(dir, "server.key"), []byte("half"))
			for look := range 5 {
				c.look(&faults)
				said := log.FilterMessageSnippet("cannot be used").All()
				if want := round + min(look, 1); len(said) != want {
					t.Fatalf("look %d of round %d: said %d times, want %d", look, round, len(said), want)
				}
				if look > 0 && !strings.Contains(said[round].ContextMap()["error"].(string), "tls.key_file") {
					t.Errorf("%v", said[round])
				}
			}
			current(t, int64(round)+2).store(t, dir)
			c.look(&faults)
			if c.number(t) != int64(round)+2 {
				t.Errorf("the pair has the number %d", c.number(t))
			}
		}
	})
}

// TestListener_TLS finds out what a listener knows of connections whose octets it cannot read.
func TestListener_TLS(t *testing.T) {
	t.Parallel()
	pair, _, _ := loaded(t, current(t, 1))
	for _, c := range []struct {
		name    string
		version uint16
		alpn    []string
		says    string
		want    int32
	}{
		{"TLS 1.3, HTTP/1.1", tls.VersionTLS13, []string{"http/1.1"}, "G", http1},
		{"TLS 1.3, no protocol named", tls.VersionTLS13, nil, "G", http1},
		{"TLS 1.3, HTTP/2", tls.VersionTLS13, []string{"h2", "http/1.1"}, "P", http2},
		{"TLS 1.2, HTTP/1.1", tls.VersionTLS12, nil, "G", http1},
		{"TLS 1.2, HTTP/2", tls.VersionTLS12, []string{"h2"}, "P", http2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := loopback(t)
			l.secure = true
			settings := pair.config()
			settings.GetConfigForClient = greeted
			settings.NextProtos = []string{"h2", "http/1.1"}
			client := tls.Client(dialled(t, l), &tls.Config{InsecureSkipVerify: true, MinVersion: c.version, MaxVersion: c.version, NextProtos: c.alpn})
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			known, server := accepted.(*conn), tls.Server(accepted, settings)
			shaken := make(chan error, 1)
			go func() { shaken <- server.Handshake() }()
			if err := errors.Join(client.Handshake(), <-shaken); err != nil {
				t.Fatal(err)
			}
			if said := known.said.Load(); said != nothing {
				t.Errorf("a handshake counts as %d", said)
			}
			if _, err := client.Write([]byte(c.says)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if said := known.said.Load(); said != c.want {
				t.Errorf("the first octet counts as %d, want %d", said, c.want)
			}
		})
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	// As RFC 8446 (5.1) has it: type, version, length. 22 is a handshake, 20 a change of ciphers.
	record := func(kind byte, length int) []byte {
		return append([]byte{kind, 3, 3, byte(length >> 8), byte(length)}, bytes.Repeat([]byte{applicationData}, length)...)
	}
	hello := bytes.Join([][]byte{record(22, 300), record(20, 1), record(applicationData, 53)}, nil)
	for cut := range hello {
		r := &records{finished: true}
		if r.begun(hello[:cut]) || r.begun(hello[cut:]) {
			t.Fatalf("cut at %d the handshake counts", cut)
		}
		if !r.begun(record(applicationData, 9)[:5]) {
			t.Fatalf("cut at %d what comes behind does not count", cut)
		}
	}
	if r := new(records); !r.begun(hello) {
		t.Error("TLS 1.2 ends its handshake with another record")
	}
}

func TestServer_TLS(t *testing.T) {
	t.Parallel()
	pair, _, _ := loaded(t, current(t, 1))
	start := func(t *testing.T, stop config.Shutdown) (*running, *observer.ObservedLogs) {
		t.Helper()
		settings := config.Default()
		settings.Shutdown = stop
		core, log := observer.New(zapcore.DebugLevel)
		r := &running{listener: loopback(t), lifecycle: new(middleware.Lifecycle), signals: make(chan os.Signal, 2), ended: make(chan error, 1)}
		s := newServer(settings, r.listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }), r.lifecycle, zap.New(core))
		s.secure(pair)
		go func() { r.ended <- s.serve(t.Context(), r.signals) }()
		eventually(t, "the server to serve", r.lifecycle.Serving)
		t.Cleanup(func() { _ = s.http.Close() })
		return r, log
	}
	t.Run("a connection of HTTP/2 that idles does not hold up the stop, nor does one that says nothing", func(t *testing.T) {
		t.Parallel()
		r, _ := start(t, config.Shutdown{Timeout: time.Minute})
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get("https://" + r.listener.Addr().String())
		if err != nil || answer.ProtoMajor != 2 {
			t.Fatalf("%v, %v", answer, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		silent := tls.Client(dialled(t, r.listener), &tls.Config{InsecureSkipVerify: true})
		if err := silent.Handshake(); err != nil {
			t.Fatal(err)
		}
		dialled(t, r.listener) // not even a handshake
		r.signals <- os.Interrupt
		if err := r.end(t); err != nil {
			t.Errorf("%v", err)
		}
	})
	t.Run("TLS 1.1 is refused, and is no warning", func(t *testing.T) {
		t.Parallel()
		r, log := start(t, config.Default().Shutdown)
		old := tls.Client(dialled(t, r.listener), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err := old.Handshake(); err == nil {
			t.Error("it is not")
		}
		eventually(t, "the log", func() bool { return log.FilterMessageSnippet("handshake error").Len() > 0 })
		if got := log.Filter(func(e observer.LoggedEntry) bool { return e.Level >= zapcore.WarnLevel }).Len(); got > 0 {
			t.Errorf("%v", log.All())
		}
	})
	t.Run("plain HTTP is told so", func(t *testing.T) {
		t.Parallel()
		r, _ := start(t, config.Default().Shutdown)
		plain := dialled(t, r.listener)
		_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		said, _ := io.ReadAll(plain)
		if !strings.HasPrefix(string(said), "HTTP/1.0 400") || !strings.Contains(string(said), "HTTPS") {
			t.Errorf("%q", said)
		}
	})
}

func TestAskReady_TLS(t *testing.T) {
	t.Parallel()
	pair, _, _ := loaded(t, current(t, 1))
	l, err := tls.Listen("tcp", "127.0.0.1:0", pair.config())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready") })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	settings := config.Default()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	settings.HTTP.Addr = ":" + port
	settings.TLS.CertFile, settings.TLS.KeyFile = "server.crt", "server.key"
	var said strings.Builder
	if err := askReady(t.Context(), settings, &said); err != nil || said.String() != "ready\n" {
		t.Errorf("%v, %q", err, said.String())
	}
}
