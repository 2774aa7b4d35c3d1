package services_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

// keys are those of a store, which a test can make fail.
type keys struct {
	repotest.Keys
	begin, finish, release error
}

func (k *keys) Begin(ctx context.Context, key string, fingerprint repository.Fingerprint) (models.Answer, bool, error) {
	if k.begin != nil {
		return models.Answer{}, false, k.begin
	}
	return k.Keys.Begin(ctx, key, fingerprint)
}

func (k *keys) Finish(ctx context.Context, key string, answer models.Answer) error {
	if k.finish != nil {
		return k.finish
	}
	return k.Keys.Finish(ctx, key, answer)
}

func (k *keys) Release(ctx context.Context, key string) error {
	if k.release != nil {
		return k.release
	}
	return k.Keys.Release(ctx, key)
}

// desk is the service over keys that can fail, and counts what ran.
type desk struct {
	*services.Retries
	keys *keys
	mu   sync.Mutex
	runs int
}

func newDesk() *desk {
	limits := memory.KeyLimits{Age: 24 * time.Hour, Count: 1000, Bytes: 1 << 20}
	d := &desk{keys: &keys{Keys: repotest.KeysOf(memory.NewLimited(limits, time.Now))}}
	d.Retries = services.NewRetries(d.keys)
	return d
}

// Do runs a request as the service does that has its answer kept when run wants it.
func (d *desk) Do(
	ctx context.Context, key string, fingerprint repository.Fingerprint, run func(ctx context.Context) (models.Answer, bool, error),
) (models.Answer, bool, error) {
	keep := &models.Keep{Key: key, Fingerprint: fingerprint}
	return d.Retries.Do(ctx, keep, func(ctx context.Context) (models.Answer, error) {
		answer, wanted, err := run(ctx)
		if err == nil && wanted {
			err = d.keys.Finish(ctx, key, answer)
			keep.Kept = err == nil
		}
		return answer, err
	})
}

// answerOf is the answer to the n-th run.
func answerOf(n int) models.Answer {
	return models.Answer{Status: 201, Location: fmt.Sprint("/users/", n), ETag: `"1"`, Body: fmt.Append(nil, n)}
}

func bodyPrint(body string) repository.Fingerprint { return sha256.Sum256([]byte(body)) }

// run counts, and answers with the number.
func (d *desk) run(context.Context) (models.Answer, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs++
	return answerOf(d.runs), true, nil
}

// do fails the test unless a request under the key "k" is answered as the n-th run was.
func (d *desk) do(t *testing.T, n int, replayed bool) {
	t.Helper()
	got, again, err := d.Do(t.Context(), "k", bodyPrint("body"), d.run)
	if err != nil || again != replayed || !reflect.DeepEqual(got, answerOf(n)) {
		t.Errorf("got %+v, replayed %t, error %v, want %+v, replayed %t", got, again, err, answerOf(n), replayed)
	}
	if d.runs != n {
		t.Errorf("it ran %d times, want %d", d.runs, n)
	}
}

// never is for a request that must not run.
func never(t *testing.T) func(context.Context) (models.Answer, bool, error) {
	t.Helper()
	return func(context.Context) (models.Answer, bool, error) {
		t.Error("it ran")
		return models.Answer{}, false, nil
	}
}

func TestRetries_Do(t *testing.T) {
	t.Run("runs a request once and answers every other time the same", func(t *testing.T) {
		d := newDesk()
		d.do(t, 1, false)
		d.do(t, 1, true)
		d.do(t, 1, true)
		if _, replayed, err := d.Do(t.Context(), "another key", bodyPrint("body"), d.run); err != nil || replayed || d.runs != 2 {
			t.Errorf("another key: replayed %t, error %v, %d runs", replayed, err, d.runs)
		}
	})
	t.Run("refuses another request under the key, and does not run it", func(t *testing.T) {
		d := newDesk()
		d.do(t, 1, false)
		if got, replayed, err := d.Do(t.Context(), "k", bodyPrint("another body"), never(t)); !errors.Is(err, models.ErrKeyReused) || replayed || got.Body != nil {
			t.Errorf("got %+v, replayed %t, error %v", got, replayed, err)
		}
		d.do(t, 1, true)
	})
	t.Run("does not run beside the first, whatever the body", func(t *testing.T) {
		d := newDesk()
		got, replayed, err := d.Do(t.Context(), "k", bodyPrint("body"), func(ctx context.Context) (models.Answer, bool, error) {
			for _, body := range []string{"body", "another body"} {
				if _, replayed, err := d.Do(ctx, "k", bodyPrint(body), never(t)); !errors.Is(err, models.ErrRequestInProgress) || replayed {
					t.Errorf("%s: replayed %t, error %v", body, replayed, err)
				}
			}
			return d.run(ctx)
		})
		if err != nil || replayed || !reflect.DeepEqual(got, answerOf(1)) {
			t.Errorf("got %+v, replayed %t, error %v", got, replayed, err)
		}
		d.do(t, 1, true)
	})
	t.Run("of fifty at once one runs, and all end with its answer", func(t *testing.T) {
		d := newDesk()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for {
					got, _, err := d.Do(context.Background(), "k", bodyPrint("body"), func(ctx context.Context) (models.Answer, bool, error) {
						runtime.Gosched()
						return d.run(ctx)
					})
					if errors.Is(err, models.ErrRequestInProgress) {
						runtime.Gosched()
						continue
					}
					if err != nil || !reflect.DeepEqual(got, answerOf(1)) {
						t.Errorf("got %+v, error %v", got, err)
					}
					return
				}
			})
		}
		all.Wait()
		d.do(t, 1, true)
	})
}

func TestRetries_Do_frees(t *testing.T) {
	failure := models.ErrEmailTaken.Because(errors.New("cause"))
	t.Run("the key of what failed, and returns its error", func(t *testing.T) {
		for _, keep := range []bool{false, true} {
			d := newDesk()
			_, replayed, err := d.Do(t.Context(), "k", bodyPrint("another body"), func(context.Context) (models.Answer, bool, error) {
				return answerOf(9), keep, failure
			})
			if !errors.Is(err, failure) || models.AsError(err) != failure || replayed {
				t.Errorf("replayed %t, error %v", replayed, err)
			}
			d.do(t, 1, false)
			d.do(t, 1, true)
		}
	})
	t.Run("the key of what is not to be kept, and returns its answer", func(t *testing.T) {
		d := newDesk()
		got, replayed, err := d.Do(t.Context(), "k", bodyPrint("another body"), func(context.Context) (models.Answer, bool, error) {
			return answerOf(9), false, nil
		})
		if err != nil || replayed || !reflect.DeepEqual(got, answerOf(9)) {
			t.Errorf("got %+v, replayed %t, error %v", got, replayed, err)
		}
		d.do(t, 1, false)
	})
	t.Run("the key of what panics, and lets it panic", func(t *testing.T) {
		d := newDesk()
		func() {
			defer func() {
				if got := recover(); got != "out of order" {
					t.Errorf("recovered %v", got)
				}
			}()
			_, _, err := d.Do(t.Context(), "k", bodyPrint("body"), func(context.Context) (models.Answer, bool, error) { panic("out of order") })
			t.Errorf("it returned, error %v", err)
		}()
		d.do(t, 1, false)
	})
	t.Run("the key of a goroutine that ends", func(t *testing.T) {
		d := newDesk()
		var gone sync.WaitGroup
		gone.Go(func() {
			_, _, _ = d.Do(context.Background(), "k", bodyPrint("body"), func(context.Context) (models.Answer, bool, error) {
				runtime.Goexit()
				return models.Answer{}, false, nil
			})
		})
		gone.Wait()
		d.do(t, 1, false)
	})
}

func TestRetries_Do_client(t *testing.T) {
	t.Run("that is gone before is not served", func(t *testing.T) {
		d := newDesk()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if _, replayed, err := d.Do(ctx, "k", bodyPrint("body"), never(t)); !errors.Is(err, context.Canceled) || replayed {
			t.Errorf("replayed %t, error %v", replayed, err)
		}
		d.do(t, 1, false)
	})
	// It sends the request again, and must find what came of it.
	t.Run("that goes away meanwhile finds the answer when it returns", func(t *testing.T) {
		type name struct{}
		d := newDesk()
		ctx, leave := context.WithTimeout(context.WithValue(t.Context(), name{}, "value"), time.Hour)
		defer leave()
		_, _, err := d.Do(ctx, "k", bodyPrint("body"), func(ctx context.Context) (models.Answer, bool, error) {
			leave()
			if _, limited := ctx.Deadline(); ctx.Err() != nil || limited || ctx.Done() != nil {
				t.Error("what has begun would end with its client")
			}
			if ctx.Value(name{}) != "value" {
				t.Error("the context of the run has lost its values")
			}
			return d.run(ctx)
		})
		if err != nil {
			t.Error(err)
		}
		d.do(t, 1, true)
	})
	t.Run("that goes away from what fails leaves the key free", func(t *testing.T) {
		d := newDesk()
		ctx, leave := context.WithCancel(t.Context())
		_, _, err := d.Do(ctx, "k", bodyPrint("body"), func(context.Context) (models.Answer, bool, error) {
			leave()
			return models.Answer{}, false, models.ErrUnavailable
		})
		if !errors.Is(err, models.ErrUnavailable) {
			t.Error(err)
		}
		d.do(t, 1, false)
	})
}

func TestRetries_Do_outage(t *testing.T) {
	outage := models.ErrUnavailable.Because(errors.New("connection refused"))
	// A request that asks for protection and does not get it must not run.
	t.Run("runs nothing when the key cannot be taken", func(t *testing.T) {
		d := newDesk()
		d.keys.begin = outage
		if _, replayed, err := d.Do(t.Context(), "k", bodyPrint("body"), never(t)); !errors.Is(err, outage) || replayed {
			t.Errorf("replayed %t, error %v", replayed, err)
		}
		d.keys.begin = nil
		d.do(t, 1, false)
	})
	t.Run("fails when the answer cannot be kept, and frees the key", func(t *testing.T) {
		d := newDesk()
		d.keys.finish = outage
		if _, replayed, err := d.Do(t.Context(), "k", bodyPrint("body"), d.run); !errors.Is(err, outage) || replayed || d.runs != 1 {
			t.Errorf("replayed %t, error %v, %d runs", replayed, err, d.runs)
		}
		d.keys.finish = nil
		d.do(t, 2, false)
	})
	t.Run("tells of the first failure when the key cannot be freed either", func(t *testing.T) {
		d := newDesk()
		d.keys.finish, d.keys.release = outage, errors.New("another")
		if _, _, err := d.Do(t.Context(), "k", bodyPrint("body"), d.run); !errors.Is(err, outage) {
			t.Errorf("a lost answer: error %v", err)
		}
		if _, _, err := d.Do(t.Context(), "k2", bodyPrint("body"), func(context.Context) (models.Answer, bool, error) {
			return models.Answer{}, false, models.ErrEmailTaken
		}); !errors.Is(err, models.ErrEmailTaken) {
			t.Errorf("a failed run: error %v", err)
		}
	})
	t.Run("frees no key that has its answer, for by then it may be somebody else's", func(t *testing.T) {
		d := newDesk()
		d.keys.release = outage
		d.do(t, 1, false)
		d.do(t, 1, true)
	})
	t.Run("tells that a key cannot be freed", func(t *testing.T) {
		d := newDesk()
		d.keys.release = outage
		if _, _, err := d.Do(t.Context(), "k", bodyPrint("body"), func(context.Context) (models.Answer, bool, error) {
			return answerOf(9), false, nil
		}); !errors.Is(err, outage) {
			t.Errorf("error %v", err)
		}
	})
}
