package sql

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"userapi/models"
	"userapi/repository"
)

// KeyLimits bounds the answers that are kept for retries.
type KeyLimits struct {
	// Age is how long an answer is kept.
	Age time.Duration
	// Count is how many answers are kept at most, and Bytes how many octets they have together; both are
	// seen to once a minute.
	Count, Bytes int64
}

// tidyEvery is how often old answers are looked for.
const tidyEvery = time.Minute

// entryOverhead is what a kept answer takes besides its texts, in octets, about.
const entryOverhead = 200

var errNotOwned = errors.New("an answer for an idempotency key that no such request owns")

// lease is for how long nobody else believes that the owner of a key is gone: longer than a request
// lasts, which is an operation or two of the store.
func (s *Store) lease() time.Duration { return 30*time.Second + 2*s.options.Timeout }

// keyRow is a key as it is stored.
type keyRow struct {
	fingerprint []byte
	status      int64 // zero while somebody owns it
	location    sql.NullString
	etag        sql.NullString
	body        []byte
	expires     int64
}

// Begin implements repository.IdempotencyRepository. Each of its statements is a step of its own: the
// key is seen by all others while the request runs.
func (s *Store) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	const looks = 8
	for range looks {
		owned, err := s.takeFree(ctx, key, fingerprint)
		if err != nil || owned {
			return models.Answer{}, false, err
		}
		var row keyRow
		err = s.reads(ctx, func(ctx context.Context) error {
			return s.read.row(ctx, s.dialect.selectKey, []byte(key)).
				Scan(&row.fingerprint, &row.status, &row.location, &row.etag, &row.body, &row.expires)
		})
		switch {
		case errors.Is(err, sql.ErrNoRows):
			continue // it was freed between the two looks
		case err != nil:
			return models.Answer{}, false, err
		case row.expires <= s.options.Now().UnixMicro():
			if owned, err = s.takeExpired(ctx, key, fingerprint, &row); err != nil || owned {
				return models.Answer{}, false, err
			}
			continue
		case row.status == 0:
			return models.Answer{}, false, models.ErrRequestInProgress
		case !bytes.Equal(row.fingerprint, fingerprint[:]):
			return models.Answer{}, false, models.ErrKeyReused
		}
		return models.Answer{Status: int(row.status), Location: row.location.String, ETag: row.etag.String, Body: row.body}, true, nil
	}
	return models.Answer{}, false, models.ErrRequestInProgress // others take it again and again
}

// takeFree takes a key that nobody has.
func (s *Store) takeFree(ctx context.Context, key string, fingerprint repository.Fingerprint) (owned bool, err error) {
	until := s.options.Now().Add(s.lease()).UnixMicro()
	err = s.through(ctx, &s.write, func(ctx context.Context) error {
		n, err := s.write.exec(ctx, s.dialect.insertKey, []byte(key), fingerprint[:], until)
		owned = n == 1
		return err
	})
	return owned && err == nil, err
}

// takeExpired takes a key whose owner or whose answer is too old.
func (s *Store) takeExpired(ctx context.Context, key string, fingerprint repository.Fingerprint, old *keyRow) (owned bool, err error) {
	until := s.options.Now().Add(s.lease()).UnixMicro()
	err = s.through(ctx, &s.write, func(ctx context.Context) error {
		n, err := s.write.exec(ctx, s.dialect.takeKey, fingerprint[:], until, []byte(key), old.status, old.expires)
		owned = n == 1
		return err
	})
	return owned && err == nil, err
}

// Release implements repository.IdempotencyRepository.
func (s *Store) Release(ctx context.Context, key string) error {
	return s.through(ctx, &s.write, func(ctx context.Context) error {
		_, err := s.write.exec(ctx, s.dialect.releaseKey, []byte(key))
		return err
	})
}

// finish gives a key its answer. That it still is in the hands of such a request is part of the same
// statement: of two that believe they own a key, because the first was taken for dead, one commits.
func (tx *transaction) finish(kept *repository.Kept) error {
	answer, d := &kept.Answer, &tx.store.dialect
	size := int64(entryOverhead + len(kept.Key) + len(answer.Body) + len(answer.Location) + len(answer.ETag))
	expires := tx.store.options.Now().Add(tx.store.options.Keys.Age).UnixMicro()
	body := answer.Body
	if body == nil {
		body = []byte{}
	}
	n, err := tx.exec(d.finishKey, answer.Status, answer.Location, answer.ETag, body, size, expires, []byte(kept.Key), kept.Fingerprint[:])
	switch {
	case err != nil:
		return err
	case n == 0:
		return models.ErrRequestInProgress.Because(errNotOwned)
	case size > tx.store.options.Keys.Bytes: // it would push all others out and then itself
		_, err = tx.exec(d.dropKey, []byte(kept.Key))
	}
	return err
}

// tidy forgets answers that are too old or too many, until ctx ends.
func (s *Store) tidy(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = s.Tidy(ctx) // the next time will do
		}
	}
}

// Tidy forgets answers that are too old or too many. The store does it by itself every minute.
func (s *Store) Tidy(ctx context.Context) error {
	limits := s.options.Keys
	return s.aside(ctx, func(ctx context.Context) error {
		now := s.options.Now().UnixMicro()
		if err := s.forget(ctx, now); err != nil {
			return err
		}
		// The newest of those that are beyond the bounds, counted from the newest of all.
		st := &statement{dialect: &s.dialect}
		st.say("SELECT expires_at FROM (SELECT expires_at, COUNT(*) OVER newer AS many, SUM(size) OVER newer AS octets " +
			"FROM idempotency_keys WHERE status <> 0 WINDOW newer AS (ORDER BY expires_at DESC)) AS counted WHERE many > ")
		st.give(limits.Count)
		st.say(" OR octets > ")
		st.give(limits.Bytes)
		st.say(" ORDER BY expires_at DESC LIMIT 1")
		var cut int64
		err := s.read.db.QueryRowContext(ctx, st.String(), st.args...).Scan(&cut)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.forget(ctx, cut)
	})
}

// forget deletes the answers that expire up to an instant, and the keys of owners who are gone, some at
// a time so that nobody waits long.
func (s *Store) forget(ctx context.Context, until int64) error {
	const some = 1000
	st := &statement{dialect: &s.dialect}
	st.say("SELECT name FROM idempotency_keys WHERE expires_at <= ")
	st.give(until)
	st.say(" AND (status <> 0 OR expires_at <= ")
	st.give(s.options.Now().UnixMicro())
	st.say(") ORDER BY expires_at LIMIT ", itoa(some))
	for {
		names, err := s.namesOf(ctx, st)
		if err != nil || len(names) == 0 {
			return err
		}
		gone := &statement{dialect: &s.dialect}
		gone.say("DELETE FROM idempotency_keys WHERE expires_at <= ")
		gone.give(until)
		gone.say(" AND (status <> 0 OR expires_at <= ") // somebody else may have removed it, and another taken it
		gone.give(s.options.Now().UnixMicro())
		gone.say(") AND name IN ")
		gone.list(names)
		if _, err := s.write.db.ExecContext(ctx, gone.String(), gone.args...); err != nil || len(names) < some {
			return err
		}
	}
}

// namesOf returns the names of keys that a statement selects.
func (s *Store) namesOf(ctx context.Context, st *statement) ([]any, error) {
	rows, err := s.read.db.QueryContext(ctx, st.String(), st.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says the same
	var names []any
	for rows.Next() {
		var name []byte // Scan copies
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
