package repotest_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

// keySketch is the plainest correct store of users and keys, with parts that a flaw replaces.
type keySketch struct {
	*sketch

	mu   sync.Mutex
	keys map[string]keyed

	unlocked bool // looks and takes in two steps
	outlives bool // knows of keys after Close
	name     func(key string) string
	same     func(a, b repository.Fingerprint) bool
	store    func(answer models.Answer) models.Answer
	load     func(answer models.Answer) models.Answer
	// owned says whether an answer for this fingerprint belongs under a key.
	owned func(entry keyed, found bool, fingerprint repository.Fingerprint) bool
}

// keyed is a key that somebody owns or that has an answer.
type keyed struct {
	fingerprint repository.Fingerprint
	answered    bool
	answer      models.Answer
}

func newKeySketch() *keySketch {
	k := &keySketch{
		sketch: newSketch(),
		keys:   make(map[string]keyed),
		name:   func(key string) string { return key },
		same:   func(a, b repository.Fingerprint) bool { return a == b },
		store:  cloned,
		load:   cloned,
		owned: func(entry keyed, found bool, fingerprint repository.Fingerprint) bool {
			return found && !entry.answered && entry.fingerprint == fingerprint
		},
	}
	k.seal = k.finish
	return k
}

func cloned(answer models.Answer) models.Answer {
	answer.Body = bytes.Clone(answer.Body)
	return answer
}

func (k *keySketch) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	if err := k.usable(ctx); err != nil {
		return models.Answer{}, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key = k.name(key)
	entry, found := k.keys[key]
	switch {
	case !found:
		if k.unlocked {
			k.mu.Unlock()
			runtime.Gosched()
			k.mu.Lock()
		}
		k.keys[key] = keyed{fingerprint: fingerprint}
		return models.Answer{}, false, nil
	case !entry.answered:
		return models.Answer{}, false, models.ErrRequestInProgress
	case !k.same(entry.fingerprint, fingerprint):
		return models.Answer{}, false, models.ErrKeyReused
	}
	return k.load(entry.answer), true, nil
}

// usable says why nothing can be done with a key.
func (k *keySketch) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil || k.outlives {
		return err
	}
	return k.step(func() error {
		if k.closed {
			return models.ErrUnavailable
		}
		return nil
	})
}

func (k *keySketch) finish(kept *repository.Kept) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.name(kept.Key)
	entry, found := k.keys[key]
	if !k.owned(entry, found, kept.Fingerprint) {
		return models.ErrRequestInProgress
	}
	k.keys[key] = keyed{kept.Fingerprint, true, k.store(kept.Answer)}
	return nil
}

func (k *keySketch) Release(ctx context.Context, key string) error {
	if err := k.usable(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key = k.name(key); !k.keys[key].answered {
		delete(k.keys, key)
	}
	return nil
}

// brokenKeys is a correct store of which methods are replaced.
type brokenKeys struct {
	*keySketch
	begin   func(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error)
	batch   func(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error
	release func(ctx context.Context, key string) error
}

func (b *brokenKeys) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	return b.begin(ctx, key, fingerprint)
}

func (b *brokenKeys) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return b.batch(ctx, decide)
}

func (b *brokenKeys) Release(ctx context.Context, key string) error { return b.release(ctx, key) }

// keyFlaw is a way in which stores of keys are wrong, and the rules that notice.
type keyFlaw struct {
	name     string
	make     func() repository.Store
	caughtBy []string
}

// sketchedKeys is a sketch of which a part is replaced.
func sketchedKeys(spoil func(*keySketch)) func() repository.Store {
	return func() repository.Store {
		k := newKeySketch()
		spoil(k)
		return k
	}
}

// breakingKeys is a correct store of which methods are replaced; good is the store before.
func breakingKeys(replace func(b *brokenKeys, good *keySketch)) func() repository.Store {
	return func() repository.Store {
		good := newKeySketch()
		b := &brokenKeys{keySketch: good, begin: good.Begin, batch: good.Batch, release: good.Release}
		replace(b, good)
		return b
	}
}

func keyFlaws() []keyFlaw {
	taken := "A new key belongs to whoever asks for it"
	progress := "A key that somebody owns is in progress, whatever the request"
	replays := "An answer is replayed as it was given, as often as asked"
	reuse := "An answer is not for another request"
	released := "Release frees a key for any request"
	stays := "Release leaves an answer"
	apart := "Keys are told apart octet by octet"
	ends := "A cancelled Finish or Release does what it says"
	once := "Of many parallel requests with one key one owns it"
	turns := "A key that goes from hand to hand has one owner at a time"
	alias := "Answers are nobody else's memory"
	closed := "A closed store says of every key that it is unavailable"
	together := "A batch keeps its answer with its changes"
	nothing := "A batch that fails keeps no answer"
	owner := "A batch keeps an answer only for the request that owns the key"
	return append(keptFlaws(), []keyFlaw{
		{"knows keys after Close", sketchedKeys(func(k *keySketch) { k.outlives = true }), []string{closed}},
		{"has one key for all", sketchedKeys(func(k *keySketch) { k.name = func(string) string { return "" } }), []string{taken, apart}},
		{"forgets every answer", sketchedKeys(func(k *keySketch) {
			k.seal = func(kept *repository.Kept) error { return k.Release(context.Background(), kept.Key) }
		}), []string{taken, replays, once, together, nothing, owner}},
		{"refuses another request while one runs", breakingKeys(refusesEarly), []string{progress}},
		{"lets a second request run", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.begin = func(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
				answer, replayed, err := good.Begin(ctx, key, fingerprint)
				if errors.Is(err, models.ErrRequestInProgress) {
					err = nil
				}
				return answer, replayed, err
			}
		}), []string{progress, once, turns}},
		{"forgets the header fields", sketchedKeys(func(k *keySketch) {
			k.load = func(answer models.Answer) models.Answer {
				return models.Answer{Status: answer.Status, Body: bytes.Clone(answer.Body)}
			}
		}), []string{replays}},
		{"keeps bodies as text", sketchedKeys(func(k *keySketch) {
			k.store = func(answer models.Answer) models.Answer {
				answer.Body = bytes.ToValidUTF8(answer.Body, []byte("\ufffd"))
				return answer
			}
		}), []string{replays}},
		{"cuts long bodies", sketchedKeys(func(k *keySketch) {
			k.store = func(answer models.Answer) models.Answer {
				answer.Body = bytes.Clone(answer.Body[:min(len(answer.Body), 1<<16-1)])
				return answer
			}
		}), []string{replays}},
		{"compares the beginnings of fingerprints", sketchedKeys(func(k *keySketch) {
			k.same = func(a, b repository.Fingerprint) bool { return bytes.Equal(a[:16], b[:16]) }
		}), []string{reuse}},
		{"answers every request", sketchedKeys(func(k *keySketch) {
			k.same = func(_, _ repository.Fingerprint) bool { return true }
		}), []string{reuse, released, stays}},
		{"frees a key for the same request alone", breakingKeys(remembersFingerprint), []string{released}},
		{"does not free keys", breakingKeys(func(b *brokenKeys, _ *keySketch) {
			b.release = func(ctx context.Context, _ string) error { return ctx.Err() }
		}), []string{taken, released}},
		{"releases an answer too", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.release = func(ctx context.Context, key string) error {
				good.mu.Lock()
				defer good.mu.Unlock()
				delete(good.keys, key)
				return ctx.Err()
			}
		}), []string{stays}},
		{"folds the case of keys", sketchedKeys(func(k *keySketch) { k.name = strings.ToLower }), []string{apart}},
		{"pads keys with spaces", sketchedKeys(func(k *keySketch) {
			k.name = func(key string) string { return strings.TrimRight(key, " ") }
		}), []string{apart}},
		{"cuts long keys", sketchedKeys(func(k *keySketch) {
			k.name = func(key string) string { return key[:min(255, len(key))] }
		}), []string{apart}},
		{"takes a key for a client that is gone", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.begin = func(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
				answer, replayed, err := good.Begin(context.WithoutCancel(ctx), key, fingerprint)
				return answer, replayed, errors.Join(err, ctx.Err())
			}
		}), []string{"A cancelled Begin takes no key"}},
		{"fails although it has finished", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.batch = func(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
				return errors.Join(good.Batch(context.WithoutCancel(ctx), decide), ctx.Err())
			}
		}), []string{ends, nothing}},
		{"says that it released what it did not", breakingKeys(func(b *brokenKeys, good *keySketch) {
			b.release = func(ctx context.Context, key string) error {
				if ctx.Err() == nil {
					return good.Release(ctx, key)
				}
				return nil
			}
		}), []string{ends}},
		{"looks for the key and then takes it", sketchedKeys(func(k *keySketch) { k.unlocked = true }), []string{once, turns}},
		{"keeps the body of the caller", sketchedKeys(func(k *keySketch) {
			k.store = func(answer models.Answer) models.Answer { return answer }
		}), []string{alias}},
		{"hands out the body that it keeps", sketchedKeys(func(k *keySketch) {
			k.load = func(answer models.Answer) models.Answer { return answer }
		}), []string{alias}},
	}...)
}

func refusesEarly(b *brokenKeys, good *keySketch) {
	b.begin = func(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
		answer, replayed, err := good.Begin(ctx, key, fingerprint)
		good.mu.Lock()
		defer good.mu.Unlock()
		if errors.Is(err, models.ErrRequestInProgress) && good.keys[key].fingerprint != fingerprint {
			err = models.ErrKeyReused
		}
		return answer, replayed, err
	}
}

func remembersFingerprint(b *brokenKeys, good *keySketch) {
	first := make(map[string]repository.Fingerprint)
	b.begin = func(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
		if _, ok := first[key]; !ok {
			first[key] = fingerprint
		}
		if first[key] != fingerprint {
			return models.Answer{}, false, models.ErrKeyReused
		}
		return good.Begin(ctx, key, fingerprint)
	}
}

func TestKeyRules_sketch(t *testing.T) {
	t.Run("a correct store passes every rule", func(t *testing.T) {
		for _, rule := range repotest.KeyRules() {
			t.Run(rule.Name, func(t *testing.T) { rule.Check(t, newKeySketch()) })
		}
	})
	t.Run("faults without a plan change nothing", func(t *testing.T) {
		for _, rule := range repotest.KeyRules() {
			t.Run(rule.Name, func(t *testing.T) { rule.Check(t, repotest.NewFaults(newKeySketch())) })
		}
	})
}

func TestKeyRules(t *testing.T) {
	flaws := keyFlaws()
	rules := make(map[string]repotest.KeyRule)
	for _, rule := range repotest.KeyRules() {
		if _, twice := rules[rule.Name]; twice {
			t.Errorf("two rules have the name %q", rule.Name)
		}
		rules[rule.Name] = rule
	}
	for _, f := range flaws {
		t.Run("a store that "+f.name+" is caught", func(t *testing.T) {
			t.Parallel()
			for _, name := range f.caughtBy {
				rule, ok := rules[name]
				if !ok {
					t.Fatalf("there is no rule %q", name)
				}
				caught(t, name, func(r repotest.T) { rule.Check(r, f.make()) })
			}
		})
	}
	t.Run("every rule catches a flaw and has a reason", func(t *testing.T) {
		for _, rule := range repotest.KeyRules() {
			if !slices.ContainsFunc(flaws, func(f keyFlaw) bool { return slices.Contains(f.caughtBy, rule.Name) }) {
				t.Errorf("no flaw shows that the rule %q can fail", rule.Name)
			}
			if strings.TrimSpace(rule.Why) == "" {
				t.Errorf("the rule %q does not say why", rule.Name)
			}
		}
	})
}
