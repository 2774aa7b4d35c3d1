package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Wire is a connection on which a test writes its requests octet by octet, for what no client would
// send. It is not safe for concurrent use.
type Wire struct {
	net.Conn
	reader *bufio.Reader
}

// Dial connects to the service; the connection ends with the test. Reads and writes fail after
// twenty seconds.
func (c *Client) Dial(tb testing.TB) *Wire {
	tb.Helper()
	_, addr, _ := strings.Cut(c.URL, "://")
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatalf("no connection: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &Wire{Conn: conn, reader: bufio.NewReader(conn)}
}

// Write sends octets; the test ends when they cannot be sent.
func (w *Wire) Write(tb testing.TB, octets string) {
	tb.Helper()
	if _, err := io.WriteString(w.Conn, octets); err != nil {
		tb.Fatalf("the connection takes nothing: %v", err)
	}
}

// Read returns the next answer, or why there is none. The answer is not judged, since it may be that
// of net/http to what never became a request.
func (w *Wire) Read(tb testing.TB, method string) (*Response, error) {
	tb.Helper()
	req := &http.Request{Method: method, URL: new(url.URL)}
	answer, err := http.ReadResponse(w.reader, req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	return &Response{Status: answer.StatusCode, Header: answer.Header, Body: body, Close: answer.Close, Request: req, tb: tb}, nil
}

// Closed says whether the service closes the connection within a while, whatever it still sends.
func (w *Wire) Closed(within time.Duration) bool {
	_ = w.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, w.reader)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Exchange sends one request, given as lines without their ends, on a connection of its own and
// returns the answer, judged as every answer.
func (c *Client) Exchange(tb testing.TB, lines ...string) *Response {
	tb.Helper()
	return c.ExchangeBody(tb, "", lines...)
}

// ExchangeBody is Exchange for a request with a body, whose length need not be among the lines. An
// empty body is none.
func (c *Client) ExchangeBody(tb testing.TB, body string, lines ...string) *Response {
	tb.Helper()
	wire := c.Dial(tb)
	if body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	octets := strings.Join(lines, "\r\n") + "\r\nHost: test\r\nConnection: close\r\n\r\n"
	wire.Write(tb, octets+body)
	method, target, _ := strings.Cut(lines[0], " ")
	target, _, _ = strings.Cut(target, " ")
	response, err := wire.Read(tb, method)
	if err != nil {
		tb.Fatalf("%q was not answered: %v", lines[0], err)
	}
	if parsed, err := url.ParseRequestURI(target); err == nil {
		response.Request.URL = parsed
	}
	if head, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(octets)))); err == nil {
		response.Request.Header = head.Header
	}
	watch(tb, response)
	return response
}
