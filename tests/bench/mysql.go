package main

import "context"

// measureMySQL reports what the service does on MySQL or MariaDB. There is no goal, for there is no
// generator for it that everybody has.
func (b *bench) measureMySQL(ctx context.Context) error {
	p, _, err := b.serve(ctx, engineMySQL, "mysql", b.opt.stock, orderly)
	if err != nil || p == nil {
		return err
	}
	defer b.stop(p)
	b.rated(ctx, "MySQL: GET /users/{id}", b.gets("service", p, b.opt.stock))
	b.rated(ctx, "MySQL: POST /users/", b.posts("service", p))
	return ctx.Err()
}
