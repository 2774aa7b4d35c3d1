package repotest

import (
	"context"
	"errors"
	"sync"
	"time"

	"userapi/models"
	"userapi/repository"
)

func lifetimeRules() []Rule {
	return []Rule{
		{
			"Ping answers nil while the store serves",
			"readiness hangs on it",
			pingAnswers,
		},
		{
			"A cancelled context gives context.Canceled and no effect",
			"a client that went away is not an error, and must not be told apart by who cancelled",
			cancelledHasNoEffect,
		},
		{
			"A passed deadline gives context.DeadlineExceeded and no effect",
			"the client is told that nothing happened, so nothing may have",
			deadlineHasNoEffect,
		},
		{
			"A context cancelled in change, allow or decide writes nothing",
			"the effect is the writing, and the context ended before",
			cancelledInside,
		},
		{
			"A closed store is unavailable, however often closed",
			"a request that comes late in a stop gets 503 and not a panic",
			closedIsUnavailable,
		},
		{
			"Close may come while others work",
			"nobody can know that the last request is over",
			closeAmidWork,
		},
	}
}

// attempt is one call of a method.
type attempt struct {
	method Method
	call   func(ctx context.Context) error
}

// attempts returns a call of every method with a context that succeeds on a store that holds the
// user and no Sample(50).
func (s *subject) attempts(user models.User) []attempt {
	return []attempt{
		{Create, func(ctx context.Context) error {
			_, err := s.Create(ctx, Sample(50))
			return err
		}},
		{Get, func(ctx context.Context) error {
			_, err := s.Get(ctx, user.ID)
			return err
		}},
		{List, func(ctx context.Context) error {
			_, err := s.List(ctx, models.Query{Limit: 5, WithTotal: true})
			return err
		}},
		{Update, func(ctx context.Context) error {
			_, err := s.Update(ctx, user.ID, edit(func(user *models.User) { user.Name = "Updated" }))
			return err
		}},
		{Batch, func(ctx context.Context) error { return s.Batch(ctx, renamesInBatch(user.ID, "Batched")) }},
		{Delete, func(ctx context.Context) error { return s.Delete(ctx, user.ID, nil) }},
		{Ping, s.Ping},
	}
}

// renamesInBatch is a decision to give the user with this id another name.
func renamesInBatch(id int64, name string) func(tx repository.Tx) (repository.Changes, error) {
	return func(tx repository.Tx) (repository.Changes, error) {
		user, err := tx.Get(id)
		user.Name = name
		return repository.Changes{Replace: []models.User{user}}, err
	}
}

func pingAnswers(s *subject) {
	for range 2 {
		if err := s.Ping(s.Context()); err != nil {
			s.Errorf("Ping: %v", err)
		}
	}
}

func cancelledHasNoEffect(s *subject) {
	users := s.seeded(2)
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(s.Context())
	cancel(reason)
	for _, a := range s.attempts(users[0]) {
		err := a.call(ctx)
		s.fails(err, context.Canceled, string(a.method)+" with a cancelled context")
		if errors.Is(err, reason) {
			s.Errorf("%s gave the cause of the cancellation: %v", a.method, err)
		}
	}
	s.holds(users...)
}

func deadlineHasNoEffect(s *subject) {
	users := s.seeded(2)
	ctx, cancel := context.WithDeadline(s.Context(), time.Unix(0, 0))
	defer cancel()
	for _, a := range s.attempts(users[0]) {
		s.fails(a.call(ctx), context.DeadlineExceeded, string(a.method)+" past its deadline")
	}
	s.holds(users...)
}

func cancelledInside(s *subject) {
	users := s.seeded(2)
	for _, inside := range []struct {
		method Method
		call   func(ctx context.Context, cancel func()) error
	}{
		{Update, func(ctx context.Context, cancel func()) error {
			_, err := s.Update(ctx, users[0].ID, edit(func(user *models.User) {
				cancel()
				user.Name, user.Email = "Too late", Sample(7).Email
			}))
			return err
		}},
		{Delete, func(ctx context.Context, cancel func()) error {
			return s.Delete(ctx, users[0].ID, func(models.User) error {
				cancel()
				return nil
			})
		}},
		{Batch, func(ctx context.Context, cancel func()) error {
			return s.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				changes, err := renamesInBatch(users[0].ID, "Too late")(tx)
				cancel()
				changes.Delete = []int64{users[1].ID}
				return changes, err
			})
		}},
	} {
		ctx, cancel := context.WithCancel(s.Context())
		s.fails(inside.call(ctx, cancel), context.Canceled, string(inside.method)+" with a context that ends in the middle")
		cancel()
		s.holds(users...)
	}
}

func closedIsUnavailable(s *subject) {
	users := s.seeded(1)
	for range 2 {
		if err := s.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		for _, a := range s.attempts(users[0]) {
			s.fails(a.call(s.Context()), models.ErrUnavailable, string(a.method)+" after Close")
		}
	}
}

// closeAmidWork keeps every method busy, each on a goroutine of its own, until it says that the store
// is away.
func closeAmidWork(s *subject) {
	const enough = 10_000
	var working, done sync.WaitGroup
	for _, a := range s.attempts(s.seeded(2)[0]) {
		working.Add(1)
		done.Go(func() {
			begun := sync.OnceFunc(working.Done)
			defer begun()
			for range enough {
				err := a.call(s.Context())
				switch {
				case errors.Is(err, models.ErrUnavailable):
					return
				case err != nil && !errors.Is(err, models.ErrUserNotFound) && !errors.Is(err, models.ErrEmailTaken):
					s.Errorf("%s beside Close: %v", a.method, err)
					return
				}
				begun()
			}
		})
	}
	working.Wait()
	if err := s.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
	done.Wait()
	s.fails(s.Ping(s.Context()), models.ErrUnavailable, "Ping after Close")
}
