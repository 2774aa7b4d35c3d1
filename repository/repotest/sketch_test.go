package repotest_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"

	"userapi/models"
	"userapi/repository/repotest"
)

// sketch is the plainest correct store: a map, and steps that each take the inner lock. It is
// correct only because a method holds the outer lock over all its steps; a flaw takes that away
// from one method, or replaces a part. It yields between steps, so that what can go wrong does.
type sketch struct {
	outer sync.Mutex

	inner  sync.Mutex
	users  map[int64]models.User
	lastID int64
	closed bool

	// parts that a flaw replaces
	unlocked repotest.Method
	key      func(email string) string
	nextID   func(s *sketch, given models.User) int64
	keep     func(old, changed models.User) models.User
}

func newSketch() *sketch {
	return &sketch{
		users:    make(map[int64]models.User),
		unlocked: "none",
		key:      models.EmailKey,
		nextID:   func(s *sketch, _ models.User) int64 { return s.lastID + 1 },
		keep: func(old, changed models.User) models.User {
			changed.ID, changed.CreatedAt = old.ID, old.CreatedAt
			return changed
		},
	}
}

// begin takes the outer lock, unless the method is the flawed one, and returns what releases it.
func (s *sketch) begin(ctx context.Context, method repotest.Method) (release func(), err error) {
	release = func() {}
	if method != s.unlocked {
		s.outer.Lock()
		release = s.outer.Unlock
	}
	if err := ctx.Err(); err != nil {
		return release, err
	}
	return release, s.step(func() error {
		if s.closed {
			return models.ErrUnavailable
		}
		return nil
	})
}

// step runs one step under the inner lock.
func (s *sketch) step(do func() error) error {
	runtime.Gosched()
	s.inner.Lock()
	defer s.inner.Unlock()
	return do()
}

func (s *sketch) read(id int64) (user models.User, err error) {
	err = s.step(func() error {
		found, ok := s.users[id]
		if !ok {
			return models.ErrUserNotFound
		}
		user = found
		return nil
	})
	return user, err
}

// vacant says with ErrEmailTaken that another user than this one has the address.
func (s *sketch) vacant(user models.User) error {
	return s.step(func() error {
		for _, other := range s.users {
			if other.ID != user.ID && s.key(other.Email) == s.key(user.Email) {
				return models.ErrEmailTaken
			}
		}
		return nil
	})
}

func (s *sketch) write(user models.User) error {
	return s.step(func() error {
		s.users[user.ID] = user
		s.lastID = max(s.lastID, user.ID)
		return nil
	})
}

func (s *sketch) ids() (ids []int64, err error) {
	err = s.step(func() error {
		ids = slices.Sorted(maps.Keys(s.users))
		return nil
	})
	return ids, err
}

func (s *sketch) Create(ctx context.Context, user models.User) (models.User, error) {
	release, err := s.begin(ctx, repotest.Create)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	given := user
	user.ID = 0
	if err := s.vacant(user); err != nil {
		return models.User{}, err
	}
	if err := s.step(func() error { user.ID = s.nextID(s, given); return nil }); err != nil {
		return models.User{}, err
	}
	return user, s.write(user)
}

func (s *sketch) Get(ctx context.Context, id int64) (models.User, error) {
	release, err := s.begin(ctx, repotest.Get)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	return s.read(id)
}

func (s *sketch) List(ctx context.Context, query models.Query) (models.Page, error) {
	release, err := s.begin(ctx, repotest.List)
	defer release()
	if err != nil {
		return models.Page{}, err
	}
	ids, err := s.ids()
	if err != nil {
		return models.Page{}, err
	}
	users := []models.User{}
	for _, id := range ids {
		if user, err := s.read(id); err == nil {
			users = append(users, user)
		}
	}
	return repotest.PageOf(users, query), nil
}

func (s *sketch) Update(
	ctx context.Context, id int64, change func(models.User) (models.User, error),
) (models.User, error) {
	release, err := s.begin(ctx, repotest.Update)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	old, err := s.read(id)
	if err != nil {
		return models.User{}, err
	}
	changed, err := change(old)
	if err != nil {
		return models.User{}, err
	}
	if err := ctx.Err(); err != nil {
		return models.User{}, err
	}
	changed = s.keep(old, changed)
	if err := s.vacant(changed); err != nil {
		return models.User{}, err
	}
	return changed, s.write(changed)
}

func (s *sketch) Delete(ctx context.Context, id int64) error {
	release, err := s.begin(ctx, repotest.Delete)
	defer release()
	if err != nil {
		return err
	}
	if _, err := s.read(id); err != nil {
		return err
	}
	return s.step(func() error { delete(s.users, id); return nil })
}

func (s *sketch) Ping(ctx context.Context) error {
	release, err := s.begin(ctx, repotest.Ping)
	defer release()
	return err
}

func (s *sketch) Close() error {
	return s.step(func() error { s.closed = true; return nil })
}
