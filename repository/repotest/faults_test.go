package repotest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

var errAway = models.ErrUnavailable.Because(errors.New("store is away"))

// keyless is a store that has to do with users alone.
type keyless struct {
	repository.UserRepository
	repository.IdempotencyRepository
}

// faulty returns faults in front of a store that holds the sample 1.
func faulty(t *testing.T) (*repotest.Faults, models.User) {
	t.Helper()
	store := newSketch()
	user, err := store.Create(t.Context(), repotest.Sample(1))
	if err != nil {
		t.Fatal(err)
	}
	return repotest.NewFaults(keyless{UserRepository: store}), user
}

func rename(user models.User) (models.User, error) {
	user.Name = "Renamed"
	return user, nil
}

// renameAndRemove is the decision to rename a user, and to delete another one unless that is 0.
func renameAndRemove(id, other int64) decide {
	return func(tx repository.Tx) (repository.Changes, error) {
		user, err := tx.Get(id)
		if err != nil {
			return repository.Changes{}, err
		}
		user.Name = "Renamed"
		changes := repository.Changes{Replace: []models.User{user}}
		if other != 0 {
			changes.Delete = []int64{other}
		}
		return changes, nil
	}
}

func TestFaults_At(t *testing.T) {
	t.Run("fails the named call of a method and no other", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Before, repotest.Get, 2, repotest.Fail(errAway))
		for call, want := range []error{nil, errAway, nil, nil} {
			if _, err := faults.List(t.Context(), models.Query{Limit: 1}); err != nil {
				t.Errorf("List: %v", err)
			}
			if _, err := faults.Get(t.Context(), user.ID); !errors.Is(err, want) {
				t.Errorf("Get %d: error %v, want %v", call+1, err, want)
			}
		}
	})
	t.Run("counts from the plan on, and any call when none is named", func(t *testing.T) {
		faults, user := faulty(t)
		_, _ = faults.Get(t.Context(), user.ID)
		faults.At(repotest.Before, repotest.Any, 2, repotest.Fail(errAway))
		if _, err := faults.Get(t.Context(), user.ID); err != nil {
			t.Errorf("first call: %v", err)
		}
		if err := faults.Ping(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("second call: error %v, want %v", err, errAway)
		}
	})
	t.Run("fails every call for 0, until healed", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Before, repotest.Any, 0, repotest.Fail(errAway))
		for range 2 {
			for method, call := range calls(faults, user) {
				if err := call(t.Context()); !errors.Is(err, errAway) {
					t.Errorf("%s: error %v, want %v", method, err, errAway)
				}
			}
		}
		faults.Heal()
		if got, err := faults.Get(t.Context(), user.ID); err != nil || got != user {
			t.Errorf("after Heal: %+v, error %v, want the user untouched", got, err)
		}
	})
	t.Run("before the effect leaves none, after it leaves all", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Before, repotest.Update, 1, repotest.Fail(errAway))
		faults.At(repotest.After, repotest.Update, 2, repotest.Fail(errAway))
		for _, want := range []string{user.Name, "Renamed"} {
			if _, err := faults.Update(t.Context(), user.ID, rename); !errors.Is(err, errAway) {
				t.Errorf("Update: error %v, want %v", err, errAway)
			}
			if got, _ := faults.Get(t.Context(), user.ID); got.Name != want {
				t.Errorf("the store holds the name %q, want %q", got.Name, want)
			}
		}
	})
	t.Run("amid an update comes after change and before the write", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Amid, repotest.Update, 1, repotest.Fail(errAway))
		changed := false
		_, err := faults.Update(t.Context(), user.ID, func(user models.User) (models.User, error) {
			changed = true
			return rename(user)
		})
		if got, _ := faults.Get(t.Context(), user.ID); !changed || !errors.Is(err, errAway) || got != user {
			t.Errorf("change called %t, error %v, store %+v; want true, %v, %+v", changed, err, got, errAway, user)
		}
	})
	t.Run("amid a delete comes after allow and before the removal", func(t *testing.T) {
		for _, conditional := range []bool{false, true} {
			faults, user := faulty(t)
			faults.At(repotest.Amid, repotest.Delete, 1, repotest.Fail(errAway))
			asked := false
			var allow allow
			if conditional {
				allow = func(models.User) error { asked = true; return nil }
			}
			err := faults.Delete(t.Context(), user.ID, allow)
			if got, _ := faults.Get(t.Context(), user.ID); asked != conditional || !errors.Is(err, errAway) || got != user {
				t.Errorf("allow asked %t, error %v, store %+v; want %t, %v, %+v", asked, err, got, conditional, errAway, user)
			}
		}
	})
	t.Run("amid a batch comes after decide and before the write", func(t *testing.T) {
		faults, user := faulty(t)
		other, err := faults.Create(t.Context(), repotest.Sample(2))
		if err != nil {
			t.Fatal(err)
		}
		renamed, _ := rename(user)
		faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(errAway))
		for _, want := range []struct {
			err   error
			users []models.User
		}{{errAway, []models.User{user, other}}, {nil, []models.User{renamed}}} {
			if err := faults.Batch(t.Context(), renameAndRemove(user.ID, other.ID)); !errors.Is(err, want.err) {
				t.Errorf("Batch: error %v, want %v", err, want.err)
			}
			page, err := faults.List(t.Context(), models.Query{Limit: 9})
			if err != nil || !slices.Equal(page.Users, want.users) {
				t.Errorf("the store holds %+v, error %v, want %+v", page.Users, err, want.users)
			}
		}
	})
	t.Run("amid does not come when the caller refuses", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Amid, repotest.Any, 0, repotest.Fail(errAway))
		refusal := errors.New("refused")
		_, updating := faults.Update(t.Context(), user.ID, func(models.User) (models.User, error) { return user, refusal })
		deleting := faults.Delete(t.Context(), user.ID, func(models.User) error { return refusal })
		batching := faults.Batch(t.Context(), func(repository.Tx) (repository.Changes, error) {
			return repository.Changes{}, refusal
		})
		for _, err := range []error{updating, deleting, batching} {
			if !errors.Is(err, refusal) {
				t.Errorf("error %v, want %v", err, refusal)
			}
		}
	})
}

func TestCancel(t *testing.T) {
	t.Run("ends the context that the store sees, and not that of the caller", func(t *testing.T) {
		methods := []repotest.Method{repotest.Update, repotest.Delete, repotest.Batch}
		for i := range 2 * len(methods) {
			moment, method := []repotest.Moment{repotest.Before, repotest.Amid}[i%2], methods[i/2]
			faults, user := faulty(t)
			faults.At(moment, method, 1, repotest.Cancel)
			err := calls(faults, user)[method](t.Context())
			if got, _ := faults.Get(t.Context(), user.ID); !errors.Is(err, context.Canceled) || got != user {
				t.Errorf("%s, moment %d: error %v, store %+v; want %v and no effect", method, moment, err, got, context.Canceled)
			}
			if err := t.Context().Err(); err != nil {
				t.Errorf("the context of the caller: %v", err)
			}
		}
	})
}

func TestGate_Hold(t *testing.T) {
	t.Run("stops calls until Open", func(t *testing.T) {
		faults, user := faulty(t)
		gate := repotest.NewGate()
		faults.At(repotest.Before, repotest.Get, 0, gate.Hold)
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := faults.Get(t.Context(), user.ID)
				results <- err
			}()
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-results:
			t.Fatalf("a call passed the shut gate, error %v", err)
		default:
		}
		gate.Open()
		for range 2 {
			if err := <-results; err != nil {
				t.Errorf("held call: %v", err)
			}
		}
		if _, err := faults.Get(t.Context(), user.ID); err != nil {
			t.Errorf("call through the open gate: %v", err)
		}
	})
	t.Run("ends with the context of the call", func(t *testing.T) {
		faults, user := faulty(t)
		gate := repotest.NewGate()
		faults.At(repotest.After, repotest.Delete, 1, gate.Hold)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- faults.Delete(ctx, user.ID, nil) }()
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("held call: error %v, want %v", err, context.Canceled)
		}
		if _, err := faults.Get(t.Context(), user.ID); !errors.Is(err, models.ErrUserNotFound) {
			t.Errorf("Get after it: error %v, want the effect to stand", err)
		}
		if err := gate.Await(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Await without a call: error %v, want %v", err, context.Canceled)
		}
	})
}

func TestFaults_Calls(t *testing.T) {
	t.Run("counts every call, failed ones too", func(t *testing.T) {
		faults, user := faulty(t)
		faults.At(repotest.Before, repotest.Get, 1, repotest.Fail(errAway))
		all := calls(faults, user)
		for range 2 {
			for _, call := range all {
				_ = call(t.Context())
			}
		}
		for method := range all {
			if n := faults.Calls(method); n != 2 {
				t.Errorf("%d calls of %s, want 2", n, method)
			}
		}
		if n := faults.Calls(repotest.Any); n != 2*len(all) {
			t.Errorf("%d calls, want %d", n, 2*len(all))
		}
	})
}

// calls returns a call of every method.
func calls(faults *repotest.Faults, user models.User) map[repotest.Method]func(context.Context) error {
	return map[repotest.Method]func(context.Context) error{
		repotest.Create: func(ctx context.Context) error {
			_, err := faults.Create(ctx, repotest.Sample(2))
			return err
		},
		repotest.Get: func(ctx context.Context) error {
			_, err := faults.Get(ctx, user.ID)
			return err
		},
		repotest.List: func(ctx context.Context) error {
			_, err := faults.List(ctx, models.Query{Limit: 1})
			return err
		},
		repotest.Update: func(ctx context.Context) error {
			_, err := faults.Update(ctx, user.ID, rename)
			return err
		},
		repotest.Delete: func(ctx context.Context) error { return faults.Delete(ctx, user.ID, nil) },
		repotest.Batch:  func(ctx context.Context) error { return faults.Batch(ctx, renameAndRemove(user.ID, 0)) },
		repotest.Ping:   faults.Ping,
		repotest.Close:  func(context.Context) error { return faults.Close() }, //nolint:contextcheck // Close has none
	}
}
