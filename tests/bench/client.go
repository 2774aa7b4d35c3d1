package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is one kept connection to the service, for requests that are prepared as text. It is used by
// one goroutine, but for cut.
type client struct {
	addr    string
	conn    net.Conn
	reader  *bufio.Reader
	unbind  func() bool
	status  int
	body    []byte // of the last answer; good until the next
	answers int64
}

// largestHead is room for a Link header that repeats the longest request that is sent.
const largestHead = 32 << 10

// dial connects to a server for as long as ctx lives.
func dial(ctx context.Context, addr string) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{addr: addr, conn: conn, reader: bufio.NewReaderSize(conn, largestHead)}
	c.unbind = context.AfterFunc(ctx, c.cut)
	return c, nil
}

// cut ends what the connection is waiting for.
func (c *client) cut() { _ = c.conn.SetDeadline(time.Now()) }

func (c *client) close() {
	c.unbind()
	_ = c.conn.Close() // All answers have been read.
}

// ask sends a request and reads the whole answer, whatever its status.
func (c *client) ask(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	length, err := c.readHead()
	if err != nil {
		return err
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.reader, c.body); err != nil {
		return err
	}
	c.answers++
	return nil
}

// readHead reads the status and returns the length of the body, which the service always tells.
func (c *client) readHead() (length int, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	const code = len("HTTP/1.1 ")
	if len(line) < code+3 {
		return 0, fmt.Errorf("not an answer of HTTP: %q", line)
	}
	if c.status, err = strconv.Atoi(string(line[code : code+3])); err != nil {
		return 0, err
	}
	length = -1
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("an answer does not tell its length")
	}
	return length, nil
}

// get answers the body of a 200.
func (c *client) get(path string) ([]byte, error) {
	request := getRequest(c.addr, path)
	if err := c.ask(request); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if c.status != http.StatusOK {
		return nil, c.refusal(request)
	}
	return c.body, nil
}

// refusal says what was asked and how it was answered.
func (c *client) refusal(request []byte) error {
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	return fmt.Errorf("%s: answered %d with %d bytes: %.300s", line, c.status, len(c.body), c.body)
}

func getRequest(addr, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, addr)
}

func postRequest(dst []byte, addr, path string, body []byte) []byte {
	dst = fmt.Appendf(dst, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n", path, addr, len(body))
	return append(dst, body...)
}

// withClients lends connections to a server and counts its answers.
func withClients(ctx context.Context, p *process, n int, do func([]*client) error) error {
	clients := make([]*client, 0, n)
	defer func() {
		for _, c := range clients {
			c.close()
			p.answers += c.answers
		}
	}()
	for range n {
		c, err := dial(ctx, p.addr)
		if err != nil {
			return err
		}
		clients = append(clients, c)
	}
	if err := do(clients); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// together runs do for all clients at once. The first error cuts the others off and is returned.
func together(clients []*client, do func(i int, c *client) error) error {
	var first error
	var fail sync.Once
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			if err := do(i, c); err != nil {
				fail.Do(func() {
					first = err
					for _, other := range clients {
						other.cut()
					}
				})
			}
		})
	}
	running.Wait()
	return first
}

// share deals the numbers 0 to n-1 out among some connections to a server.
func share(ctx context.Context, p *process, n int, do func(c *client, i int) error) error {
	const connections = 4
	return withClients(ctx, p, connections, func(clients []*client) error {
		var next atomic.Int64
		return together(clients, func(_ int, c *client) error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(c, i); err != nil {
					return err
				}
			}
		})
	})
}
