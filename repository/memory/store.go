// Package memory is the store that needs nothing: users live in this process and end with it.
//
// It owns the data structures behind the promises of repository.UserRepository. It refuses
// durability and rules. The service starts on it when no other engine is configured, and every test
// above the stores runs on it.
package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"userapi/models"
)

// Store is a repository.Store in memory. Create it with New. A get, a create and a page cost
// the same at any number of users, with few exceptions that docs/operations.md names.
//
// One lock guards everything. Nobody holds it for longer than it takes to copy one page or to look at
// some thousands of users; what takes more is done on a snapshot of the ledger.
type Store struct {
	*Keys // with a lock of its own, which is taken inside of the other

	mu     sync.RWMutex
	users  ledger
	byKey  *addresses
	grams  grams
	spans  spans
	lastID int64
	closed bool

	// The indexes: first those that the store always has, then those that it made because somebody
	// asked for their order.
	indexes []*index
	demand  demand
}

// alwaysIndexed lists the members by which filters look for users; in their order there always is an
// index.
//
//nolint:gochecknoglobals // never written
var alwaysIndexed = [...]models.Key{models.KeyName, models.KeyAge, models.KeyCreatedAt, models.KeyUpdatedAt}

// New returns an empty store that remembers a hundred thousand answers for a day.
func New() *Store {
	return NewLimited(KeyLimits{Age: 24 * time.Hour, Count: 100_000, Bytes: 64 << 20}, time.Now)
}

// NewLimited is New for a store that remembers other numbers of answers. now is the clock by which
// answers grow old.
func NewLimited(limits KeyLimits, now func() time.Time) *Store {
	s := &Store{Keys: newKeys(limits, now)}
	s.byKey = newAddresses(&s.users)
	for _, key := range alwaysIndexed {
		x := newIndex(&s.users, models.Order{{Key: key}})
		x.filled = complete
		s.indexes = append(s.indexes, x)
	}
	return s
}

// ranged returns the indexes that there always are.
func (s *Store) ranged() []*index { return s.indexes[:len(alwaysIndexed)] }

var (
	errClosed    = errors.New("memory store is closed")
	errExhausted = errors.New("memory store has no id left")
)

// Create implements repository.UserRepository.
func (s *Store) Create(ctx context.Context, user models.User) (models.User, error) {
	key := models.EmailKey(user.Email)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return models.User{}, err
	}
	if s.byKey.find(key) != 0 {
		return models.User{}, models.ErrEmailTaken
	}
	if s.lastID >= models.MaxID {
		return models.User{}, errExhausted
	}
	user.ID = s.lastID + 1
	s.add(&user)
	return user, nil
}

// Get implements repository.UserRepository.
func (s *Store) Get(ctx context.Context, id int64) (models.User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return models.User{}, err
	}
	user := s.users.get(id)
	if user == nil {
		return models.User{}, models.ErrUserNotFound
	}
	return *user, nil
}

// Update implements repository.UserRepository. It calls change once, under the lock.
func (s *Store) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return models.User{}, err
	}
	old := s.users.get(id)
	if old == nil {
		return models.User{}, models.ErrUserNotFound
	}
	changed, err := change(*old)
	if err == nil {
		err = s.usable(ctx) // it may have been cancelled meanwhile, and nothing has happened yet
	}
	if err != nil {
		return models.User{}, err
	}
	changed.ID, changed.CreatedAt = old.ID, old.CreatedAt
	if changed == *old {
		return changed, nil
	}
	if changed.Email != old.Email {
		if owner := s.byKey.find(models.EmailKey(changed.Email)); owner != 0 && owner != id {
			return models.User{}, models.ErrEmailTaken
		}
	}
	s.forgetAddress(&changed)
	return s.replace(changed), nil
}

// Delete implements repository.UserRepository.
func (s *Store) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	user := s.users.get(id)
	if user == nil {
		return models.ErrUserNotFound
	}
	if allow != nil {
		if err := allow(*user); err != nil {
			return err
		}
		if err := s.usable(ctx); err != nil {
			return err
		}
	}
	s.drop(id)
	return nil
}

// add stores a user whose address is free under its id, which is above all others.
func (s *Store) add(user *models.User) {
	s.lastID = user.ID
	together(user)
	s.users.put(user)
	s.byKey.add(models.EmailKey(user.Email), user.ID)
	s.grams.add(user)
	s.spans.widen(user)
	for _, x := range s.indexes {
		x.add(user)
	}
}

// together puts the texts of a user into one piece of memory, which is one thing less for the garbage
// collector to look at and one place less to fetch for whoever reads the user.
func together(user *models.User) {
	text := user.Name + user.Email
	user.Name, user.Email = text[:len(user.Name)], text[len(user.Name):]
}

// forgetAddress frees the address of the user in whose place changed will come, if that has another.
func (s *Store) forgetAddress(changed *models.User) {
	if old := s.users.get(changed.ID); old.Email != changed.Email {
		s.byKey.remove(models.EmailKey(old.Email), old.ID)
	}
}

// replace stores a user in place of the one with its id and returns it as stored. An address that is
// another one is free.
func (s *Store) replace(changed models.User) models.User {
	old := *s.users.get(changed.ID)
	changed.CreatedAt = old.CreatedAt
	if changed.Email != old.Email {
		s.byKey.add(models.EmailKey(changed.Email), changed.ID)
	}
	moved := make([]*index, 0, len(alwaysIndexed)+lateIndexes)
	for _, x := range s.indexes {
		if !x.same(&old, &changed) {
			x.drop(&old)
			moved = append(moved, x)
		}
	}
	if changed.Name == old.Name && changed.Email == old.Email {
		changed.Name, changed.Email = old.Name, old.Email
	} else {
		together(&changed)
	}
	s.users.put(&changed)
	for _, x := range moved {
		x.add(&changed)
	}
	s.grams.replace(&old, &changed, &s.users)
	s.spans.widen(&changed)
	return changed
}

// drop removes a user.
func (s *Store) drop(id int64) {
	user := s.users.get(id)
	s.byKey.remove(models.EmailKey(user.Email), id)
	for _, x := range s.indexes {
		x.drop(user)
	}
	s.users.remove(id)
	s.grams.drop(id, &s.users)
}

// Ping implements repository.UserRepository.
func (s *Store) Ping(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.usable(ctx)
}

// Close implements repository.UserRepository. It gives the memory back at once.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.close()
	s.users, s.byKey, s.grams, s.spans, s.indexes = ledger{}, nil, grams{}, spans{}, nil
	return nil
}

// Len returns how many users there are, which costs next to nothing.
func (s *Store) Len() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.users.size()
}

// usable says why nothing can be done; the caller holds the lock.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory store: %w", err)
	}
	if s.closed {
		return models.ErrUnavailable.Because(errClosed)
	}
	return nil
}
