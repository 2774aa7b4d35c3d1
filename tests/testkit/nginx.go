package testkit

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
)

// frame is what makes a whole configuration of the part that the documents show. One process is enough,
// and needs no user of its own.
const frame = `daemon off;
master_process off;
pid DIR/nginx.pid;
error_log stderr error;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
PART
}
`

var (
	nginxPart   = regexp.MustCompile("(?s)```nginx\n(.*?)```")
	nginxServer = regexp.MustCompile(`(?m)^\s*server \S+:\d+( [^;]*)?;\n`)
	nginxListen = regexp.MustCompile(`listen [^;]+;`)
)

// Balance starts a load balancer before the services at these addresses, and returns its URL. It is nginx
// as docs/operations.md recommends to set it up; without nginx a proxy of ours, where that is allowed.
func Balance(tb testing.TB, addrs ...string) string {
	tb.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("TEST_REQUIRE_SERVICES") != "" {
			sqltest.Missing(tb, "nginx is not installed")
		}
		return substitute(tb, addrs)
	}
	text, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	if err != nil {
		tb.Fatal(err)
	}
	found := nginxPart.FindSubmatch(text)
	if found == nil {
		tb.Fatal("docs/operations.md shows no configuration of nginx")
	}
	part, servers := string(found[1]), ""
	options := nginxServer.FindStringSubmatch(part)
	if options == nil {
		tb.Fatalf("there is no server in\n%s", part)
	}
	for _, addr := range addrs {
		servers += "\tserver " + addr + options[1] + ";\n"
	}
	part = nginxServer.ReplaceAllStringFunc(part, func(string) string {
		defer func() { servers = "" }() // all at the place of the first
		return servers
	})
	dir, addr := tb.TempDir(), FreeAddr(tb)
	part = nginxListen.ReplaceAllString(part, "listen "+addr+";")
	path := filepath.Join(dir, "nginx.conf")
	whole := strings.ReplaceAll(strings.Replace(frame, "PART", part, 1), "DIR", dir)
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		tb.Fatal(err)
	}
	nginx := run(tb, "nginx", "-p", dir, "-c", path)
	nginx.await(tb, addr)
	tb.Cleanup(func() {
		if said := nginx.output.String(); said != "" && tb.Failed() {
			tb.Logf("nginx says:\n%.4000s", said)
		}
	})
	return "http://" + addr
}

// substitute is a proxy that sends each request to the next service that takes a connection.
func substitute(tb testing.TB, addrs []string) string {
	tb.Helper()
	var turn atomic.Int64
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
			first := int(turn.Add(1))
			for n := range addrs {
				dialer := net.Dialer{Timeout: time.Second}
				if conn, err = dialer.DialContext(ctx, network, addrs[(first+n)%len(addrs)]); err == nil {
					return conn, nil
				}
			}
			return nil, err
		},
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "userapi"}) },
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	tb.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}
