package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"testing"

	"userapi/docs"
)

// Kill ends the process as kill -9 does, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// FreeAddr returns an address of the loopback interface on which nobody listens. Its port is below those
// that systems give to connections, so that it stays free while whoever has it is started anew.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(22_000))
		listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", addr)
		if err == nil {
			_ = listener.Close()
			return addr
		}
	}
	tb.Fatal("no port is free")
	return ""
}

// At returns a client for services that the kit has not started, such as a proxy. Of several each request
// goes to one by chance. There is no log to judge.
func At(tb testing.TB, addresses ...string) *Client {
	tb.Helper()
	client := newClient(tb, addresses[0], &Log{forbidden: map[string]bool{}})
	far := &far{through: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	for _, address := range addresses {
		parsed, err := url.Parse(address)
		if err != nil {
			tb.Fatal(err)
		}
		far.hosts = append(far.hosts, parsed.Host)
	}
	tb.Cleanup(far.through.CloseIdleConnections)
	client.http.Transport = NewValidator(tb, []byte(docs.OpenAPI())).Wrap(far)
	return client
}

// far is an http.RoundTripper that sends each request to one of its hosts.
type far struct {
	through *http.Transport
	hosts   []string
}

// RoundTrip implements http.RoundTripper.
func (f *far) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.URL.Host = f.hosts[rand.N(len(f.hosts))]
	answer, err := f.through.RoundTrip(sent)
	if err == nil {
		answer.Header.Del("Server") // that of a proxy is none of the service's
	}
	return answer, err
}
