package main

import (
	"context"
	"time"
)

// measurePostgres sets the service on PostgreSQL beside pgbench, which is as near to the engine as a client
// comes: the same database, as many clients, statements that are prepared.
func (b *bench) measurePostgres(ctx context.Context) error {
	const asMany = "USERAPI_STORAGE_MAX_CONNS=32" // as pgbench has, which has as many as wrk
	p, d, err := b.serve(ctx, enginePostgres, "postgres", b.opt.stock, orderly, asMany)
	if err != nil || p == nil {
		return err
	}
	defer b.stop(p)
	r, err := b.newRival(ctx, d)
	if err != nil {
		return err
	}
	b.contest(ctx, "PostgreSQL: GET /users/{id}", atLeast(0.35), b.gets("service", p, b.opt.stock),
		side{"pgbench -S", r.read})
	b.contest(ctx, "PostgreSQL: POST /users/", atLeast(0.8), b.posts("service", p),
		side{"pgbench INSERT", r.write})
	b.contest(ctx, "PostgreSQL: batches of 1000", atLeast(0.5), b.batches("service", p),
		side{"COPY", r.copies})
	return ctx.Err()
}

// batches has one client create users by full atomic batches.
func (b *bench) batches(name string, p *process) side {
	return side{name, func(ctx context.Context, seconds int) (outcome, error) {
		load := b.batchTraffic(p.addr)
		load.connections = 1
		out, err := b.press(ctx, p, load, time.Duration(seconds)*time.Second)
		if err != nil {
			return outcome{}, err
		}
		p.users += seedBatch * out.Requests
		return out, allThere(ctx, p)
	}}
}
