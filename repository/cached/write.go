package cached

import (
	"context"
	"errors"

	"userapi/models"
	"userapi/repository"
)

// Create needs no method here: that there is no user is nothing that the cache keeps.

// Update implements repository.UserRepository.
func (s *Store) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	var user models.User
	err := s.write(ctx, func(ctx context.Context, w *writing) (err error) {
		if err := w.block(ctx, id); err != nil {
			return err
		}
		user, err = s.UserRepository.Update(ctx, id, func(user models.User) (models.User, error) {
			user, w.refusal = change(user)
			return user, w.refusal
		})
		return err
	})
	if err != nil {
		return models.User{}, err
	}
	return user, nil
}

// Delete implements repository.UserRepository.
func (s *Store) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	return s.write(ctx, func(ctx context.Context, w *writing) error {
		if err := w.block(ctx, id); err != nil {
			return err
		}
		if allow == nil {
			return s.UserRepository.Delete(ctx, id, nil)
		}
		return s.UserRepository.Delete(ctx, id, func(user models.User) error {
			w.refusal = allow(user)
			return w.refusal
		})
	})
}

// Batch implements repository.UserRepository. Only decide knows the users that will change. It is
// inside the atomic step of the store, which is the right place to block them in, but none to wait
// in: when that is needed, the step is given up and taken again afterwards.
func (s *Store) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return s.write(ctx, func(ctx context.Context, w *writing) error {
		return s.UserRepository.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			var changes repository.Changes
			changes, w.refusal = decide(tx)
			if w.refusal != nil {
				return changes, w.refusal
			}
			ids := make([]int64, 0, len(changes.Replace)+len(changes.Delete))
			for i := range changes.Replace {
				ids = append(ids, changes.Replace[i].ID)
			}
			if ids = append(ids, changes.Delete...); len(ids) > 0 {
				w.refusal = w.block(ctx, ids...)
			}
			return changes, w.refusal
		})
	})
}

// writing is one try of a write.
type writing struct {
	level  level
	blocks []block
	// refusal is what the caller's function has last returned, or block.
	refusal error
}

// block blocks users before the store can commit a change of theirs.
func (w *writing) block(ctx context.Context, ids ...int64) error {
	b, err := w.level.block(ctx, ids)
	if err != nil {
		w.refusal = err
		return err
	}
	w.blocks = append(w.blocks, b)
	return nil
}

// write makes a try in which users are blocked, and lifts the blocks before it returns. The try gets
// a context that ends in time.
func (s *Store) write(ctx context.Context, try func(ctx context.Context, w *writing) error) error {
	for {
		if err := s.usable(ctx); err != nil {
			return err
		}
		err := s.try(ctx, try)
		if !errors.Is(err, errUnblocked) {
			return err
		}
		if err := s.level.assure(ctx); err != nil {
			return err
		}
	}
}

func (s *Store) try(ctx context.Context, try func(ctx context.Context, w *writing) error) (err error) {
	w, came := &writing{level: s.level}, unknown // of a panic
	defer func() {
		if lifted := s.level.lift(ctx, w.blocks, came); err == nil {
			err = lifted
		}
	}()
	limited, cancel := context.WithTimeout(ctx, s.writeTimeout)
	defer cancel()
	err = try(limited, w)
	came = w.outcome(err)
	return err
}

// outcome says what came of a write that ended with this error.
func (w *writing) outcome(err error) outcome {
	switch {
	case err == nil:
		return done
	case w.refusal != nil && errors.Is(err, w.refusal),
		errors.Is(err, models.ErrUserNotFound), errors.Is(err, models.ErrEmailTaken), errors.Is(err, repository.ErrNotBegun):
		return refused
	default:
		return unknown
	}
}
