package main

import "context"

// measureSQLite sets the service on SQLite beside the naive service, which keeps its users in a map, and
// beside itself in memory.
func (b *bench) measureSQLite(ctx context.Context) error {
	p, _, err := b.serve(ctx, engineSQLite, "sqlite", b.opt.stock, orderly)
	if err != nil {
		return err
	}
	defer b.stop(p)
	naive, err := b.seeded(ctx, b.launchNaive(), b.opt.stock)
	if err != nil {
		return err
	}
	b.contest(ctx, "SQLite: GET /users/{id}", atLeast(0.45), b.gets("service", p, b.opt.stock), b.gets("naive", naive, b.opt.stock))
	b.stop(naive)
	memory, err := b.inMemory(ctx)
	if err != nil {
		return err
	}
	defer b.stop(memory)
	b.contest(ctx, "SQLite: GET /users/?limit=50", nil, b.pages("service", p), b.pages("memory", memory))
	b.contest(ctx, "SQLite: POST /users/", nil, b.posts("service", p), b.posts("memory", memory))
	return ctx.Err()
}

// inMemory starts the service with its own engine and as many users as the databases have.
func (b *bench) inMemory(ctx context.Context) (*process, error) {
	p, err := b.start(ctx, b.launchService())
	if err != nil {
		return nil, err
	}
	_, err = b.seedBatches(ctx, p, b.opt.stock)
	return p, err
}
