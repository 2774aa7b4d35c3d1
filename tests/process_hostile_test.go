package tests

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// answers writes octets on a connection of its own and returns the statuses of what comes back until the
// service closes it, or says nothing for a while.
func answers(t *testing.T, p *testkit.Process, method, octets string) (statuses []int, closed bool) {
	t.Helper()
	wire := p.Dial(t)
	_ = wire.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(wire.Conn, octets) // it may be closed in the middle
	for {
		answer, err := wire.Read(t, method)
		if err != nil {
			var silence net.Error
			return statuses, !errors.As(err, &silence) || !silence.Timeout()
		}
		statuses = append(statuses, answer.Status)
		if len(answer.Body) > 1<<16 {
			t.Errorf("an answer of %d octets", len(answer.Body))
		}
		_ = wire.SetDeadline(time.Now().Add(300 * time.Millisecond))
	}
}

// smuggled is a request that must never be seen: it stands behind another one, in what may be its body.
const smuggled = "GET /users/1 HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n"

// TestProcess_Smuggling sends requests whose end two readers could see in two places. There is one answer,
// or none, and the connection is closed.
func TestProcess_Smuggling(t *testing.T) {
	t.Parallel()
	p := testkit.Start{}.Binary(t)
	p.Create(t, ada)
	const post = "POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for says, octets := range map[string]string{
		"a length with a sign":                    post + "Content-Length: +2\r\n\r\n{}" + smuggled,
		"lengths in one field":                    post + "Content-Length: 2, 5\r\n\r\n{}" + smuggled,
		"an empty length":                         post + "Content-Length: \r\n\r\n" + smuggled,
		"a length with a space in it":             post + "Content-Length: 1 0\r\n\r\n{}" + smuggled,
		"a length with a fraction":                post + "Content-Length: 2.0\r\n\r\n{}" + smuggled,
		"a length and a name with a tab":          post + "Content-Length\t: 2\r\n\r\n{}" + smuggled,
		"a coding behind a space":                 post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"a coding that nearly is one":             post + "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"a coding behind a vertical tab":          post + "Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"codings in one field":                    post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
		"chunked twice":                           post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a coding on a folded line":               post + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"a coding in HTTP/1.0":                    "POST /users/ HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"a bare CR before a coding":               post + "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"a bare CR for a line":                    "GET /users/1 HTTP/1.1\rHost: x\r\r" + smuggled,
		"a folded first line":                     "POST /users/ HTTP/1.1\r\n Content-Length: 2\r\nHost: x\r\n\r\n{}" + smuggled,
		"a negative chunk":                        post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk in hex with its sign":            post + "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk with a plus":                     post + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk without a size":                  post + "Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk past 64 bits":                    post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n" + smuggled,
		"a chunk past its end":                    post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n" + smuggled,
		"a chunk extension with a line end in it": post + "Transfer-Encoding: chunked\r\n\r\n2;a=\nb\r\n{}\r\n0\r\n\r\n" + smuggled,
		"chunk extensions without an end":         post + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 64<<10) + "\r\n{}\r\n0\r\n\r\n" + smuggled,
		"small chunks with large extensions":      post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("a", 3000)+"\r\n{\r\n", 100) + "0\r\n\r\n" + smuggled,
		"a trailer that is a length":              post + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 70\r\n\r\n" + smuggled,
		"trailers without an end":                 post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n" + smuggled,
		"the preface of HTTP/2 in the middle":     post + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			statuses, closed := answers(t, p, http.MethodPost, octets)
			if len(statuses) > 1 || !closed {
				t.Fatalf("answered %v, closed: %v", statuses, closed)
			}
			for _, status := range statuses {
				if status < 400 || status >= 500 && status != http.StatusNotImplemented {
					t.Errorf("answered %d", status)
				}
			}
		})
	}
}

// TestProcess_SmugglingAnywhere sends a request with both framings to each kind of answer that the service
// has. Go takes the chunks and would keep the connection.
func TestProcess_SmugglingAnywhere(t *testing.T) {
	t.Parallel()
	p := testkit.Start{Args: []string{"--set", "cors.origins=https://app.example.com", "--set", "http.max_body_bytes=1024"}}.Binary(t)
	p.Create(t, ada)
	for line, status := range map[string]int{
		"GET /users/1": 200, "HEAD /users/1": 200, "GET /users/?limit=50": 200, "DELETE /users/9": 404, "GET /users/x": 422, "POST /users/": 400,
		"PATCH /users/1": 400, "PUT /users/x": 400, "POST /users/batch": 400, "PATCH /users/": 405, "OPTIONS /users/1": 204, "OPTIONS *": 204,
		"GET /nothing": 404, "GET /users//": 404, "GET /health": 200, "GET /openapi.json": 200, "GET /swagger": 302, "GET /swagger/swagger-ui.css": 200,
		"GET /problems/user-not-found": 200, "TRACE /users/1": 405, "FORGE /users/1": 405,
	} {
		for _, more := range []string{"", "Accept-Encoding: gzip, identity;q=0\r\n", "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n"} {
			t.Run(fmt.Sprintf("%s with %.15q", line, more), func(t *testing.T) {
				t.Parallel()
				method, _, _ := strings.Cut(line, " ")
				wire := p.Dial(t)
				wire.Write(t, line+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"+more+"\r\n0\r\n\r\n"+smuggled)
				first, err := wire.Read(t, method)
				preflight := method == http.MethodOptions && strings.HasPrefix(more, "Origin")
				if err != nil || first.Status != status && !preflight || !first.Close {
					t.Fatalf("%v, %v", first, err)
				}
				if second, err := wire.Read(t, http.MethodGet); err == nil {
					t.Errorf("a second answer: %d, %s", second.Status, second.Body)
				}
			})
		}
	}
	t.Run("and nothing of it was seen", func(t *testing.T) {
		for _, entry := range p.Log.Entries(t) {
			if entry.Text("request_id") == "smuggled" {
				t.Errorf("%v", entry)
			}
		}
	})
}

// TestProcess_Shapes sends what is no request, or one that no client makes. Each is refused, or taken for
// what the standards say that it is, and the next client is served.
func TestProcess_Shapes(t *testing.T) {
	t.Parallel()
	p := testkit.Start{Args: []string{"--set", "http.read_header_timeout=500ms"}}.Binary(t)
	p.Create(t, ada)
	get := func(target string, fields ...string) string {
		return "GET " + target + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: x"}, fields...), "\r\n") + "\r\n\r\n"
	}
	shapes := map[string]struct {
		octets string
		want   []int // none is for a connection that is closed without a word
	}{
		"ten megabytes of one header field":     {get("/users/1", "X: "+strings.Repeat("x", 10<<20)), []int{431}},
		"a hundred thousand header fields":      {get("/users/1", strings.TrimSuffix(strings.Repeat("X: y\r\n", 100_000), "\r\n")), []int{431}},
		"a path of a megabyte":                  {get("/users/" + strings.Repeat("1", 1<<20)), []int{431}},
		"a query of a megabyte":                 {get("/users/?q=" + strings.Repeat("1", 1<<20)), []int{431}},
		"a method of a megabyte":                {strings.Repeat("G", 1<<20) + get("/users/1"), []int{431, 400}},
		"a percent that is none":                {get("/users/%zz"), []int{400}},
		"half a percent":                        {get("/users/%1"), []int{400}},
		"NUL, encoded":                          {get("/users/%00"), []int{422}},
		"NUL as it is":                          {get("/users/\x00"), []int{400}},
		"octets that are no UTF-8":              {get("/users/%ff%fe"), []int{422}},
		"a path out of the root":                {get("/../../etc/passwd"), []int{404}},
		"the same, encoded":                     {get("/swagger/..%2f..%2fetc%2fpasswd"), []int{404}},
		"a path without a slash":                {get("users/1"), []int{400}},
		"a path that is a star":                 {get("*"), []int{404}},
		"a path with a fragment":                {get("/users/1#x"), []int{200, 400, 422}},
		"the whole URL (RFC 9112, 3.2.2)":       {get("http://elsewhere.example/users/1"), []int{200}},
		"a URL of another scheme":               {get("file:///etc/passwd"), []int{404}},
		"a tunnel":                              {"CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\n", []int{404, 405}},
		"a host with a space":                   {"GET /users/1 HTTP/1.1\r\nHost: a b\r\n\r\n", []int{400}},
		"a host with a line end in it":          {"GET /users/1 HTTP/1.1\r\nHost: a\rb\r\n\r\n", []int{400}},
		"a method in small letters":             {"get /users/1 HTTP/1.1\r\nHost: x\r\n\r\n", []int{405}},
		"a method that is none":                 {"G(T /users/1 HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"a request line of one word":            {"GET\r\n\r\n", []int{400}},
		"HTTP/0.9":                              {"GET /users/1\r\n\r\n", []int{400}},
		"a version past the last":               {"GET /users/1 HTTP/9.9\r\nHost: x\r\n\r\n", []int{505}},
		"a version that is none":                {"GET /users/1 HTCPCP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"a field without a colon":               {get("/users/1", "Nothing"), []int{400}},
		"a field without a name":                {get("/users/1", ": x"), []int{400}},
		"a name with a space":                   {get("/users/1", "A B: x"), []int{400}},
		"a value with a control character":      {get("/users/1", "X: \x01"), []int{400}},
		"an expectation that nobody can meet":   {get("/users/1", "Expect: magic"), []int{417}},
		"an upgrade that is not offered":        {get("/users/1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), []int{200}},
		"a web socket":                          {get("/users/1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="), []int{200}},
		"half a preface of HTTP/2":              {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", []int{404}},
		"the preface of HTTP/2, and then noise": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff", 100), nil},
		"nothing but line ends":                 {strings.Repeat("\r\n", 10_000), []int{400, 431}},
		"noise":                                 {strings.Repeat("\x80\x00\x01\xfe", 10_000), []int{400, 431}},
	}
	for says, c := range shapes {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			statuses, closed := answers(t, p, http.MethodGet, c.octets)
			// net/http closes behind a refusal without reading the rest, which can reset it before it is read.
			if len(statuses) > 1 || len(statuses) == 0 && !closed {
				t.Fatalf("answered %v, want one of %v; closed: %v", statuses, c.want, closed)
			}
			for _, status := range statuses {
				if !strings.Contains(fmt.Sprint(c.want), fmt.Sprint(status)) {
					t.Errorf("answered %d, want one of %v", status, c.want)
				}
			}
			p.Get(t, "/users/1").Want(http.StatusOK)
		})
	}
	t.Run("a handshake of TLS is answered by something that TLS takes for an end", func(t *testing.T) {
		t.Parallel()
		if conn, err := tls.Dial("tcp", p.Addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
			_ = conn.Close()
			t.Error("it succeeds")
		}
	})
	t.Run("HTTP/1.0 is answered in its own way", func(t *testing.T) {
		t.Parallel()
		wire := p.Dial(t)
		wire.Write(t, "GET /users/?limit=1 HTTP/1.0\r\n\r\n")
		all, err := io.ReadAll(wire.Conn)
		if err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.0 200")) || bytes.Contains(all, []byte("chunked")) {
			t.Errorf("%s, %v", all, err)
		}
	})
}
