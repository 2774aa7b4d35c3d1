package cached

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"userapi/models"
)

// local is the level in the memory of this process. What is kept for long is in a cache of limited
// size, which may throw away whatever it likes; so blocks and reservations are not in there.
type local struct {
	users     *otter.Cache[int64, models.User]
	owners    *otter.Cache[uint64, int64] // by hash: whoever is found is looked at before
	seed      maphash.Seed
	parts     [64]part
	tokens    atomic.Uint64
	tombstone time.Duration
}

// part is what is going on about some of the users. Its lock makes filling and blocking one step each.
type part struct {
	mu      sync.Mutex
	blocks  map[int64]int   // how many writes go on
	filling map[int64]token // reservations that stand
	_       [40]byte        // two locks are not in one line of a processor's cache
}

func newLocal(options *Options) (*local, error) {
	l := &local{seed: maphash.MakeSeed(), tombstone: options.times.tombstone}
	var err error
	l.users, err = otter.New(&otter.Options[int64, models.User]{
		MaximumSize:      options.Local,
		ExpiryCalculator: otter.ExpiryWriting[int64, models.User](options.TTL),
	})
	if err != nil {
		return nil, fmt.Errorf("cached: local level: %w", err)
	}
	l.owners, err = otter.New(&otter.Options[uint64, int64]{MaximumSize: options.Local})
	if err != nil {
		return nil, fmt.Errorf("cached: local level: %w", err)
	}
	for i := range l.parts {
		l.parts[i].blocks, l.parts[i].filling = make(map[int64]int), make(map[int64]token)
	}
	return l, nil
}

func (l *local) part(id int64) *part {
	return &l.parts[uint64(id)%uint64(len(l.parts))] //nolint:gosec // ids are positive
}

// get needs no lock for a hit: an entry that is there is not blocked at that instant, because a block
// removes it.
func (l *local) get(_ context.Context, id int64) (models.User, finding) {
	if user, ok := l.users.GetIfPresent(id); ok {
		return user, hit
	}
	p := l.part(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocks[id] > 0 {
		return models.User{}, blocked
	}
	return models.User{}, missing
}

func (l *local) reserve(_ context.Context, id int64) (reservation, models.User, finding) {
	p := l.part(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocks[id] > 0 {
		return reservation{}, models.User{}, blocked
	}
	if user, ok := l.users.GetIfPresent(id); ok {
		return reservation{}, user, hit
	}
	r := reservation{id: id}
	binary.NativeEndian.PutUint64(r.token[:], l.tokens.Add(1))
	p.filling[id] = r.token
	return r, models.User{}, missing
}

func (l *local) fill(_ context.Context, r reservation, user models.User) {
	p := l.part(r.id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if standing, ok := p.filling[r.id]; ok && standing == r.token {
		l.users.Set(r.id, user)
		delete(p.filling, r.id)
	}
}

func (l *local) forgo(_ context.Context, r reservation) {
	p := l.part(r.id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filling[r.id] == r.token {
		delete(p.filling, r.id)
	}
}

func (l *local) block(_ context.Context, ids []int64) (block, error) {
	for _, id := range ids {
		p := l.part(id)
		p.mu.Lock()
		p.blocks[id]++
		delete(p.filling, id)
		l.users.Invalidate(id)
		p.mu.Unlock()
	}
	return block{ids: ids}, nil
}

// assure has nothing to do: no block fails.
func (l *local) assure(context.Context) error { return nil }

func (l *local) lift(_ context.Context, blocks []block, outcome outcome) error {
	for _, b := range blocks {
		if outcome == unknown {
			time.AfterFunc(l.tombstone, func() { l.unblock(b.ids) })
			continue
		}
		l.unblock(b.ids)
	}
	return nil
}

func (l *local) unblock(ids []int64) {
	for _, id := range ids {
		p := l.part(id)
		p.mu.Lock()
		if p.blocks[id]--; p.blocks[id] == 0 {
			delete(p.blocks, id)
		}
		p.mu.Unlock()
	}
}

func (l *local) hint(_ context.Context, emailKey string) int64 {
	id, _ := l.owners.GetIfPresent(maphash.String(l.seed, emailKey))
	return id
}

func (l *local) suggest(_ context.Context, emailKey string, id int64) {
	l.owners.Set(maphash.String(l.seed, emailKey), id)
}

func (l *local) close() {
	l.users.StopAllGoroutines()
	l.users.InvalidateAll()
	l.owners.InvalidateAll()
}
