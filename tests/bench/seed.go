package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	seedConnections = 32
	seedPipeline    = 16
	seedWithin      = 90 * time.Second
)

// seed creates count users through POST, as any client would, and returns how long that took.
// Names and addresses have 20 characters each, up to ten million users.
func (b *bench) seed(ctx context.Context, p *process, count int) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, seedWithin,
		fmt.Errorf("%d users took more than %v", count, seedWithin))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	begin := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range seedConnections {
		workers.Go(func() {
			if err := seedOver(ctx, p.addr, &next, int64(count)); err != nil {
				fail(err) // The first cause stays.
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("seed %s: %w", p.name, context.Cause(ctx))
	}
	p.answers += int64(count)
	p.users += int64(count)
	return time.Since(begin), nil
}

// seedOver takes numbers from next until count is reached, a pipeline of requests at a time.
func seedOver(ctx context.Context, addr string, next *atomic.Int64, count int64) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	unblock := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer unblock()

	reader := bufio.NewReaderSize(conn, 16<<10)
	var buf []byte
	for {
		last := next.Add(seedPipeline)
		first := last - seedPipeline + 1
		last = min(last, count)
		if first > last {
			return nil
		}
		buf = buf[:0]
		for n := first; n <= last; n++ {
			buf = appendCreate(buf, addr, n)
		}
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		for range last - first + 1 {
			if err := readCreated(reader); err != nil {
				return err
			}
		}
	}
}

func appendCreate(buf []byte, addr string, n int64) []byte {
	body := fmt.Sprintf(`{"name":"Seed Person %8d","email":"u%07d@example.com","age":%d}`, n, n, 18+n%60)
	return fmt.Appendf(buf, "POST /users/ HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", addr, len(body), body)
}

func readCreated(reader *bufio.Reader) error {
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode != http.StatusCreated:
		return fmt.Errorf("POST /users/ answered %s: %.300s", resp.Status, body)
	case resp.Close:
		return errors.New("the server closed a connection that was to be kept")
	}
	return nil
}
