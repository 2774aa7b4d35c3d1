package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// measureCache sets what a cache in front of PostgreSQL answers beside the engine in memory, with every
// user in the cache before the first row.
func (b *bench) measureCache(ctx context.Context) error {
	local := "USERAPI_CACHE_LOCAL=" + strconv.Itoa(2*b.opt.stock)
	cached, d, err := b.serve(ctx, enginePostgres, "cache", b.opt.stock, orderly, local)
	if err != nil || cached == nil {
		return err
	}
	defer b.stop(cached)
	memory, err := b.inMemory(ctx)
	if err != nil {
		return err
	}
	defer b.stop(memory)
	beside := b.gets("memory", memory, b.opt.stock)
	if err := b.visit(ctx, cached); err != nil {
		return err
	}
	b.contest(ctx, "PostgreSQL, cache.local: GET /users/{id}", atLeast(0.8), b.gets("service", cached, b.opt.stock), beside)
	b.stop(cached)

	redis, err := b.redis(ctx)
	if err != nil || redis == "" {
		return err
	}
	shared, err := b.start(ctx, b.launchOn(d, "USERAPI_CACHE_REDIS="+redis))
	if err != nil {
		return err
	}
	defer b.stop(shared)
	if err := b.visit(ctx, shared); err != nil {
		return err
	}
	b.contest(ctx, "PostgreSQL, cache.redis: GET /users/{id}", nil, b.gets("service", shared, b.opt.stock), beside)
	return ctx.Err()
}

// visit asks for every seed once.
func (b *bench) visit(ctx context.Context, p *process) error {
	return share(ctx, p, b.opt.stock, func(c *client, i int) error {
		_, err := c.get("/users/" + strconv.Itoa(i+1))
		return err
	})
}

// redis returns the URL of a database of Redis that nobody uses, which is emptied after the run, or
// nothing when no server is named.
func (b *bench) redis(ctx context.Context) (string, error) {
	addr, err := b.named(redisVariable, "cache.redis")
	if err != nil || addr == "" {
		return "", err
	}
	const databases = 16 // as many as Redis has unless it is told otherwise
	for number := databases - 1; number > 0; number-- {
		keys, err := askRedis(ctx, addr, fmt.Sprintf("SELECT %d", number), "DBSIZE")
		if err != nil {
			return "", err
		}
		if keys != ":0" {
			continue
		}
		b.drops = append(b.drops, func() error {
			_, err := askRedis(context.WithoutCancel(ctx), addr, fmt.Sprintf("SELECT %d", number), "FLUSHDB")
			return err
		})
		return fmt.Sprintf("redis://%s/%d", addr, number), nil
	}
	return "", errors.New("no database of Redis is empty")
}

// askRedis sends commands by themselves, each a line, and returns the last answer, which is a line too
// (https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands).
func askRedis(ctx context.Context, addr string, commands ...string) (answer string, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	reader := bufio.NewReader(conn)
	for _, command := range commands {
		if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
			return "", err
		}
		if answer, err = reader.ReadString('\n'); err != nil {
			return "", err
		}
		answer = strings.TrimSpace(answer)
		if strings.HasPrefix(answer, "-") {
			return "", fmt.Errorf("redis: %s: %s", command, answer[1:])
		}
	}
	return answer, nil
}
