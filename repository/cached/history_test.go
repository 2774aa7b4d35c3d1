package cached

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
)

// A history is made by clients of two instances on few users, so that they meet. Each user counts its
// versions; that is all there is to know.
const (
	historyClients = 6
	historyUsers   = 3
)

// event is one look at, or one change of, one user.
type event struct {
	user  int
	write bool
}

// register is the model of one user: a number that grows by one with each write.
func register() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, historyUsers)
			for _, operation := range history {
				user := operation.Input.(event).user
				parts[user] = append(parts[user], operation)
			}
			return parts
		},
		Init: func() any { return int64(1) },
		Step: func(before, input, output any) (bool, any) {
			version, in, out := before.(int64), input.(event), output.(int64)
			if in.write {
				version++
			}
			return out == version, version
		},
	}
}

// play is a history that is being made.
type play struct {
	t     testing.TB
	start time.Time
	users [historyUsers]models.User
	turns chan struct{} // one for each call that may be made

	mu     sync.Mutex
	events []porcupine.Operation
}

// run lets clients call until meanwhile returns, and judges what they were answered. Writes change
// more than one user where the store can do that.
func (p *play) run(stores []repository.UserRepository, meanwhile func()) porcupine.CheckResult {
	p.t.Helper()
	p.start, p.turns = time.Now(), make(chan struct{})
	for i := range p.users {
		p.users[i] = created(p.t, stores[0], i+1)
	}
	var clients sync.WaitGroup
	for client := range historyClients {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 17))
			for range p.turns {
				if err := p.step(stores[(client+random.IntN(8)/7)%len(stores)], client, random); err != nil {
					p.t.Errorf("a call failed: %v", err)
				}
			}
		})
	}
	meanwhile()
	close(p.turns)
	clients.Wait()
	return porcupine.CheckOperationsTimeout(register(), p.events, patience)
}

// more lets clients make so many more calls.
func (p *play) more(calls int) {
	for range calls {
		p.turns <- struct{}{}
	}
}

// slowly lets clients go on, at a pace that one can judge, until the condition holds.
func (p *play) slowly(what string, condition func() bool) {
	p.t.Helper()
	eventually(p.t, what, func() bool {
		select {
		case p.turns <- struct{}{}:
		default:
		}
		return condition()
	})
}

func (p *play) step(store repository.UserRepository, client int, random *rand.Rand) error {
	ctx, user, dice := p.t.Context(), random.IntN(historyUsers), random.IntN(40)
	events, versions := []event{{user: user}}, []int64{0}
	called := time.Since(p.start)
	runtime.Gosched() // so that calls overlap on one core too
	var err error
	switch {
	case dice < 3:
		events[0].write = true
		versions[0], err = writes(ctx, store, p.users[user].ID)
	case dice < 5:
		other := (user + 1) % historyUsers
		events = []event{{user: user, write: true}, {user: other, write: true}}
		versions, err = writesBoth(ctx, store, p.users[user].ID, p.users[other].ID)
	case dice < 10:
		versions[0], err = finds(ctx, store, p.users[user].Email)
	default:
		var got models.User
		got, err = store.Get(ctx, p.users[user].ID)
		versions[0] = got.Version
	}
	runtime.Gosched()
	returned := time.Since(p.start)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		p.events = append(p.events, porcupine.Operation{
			ClientId: client, Input: events[i], Call: int64(called), Output: versions[i], Return: int64(returned),
		})
	}
	return nil
}

func writes(ctx context.Context, store repository.UserRepository, id int64) (int64, error) {
	user, err := store.Update(ctx, id, next)
	return user.Version, err
}

func writesBoth(ctx context.Context, store repository.UserRepository, ids ...int64) ([]int64, error) {
	var changed []models.User
	err := store.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		changed = nil
		for _, id := range ids {
			user, err := tx.Get(id)
			if err != nil {
				return repository.Changes{}, err
			}
			user.Version++
			changed = append(changed, user)
		}
		return repository.Changes{Replace: slices.Clone(changed)}, nil
	})
	versions := make([]int64, len(ids))
	for i := range changed {
		versions[i] = changed[i].Version
	}
	return versions, err
}

func finds(ctx context.Context, store repository.UserRepository, address string) (int64, error) {
	page, err := store.List(ctx, models.Query{Filter: models.Filter{EmailKey: models.EmailKey(address)}, Limit: 1})
	if err != nil || len(page.Users) != 1 {
		return 0, fmt.Errorf("%d users have the address: %w", len(page.Users), err)
	}
	return page.Users[0].Version, nil
}

// storm lets every outage come and go while clients call.
func storm(p *pair, h *play) {
	for range 2 {
		for _, outage := range outages {
			h.more(300)
			outage.begin(p)
			h.more(200)
			outage.end(p)
			h.slowly("both use the cache again", func() bool {
				return p.a.level.(*shared).lease.Load().serves(time.Now()) && p.b.level.(*shared).lease.Load().serves(time.Now())
			})
		}
	}
	h.more(300)
}

func TestStore_History(t *testing.T) {
	t.Run("is that of one store with the level in memory", func(t *testing.T) {
		h := &play{t: t}
		s := begun(t, memory.New(), Options{Local: 2})
		if result := h.run([]repository.UserRepository{s}, func() { h.more(5000) }); result != porcupine.Ok {
			t.Errorf("the history of %d events is %s", len(h.events), result)
		}
		if s.Stats().Hits == 0 || s.Stats().Misses == 0 {
			t.Errorf("the history proves nothing: %+v", s.Stats())
		}
	})
	t.Run("is that of one store on two instances, whatever happens to Redis", func(t *testing.T) {
		p := newPair(t, quick())
		h := &play{t: t}
		result := h.run([]repository.UserRepository{p.a, p.b}, func() { storm(p, h) })
		if result != porcupine.Ok {
			t.Errorf("the history of %d events is %s", len(h.events), result)
		}
		for _, s := range []*Store{p.a, p.b} {
			if stats := s.Stats(); stats.Hits == 0 || stats.Blocked == 0 || stats.Bypassed == 0 || stats.Suspensions == 0 {
				t.Errorf("the history proves nothing: %+v", stats)
			}
			t.Logf("%+v", s.Stats())
		}
		t.Logf("%d events in %v", len(h.events), time.Since(h.start))
	})
	t.Run("of creators, deleters and movers on two instances passes the suite", func(t *testing.T) {
		p := newPair(t, quick())
		for _, rule := range repotest.Rules() {
			if rule.Name == "Concurrent clients see one history" {
				rule.Check(t, &either{UserRepository: p.a, other: p.b})
				return
			}
		}
		t.Error("the suite has no such rule")
	})
}

// either is two instances that a client does not tell apart.
type either struct {
	repository.UserRepository
	other repository.UserRepository
	calls atomic.Int64
}

func (e *either) pick() repository.UserRepository {
	if e.calls.Add(1)%3 == 0 {
		return e.UserRepository
	}
	return e.other
}

func (e *either) Get(ctx context.Context, id int64) (models.User, error) {
	return e.pick().Get(ctx, id)
}

func (e *either) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	return e.pick().Update(ctx, id, change)
}

func (e *either) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	return e.pick().Delete(ctx, id, allow)
}

func (e *either) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return e.pick().Batch(ctx, decide)
}

// flawed is a level of which parts are left out.
type flawed struct {
	level
	noBlock, lateBlock, careless bool
}

func (f *flawed) block(ctx context.Context, ids []int64) (block, error) {
	if f.noBlock || f.lateBlock {
		return block{ids: ids, at: time.Now()}, nil
	}
	b, err := f.level.block(ctx, ids)
	if f.careless {
		return b, nil
	}
	return b, err
}

func (f *flawed) lift(ctx context.Context, blocks []block, came outcome) error {
	if f.lateBlock { // what everybody does: to delete the entry after the commit
		for i := range blocks {
			for range 10 {
				f.hint(ctx, "time goes by")
			}
			blocks[i], _ = f.level.block(ctx, blocks[i].ids)
		}
	}
	if f.noBlock {
		return nil
	}
	return f.level.lift(ctx, blocks, came)
}

// unheard is a coordinator that suspends the cache for nobody but who asks for it.
type unheard struct {
	*coordinator
	mu    sync.Mutex
	until time.Time
}

func (u *unheard) CacheEpoch(ctx context.Context) (repository.CacheEpoch, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if left := time.Until(u.until); left > 0 {
		return repository.CacheEpoch{Suspended: left}, nil
	}
	return u.coordinator.CacheEpoch(ctx)
}

func (u *unheard) SuspendCache(_ context.Context, length time.Duration) (repository.CacheEpoch, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.until = time.Now().Add(length)
	return repository.CacheEpoch{Suspended: length}, nil
}

// TestHistory shows that the history notices what it is about.
func TestHistory(t *testing.T) {
	for _, flaw := range []struct {
		name  string
		spoil func(p *pair)
	}{
		{"no blocks", func(p *pair) {
			for _, s := range []*Store{p.a, p.b} {
				s.level = &flawed{level: s.level, noBlock: true}
			}
		}},
		{"entries that are deleted after the commit only", func(p *pair) {
			for _, s := range []*Store{p.a, p.b} {
				s.level = &flawed{level: s.level, lateBlock: true}
			}
		}},
		{"writers who go on when they could not block", func(p *pair) {
			for _, s := range []*Store{p.a, p.b} {
				s.level = &flawed{level: s.level, careless: true}
			}
		}},
		{"suspensions that suspend nobody", func(p *pair) {
			k := p.b.level.(*shared).keeper
			if k.enter(p.ctx) == nil {
				k.coordinator = &unheard{coordinator: p.c}
				k.leave()
			}
		}},
	} {
		t.Run("shows "+flaw.name, func(t *testing.T) {
			for range 20 { // a race has to happen to be seen
				if spoiltHistory(t, flaw.spoil) == porcupine.Illegal {
					return
				}
			}
			t.Error("no history shows it")
		})
	}
}

// spoiltHistory judges a history of instances with a flaw, of which one loses sight of Redis now and then.
func spoiltHistory(t *testing.T, spoil func(p *pair)) porcupine.CheckResult {
	t.Helper()
	p := newPair(t, quick())
	level := p.a.level
	p.store.At(repotest.After, repotest.Get, 0, func(ctx context.Context, _ context.CancelFunc) error {
		for range rand.IntN(20) {
			level.hint(ctx, "time goes by")
		}
		return nil
	})
	spoil(p)
	h := &play{t: t}
	return h.run([]repository.UserRepository{p.a, p.b}, func() {
		for range 3 {
			h.more(500)
			p.toB.set(refuses)
			h.more(500)
			p.toB.set(open)
		}
		h.more(500)
	})
}
