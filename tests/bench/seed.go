package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	seedConnections = 32
	seedPipeline    = 16
	seedWithin      = 4 * time.Minute
	seedBatch       = 1000 // the most operations that a batch may have
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
	return postRequest(buf, addr, "/users/", appendSeed(nil, n))
}

// seedBatches creates the same users as seed, by atomic batches, which takes a fraction of the time.
func (b *bench) seedBatches(ctx context.Context, p *process, count int) (time.Duration, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, seedWithin,
		fmt.Errorf("%d users took more than %v", count, seedWithin))
	defer cancel()
	err := share(ctx, p, (count+seedBatch-1)/seedBatch, func(c *client, i int) error {
		first := i * seedBatch
		body := appendBatch(nil, min(seedBatch, count-first), func(dst []byte, n int) []byte {
			return appendSeed(dst, int64(first+n+1))
		})
		request := postRequest(nil, c.addr, "/users/batch", body)
		if err := c.ask(request); err != nil {
			return err
		}
		if c.status != http.StatusOK {
			return c.refusal(request)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("seed %w", err)
	}
	p.users += int64(count)
	return time.Since(begin), nil
}

// appendBatch appends the body of an atomic batch that creates users, counted from 0.
func appendBatch(dst []byte, users int, appendUser func(dst []byte, n int) []byte) []byte {
	dst = append(dst, `{"operations":[`...)
	for n := range users {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendUser(append(dst, `{"op":"create","user":`...), n)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

func appendSeed(dst []byte, n int64) []byte {
	dst = fmt.Appendf(dst, `{"name":%q,"email":%q,"age":`, seedName(n), seedEmail(n))
	if age := seedAge(n); age != 0 {
		dst = strconv.AppendInt(dst, age, 10)
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

func seedName(n int64) string  { return fmt.Sprintf("Seed Person %8d", n) }
func seedEmail(n int64) string { return fmt.Sprintf("u%07d@example.com", n) }

// popularAges are those that one in twenty seeds each has, so that a single age fills a page also in
// the small store.
const (
	firstPopularAge = 20
	lastPopularAge  = 60
	popularAgeStep  = 10
)

// seedAge returns the age of a seed, zero when it has none, as one in twenty. Apart from the popular
// ones, ages are spread evenly over 1 to 150.
func seedAge(n int64) int64 {
	switch {
	case n%20 == 10:
		return 0
	case n%4 == 0:
		return firstPopularAge + n%20/4*popularAgeStep
	}
	const mix = 2654435761 // Fibonacci hashing: numbers in sequence come to lie far from each other
	return 1 + n*mix>>20%150
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
