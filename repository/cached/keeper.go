package cached

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"userapi/models"
	"userapi/repository"
)

// keeper holds the lease of this instance, and suspends the cache for all when it has to. One goroutine
// renews the lease; writers come to it only when something is wrong.
type keeper struct {
	coordinator repository.CacheCoordinator
	settings    *redis.Options
	prefix      string
	times       timing
	timeout     time.Duration
	ripens      time.Duration // R of the package
	counts      *counts

	stop    context.CancelFunc
	stopped chan struct{}

	lease   atomic.Pointer[lease]
	silence atomic.Pointer[silence]
	trouble atomic.Pointer[error] // what keeps Redis from being used
	// owed is whether this instance has to keep the cache suspended until it can reach Redis: it writes,
	// and will not make every writer wait.
	owed atomic.Bool

	// turn is held by whoever talks to the coordinator, and guards what follows.
	turn   chan struct{}
	closed bool
	run    *run
	// known is the generation of which this instance learnt at since; marked is when it last told others
	// that it is ripe.
	known         int64
	since, marked time.Time
	ripe          bool
	reachable     bool
}

func newKeeper(options *Options, counts *counts) (*keeper, error) {
	settings, err := connecting(options)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &keeper{
		coordinator: options.Coordinator, settings: settings, prefix: options.Prefix, times: options.times,
		timeout: options.Timeout, ripens: options.times.ripens, counts: counts,
		stop: stop, stopped: make(chan struct{}), turn: make(chan struct{}, 1), known: -1,
	}
	go k.keep(ctx, options.Away)
	return k, nil
}

// keep renews the lease until the end.
func (k *keeper) keep(ctx context.Context, tell func(error)) {
	defer close(k.stopped)
	n := notices{tell: tell, every: k.times.notice}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		if k.enter(ctx) != nil {
			return
		}
		err := k.round(ctx)
		k.leave()
		if trouble := k.trouble.Load(); err == nil && trouble != nil {
			err = *trouble
		}
		if ctx.Err() == nil {
			n.note(err, k.lease.Load().serves(time.Now()))
		}
		next.Reset(k.times.renew)
	}
}

// round is one renewal. It ends also when the store does not answer.
func (k *keeper) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*k.times.lease)
	defer cancel()
	if err := k.step(ctx); err != nil {
		return err
	}
	return k.prolong(ctx)
}

// notices are what is told of an outage.
type notices struct {
	tell  func(error)
	every time.Duration
	last  time.Time
	open  bool // it was told that something is wrong, and not yet that it is over
}

func (n *notices) note(err error, serves bool) {
	switch {
	case err == nil && serves && n.open:
		n.open = false
		n.tell(nil)
	case err != nil && (n.last.IsZero() || time.Since(n.last) >= n.every):
		n.open, n.last = true, time.Now()
		n.tell(err)
	}
}

// enter takes the turn.
func (k *keeper) enter(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller's own
	}
	if k.closed {
		k.leave()
		return models.ErrUnavailable.Because(errClosed)
	}
	return nil
}

func (k *keeper) leave() { <-k.turn }

func (k *keeper) close() {
	k.stop()
	<-k.stopped
	k.turn <- struct{}{}
	k.closed = true
	if k.run != nil {
		k.run.close()
	}
	k.leave()
}

// step asks the coordinator what holds, and does what follows from that.
func (k *keeper) step(ctx context.Context) error {
	asked := time.Now()
	epoch, err := k.coordinator.CacheEpoch(ctx)
	if err != nil {
		return err //nolint:wrapcheck // the store's own
	}
	if epoch.Suspended > 0 {
		k.hear(asked, epoch)
		k.connect(ctx) // to be ready when it is over, and to know whether to prolong it
		return nil
	}
	if k.run != nil && k.run.called() == epoch.Server {
		k.adopt(ctx, asked, epoch) // before Redis is asked, which may take longer than the lease
	}
	if !k.connect(ctx) {
		return nil // others may go on to use it
	}
	return k.agree(ctx, asked, epoch)
}

// agree brings together the run that can be reached and the one that the coordinator names.
func (k *keeper) agree(ctx context.Context, asked time.Time, epoch repository.CacheEpoch) (err error) {
	server := k.run.called()
	if epoch.Server == "" {
		asked = time.Now()
		if epoch, err = k.coordinator.ResumeCache(ctx, epoch.Generation, server); err != nil {
			return err //nolint:wrapcheck // the store's own
		}
	}
	switch {
	case epoch.Suspended > 0:
		k.hear(asked, epoch)
	case epoch.Server == server:
		k.adopt(ctx, asked, epoch)
	case epoch.Server != "":
		// The server was started anew, or another one took its place. Somebody may still reach the old
		// one, under a lease; so the new one is not named before that has run out.
		return k.suspend(ctx, 2*k.times.lease)
	}
	return nil
}

// connect makes sure that the run can be asked, or takes the one that can.
func (k *keeper) connect(ctx context.Context) bool {
	if k.run != nil && k.run.probe(ctx) == nil {
		k.run.failing.Store(false)
		k.trouble.Store(nil)
		k.reachable = true
		return true
	}
	reached, err := reach(ctx, k.settings, k.prefix)
	if k.reachable = err == nil; !k.reachable {
		k.trouble.Store(&err)
		if k.run != nil {
			k.run.failing.Store(true)
		}
		return false
	}
	if k.run != nil {
		k.run.close()
	}
	k.run = reached
	k.trouble.Store(nil)
	return true
}

// adopt takes a lease. The epoch names the run of this instance, and is not suspended.
func (k *keeper) adopt(ctx context.Context, asked time.Time, epoch repository.CacheEpoch) {
	const reminder = 24 * time.Hour // how long others can see that a generation is ripe
	mark := fmt.Sprintf("%s:%d:ripe", k.prefix, epoch.Generation)
	if epoch.Generation != k.known {
		k.known, k.since, k.ripe, k.marked = epoch.Generation, time.Now(), false, time.Time{}
		told, err := k.run.get(ctx, mark)
		k.ripe = err == nil && told != ""
	}
	k.ripe = k.ripe || time.Since(k.since) >= k.ripens
	if k.ripe && time.Since(k.marked) > reminder/4 && !k.run.failing.Load() {
		if k.run.client.Set(ctx, mark, "1", reminder).Err() == nil {
			k.marked = time.Now()
		}
	}
	k.owed.Store(false)
	k.silence.Store(nil)
	k.lease.Store(&lease{generation: epoch.Generation, run: k.run, taken: asked, ends: k.times.lease, ripe: k.ripe})
}

// suspend has nobody use the cache for this long.
func (k *keeper) suspend(ctx context.Context, length time.Duration) error {
	asked := time.Now()
	epoch, err := k.coordinator.SuspendCache(ctx, length)
	if err != nil {
		return err //nolint:wrapcheck // the store's own
	}
	k.counts.suspensions.Add(1)
	k.hear(asked, epoch)
	return nil
}

// hear notes a suspension. Whoever had a lease when it began has none when a lease has gone by from now;
// or earlier, if it goes on from one that was known before.
func (k *keeper) hear(asked time.Time, epoch repository.CacheEpoch) {
	k.lease.Store(nil)
	answered := time.Now()
	heard := &silence{from: answered.Add(k.times.lease + k.times.lease/10), asked: asked, length: epoch.Suspended}
	if before := k.silence.Load(); before.lasts(answered) {
		heard.from = before.from
		if before.left(answered) > heard.left(answered) {
			return
		}
	}
	k.silence.Store(heard)
}

// prolong keeps the cache suspended while this instance writes and cannot reach Redis, so that its
// writers do not wait again.
func (k *keeper) prolong(ctx context.Context) error {
	if !k.owed.Load() || k.reachable {
		return nil
	}
	if now, s := time.Now(), k.silence.Load(); s.lasts(now) && s.left(now) > k.times.suspension/2 {
		return nil
	}
	return k.suspend(ctx, k.times.suspension)
}

// assure makes sure that the next block succeeds: under a lease, or because nobody has one.
func (k *keeper) assure(ctx context.Context) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	err := k.quieten(ctx)
	k.leave()
	if err != nil {
		return err
	}
	return k.await(ctx)
}

func (k *keeper) quieten(ctx context.Context) error {
	blockable := func() bool {
		l := k.lease.Load()
		return k.silence.Load().lasts(time.Now()) || l.holds(time.Now()) && !l.run.failing.Load()
	}
	if blockable() {
		return nil // thanks to another writer
	}
	if !k.lease.Load().holds(time.Now()) {
		if err := k.step(ctx); err != nil || blockable() {
			return err
		}
	}
	return k.suspend(ctx, k.times.suspension)
}

// settle is for a write that took effect and that its blocks did not outlast for sure: it returns when
// nothing that was kept before can be served any more.
func (k *keeper) settle(ctx context.Context) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	var err error
	if !k.silence.Load().lasts(time.Now()) {
		err = k.suspend(ctx, k.times.suspension)
	}
	k.leave()
	if err != nil {
		return err
	}
	return k.await(ctx)
}

// await returns when all leases from before a suspension have run out.
func (k *keeper) await(ctx context.Context) error {
	s := k.silence.Load()
	if s == nil {
		return nil
	}
	over := time.NewTimer(time.Until(s.from))
	defer over.Stop()
	select {
	case <-over.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cached store: %w", ctx.Err())
	}
}
