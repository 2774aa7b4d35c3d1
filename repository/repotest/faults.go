package repotest

import (
	"context"
	"sync"

	"userapi/models"
	"userapi/repository"
)

// Method names a method of repository.UserRepository.
type Method string

// The methods. Any stands for each of them.
const (
	Any    Method = ""
	Create Method = "Create"
	Get    Method = "Get"
	List   Method = "List"
	Update Method = "Update"
	Delete Method = "Delete"
	Batch  Method = "Batch"
	Ping   Method = "Ping"
	Close  Method = "Close"
)

// Moment is a point in the course of one call.
type Moment uint8

// The moments of a call.
const (
	// Before is before the store sees the call. An action that fails there keeps it from the store.
	Before Moment = iota
	// Amid is in the middle of an Update, a Delete or a Batch: change, allow or decide has agreed and
	// the store has yet to write. It comes each time that the store asks. Other methods have no such
	// moment.
	Amid
	// After is when the store has answered. An action that fails there stands for an answer that got
	// lost: the effect stays, and the caller is told of a failure.
	After

	moments = iota
)

// Action is what happens to a call at a moment. It is given the context of the call and what
// cancels it; its error is the one that the caller gets.
type Action func(ctx context.Context, cancel context.CancelFunc) error

// Fail returns the action that fails the call with err.
func Fail(err error) Action {
	return func(context.Context, context.CancelFunc) error { return err }
}

// Cancel is the action of a client that goes away: it ends the context of the call and lets the
// call go on, so that the store or the change finds it cancelled.
func Cancel(_ context.Context, cancel context.CancelFunc) error {
	cancel()
	return nil
}

// Faults is a repository.Store that passes every call to another one and meddles with those, of its
// users, that a test names. Without a plan it behaves as the store behind it. It is safe for
// concurrent use.
type Faults struct {
	repository.IdempotencyRepository
	store repository.UserRepository

	mu    sync.Mutex
	calls map[Method]int
	plans []*plan
}

// plan is an action that waits for its call.
type plan struct {
	moment Moment
	method Method
	// left counts down to the call that is meant; 0 means every call.
	left   int
	action Action
}

// NewFaults returns a Faults without a plan in front of the store.
func NewFaults(store repository.Store) *Faults {
	return &Faults{IdempotencyRepository: store, store: store, calls: make(map[Method]int)}
}

// At plans an action for the n-th call of a method from now on, counted from 1; 0 is every call.
// When several plans meet in one moment, they happen in the order in which they were made, until
// one fails.
func (f *Faults) At(moment Moment, method Method, n int, action Action) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = append(f.plans, &plan{moment, method, n, action})
}

// Heal forgets every plan. Calls that have begun keep theirs.
func (f *Faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = nil
}

// Calls returns how many calls of a method have begun since NewFaults, those that failed included.
func (f *Faults) Calls(method Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// course is one call on its way, with what is planned for it.
type course struct {
	ctx     context.Context
	cancel  context.CancelFunc
	actions [moments][]Action
}

func (f *Faults) begin(ctx context.Context, method Method) *course {
	c := new(course)
	c.ctx, c.cancel = context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	f.calls[Any]++
	kept := f.plans[:0]
	for _, p := range f.plans {
		if p.method != Any && p.method != method {
			kept = append(kept, p)
			continue
		}
		if p.left != 1 {
			kept = append(kept, p)
		}
		if p.left <= 1 {
			c.actions[p.moment] = append(c.actions[p.moment], p.action)
		}
		p.left = max(0, p.left-1)
	}
	f.plans = kept
	return c
}

// reach does what is planned for a moment.
func (c *course) reach(moment Moment) error {
	for _, action := range c.actions[moment] {
		if err := action(c.ctx, c.cancel); err != nil {
			return err
		}
	}
	return nil
}

// pass leads a call past the moments around it.
func pass[R any](c *course, call func(ctx context.Context) (R, error)) (R, error) {
	defer c.cancel()
	var none R
	if err := c.reach(Before); err != nil {
		return none, err
	}
	result, err := call(c.ctx)
	if failed := c.reach(After); failed != nil {
		return none, failed
	}
	return result, err
}

// Create implements repository.UserRepository.
func (f *Faults) Create(ctx context.Context, user models.User) (models.User, error) {
	return pass(f.begin(ctx, Create), func(ctx context.Context) (models.User, error) {
		return f.store.Create(ctx, user)
	})
}

// Get implements repository.UserRepository.
func (f *Faults) Get(ctx context.Context, id int64) (models.User, error) {
	return pass(f.begin(ctx, Get), func(ctx context.Context) (models.User, error) {
		return f.store.Get(ctx, id)
	})
}

// List implements repository.UserRepository.
func (f *Faults) List(ctx context.Context, query models.Query) (models.Page, error) {
	return pass(f.begin(ctx, List), func(ctx context.Context) (models.Page, error) {
		return f.store.List(ctx, query)
	})
}

// Update implements repository.UserRepository.
func (f *Faults) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	c := f.begin(ctx, Update)
	return pass(c, func(ctx context.Context) (models.User, error) {
		return f.store.Update(ctx, id, func(user models.User) (models.User, error) {
			changed, err := change(user)
			if err != nil {
				return changed, err
			}
			return changed, c.reach(Amid)
		})
	})
}

// Delete implements repository.UserRepository.
func (f *Faults) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	c := f.begin(ctx, Delete)
	_, err := pass(c, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.store.Delete(ctx, id, func(user models.User) error {
			if allow != nil {
				if err := allow(user); err != nil {
					return err
				}
			}
			return c.reach(Amid)
		})
	})
	return err
}

// Batch implements repository.UserRepository.
func (f *Faults) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	c := f.begin(ctx, Batch)
	_, err := pass(c, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.store.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			changes, err := decide(tx)
			if err != nil {
				return changes, err
			}
			return changes, c.reach(Amid)
		})
	})
	return err
}

// Ping implements repository.UserRepository.
func (f *Faults) Ping(ctx context.Context) error {
	_, err := pass(f.begin(ctx, Ping), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, f.store.Ping(ctx)
	})
	return err
}

// Close implements repository.UserRepository.
func (f *Faults) Close() error {
	_, err := pass(f.begin(context.Background(), Close), func(context.Context) (struct{}, error) {
		return struct{}{}, f.store.Close()
	})
	return err
}
