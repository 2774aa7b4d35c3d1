package repotest_test

import (
	"context"
	"errors"
	"testing"

	"userapi/models"
	"userapi/repository/repotest"
)

var errAway = models.ErrUnavailable.Because(errors.New("store is away"))

// faulty returns faults in front of a store that holds the sample 1.
func faulty(t *testing.T) (*repotest.Faults, models.User) {
	t.Helper()
	store := newSketch()
	user, err := store.Create(t.Context(), repotest.Sample(1))
	if err != nil {
		t.Fatal(err)
	}
	return repotest.NewFaults(store), user
}

func rename(user models.User) (models.User, error) {
	user.Name = "Renamed"
	return user, nil
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
}

func TestCancel(t *testing.T) {
	t.Run("ends the context that the store sees, and not that of the caller", func(t *testing.T) {
		for _, moment := range []repotest.Moment{repotest.Before, repotest.Amid} {
			faults, user := faulty(t)
			faults.At(moment, repotest.Update, 1, repotest.Cancel)
			_, err := faults.Update(t.Context(), user.ID, rename)
			if got, _ := faults.Get(t.Context(), user.ID); !errors.Is(err, context.Canceled) || got != user {
				t.Errorf("moment %d: error %v, store %+v; want %v and no effect", moment, err, got, context.Canceled)
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
		go func() { result <- faults.Delete(ctx, user.ID) }()
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
		repotest.Delete: func(ctx context.Context) error { return faults.Delete(ctx, user.ID) },
		repotest.Ping:   faults.Ping,
		repotest.Close:  func(context.Context) error { return faults.Close() }, //nolint:contextcheck // Close has none
	}
}
