package cached

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"userapi/models"
)

// shared is the level in Redis. It keeps to the leases of its keeper.
type shared struct {
	*keeper
	ttl          time.Duration
	writeTimeout time.Duration
	instance     [8]byte
	tokens       atomic.Uint64
}

func newShared(options *Options, counts *counts) (*shared, error) {
	logging.Disable() // the client writes beside the log what it returns as well
	k, err := newKeeper(options, counts)
	if err != nil {
		return nil, err
	}
	s := &shared{keeper: k, ttl: options.TTL, writeTimeout: options.WriteTimeout}
	_, _ = rand.Read(s.instance[:]) // never fails
	return s, nil
}

func (s *shared) token() token {
	var t token
	copy(t[:], s.instance[:])
	binary.BigEndian.PutUint64(t[len(s.instance):], s.tokens.Add(1))
	return t
}

func (s *shared) key(l *lease, name string) string {
	return s.prefix + ":" + strconv.FormatInt(l.generation, 10) + ":" + name
}

func (s *shared) userKey(l *lease, id int64) string { return s.key(l, strconv.FormatInt(id, 10)) }

// ask puts one question to a run. One that fails, other than by the caller's own context, is the last
// that readers put to it until the keeper has found it well.
func (s *shared) ask(ctx context.Context, r *run, question func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := question(limited)
	if err != nil && ctx.Err() == nil {
		s.counts.errors.Add(1)
		r.failing.Store(true)
		s.trouble.Store(&err)
	}
	return err
}

func (s *shared) get(ctx context.Context, id int64) (models.User, finding) {
	l := s.lease.Load()
	if !l.serves(time.Now()) {
		return models.User{}, away
	}
	var entry string
	err := s.ask(ctx, l.run, func(ctx context.Context) (err error) {
		entry, err = l.run.get(ctx, s.userKey(l, id))
		return err
	})
	if err != nil || !l.holds(time.Now()) {
		return models.User{}, away
	}
	if user, ok := decode(entry, id); ok {
		return user, hit
	}
	if entry != "" && entry[0] == formatBlocked {
		return models.User{}, blocked
	}
	return models.User{}, missing // or not readable, or loaded: perhaps here, where one can join
}

func (s *shared) reserve(ctx context.Context, id int64) (reservation, models.User, finding) {
	l := s.lease.Load()
	if !l.serves(time.Now()) {
		return reservation{}, models.User{}, away
	}
	r := reservation{id: id, token: s.token(), lease: l}
	key, reserved := s.userKey(l, id), reservedBy(r.token)
	ttl := s.writeTimeout + time.Second // no load takes longer
	var before string
	err := s.ask(ctx, l.run, func(ctx context.Context) (err error) {
		before, err = l.run.add(ctx, key, reserved, ttl)
		return err
	})
	if err != nil || !l.holds(time.Now()) {
		return reservation{}, models.User{}, away
	}
	if before == "" {
		return r, models.User{}, missing
	}
	if user, ok := decode(before, id); ok {
		return reservation{}, user, hit
	}
	if before[0] == formatBlocked || before[0] == formatReserved {
		return reservation{}, models.User{}, blocked
	}
	var swapped bool
	err = s.ask(ctx, l.run, func(ctx context.Context) (err error) {
		swapped, err = l.run.swap(ctx, key, before, reserved, ttl)
		return err
	})
	if err != nil || !swapped {
		return reservation{}, models.User{}, blocked
	}
	return r, models.User{}, missing
}

func reservedBy(t token) string { return string(formatReserved) + string(t[:]) }

func (s *shared) fill(ctx context.Context, r reservation, user models.User) {
	s.replace(ctx, r, string(encode(&user)))
}

func (s *shared) forgo(ctx context.Context, r reservation) { s.replace(ctx, r, "") }

func (s *shared) replace(ctx context.Context, r reservation, entry string) {
	_ = s.ask(ctx, r.lease.run, func(ctx context.Context) error {
		_, err := r.lease.run.swap(ctx, s.userKey(r.lease, r.id), reservedBy(r.token), entry, s.ttl)
		return err
	})
}

func (s *shared) block(ctx context.Context, ids []int64) (block, error) {
	if l := s.lease.Load(); l.holds(time.Now()) { // also when a reader failed: a suspension costs everybody more
		b := block{ids: ids, token: s.token(), lease: l}
		put := func(ctx context.Context) error {
			return blockScript.Run(ctx, l.run.client, s.userKeys(l, ids), string(b.token[:]), int(s.times.tombstone.Seconds())).Err()
		}
		err := s.ask(ctx, l.run, put)
		if err != nil && ctx.Err() == nil && l.holds(time.Now()) { // a suspension costs more than half a second
			patient, cancel := context.WithTimeout(ctx, longestTimeout)
			err = put(patient)
			cancel()
		}
		if b.at = time.Now(); err == nil && l.holds(b.at) {
			return b, nil
		}
		if ctx.Err() != nil {
			return block{}, ctx.Err() //nolint:wrapcheck // the caller's own
		}
	}
	if now := time.Now(); s.silence.Load().covers(now) {
		s.owed.Store(true)
		return block{at: now}, nil
	}
	return block{}, errUnblocked
}

func (s *shared) userKeys(l *lease, ids []int64) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = s.userKey(l, id)
	}
	return keys
}

// lift is not stopped by a caller who went away. That it fails does no harm: the entries stay blocked,
// and expire.
func (s *shared) lift(ctx context.Context, blocks []block, came outcome) error {
	ctx = context.WithoutCancel(ctx)
	late := false
	for _, b := range blocks {
		late = late || passed(b.at, time.Now()) > s.writeTimeout
		if b.lease == nil || came == unknown {
			continue
		}
		_ = s.ask(ctx, b.lease.run, func(ctx context.Context) error {
			return liftScript.Run(ctx, b.lease.run.client, s.userKeys(b.lease, b.ids), string(b.token[:])).Err()
		})
	}
	if late && came == done {
		limited, cancel := context.WithTimeout(ctx, s.writeTimeout+2*s.times.lease)
		defer cancel()
		return s.settle(limited)
	}
	return nil
}

// hint and suggest are about an address, of which the name of the key is a hash: addresses are not left
// about where nobody expects them.
func (s *shared) hint(ctx context.Context, emailKey string) int64 {
	l := s.lease.Load()
	if !l.serves(time.Now()) {
		return 0
	}
	var entry string
	err := s.ask(ctx, l.run, func(ctx context.Context) (err error) {
		entry, err = l.run.get(ctx, s.addressKey(l, emailKey))
		return err
	})
	if err != nil {
		return 0
	}
	id, _ := strconv.ParseInt(entry, 10, 64) // 0 when it is none
	return id
}

func (s *shared) suggest(ctx context.Context, emailKey string, id int64) {
	l := s.lease.Load()
	if !l.serves(time.Now()) {
		return
	}
	_ = s.ask(ctx, l.run, func(ctx context.Context) error {
		return l.run.client.Set(ctx, s.addressKey(l, emailKey), id, s.ttl).Err()
	})
}

func (s *shared) addressKey(l *lease, emailKey string) string {
	sum := sha256.Sum256([]byte(emailKey))
	return s.key(l, "@"+hex.EncodeToString(sum[:16]))
}
