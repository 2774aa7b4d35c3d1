package memory

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"userapi/models"
	"userapi/repository"
)

// Keys is a repository.IdempotencyRepository in memory, a part of the Store. Its limits are for answers;
// keys that somebody owns are never forgotten, and there are no more of them than requests that run.
type Keys struct {
	limits KeyLimits
	now    func() time.Time

	mu      sync.Mutex
	entries map[string]*keyEntry // nil once the store is closed
	oldest  list.List            // of the *keyEntry that have an answer, in the order in which they got it
	bytes   int64
}

// KeyLimits bounds what Keys remembers.
type KeyLimits struct {
	// Age is how long an answer is remembered.
	Age time.Duration
	// Count is how many answers are remembered at most.
	Count int
	// Bytes is how much memory they take at most, in octets, about.
	Bytes int64
}

// keyEntry is a key that somebody owns or that has an answer.
type keyEntry struct {
	key         string
	fingerprint repository.Fingerprint
	answer      models.Answer
	expires     time.Time
	place       *list.Element // in Keys.oldest; nil as long as somebody owns the key
}

// entryOverhead is what an entry takes besides its texts, in octets, about: itself, its place in the list
// and its place in the map.
const entryOverhead = 320

var errNotOwned = errors.New("an answer for an idempotency key that no such request owns")

// newKeys returns an empty Keys. now is the clock by which answers grow old.
func newKeys(limits KeyLimits, now func() time.Time) *Keys {
	return &Keys{limits: limits, now: now, entries: make(map[string]*keyEntry)}
}

// Begin implements repository.IdempotencyRepository.
func (k *Keys) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	if err := ctx.Err(); err != nil {
		return models.Answer{}, false, fmt.Errorf("idempotency keys: %w", err)
	}
	answer, replayed, err := k.begin(key, fingerprint)
	answer.Body = bytes.Clone(answer.Body) // without the lock: nobody ever writes to what is kept
	return answer, replayed, err
}

func (k *Keys) begin(key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		return models.Answer{}, false, models.ErrUnavailable.Because(errClosed)
	}
	now := k.now()
	k.expire(now)
	entry := k.entries[key]
	if entry != nil && entry.place != nil && !now.Before(entry.expires) {
		k.forget(entry) // it stands behind a younger one, because the clock went back between them
		entry = nil
	}
	switch {
	case entry == nil:
		k.entries[key] = &keyEntry{key: key, fingerprint: fingerprint}
		return models.Answer{}, false, nil
	case entry.place == nil:
		return models.Answer{}, false, models.ErrRequestInProgress
	case entry.fingerprint != fingerprint:
		return models.Answer{}, false, models.ErrKeyReused
	default:
		return entry.answer, true, nil
	}
}

// finish gives a key its answer.
func (k *Keys) finish(kept *repository.Kept) error {
	answer := kept.Answer
	answer.Body = bytes.Clone(answer.Body) // the caller may go on with its own
	k.mu.Lock()
	defer k.mu.Unlock()
	entry := k.entries[kept.Key]
	if entry == nil || entry.place != nil || entry.fingerprint != kept.Fingerprint {
		return models.ErrRequestInProgress.Because(errNotOwned)
	}
	now := k.now()
	entry.answer, entry.expires = answer, now.Add(k.limits.Age)
	if entry.size() > k.limits.Bytes {
		delete(k.entries, kept.Key) // it would push all others out and then itself
		return nil
	}
	entry.place = k.oldest.PushBack(entry)
	k.bytes += entry.size()
	k.expire(now)
	return nil
}

// Release implements repository.IdempotencyRepository.
func (k *Keys) Release(_ context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil {
		return models.ErrUnavailable.Because(errClosed)
	}
	if entry := k.entries[key]; entry != nil && entry.place == nil {
		delete(k.entries, key)
	}
	return nil
}

// close forgets everything.
func (k *Keys) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries, k.bytes = nil, 0
	k.oldest.Init()
}

// expire forgets the answers that are too old or too many; the caller holds the lock. Each call costs
// as much as there is to forget.
func (k *Keys) expire(now time.Time) {
	for front := k.oldest.Front(); front != nil; front = k.oldest.Front() {
		entry := front.Value.(*keyEntry)
		if k.oldest.Len() <= k.limits.Count && k.bytes <= k.limits.Bytes && now.Before(entry.expires) {
			return
		}
		k.forget(entry)
	}
}

// forget removes a key that has an answer; the caller holds the lock.
func (k *Keys) forget(entry *keyEntry) {
	k.oldest.Remove(entry.place)
	k.bytes -= entry.size()
	delete(k.entries, entry.key)
}

func (e *keyEntry) size() int64 {
	return entryOverhead + int64(len(e.key)+len(e.answer.Location)+len(e.answer.ETag)+cap(e.answer.Body))
}
