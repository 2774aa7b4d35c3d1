package cached

import (
	"context"
	"errors"
	"fmt"
	"time"

	"userapi/models"
)

// Get implements repository.UserRepository.
func (s *Store) Get(ctx context.Context, id int64) (models.User, error) {
	if err := s.usable(ctx); err != nil {
		return models.User{}, err
	}
	if id <= 0 {
		return s.UserRepository.Get(ctx, id) // nobody has it
	}
	switch user, found := s.look(ctx, id); found {
	case hit:
		return user, nil
	case missing:
		s.counts.misses.Add(1)
		return s.share(ctx, id)
	default:
		return s.UserRepository.Get(ctx, id)
	}
}

// look asks the level, and counts what comes of it.
func (s *Store) look(ctx context.Context, id int64) (models.User, finding) {
	user, found := s.level.get(ctx, id)
	switch found {
	case hit:
		s.counts.hits.Add(1)
	case blocked:
		s.counts.blocked.Add(1)
	case away:
		s.counts.bypassed.Add(1)
	case missing: // Get counts it, once
	}
	return user, found
}

// share loads a user together with all others who want the same one. Who joins a load cannot take
// what comes of it: it may have read the store before a write that the joiner knows of. So it looks
// into the cache again; and when there is nothing, the next load, which has begun after the joiner
// came, is good for it.
func (s *Store) share(ctx context.Context, id int64) (models.User, error) {
	f, mine := s.flights.join(id)
	if !mine {
		if err := f.wait(ctx); err != nil {
			return models.User{}, err
		}
		switch user, found := s.look(ctx, id); found {
		case hit:
			return user, nil
		case blocked, away:
			return s.UserRepository.Get(ctx, id)
		case missing:
		}
		if f, mine = s.flights.join(id); !mine {
			if err := f.wait(ctx); err != nil {
				return models.User{}, err
			}
			if f.err != nil && !errors.Is(f.err, models.ErrUserNotFound) {
				return s.UserRepository.Get(ctx, id) // what failed may be about the other caller
			}
			return f.user, f.err
		}
	}
	s.load(ctx, id, f)
	return f.user, f.err
}

// wait returns when the flight has ended, or with the error of the context.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cached store: %w", ctx.Err())
	}
}

// load reads a user from the store and fills the entry. It goes on when the caller goes away, because
// others wait for it; but not longer than the caller would have waited.
func (s *Store) load(ctx context.Context, id int64, f *flight) {
	defer s.flights.end(id, f)
	limit := time.Now().Add(s.writeTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(limit) {
		limit = deadline
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), limit)
	defer cancel()

	reserved, user, found := s.level.reserve(ctx, id)
	if found == hit {
		f.user, f.err = user, nil
		return
	}
	s.counts.loads.Add(1)
	f.user, f.err = s.UserRepository.Get(ctx, id)
	switch {
	case found != missing:
	case f.err == nil:
		s.level.fill(ctx, reserved, f.user)
	default:
		s.level.forgo(ctx, reserved)
	}
}

// List implements repository.UserRepository. Only the question who has an address is answered with
// the help of the cache.
func (s *Store) List(ctx context.Context, query models.Query) (models.Page, error) {
	if err := s.usable(ctx); err != nil {
		return models.Page{}, err
	}
	key := query.Filter.EmailKey
	if !byAddress(&query) {
		return s.UserRepository.List(ctx, query)
	}
	// The cache keeps who had the address once. Whether the user still has it is seen in the user, so
	// that this needs no block when it changes.
	if id := s.level.hint(ctx, key); id > 0 {
		if user, err := s.Get(ctx, id); err == nil && models.EmailKey(user.Email) == key {
			page := query.NewPage(1)
			page.Users = append(page.Users, user)
			return page, nil
		}
	}
	page, err := s.UserRepository.List(ctx, query)
	if err == nil && len(page.Users) == 1 {
		s.level.suggest(ctx, key, page.Users[0].ID)
	}
	return page, err
}

// byAddress says whether a query asks for nothing but the user with one address.
func byAddress(query *models.Query) bool {
	rest := query.Filter
	rest.EmailKey = ""
	return query.Filter.EmailKey != "" && rest.IsZero() && query.Limit == 1 && query.Skip == 0 &&
		!query.WithTotal && len(query.Order) == 0 && query.Position == models.Position{}
}
