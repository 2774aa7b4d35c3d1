package services_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

// keeping is a wish to keep, under the key "k", an answer that names the results, and the number of times
// that it was asked for one.
type keeping struct {
	models.Keep
	asked int
}

// newKeeping returns a wish that takes the key of a store first, unless that is nil.
func newKeeping(t *testing.T, keys repository.IdempotencyRepository) *keeping {
	t.Helper()
	k := new(keeping)
	k.Key, k.Fingerprint = "k", bodyPrint("body")
	k.Answer = func(results []models.Result) (models.Answer, bool) {
		k.asked++
		return answerTo(results), true
	}
	if keys == nil {
		return k
	}
	if _, replayed, err := keys.Begin(t.Context(), k.Key, k.Fingerprint); err != nil || replayed {
		t.Fatalf("replayed %t, error %v", replayed, err)
	}
	return k
}

func answerTo(results []models.Result) models.Answer {
	return models.Answer{Status: 207, Body: []byte(words(results))}
}

// finds fails the test unless a store has an answer to these results, or, when they are nil, has the key
// in progress.
func (k *keeping) finds(t *testing.T, keys repository.IdempotencyRepository, results []models.Result) {
	t.Helper()
	got, replayed, err := keys.Begin(t.Context(), k.Key, k.Fingerprint)
	if results == nil && !errors.Is(err, models.ErrRequestInProgress) {
		t.Errorf("found %+v, replayed %t, error %v, want the key in progress", got, replayed, err)
	}
	if results != nil && (err != nil || !replayed || !reflect.DeepEqual(got, answerTo(results))) {
		t.Errorf("found %+v, replayed %t, error %v, want %+v", got, replayed, err, answerTo(results))
	}
}

func TestUsers_Batch_keep(t *testing.T) {
	t.Run("an answer is written with the changes, and only then it is kept", func(t *testing.T) {
		for _, batch := range []models.Batch{{}, {Independent: true}} {
			w := peopled(t, "a", "b")
			k := newKeeping(t, w.faults)
			w.faults.At(repotest.Amid, repotest.Batch, 1, func(context.Context, context.CancelFunc) error {
				if k.asked != 1 || k.Kept {
					t.Errorf("before the store writes: asked %d times, kept %t", k.asked, k.Kept)
				}
				return nil
			})
			batch.Keep, batch.Operations = &k.Keep, []models.Operation{move(1, "c"), remove(2)}
			results, err := w.Batch(t.Context(), batch)
			if err != nil || words(results) != "ok ok" || !k.Kept {
				t.Errorf("got %s, error %v, kept %t", words(results), err, k.Kept)
			}
			k.finds(t, w.faults, results)
			if got := addresses(w.stored(t)); got != "1c" {
				t.Errorf("it left %s", got)
			}
		}
	})
	t.Run("the answer of an independent batch has its failures too", func(t *testing.T) {
		w := peopled(t, "a")
		k := newKeeping(t, w.faults)
		results, err := w.Batch(t.Context(), models.Batch{Independent: true, Keep: &k.Keep, Operations: []models.Operation{remove(99), create("a"), create("b")}})
		if err != nil || words(results) != "user_not_found email_taken ok" || !k.Kept {
			t.Errorf("got %s, error %v, kept %t", words(results), err, k.Kept)
		}
		k.finds(t, w.faults, results)
	})
	t.Run("an answer that is not wanted is not kept, and the changes are written", func(t *testing.T) {
		for _, batch := range []models.Batch{{}, {Independent: true}} {
			w := peopled(t, "a")
			k := newKeeping(t, w.faults)
			k.Answer = func([]models.Result) (models.Answer, bool) { return models.Answer{}, false }
			batch.Keep, batch.Operations = &k.Keep, []models.Operation{move(1, "b")}
			if _, err := w.Batch(t.Context(), batch); err != nil || k.Kept {
				t.Errorf("error %v, kept %t", err, k.Kept)
			}
			k.finds(t, w.faults, nil)
			if got := addresses(w.stored(t)); got != "1b" {
				t.Errorf("it left %s", got)
			}
		}
	})
	t.Run("nobody is asked for the answer of what is not written", func(t *testing.T) {
		for name, batch := range map[string]models.Batch{
			"a dry run":                      {DryRun: true, Operations: []models.Operation{create("b")}},
			"an independent dry run":         {DryRun: true, Independent: true, Operations: []models.Operation{create("b")}},
			"a refused atomic batch":         {Operations: []models.Operation{create("b"), remove(99)}},
			"an atomic batch with a clash":   {Operations: []models.Operation{create("b"), create("a")}},
			"an operation that is not valid": {Operations: []models.Operation{invalid()}},
		} {
			w := peopled(t, "a")
			k := newKeeping(t, w.faults)
			batch.Keep = &k.Keep
			if results, err := w.Batch(t.Context(), batch); err != nil || len(results) != len(batch.Operations) || k.asked != 0 || k.Kept {
				t.Errorf("%s: got %s, error %v, asked %d times, kept %t", name, words(results), err, k.asked, k.Kept)
			}
			k.finds(t, w.faults, nil)
		}
	})
	t.Run("nothing is kept when the store fails, as far as one knows", func(t *testing.T) {
		for _, moment := range []repotest.Moment{repotest.Before, repotest.Amid, repotest.After} {
			for _, batch := range []models.Batch{{}, {Independent: true}} {
				w := peopled(t, "a")
				k := newKeeping(t, w.faults)
				w.faults.At(moment, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
				batch.Keep, batch.Operations = &k.Keep, []models.Operation{create("b")}
				if results, err := w.Batch(t.Context(), batch); results != nil || !errors.Is(err, models.ErrUnavailable) || k.Kept {
					t.Errorf("moment %d: got %+v, error %v, kept %t", moment, results, err, k.Kept)
				}
			}
		}
	})
	t.Run("a request that has lost its key changes nothing", func(t *testing.T) {
		for _, batch := range []models.Batch{{}, {Independent: true}} {
			w := peopled(t, "a")
			k := newKeeping(t, nil)
			batch.Keep, batch.Operations = &k.Keep, []models.Operation{move(1, "b")}
			if results, err := w.Batch(t.Context(), batch); results != nil || !errors.Is(err, models.ErrRequestInProgress) || k.Kept {
				t.Errorf("got %+v, error %v, kept %t", results, err, k.Kept)
			}
			if got := addresses(w.stored(t)); got != "1a" {
				t.Errorf("it left %s", got)
			}
		}
	})
	t.Run("the answer is that of the attempt that counts", func(t *testing.T) {
		store := memory.New()
		k := newKeeping(t, store)
		k.Answer = func([]models.Result) (models.Answer, bool) {
			k.asked++
			return models.Answer{Status: 200, Body: fmt.Append(nil, k.asked)}, true
		}
		service := services.NewUsers(again{store}, newClock().now)
		if _, err := service.Batch(t.Context(), models.Batch{Keep: &k.Keep, Operations: []models.Operation{create("a")}}); err != nil || !k.Kept {
			t.Fatalf("error %v, kept %t", err, k.Kept)
		}
		if got, replayed, err := store.Begin(t.Context(), k.Key, k.Fingerprint); err != nil || !replayed || string(got.Body) != "2" {
			t.Errorf("got %s, replayed %t, error %v", got.Body, replayed, err)
		}
	})
	t.Run("an attempt that is given up for one without an answer keeps none", func(t *testing.T) {
		store := memory.New()
		k := newKeeping(t, store)
		k.Answer = func(results []models.Result) (models.Answer, bool) {
			k.asked++
			return answerTo(results), k.asked == 1
		}
		service := services.NewUsers(again{store}, newClock().now)
		if _, err := service.Batch(t.Context(), models.Batch{Keep: &k.Keep, Operations: []models.Operation{create("a")}}); err != nil || k.Kept {
			t.Errorf("error %v, kept %t", err, k.Kept)
		}
		k.finds(t, store, nil)
	})
}

func TestUsers_Batch_clash(t *testing.T) {
	// The draft has seen every address that it gives away. What clashes all the same came in between, and
	// no operation is to blame.
	t.Run("that the store alone sees is an outage, and keeps nothing", func(t *testing.T) {
		for _, batch := range []models.Batch{{}, {Independent: true}} {
			w := peopled(t, "a")
			k := newKeeping(t, w.faults)
			w.faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(models.ErrEmailTaken))
			batch.Keep, batch.Operations = &k.Keep, []models.Operation{create("b"), rename(1, "Bo")}
			results, err := w.Batch(t.Context(), batch)
			if results != nil || models.AsError(err).Code != models.ErrUnavailable.Code || k.Kept {
				t.Errorf("got %+v, error %v, kept %t", results, err, k.Kept)
			}
			if got := addresses(w.stored(t)); got != "1a" {
				t.Errorf("it left %s", got)
			}
			k.finds(t, w.faults, nil)
		}
	})
}
