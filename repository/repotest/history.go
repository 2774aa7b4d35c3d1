package repotest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"userapi/models"
	"userapi/repository"
)

// The history is made by few clients on few addresses, so that they meet; there is no more of it
// than the checker, whose work grows steeply with what overlaps, judges in a moment.
const (
	historyClients   = 6
	historyCalls     = 100
	historyAddresses = 4
	historyJudgement = 20 * time.Second
)

// operation is one call of a client, as the checker sees it.
type operation struct {
	method Method
	id     int64
	// other is the user with whom Batch exchanges the address; it may be the same.
	other int64
	// address is the one that Create wants, and Update if it moves the user.
	address int
	moves   bool
	// version is the one that Update and Delete insist on, or 0.
	version int64
}

// outcome is what a call came to. The results of List and Batch are in holders, by address.
type outcome struct {
	err     error
	user    holder
	address int
	holders state
}

// holder is the user that has an address; the zero holder is none.
type holder struct{ id, version int64 }

// errStale is what change and allow return when the user does not have the version that the client saw.
var errStale = errors.New("version is stale")

// oneHistory lets clients create, read, change and delete by the version they saw, move, exchange
// and list a few users at the same time, and asks porcupine whether the calls can be put in an
// order, each between its start and its end, in which a sequential store gives the same answers.
func oneHistory(s *subject) {
	r := &recording{store: s, start: time.Now()}
	together(historyClients, func(client int) {
		random := rand.New(rand.NewPCG(uint64(client), 3))
		for range historyCalls {
			if err := r.step(s.Context(), client, random); err != nil {
				s.Errorf("a concurrent call failed: %v", err)
				return
			}
		}
	})
	if r.overlapping() < historyClients*historyCalls/10 {
		s.Fatalf("only %d of %d calls overlap another: the history proves nothing", r.overlapping(), len(r.calls))
	}
	r.judgeIDs()
	switch porcupine.CheckOperationsTimeout(sequential(), r.calls, historyJudgement) {
	case porcupine.Illegal:
		s.Errorf("no order of the calls explains what the clients were answered")
	case porcupine.Unknown:
		s.Errorf("the history of %d calls was not judged within %v", len(r.calls), historyJudgement)
	case porcupine.Ok:
	}
}

// recording keeps the calls of all clients, and the users that they have met.
type recording struct {
	store *subject
	start time.Time

	mu    sync.Mutex
	calls []porcupine.Operation
	met   [historyAddresses]holder
}

// step makes one call and records it.
func (r *recording) step(ctx context.Context, client int, random *rand.Rand) error {
	in := r.choose(random)
	called := time.Since(r.start)
	runtime.Gosched() // so that calls overlap on one core too
	out, err := r.perform(ctx, in)
	runtime.Gosched()
	returned := time.Since(r.start)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if out.user.id != 0 {
		r.met[random.IntN(len(r.met))] = out.user
	}
	r.calls = append(r.calls, porcupine.Operation{
		ClientId: client, Input: in, Call: int64(called), Output: out, Return: int64(returned),
	})
	return nil
}

func (r *recording) choose(random *rand.Rand) operation {
	seen := r.anybody(random)
	in := operation{id: seen.id, address: random.IntN(historyAddresses)}
	if random.IntN(3) == 0 {
		in.version = seen.version
	}
	switch dice := random.IntN(20); {
	case dice < 6:
		in = operation{method: Create, address: in.address}
	case dice < 8:
		in.method = Get
	case dice < 12:
		in.method, in.moves = Update, random.IntN(4) == 0
	case dice < 14:
		in.method, in.other = Batch, r.anybody(random).id
	case dice < 16:
		in.method = List
	default:
		in.method = Delete
	}
	return in
}

// anybody returns a user that some client has met, or none.
func (r *recording) anybody(random *rand.Rand) holder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.met[random.IntN(len(r.met))]
}

// perform makes the call and translates its answer. The error is one that no call may have.
func (r *recording) perform(ctx context.Context, in operation) (outcome, error) {
	out, err := r.call(ctx, in)
	for _, known := range []error{models.ErrUserNotFound, models.ErrEmailTaken, errStale} {
		if errors.Is(err, known) {
			return outcome{err: known}, nil
		}
	}
	return out, err
}

func (r *recording) call(ctx context.Context, in operation) (outcome, error) {
	var user models.User
	var err error
	switch in.method {
	case Create:
		user, err = r.store.Create(ctx, models.User{Name: "Client", Email: historyAddress(in.address), Version: 1})
	case Get:
		user, err = r.store.Get(ctx, in.id)
	case Update:
		user, err = r.store.Update(ctx, in.id, func(user models.User) (models.User, error) {
			user.Version++
			if in.moves {
				user.Email = historyAddress(in.address)
			}
			return user, in.check(user.Version - 1)
		})
	case Delete:
		return outcome{}, r.store.Delete(ctx, in.id, func(user models.User) error { return in.check(user.Version) })
	case List:
		page, err := r.store.List(ctx, models.Query{Limit: 2 * historyAddresses})
		if err != nil {
			return outcome{}, err
		}
		return holdersOf(page.Users)
	case Batch:
		return r.exchange(ctx, in)
	default:
		return outcome{}, fmt.Errorf("a history has no calls of %s", in.method)
	}
	if err != nil {
		return outcome{}, err
	}
	address, err := historyNumber(user.Email)
	return outcome{user: holder{user.ID, user.Version}, address: address}, err
}

// check returns errStale unless the client is content with this version.
func (in operation) check(version int64) error {
	if in.version != 0 && in.version != version {
		return errStale
	}
	return nil
}

// exchange lets two users exchange their addresses.
func (r *recording) exchange(ctx context.Context, in operation) (outcome, error) {
	var changed []models.User
	err := r.store.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		a, err := tx.Get(in.id)
		if err != nil {
			return repository.Changes{}, err
		}
		b, err := tx.Get(in.other)
		if err != nil {
			return repository.Changes{}, err
		}
		a.Email, b.Email = b.Email, a.Email
		a.Version, b.Version = a.Version+1, b.Version+1
		changed = []models.User{a, b}
		if a.ID == b.ID {
			changed = changed[:1]
		}
		return repository.Changes{Replace: slices.Clone(changed)}, nil
	})
	if err != nil {
		return outcome{}, err
	}
	return holdersOf(changed)
}

// holdersOf is the outcome that shows these users.
func holdersOf(users []models.User) (outcome, error) {
	var out outcome
	for _, user := range users {
		address, err := historyNumber(user.Email)
		if err != nil {
			return out, err
		}
		if out.holders[address] != (holder{}) {
			return out, fmt.Errorf("two users of one answer have the address %q", user.Email)
		}
		out.holders[address] = holder{user.ID, user.Version}
	}
	return out, nil
}

func historyAddress(number int) string { return fmt.Sprintf("address.%d@example.com", number) }

func historyNumber(address string) (int, error) {
	for number := range historyAddresses {
		if historyAddress(number) == address {
			return number, nil
		}
	}
	return 0, fmt.Errorf("a user has the address %q, which no client gave", address)
}

// judgeIDs complains of a new id that is not larger than those that had been given before its Create
// began.
func (r *recording) judgeIDs() {
	for _, earlier := range r.calls {
		for _, later := range r.calls {
			a, b := earlier.Output.(outcome).user.id, later.Output.(outcome).user.id
			created := earlier.Input.(operation).method == Create && later.Input.(operation).method == Create
			if created && a != 0 && b != 0 && earlier.Return < later.Call && b <= a {
				r.store.Errorf("Create gave id %d after it had given %d", b, a)
			}
		}
	}
}

// overlapping returns how many calls began before one that began earlier had returned.
func (r *recording) overlapping() int {
	n := 0
	for _, call := range r.calls {
		for _, other := range r.calls {
			if other.Call < call.Call && call.Call < other.Return {
				n++
				break
			}
		}
	}
	return n
}
