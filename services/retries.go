package services

import (
	"context"

	"userapi/models"
	"userapi/repository"
)

// Retries answers a request that is sent again with what it was answered before (contract 3). It is
// safe for concurrent use.
type Retries struct {
	keys repository.IdempotencyRepository
}

// NewRetries returns a service that remembers answers in the repository.
func NewRetries(keys repository.IdempotencyRepository) *Retries { return &Retries{keys: keys} }

// Do runs a request under a key, which holds the scope of the idempotency key as well as the key, and
// returns its answer. When the same request has been answered under this key, it returns that answer
// and true, and does not run. The answer is kept when run says so; after an error, a panic or an
// answer that is not to be kept, the key is free. It returns models.ErrKeyReused,
// models.ErrRequestInProgress, the error of run, or that of the repository: then also after a run
// whose answer could not be kept, so that nobody believes a retry to be safe.
//
// What has begun under a key goes on when the client goes away, because its answer may be asked for:
// run gets a context without cancellation.
func (r *Retries) Do(
	ctx context.Context, key string, fingerprint repository.Fingerprint,
	run func(ctx context.Context) (answer models.Answer, keep bool, err error),
) (answer models.Answer, replayed bool, err error) {
	answer, replayed, err = r.keys.Begin(ctx, key, fingerprint)
	if err != nil || replayed {
		return answer, replayed, err
	}
	ctx = context.WithoutCancel(ctx)
	kept := false
	defer func() {
		if kept {
			return
		}
		if released := r.keys.Release(ctx, key); err == nil {
			err = released
		}
	}()
	answer, keep, err := run(ctx)
	if err != nil || !keep {
		return answer, false, err
	}
	err = r.keys.Finish(ctx, key, answer)
	kept = err == nil
	return answer, false, err
}
