package services_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"userapi/models"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that stands still until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock {
	return &clock{at: time.Date(2026, time.January, 2, 15, 4, 5, 678_901_234, time.FixedZone("east", 3600))}
}

// world is a service over a store that a test can make fail.
type world struct {
	*services.Users
	clock  *clock
	faults *repotest.Faults
}

func newWorld() *world {
	w := &world{clock: newClock(), faults: repotest.NewFaults(memory.New())}
	w.Users = services.NewUsers(w.faults, w.clock.now)
	return w
}

func ada() models.UserInput {
	age := int64(36)
	return models.UserInput{Name: "Ada Lovelace", Email: "Ada@example.com", Age: &age}
}

// created returns Ada as the service stores her.
func (w *world) created(t *testing.T) models.User {
	t.Helper()
	user, err := w.Create(t.Context(), ada())
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func TestUsers_Create(t *testing.T) {
	t.Run("stamps version 1 and one time, in microseconds", func(t *testing.T) {
		w := newWorld()
		at := models.TimestampOf(w.clock.at)
		want := models.User{ID: 1, Name: "Ada Lovelace", Email: "Ada@example.com", Age: 36, CreatedAt: at, UpdatedAt: at, Version: 1}
		if got := w.created(t); got != want || got.CreatedAt.String() != "2026-01-02T14:04:05.678901Z" {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("a taken address is refused", func(t *testing.T) {
		w := newWorld()
		w.created(t)
		again := ada()
		again.Email = "aDA@example.com"
		if _, err := w.Create(t.Context(), again); !errors.Is(err, models.ErrEmailTaken) {
			t.Errorf("error %v, want %v", err, models.ErrEmailTaken)
		}
	})
}

func TestUsers_Update(t *testing.T) {
	t.Run("counts a change and moves the time", func(t *testing.T) {
		w := newWorld()
		want := w.created(t)
		w.clock.at = w.clock.at.Add(time.Hour)
		input := ada()
		input.Name, input.Age = "Ada King", nil
		got, err := w.Update(t.Context(), want.ID, input, models.Match{})
		want.Name, want.Age, want.Version, want.UpdatedAt = "Ada King", 0, 2, models.TimestampOf(w.clock.at)
		if err != nil || got != want {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	})
	t.Run("the address in another case is a change", func(t *testing.T) {
		w := newWorld()
		user := w.created(t)
		input := ada()
		input.Email = "ada@example.com"
		got, err := w.Update(t.Context(), user.ID, input, models.Match{})
		if err != nil || got.Email != input.Email || got.Version != 2 {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
	t.Run("what changes nothing leaves version and time", func(t *testing.T) {
		w := newWorld()
		want := w.created(t)
		w.clock.at = w.clock.at.Add(time.Hour)
		if got, err := w.Update(t.Context(), want.ID, ada(), models.Match{}); err != nil || got != want {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	})
	t.Run("moves the time forward also when the clock stands or goes back", func(t *testing.T) {
		for _, step := range []time.Duration{0, time.Nanosecond, -time.Hour, -50 * 365 * 24 * time.Hour} {
			w := newWorld()
			created := w.created(t)
			w.clock.at = w.clock.at.Add(step)
			input := ada()
			input.Name = "Ada King"
			got, err := w.Update(t.Context(), created.ID, input, models.Match{})
			if err != nil || got.UpdatedAt != created.UpdatedAt+1 || got.CreatedAt != created.CreatedAt {
				t.Errorf("a clock that moved by %v: got %+v, error %v, want a microsecond more than %s", step, got, err, created.UpdatedAt)
			}
		}
	})
	t.Run("an absent user and a taken address are told apart", func(t *testing.T) {
		w := newWorld()
		user := w.created(t)
		other := ada()
		other.Email = "other@example.com"
		if _, err := w.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Update(t.Context(), 99, other, models.Match{}); !errors.Is(err, models.ErrUserNotFound) {
			t.Errorf("absent: error %v, want %v", err, models.ErrUserNotFound)
		}
		if _, err := w.Update(t.Context(), user.ID, other, models.Match{}); !errors.Is(err, models.ErrEmailTaken) {
			t.Errorf("taken: error %v, want %v", err, models.ErrEmailTaken)
		}
		if got, err := w.Get(t.Context(), user.ID); err != nil || got != user {
			t.Errorf("after both: %+v, error %v, want %+v", got, err, user)
		}
	})
}

func TestUsers_Patch(t *testing.T) {
	t.Run("changes what is given, and counts it", func(t *testing.T) {
		w := newWorld()
		want := w.created(t)
		w.clock.at = w.clock.at.Add(time.Hour)
		got, err := w.Patch(t.Context(), want.ID, models.UserPatch{Age: true}, models.Match{})
		want.Age, want.Version, want.UpdatedAt = 0, 2, models.TimestampOf(w.clock.at)
		if err != nil || got != want {
			t.Errorf("got %+v, error %v, want %+v", got, err, want)
		}
	})
	t.Run("what changes nothing leaves version and time", func(t *testing.T) {
		w := newWorld()
		want := w.created(t)
		w.clock.at = w.clock.at.Add(time.Hour)
		for _, patch := range []models.UserPatch{{}, {Input: ada(), Name: true, Email: true, Age: true}, {Input: models.UserInput{Name: "not given"}}} {
			if got, err := w.Patch(t.Context(), want.ID, patch, models.Match{}); err != nil || got != want {
				t.Errorf("%+v: got %+v, error %v, want %+v", patch, got, err, want)
			}
		}
	})
}

// anyVersion and version are conditions.
func anyVersion() models.Match { return models.Match{Given: true, Any: true} }

func version(versions ...int64) models.Match { return models.Match{Given: true, Versions: versions} }

func TestUsers_conditions(t *testing.T) {
	// writes are the calls that take a condition; each changes user id if it may.
	writes := map[string]func(w *world, id int64, match models.Match) error{
		"Update": func(w *world, id int64, match models.Match) error {
			input := ada()
			input.Name = "Ada King"
			_, err := w.Update(context.Background(), id, input, match)
			return err
		},
		"Patch": func(w *world, id int64, match models.Match) error {
			_, err := w.Patch(context.Background(), id, models.UserPatch{Age: true}, match)
			return err
		},
		"Delete": func(w *world, id int64, match models.Match) error { return w.Delete(context.Background(), id, match) },
	}
	for name, write := range writes {
		t.Run(name+" goes through when the version is one of those named", func(t *testing.T) {
			for _, match := range []models.Match{{}, anyVersion(), version(1), version(7, 1)} {
				w := newWorld()
				w.created(t)
				if err := write(w, 1, match); err != nil {
					t.Errorf("%+v: %v", match, err)
				}
			}
		})
		t.Run(name+" of another version fails with the one that is stored, and changes nothing", func(t *testing.T) {
			for _, match := range []models.Match{version(), version(2), version(0, 2, 3)} {
				w := newWorld()
				user := w.created(t)
				err := write(w, 1, match)
				if !errors.Is(err, models.ErrPreconditionFailed) || models.AsError(err).Version != 1 {
					t.Errorf("%+v: error %+v", match, err)
				}
				if got, err := w.Get(t.Context(), 1); err != nil || got != user {
					t.Errorf("%+v: left %+v, error %v, want %+v", match, got, err, user)
				}
			}
		})
		t.Run(name+" of an absent user is that before any condition", func(t *testing.T) {
			for _, match := range []models.Match{anyVersion(), version(1), version()} {
				if err := write(newWorld(), 1, match); !errors.Is(err, models.ErrUserNotFound) {
					t.Errorf("%+v: error %v", match, err)
				}
			}
		})
	}
	t.Run("a stale version is told before a taken address", func(t *testing.T) {
		w := newWorld()
		w.created(t)
		other := ada()
		other.Email = "other@example.com"
		if _, err := w.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Update(t.Context(), 1, other, version(2)); !errors.Is(err, models.ErrPreconditionFailed) {
			t.Errorf("PUT: error %v", err)
		}
		if _, err := w.Patch(t.Context(), 1, models.UserPatch{Input: other, Email: true}, version(2)); !errors.Is(err, models.ErrPreconditionFailed) {
			t.Errorf("PATCH: error %v", err)
		}
	})
	t.Run("a change that changes nothing is judged all the same", func(t *testing.T) {
		w := newWorld()
		w.created(t)
		if _, err := w.Update(t.Context(), 1, ada(), version(2)); !errors.Is(err, models.ErrPreconditionFailed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestUsers_GetByEmail(t *testing.T) {
	t.Run("finds a user by the address in any form", func(t *testing.T) {
		w := newWorld()
		input := ada()
		input.Email = "Jos\u00e9@b\u00fccher.example"
		want, err := w.Create(t.Context(), input)
		if err != nil {
			t.Fatal(err)
		}
		w.created(t) // another
		for _, email := range []string{input.Email, "JOSE\u0301@B\u00dcCHER.example", " jos\u00e9@xn--bcher-kva.example\n"} {
			if got, err := w.GetByEmail(t.Context(), email); err != nil || got != want {
				t.Errorf("%q: got %+v, error %v", email, got, err)
			}
		}
	})
	t.Run("knows nobody by another address, nor by what is none", func(t *testing.T) {
		w := newWorld()
		w.created(t)
		for _, email := range []string{"grace@example.com", "ada", "", "ada@example", "Ada Lovelace", "a@b@c.io", "\xff"} {
			if got, err := w.GetByEmail(t.Context(), email); !errors.Is(err, models.ErrUserNotFound) || got != (models.User{}) {
				t.Errorf("%q: got %+v, error %v", email, got, err)
			}
		}
	})
	t.Run("tells of an outage as it is", func(t *testing.T) {
		w := newWorld()
		w.created(t)
		w.faults.At(repotest.Before, repotest.List, 1, repotest.Fail(models.ErrUnavailable))
		if _, err := w.GetByEmail(t.Context(), "ada@example.com"); !errors.Is(err, models.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	})
}

// calls returns a call of every method of the service that succeeds on a store that holds user 1.
func (w *world) calls() map[repotest.Method]func(ctx context.Context) error {
	return map[repotest.Method]func(ctx context.Context) error{
		repotest.Create: func(ctx context.Context) error {
			input := ada()
			input.Email = "new@example.com"
			_, err := w.Create(ctx, input)
			return err
		},
		repotest.Get: func(ctx context.Context) error {
			_, err := w.Get(ctx, 1)
			return err
		},
		repotest.List: func(ctx context.Context) error {
			_, err := w.List(ctx, models.Query{Limit: 5})
			return err
		},
		repotest.Update: func(ctx context.Context) error {
			input := ada()
			input.Name = "Ada King"
			_, err := w.Update(ctx, 1, input, models.Match{})
			return err
		},
		repotest.Delete: func(ctx context.Context) error { return w.Delete(ctx, 1, models.Match{}) },
		repotest.Batch: func(ctx context.Context) error {
			_, err := w.Batch(ctx, models.Batch{Operations: []models.Operation{rename(1, "Ada King")}})
			return err
		},
	}
}

func TestUsers(t *testing.T) {
	// An outage that reads as an absent user makes clients forget people.
	t.Run("every method tells of an outage as it is, with its cause", func(t *testing.T) {
		cause := errors.New("connection refused")
		for method := range newWorld().calls() {
			for _, moment := range []repotest.Moment{repotest.Before, repotest.After} {
				w := newWorld()
				w.created(t)
				w.faults.At(moment, method, 1, repotest.Fail(models.ErrUnavailable.Because(cause)))
				err := w.calls()[method](t.Context())
				if !errors.Is(err, models.ErrUnavailable) || !errors.Is(err, cause) || errors.Is(err, models.ErrUserNotFound) {
					t.Errorf("%s, moment %d: error %v", method, moment, err)
				}
			}
		}
	})
	t.Run("an unforeseen error stays unforeseen", func(t *testing.T) {
		unforeseen := errors.New("disk is on fire")
		for method := range newWorld().calls() {
			w := newWorld()
			w.created(t)
			w.faults.At(repotest.Before, method, 1, repotest.Fail(unforeseen))
			if err := w.calls()[method](t.Context()); models.AsError(err).Kind != models.KindInternal || !errors.Is(err, unforeseen) {
				t.Errorf("%s: error %v", method, err)
			}
		}
	})
	t.Run("every method hands its context to the store", func(t *testing.T) {
		for method := range newWorld().calls() {
			w := newWorld()
			user := w.created(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := w.calls()[method](ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v, want %v", method, err, context.Canceled)
			}
			if got, err := w.Get(t.Context(), user.ID); err != nil || got != user {
				t.Errorf("%s: left %+v, error %v, want %+v", method, got, err, user)
			}
		}
	})
	t.Run("every method is one call of the store", func(t *testing.T) {
		for method := range newWorld().calls() {
			w := newWorld()
			w.created(t)
			before, of := w.faults.Calls(repotest.Any), w.faults.Calls(method)
			if err := w.calls()[method](t.Context()); err != nil {
				t.Errorf("%s: %v", method, err)
			}
			if all, own := w.faults.Calls(repotest.Any)-before, w.faults.Calls(method)-of; all != 1 || own != 1 {
				t.Errorf("%s made %d calls, %d of its own method, want one", method, all, own)
			}
		}
	})
	t.Run("a write that is cancelled in the middle writes nothing", func(t *testing.T) {
		for _, method := range []repotest.Method{repotest.Update, repotest.Delete, repotest.Batch} {
			w := newWorld()
			user := w.created(t)
			w.faults.At(repotest.Amid, method, 1, repotest.Cancel)
			if err := w.calls()[method](t.Context()); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: error %v, want %v", method, err, context.Canceled)
			}
			if got, err := w.Get(t.Context(), user.ID); err != nil || got != user {
				t.Errorf("%s: left %+v, error %v, want %+v", method, got, err, user)
			}
		}
	})
}
