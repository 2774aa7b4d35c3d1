package repotest_test

import (
	"context"
	"errors"

	"userapi/models"
	"userapi/repository"
)

// altering replaces what decide returns before the store looks at it.
func altering(
	replace func(good *keySketch, changes repository.Changes, err error) (repository.Changes, error),
) func() repository.Store {
	return breakingKeys(func(b *brokenKeys, good *keySketch) {
		b.batch = func(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
			return good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
				changes, err := decide(tx)
				return replace(good, changes, err)
			})
		}
	})
}

// keptFlaws are those of batches that keep an answer.
func keptFlaws() []keyFlaw {
	together := "A batch keeps its answer with its changes"
	nothing := "A batch that fails keeps no answer"
	owner := "A batch keeps an answer only for the request that owns the key"
	return []keyFlaw{
		{"keeps the answer and not the changes", altering(func(_ *keySketch, changes repository.Changes, err error) (repository.Changes, error) {
			if changes.Kept != nil {
				changes = repository.Changes{Kept: changes.Kept}
			}
			return changes, err
		}), []string{together}},
		{"keeps no answer beside changes", altering(func(_ *keySketch, changes repository.Changes, err error) (repository.Changes, error) {
			if len(changes.Create) > 0 {
				changes.Kept = nil
			}
			return changes, err
		}), []string{together, nothing, owner}},
		{"keeps the answer of a batch that decide refuses", altering(func(good *keySketch, changes repository.Changes, err error) (repository.Changes, error) {
			if changes.Kept != nil && err != nil {
				_ = good.finish(changes.Kept)
			}
			return changes, err
		}), []string{nothing}},
		{"keeps the answer before it judges addresses", altering(keepsEarly), []string{nothing}},
		{"forgets who owns the key of a batch that fails", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.batch = func(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
				var kept *repository.Kept
				err := good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
					changes, err := decide(tx)
					kept = changes.Kept
					return changes, err
				})
				if err != nil && kept != nil {
					_ = good.Release(context.WithoutCancel(ctx), kept.Key)
				}
				return err
			}
		}), []string{nothing, owner}},
		{"keeps an answer for nobody", sketchedKeys(func(k *keySketch) {
			good := k.owned
			k.owned = func(entry keyed, found bool, fingerprint repository.Fingerprint) bool {
				return !found || good(entry, found, fingerprint)
			}
		}), []string{owner}},
		{"keeps an answer for another request than the owner's", sketchedKeys(func(k *keySketch) {
			k.owned = func(entry keyed, found bool, _ repository.Fingerprint) bool { return found && !entry.answered }
		}), []string{owner}},
		{"keeps a second answer in place of the first", sketchedKeys(func(k *keySketch) {
			k.owned = func(entry keyed, found bool, fingerprint repository.Fingerprint) bool {
				return found && entry.fingerprint == fingerprint
			}
		}), []string{owner}},
		{"writes the changes of a request that has lost its key", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.batch = func(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
				err := good.Batch(ctx, decide)
				if errors.Is(err, models.ErrRequestInProgress) {
					_ = good.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
						changes, err := decide(tx)
						changes.Kept = nil
						return changes, err
					})
				}
				return err
			}
		}), []string{owner}},
		{"has no word for a request that has lost its key", sketchedKeys(func(k *keySketch) {
			k.seal = func(kept *repository.Kept) error {
				_ = k.finish(kept)
				return nil
			}
		}), []string{owner}},
	}
}

// keepsEarly keeps the answer as soon as decide has agreed, and so before the store can fail.
func keepsEarly(good *keySketch, changes repository.Changes, err error) (repository.Changes, error) {
	if changes.Kept != nil && err == nil {
		err = good.finish(changes.Kept)
		changes.Kept = nil
	}
	return changes, err
}
