package services_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

// again is a store that asks every batch twice, and keeps what it decides the second time: as one
// does whose first attempt has met another writer.
type again struct{ repository.UserRepository }

func (s again) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return s.UserRepository.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		if _, err := decide(tx); err != nil {
			return repository.Changes{}, err
		}
		return decide(tx)
	})
}

// recording is a store that notes what batches write.
type recording struct {
	repository.UserRepository
	changes *[]repository.Changes
}

func (s recording) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return s.UserRepository.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		changes, err := decide(tx)
		*s.changes = append(*s.changes, changes)
		return changes, err
	})
}

func TestUsers_Batch_changes(t *testing.T) {
	t.Run("has each user once, as it is in the end, and none who stays or never was", func(t *testing.T) {
		var changes []repository.Changes
		service := services.NewUsers(recording{memory.New(), &changes}, newClock().now)
		for _, email := range []string{"a", "b", "c", "d"} {
			if _, err := service.Create(t.Context(), input(email)); err != nil {
				t.Fatal(err)
			}
		}
		results, err := service.Batch(t.Context(), models.Batch{Operations: []models.Operation{
			update(1, "a"),                   // changes nothing
			rename(2, "Bo"), rename(2, "Cy"), // counts twice
			rename(3, "Bo"), remove(3),
			create("e"), remove(5),
			create("f"), rename(6, "Bo"),
			remove(4),
		}})
		if err != nil {
			t.Fatal(err)
		}
		want := repository.Changes{Create: []models.User{results[8].User}, Replace: []models.User{results[2].User}, Delete: []int64{3, 4}}
		if len(changes) != 1 || !reflect.DeepEqual(changes[0], want) {
			t.Errorf("got %+v, want %+v", changes, want)
		}
	})
}

func TestUsers_Batch_failures(t *testing.T) {
	t.Run("results are those of the attempt that counts", func(t *testing.T) {
		clock := newClock()
		service := services.NewUsers(again{memory.New()}, clock.now)
		operations := []models.Operation{create("a"), create("b"), rename(3, "Bo"), remove(4)}
		results, err := service.Batch(t.Context(), models.Batch{Operations: operations[:2]})
		if err != nil || words(results) != "ok ok" {
			t.Fatalf("got %+v, error %v", results, err)
		}
		for _, result := range results {
			if got, err := service.Get(t.Context(), result.User.ID); err != nil || got != result.User {
				t.Errorf("answered %+v, stored %+v, error %v", result.User, got, err)
			}
		}
		// What the first attempt did to user 3 and user 4 must not be there for the second.
		if results, err = service.Batch(t.Context(), models.Batch{Operations: operations[2:]}); err != nil || words(results) != "ok ok" {
			t.Fatalf("got %+v, error %v", results, err)
		}
		if got, err := service.Get(t.Context(), 3); err != nil || got.Version != 2 || got != results[0].User {
			t.Errorf("stored %+v, error %v, answered %+v", got, err, results[0].User)
		}
	})
	t.Run("of a batch nothing is known when the store fails", func(t *testing.T) {
		cause := errors.New("connection refused")
		for _, batch := range []models.Batch{{}, {DryRun: true}, {Independent: true}, {Independent: true, DryRun: true}} {
			for _, moment := range []repotest.Moment{repotest.Before, repotest.After} {
				w := peopled(t, "a")
				w.faults.At(moment, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable.Because(cause)))
				batch.Operations = []models.Operation{rename(1, "Bo"), remove(99)}
				if results, err := w.Batch(t.Context(), batch); results != nil || !errors.Is(err, models.ErrUnavailable) || !errors.Is(err, cause) {
					t.Errorf("%+v: got %+v, error %v", batch, results, err)
				}
			}
		}
	})
	t.Run("every batch of a client that is gone is not begun", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		leave()
		for _, batch := range []models.Batch{{}, {DryRun: true}, {Independent: true}, {Independent: true, DryRun: true}} {
			w := peopled(t, "a")
			batch.Operations = []models.Operation{invalid(), rename(99, "Bo"), remove(1)}
			if results, err := w.Batch(ctx, batch); results != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("%+v: got %+v, error %v", batch, results, err)
			}
			if got := addresses(w.stored(t)); got != "1a" {
				t.Errorf("%+v: it left %s", batch, got)
			}
		}
	})
	t.Run("a batch fails as a whole when the store fails in its course", func(t *testing.T) {
		outage := models.ErrUnavailable.Because(errors.New("connection refused"))
		for _, failure := range []error{outage, context.DeadlineExceeded, errors.New("disk is on fire")} {
			for name, tx := range map[string]failingTx{"Get": {get: failure}, "Owner": {owner: failure}, "NextID": {nextID: failure}, "Expect": {expect: failure}} {
				for _, batch := range []models.Batch{{}, {DryRun: true}, {Independent: true}, {Independent: true, DryRun: true}} {
					clock := newClock()
					store := memory.New()
					if _, err := services.NewUsers(store, clock.now).Create(t.Context(), input("a")); err != nil {
						t.Fatal(err)
					}
					batch.Operations = []models.Operation{invalid(), move(1, "b"), create("c")}
					results, err := services.NewUsers(failing{store, tx}, clock.now).Batch(t.Context(), batch)
					if results != nil || !errors.Is(err, failure) {
						t.Errorf("%s, %+v: got %s, error %v, want %v", name, batch, words(results), err, failure)
					}
					if user, err := store.Get(t.Context(), 1); err != nil || user.Version != 1 {
						t.Errorf("%s, %+v: left %+v, error %v", name, batch, user, err)
					}
				}
			}
		}
	})
	t.Run("a batch ends between two operations when its client goes", func(t *testing.T) {
		for _, batch := range []models.Batch{{}, {DryRun: true}, {Independent: true}, {Independent: true, DryRun: true}} {
			ctx, leave := context.WithCancel(t.Context())
			store := memory.New()
			seen := 0
			service := services.NewUsers(store, func() time.Time {
				if seen++; seen == 3 {
					leave()
				}
				return time.Now()
			})
			for range 9 {
				batch.Operations = append(batch.Operations, create(fmt.Sprint("user", len(batch.Operations))))
			}
			if results, err := service.Batch(ctx, batch); results != nil || !errors.Is(err, context.Canceled) || seen != 3 {
				t.Errorf("%+v: got %s, error %v, after %d operations", batch, words(results), err, seen)
			}
		}
	})
}

// failing is a store whose batches meet failures.
type failing struct {
	repository.UserRepository
	tx failingTx
}

// failingTx fails where it has an error.
type failingTx struct {
	repository.Tx
	get, owner, nextID, expect error
}

func (s failing) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	return s.UserRepository.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
		s.tx.Tx = tx
		return decide(s.tx)
	})
}

func (tx failingTx) Get(id int64) (models.User, error) {
	if tx.get != nil {
		return models.User{}, tx.get
	}
	return tx.Tx.Get(id)
}

func (tx failingTx) Owner(emailKey string) (int64, error) {
	if tx.owner != nil {
		return 0, tx.owner
	}
	return tx.Tx.Owner(emailKey)
}

func (tx failingTx) NextID() (int64, error) {
	if tx.nextID != nil {
		return 0, tx.nextID
	}
	return tx.Tx.NextID()
}

func (tx failingTx) Expect(ids []int64, emailKeys []string, newcomers int) error {
	if tx.expect != nil {
		return tx.expect
	}
	return tx.Tx.Expect(ids, emailKeys, newcomers)
}
