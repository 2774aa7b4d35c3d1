package repotest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

// deciding returns the maker of a store that writes other changes than decide returned.
func deciding(alter func(tx repository.Tx, changes *repository.Changes)) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		b.batch = func(ctx context.Context, decide decide) error {
			return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				changes, err := decide(tx)
				alter(tx, &changes)
				return changes, err
			})
		}
	})
}

// showing returns the maker of a store whose transactions are altered.
func showing(alter func(tx repository.Tx) repository.Tx) func() repository.UserRepository {
	return breaking(func(b *broken, good *sketch) {
		b.batch = func(ctx context.Context, decide decide) error {
			return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) { return decide(alter(tx)) })
		}
	})
}

// falseTx is a repository.Tx of which methods are replaced.
type falseTx struct {
	repository.Tx
	get    func(id int64) (models.User, error)
	owner  func(emailKey string) (int64, error)
	nextID func() (int64, error)
}

func (tx *falseTx) Get(id int64) (models.User, error) {
	if tx.get == nil {
		return tx.Tx.Get(id)
	}
	return tx.get(id)
}

func (tx *falseTx) Owner(emailKey string) (int64, error) {
	if tx.owner == nil {
		return tx.Tx.Owner(emailKey)
	}
	return tx.owner(emailKey)
}

func (tx *falseTx) NextID() (int64, error) {
	if tx.nextID == nil {
		return tx.Tx.NextID()
	}
	return tx.nextID()
}

func batchFlaws() []flaw {
	writes := "Batch writes all its changes at once"
	refusing := "Batch returns the error of decide as it is and writes nothing"
	shows := "Tx shows the store as it was before the batch"
	grows := "NextID gives ids that grow and are never given twice"
	return []flaw{
		{
			"forgets the deletions of a batch",
			deciding(func(_ repository.Tx, changes *repository.Changes) {
				if len(changes.Create) > 0 {
					changes.Delete = nil
				}
			}),
			[]string{writes, "Batch judges addresses on the state that it leads to"},
		},
		{
			"lets a batch move the time of creation",
			sketched(func(s *sketch) { s.keep = func(_, changed models.User) models.User { return changed } }),
			[]string{writes, "Batch that changes nothing leaves everything"},
		},
		{
			"writes five hundred rows with one statement, and no more",
			deciding(func(_ repository.Tx, changes *repository.Changes) {
				changes.Create = changes.Create[:min(500, len(changes.Create))]
			}),
			[]string{"Batch takes as many changes as a request has operations"},
		},
		{"wraps the error of decide", breaking(wrapsDecide), []string{refusing}},
		{"writes although decide refuses", breaking(writesUndecided), []string{refusing}},
		{
			"counts every replacement as a change",
			deciding(func(tx repository.Tx, changes *repository.Changes) {
				changes.Replace = slices.Clone(changes.Replace)
				for i, user := range changes.Replace {
					if old, err := tx.Get(user.ID); err == nil && old == user {
						changes.Replace[i].UpdatedAt++
					}
				}
			}),
			[]string{"Batch that changes nothing leaves everything"},
		},
		{
			"judges addresses change by change", breaking(judgesSingly),
			[]string{"Batch judges addresses on the state that it leads to", "Concurrent clients see one history"},
		},
		{
			"writes a batch change by change until one clashes", breaking(writesUntilClash),
			[]string{"Batch refuses an address that two users would have and writes nothing"},
		},
		{
			"keeps a batch although its client went away",
			breaking(func(b *broken, good *sketch) {
				b.batch = func(ctx context.Context, decide decide) error {
					return errors.Join(good.Batch(context.WithoutCancel(ctx), decide), ctx.Err())
				}
			}),
			[]string{"A context cancelled in change, allow or decide writes nothing", "A cancelled context gives context.Canceled and no effect"},
		},
		{
			"has an empty user for an absent one in a batch",
			showing(func(tx repository.Tx) repository.Tx {
				return &falseTx{Tx: tx, get: func(id int64) (models.User, error) {
					user, _ := tx.Get(id)
					return user, nil
				}}
			}),
			[]string{shows},
		},
		{
			"has nobody for the owner of a free address",
			showing(func(tx repository.Tx) repository.Tx {
				return &falseTx{Tx: tx, owner: func(emailKey string) (int64, error) {
					owner, _ := tx.Owner(emailKey)
					return owner, nil
				}}
			}),
			[]string{shows},
		},
		{"looks for the owner of an address as it was typed", breaking(ownersAsTyped), []string{shows}},
		{
			"gives ids that a batch left out again",
			breaking(func(b *broken, good *sketch) {
				b.batch = func(ctx context.Context, decide decide) error {
					err := good.Batch(ctx, decide)
					return errors.Join(err, good.step(func() error { good.lastID = highest(good); return nil }))
				}
			}),
			[]string{grows},
		},
		{
			"gives the same id twice in a batch",
			showing(func(tx repository.Tx) repository.Tx {
				var first int64
				return &falseTx{Tx: tx, nextID: func() (id int64, err error) {
					if first == 0 {
						first, err = tx.NextID()
					}
					return first, err
				}}
			}),
			[]string{grows},
		},
		{"keeps the slices of its caller", breaking(keepsChanges), []string{"Batch keeps no memory of its caller"}},
		{"stays locked after a panic of decide", breaking(batchStaysLocked), []string{"Batch survives a panic of decide"}},
	}
}

func highest(s *sketch) (id int64) {
	for _, user := range s.users {
		id = max(id, user.ID)
	}
	return id
}

func wrapsDecide(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		if err := good.Batch(ctx, decide); err != nil {
			return fmt.Errorf("batch: %w", err)
		}
		return nil
	}
}

func writesUndecided(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		var refusal error
		err := good.Batch(ctx, func(tx repository.Tx) (changes repository.Changes, _ error) {
			changes, refusal = decide(tx)
			return changes, nil
		})
		if refusal != nil {
			return refusal
		}
		return err
	}
}

// ordered writes the changes of a batch one after another, until one clashes.
func ordered(s *sketch, changes repository.Changes) error {
	return s.step(func() error {
		for _, id := range changes.Delete {
			s.drop(id)
		}
		for _, user := range slices.Concat(changes.Replace, changes.Create) {
			if owner, ok := s.owners[s.key(user.Email)]; ok && owner != user.ID {
				return models.ErrEmailTaken
			}
			s.put(user)
		}
		return nil
	})
}

// judgesSingly rolls a batch back at its first clash, as a unique index does that is not deferred.
func judgesSingly(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			changes, err := decide(tx)
			if err != nil {
				return changes, err
			}
			trial := newSketch()
			_ = good.step(func() error {
				for _, user := range good.users {
					trial.put(user)
				}
				return nil
			})
			return changes, ordered(trial, changes)
		})
	}
}

func writesUntilClash(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			changes, err := decide(tx)
			if err != nil || good.vacantFor(&changes) == nil {
				return changes, err
			}
			return changes, ordered(good, changes)
		})
	}
}

// ownersAsTyped keeps addresses for Owner in an index of their own, not folded.
func ownersAsTyped(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			return decide(&falseTx{Tx: tx, owner: func(emailKey string) (owner int64, err error) {
				err = good.step(func() error {
					for _, user := range good.users {
						if user.Email == emailKey {
							owner = user.ID
							return nil
						}
					}
					return models.ErrUserNotFound
				})
				return owner, err
			}})
		})
	}
}

// keepsChanges writes what the slices of the batch before hold by now.
func keepsChanges(b *broken, good *sketch) {
	var kept repository.Changes
	b.batch = func(ctx context.Context, decide decide) error {
		return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			late := kept
			changes, err := decide(tx)
			kept = changes
			changes.Replace = slices.Concat(changes.Replace, late.Create, late.Replace)
			return changes, err
		})
	}
}

// batchStaysLocked is a store whose lock times out, so that the rule need not wait for ever.
func batchStaysLocked(b *broken, good *sketch) {
	var mu sync.Mutex
	b.batch = func(ctx context.Context, decide decide) error {
		if !mu.TryLock() {
			return models.ErrUnavailable.Because(errors.New("lock wait timeout"))
		}
		err := good.Batch(ctx, decide)
		mu.Unlock()
		return err
	}
}

func batchRaceFlaws() []flaw {
	return []flaw{
		{
			"reads, decides and writes a batch without a lock",
			sketched(func(s *sketch) { s.unlocked = repotest.Batch }),
			[]string{
				"Parallel batches are one after another", "Updates and batches of one user lose none of each other",
				"Parallel batches and creators get different ids", "List shows a batch whole or not at all",
				"A batch writes only while what it has read still holds", "Concurrent clients see one history",
			},
		},
		{
			"locks in a batch only what it writes", breaking(locksWritten),
			[]string{"A batch writes only while what it has read still holds"},
		},
	}
}

// locksWritten is a batch under snapshot isolation: it reads one moment and writes later if nobody
// has changed since what it writes.
func locksWritten(b *broken, good *sketch) {
	b.batch = func(ctx context.Context, decide decide) error {
		for {
			var snapshot map[int64]models.User
			var changes repository.Changes
			undo := errors.New("only reading")
			var refusal error
			err := good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				snapshot = make(map[int64]models.User)
				changes, refusal = decide(&falseTx{Tx: tx, get: func(id int64) (models.User, error) {
					user, err := tx.Get(id)
					snapshot[id] = user
					return user, err
				}})
				return changes, undo
			})
			if refusal != nil || !errors.Is(err, undo) {
				return errors.Join(refusal, err)
			}
			for range 5 {
				runtime.Gosched()
			}
			again := errors.New("could not serialise")
			err = good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				for _, user := range changes.Replace {
					if now, err := tx.Get(user.ID); err != nil || now != snapshot[user.ID] {
						return changes, again
					}
				}
				for i := range changes.Create {
					id, err := tx.NextID()
					if err != nil {
						return changes, err
					}
					changes.Create[i].ID = id
				}
				return changes, nil
			})
			if !errors.Is(err, again) {
				return err
			}
		}
	}
}
