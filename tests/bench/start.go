package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// settle is how long an idle server is left alone before its size is read: long enough for what it
// does after the first answer.
const settle = time.Second

// measureStart reports how soon the service answers, and how large it is on disk and idle.
func (b *bench) measureStart(ctx context.Context) error {
	startup := row{name: "start to first answer", unit: asMillis, goal: below(50)}
	for i := range b.opt.starts {
		b.say("start %d of %d", i+1, b.opt.starts)
		p, err := b.start(ctx, b.launchService())
		if err != nil {
			return err
		}
		startup.values = append(startup.values, float64(p.startup.Microseconds())/1e3)
		b.stop(p)
	}
	b.report.add(startup)

	p, err := b.start(ctx, b.launchService())
	if err != nil {
		return err
	}
	defer b.stop(p)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
	}
	rss, peak, err := p.memory()
	if err != nil {
		return err
	}
	b.report.add(row{
		name: "idle resident size", unit: asMegabytes, goal: below(25e6), values: []float64{float64(rss)},
		note: fmt.Sprintf("%v after the first answer; peak %s", settle, asMegabytes(float64(peak))),
	})
	info, err := os.Stat(b.service)
	if err != nil {
		return err
	}
	b.report.add(row{
		name: "binary size", unit: asMegabytes, goal: below(52e6), values: []float64{float64(info.Size())},
	})
	return nil
}
