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

	"userapi/models"
)

// Store is a repository.UserRepository in memory. Create it with New. A get, a create and a page at
// any skip cost the same at any number of users.
//
// One lock guards everything, because no method holds it for longer than it takes to copy one page.
type Store struct {
	mu     sync.RWMutex
	users  ledger
	byKey  map[string]int64
	lastID int64
	closed bool
}

// New returns an empty store.
func New() *Store {
	return &Store{byKey: make(map[string]int64)}
}

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
	if s.byKey[key] != 0 {
		return models.User{}, models.ErrEmailTaken
	}
	if s.lastID >= models.MaxID {
		return models.User{}, errExhausted
	}
	s.lastID++
	user.ID = s.lastID
	s.users.put(&user)
	s.byKey[key] = user.ID
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

// List implements repository.UserRepository.
func (s *Store) List(ctx context.Context, query models.Query) (models.Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return models.Page{}, err
	}
	start, limit := query.Skip, query.Limit
	if at := query.Position; at != nil {
		start = s.users.before(at.ID)
		if at.Backward {
			end := start
			start = max(0, end-int64(limit))
			limit = int(end - start)
		} else if s.users.get(at.ID) != nil {
			start++
		}
	}
	rest := max(0, s.users.size-start)
	users := make([]models.User, 0, min(rest, int64(limit)))
	page := models.Page{
		Users:  s.users.collect(users, start, limit),
		More:   rest > int64(limit),
		Before: start > 0 && s.users.size > 0,
	}
	if query.WithTotal {
		page.Total = s.users.size
	}
	return page, nil
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
	if changed.Email == old.Email {
		changed.Email = old.Email // the index holds this very string: keep one, not two
	} else {
		oldKey, newKey := models.EmailKey(old.Email), models.EmailKey(changed.Email)
		if oldKey != newKey && s.byKey[newKey] != 0 {
			return models.User{}, models.ErrEmailTaken
		}
		delete(s.byKey, oldKey) // its string may be that of the old address: let it go
		s.byKey[newKey] = id
	}
	s.users.put(&changed)
	return changed, nil
}

// Delete implements repository.UserRepository.
func (s *Store) Delete(ctx context.Context, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	user := s.users.get(id)
	if user == nil {
		return models.ErrUserNotFound
	}
	delete(s.byKey, models.EmailKey(user.Email)) // before remove, which clears what user points at
	s.users.remove(id)
	return nil
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
	s.users, s.byKey = ledger{}, nil
	return nil
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
