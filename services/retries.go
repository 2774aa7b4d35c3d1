package services

import (
	"context"
	"errors"
	"time"

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

// Do runs a request that owns a key, and returns its answer. When the same request has been answered
// under this key, it returns that answer and true, and does not run. It is run that hands keep on to
// the service that writes, which has the answer kept in the step that changes the store; when it was
// not kept, after an error, a panic or for lack of a change, the key is free again. Do returns
// models.ErrKeyReused, models.ErrRequestInProgress, the error of run, or that of the repository.
//
// What has begun under a key goes on when the client goes away, because its answer may be asked for:
// run gets a context without cancellation. When the store is away, the answer hardly waits for the key to
// be freed: who has waited for the store once is not to wait again.
func (r *Retries) Do(
	ctx context.Context, keep *models.Keep, run func(ctx context.Context) (models.Answer, error),
) (answer models.Answer, replayed bool, err error) {
	answer, replayed, err = r.keys.Begin(ctx, keep.Key, keep.Fingerprint)
	if err != nil || replayed {
		return answer, replayed, err
	}
	ctx = context.WithoutCancel(ctx)
	defer func() {
		if keep.Kept {
			return
		}
		if released := r.release(ctx, keep.Key, errors.Is(err, models.ErrUnavailable)); err == nil {
			err = released
		}
	}()
	answer, err = run(ctx)
	return answer, false, err
}

// hardly is how long an answer waits for a store that was found away.
const hardly = 200 * time.Millisecond

// release frees a key. When the store is away, it goes on behind its caller's back; a key that stays
// taken is free when the store takes its owner for gone.
func (r *Retries) release(ctx context.Context, key string, away bool) error {
	if !away {
		return r.keys.Release(ctx, key)
	}
	released := make(chan error, 1)
	go func() { released <- r.keys.Release(ctx, key) }()
	timer := time.NewTimer(hardly)
	defer timer.Stop()
	select {
	case err := <-released:
		return err
	case <-timer.C:
		return nil
	}
}
