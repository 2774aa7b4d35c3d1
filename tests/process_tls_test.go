package tests

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// secured is a service over TLS, and the folder of its certificate, which has the number 1.
func secured(t *testing.T, args ...string) (p *testkit.Process, authority *testkit.Authority, dir string) {
	t.Helper()
	authority, dir = testkit.NewAuthority(t), t.TempDir()
	certFile, keyFile := authority.Issue(t, dir, 1)
	p = testkit.Start{Trust: authority.Pool, Args: append([]string{
		"--set", "tls.cert_file=" + certFile, "--set", "tls.key_file=" + keyFile,
	}, args...)}.Binary(t)
	return p, authority, dir
}

func TestProcess_TLS(t *testing.T) {
	t.Parallel()
	p, authority, dir := secured(t, "--set", "tls.hsts=8760h", "--set", "http.read_header_timeout=500ms")
	shake := func(t *testing.T) *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", p.Addr, &tls.Config{RootCAs: authority.Pool, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	t.Run("the API is there, and browsers are told to come back this way", func(t *testing.T) {
		if !strings.HasPrefix(p.URL, "https://") {
			t.Errorf("it announces %s", p.URL)
		}
		p.Create(t, ada)
		p.Get(t, "/users/1").Want(200).WantHeader("Strict-Transport-Security", "max-age=31536000")
		p.Get(t, "/nothing").Want(404).WantHeader("Strict-Transport-Security", "max-age=31536000")
	})
	t.Run("HTTP/2 is agreed on in the handshake", func(t *testing.T) {
		if state := shake(t).ConnectionState(); state.NegotiatedProtocol != "h2" || state.Version != tls.VersionTLS13 {
			t.Errorf("%q, %x", state.NegotiatedProtocol, state.Version)
		}
	})
	t.Run("whoever speaks plain HTTP is told so", func(t *testing.T) {
		wire := p.Dial(t)
		wire.Write(t, "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer, err := wire.Read(t, "GET"); err != nil || answer.Status != 400 || !strings.Contains(string(answer.Body), "HTTPS") {
			t.Errorf("%v, %v", answer, err)
		}
	})
	t.Run("a handshake that stops is closed", func(t *testing.T) {
		for _, octets := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"} {
			wire := p.Dial(t)
			wire.Write(t, octets)
			if !wire.Closed(5 * time.Second) {
				t.Errorf("after %q it is still open", octets)
			}
		}
	})
	t.Run("the health check works, whatever name the certificate has", func(t *testing.T) {
		_, port, _ := strings.Cut(p.Addr, ":")
		code, stdout, stderr := testkit.Start{Args: []string{
			"--healthcheck", "--addr", ":" + port, "--set", "tls.cert_file=" + filepath.Join(dir, "server.crt"), "--set", "tls.key_file=" + filepath.Join(dir, "server.key"),
		}}.Run(t)
		if code != 0 || !strings.Contains(stdout, "pass") {
			t.Errorf("exit %d, %s, %s", code, stdout, stderr)
		}
	})
	t.Run("a pair that is replaced is used by the next handshake, and connections stay", func(t *testing.T) {
		before, err := tls.Dial("tcp", p.Addr, &tls.Config{RootCAs: authority.Pool})
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		answers := bufio.NewReader(before)
		ask := func() {
			t.Helper()
			_, _ = io.WriteString(before, "GET /users/1 HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("%d, %v", answer.StatusCode, err)
			}
		}
		ask()
		if err := os.WriteFile(filepath.Join(dir, "server.crt"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Log.Await(t, "the fault in the log", func(entry testkit.Entry) bool {
			return entry.Text("level") == "error" && strings.Contains(entry.Text("error"), "tls.cert_file")
		})
		shake(t)
		authority.Issue(t, dir, 2)
		testkit.Eventually(t, "the new certificate", func() bool {
			return shake(t).ConnectionState().PeerCertificates[0].SerialNumber.Int64() == 2
		})
		ask()
		p.Get(t, "/users/1").Want(200)
	})
}

func TestProcess_TLSReload(t *testing.T) {
	t.Parallel()
	t.Run("a certificate that is broken does not keep a key alive that was revoked", func(t *testing.T) {
		t.Parallel()
		key, line := newAPIKey(t, "app", "users:read")
		keys := filepath.Join(t.TempDir(), "keys")
		write := func(path, content string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(keys, line+"\n")
		p, _, dir := secured(t, "--set", "auth.mode=api_key", "--set", "auth.api_keys_file="+keys)
		p.Do(t, http.MethodGet, "/users/", "", "X-API-Key: "+key).Want(http.StatusOK)
		write(filepath.Join(dir, "server.crt"), "half")
		_, other := newAPIKey(t, "other", "users:read")
		write(keys, other+"\n")
		p.Signal(t, syscall.SIGHUP)
		testkit.Eventually(t, "the certificate and the settings to be told of", func() bool {
			return len(said(t, p, "the certificate was changed to what cannot be used; the one before is still in use")) > 0 &&
				len(said(t, p, readAgain))+len(said(t, p, notFollowed)) > 0
		})
		p.Do(t, http.MethodGet, "/users/", "", "X-API-Key: "+key).WantProblem(http.StatusUnauthorized, "unauthenticated")
	})
}

func TestProcess_TLSFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := testkit.NewAuthority(t).Issue(t, dir, 1)
	for name, c := range map[string]struct{ args, want []string }{
		"a certificate without a key":    {[]string{"--set", "tls.cert_file=" + certFile}, []string{"tls.key_file", "name the file of its key"}},
		"a key without a certificate":    {[]string{"--set", "tls.key_file=" + keyFile}, []string{"tls.cert_file", "name the file of the certificate"}},
		"a certificate that is missing":  {[]string{"--set", "tls.cert_file=" + dir + "/x", "--set", "tls.key_file=" + keyFile}, []string{"tls.cert_file", "no such file", "name a file"}},
		"two certificates":               {[]string{"--set", "tls.cert_file=" + certFile, "--set", "tls.key_file=" + certFile}, []string{"tls.key_file", "belongs to"}},
		"HSTS without TLS":               {[]string{"--set", "tls.hsts=1h"}, []string{"tls.hsts", "TLS"}},
		"every origin":                   {[]string{"--set", "cors.origins=*"}, []string{"cors.origins", "list the origins"}},
		"no origin":                      {[]string{"--set", "cors.origins=null"}, []string{"cors.origins", "serve the page from an origin"}},
		"an origin with a path":          {[]string{"--set", "cors.origins=https://app.example.com/"}, []string{"cors.origins", "with nothing behind"}},
		"an origin that nobody can have": {[]string{"--set", "cors.origins=https://xn--zz.example"}, []string{"cors.origins", "as a browser does"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := testkit.Start{Args: append([]string{"--addr", "127.0.0.1:0"}, c.args...)}.Run(t)
			if code != 2 {
				t.Errorf("exit %d", code)
			}
			for _, part := range c.want {
				if !strings.Contains(stderr, part) {
					t.Errorf("%q does not say %q", stderr, part)
				}
			}
		})
	}
}
