package observed_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/observed"
	"userapi/repository/repotest"
)

// book is what an observer heard.
type book struct{ operations []string }

// observe hears what happens under a name, and leaves a mark in the context.
func (b *book) observe(name string) observed.Observer {
	return func(ctx context.Context, operation string) (context.Context, func(error)) {
		b.operations = append(b.operations, name+operation)
		return context.WithValue(ctx, b, name), func(err error) {
			outcome := " ok"
			if err != nil {
				outcome = " " + models.AsError(err).Code
			}
			b.operations = append(b.operations, name+operation+outcome)
		}
	}
}

// everything does each operation once.
func everything(ctx context.Context, store repository.Store) {
	user, _ := store.Create(ctx, repotest.Sample(1))
	_, _ = store.Get(ctx, 99)
	_, _ = store.List(ctx, models.Query{Limit: 1})
	_, _ = store.Update(ctx, user.ID, func(models.User) (models.User, error) { return models.User{}, models.ErrPreconditionFailed })
	_ = store.Batch(ctx, func(repository.Tx) (repository.Changes, error) { return repository.Changes{}, nil })
	_ = store.Delete(ctx, user.ID, nil)
	_ = store.Ping(ctx)
	_, _, _ = store.Begin(ctx, "key", repository.Fingerprint{})
	_ = store.Release(ctx, "key")
}

func TestNew(t *testing.T) {
	t.Run("tells of the begin and the end of each operation", func(t *testing.T) {
		var heard book
		everything(t.Context(), observed.New(memory.New(), heard.observe("")))
		want := []string{
			"create", "create ok", "get", "get user_not_found", "list", "list ok", "update", "update precondition_failed", "batch", "batch ok",
			"delete", "delete ok", "ping", "ping ok", "begin", "begin ok", "release", "release ok",
		}
		if !slices.Equal(heard.operations, want) {
			t.Errorf("heard %q", heard.operations)
		}
		if methods := reflect.TypeFor[repository.Store]().NumMethod(); len(want)/2 != methods-1 { // Close is none
			t.Errorf("the store has %d methods", methods)
		}
	})
	t.Run("tells of failures", func(t *testing.T) {
		var heard book
		store := observed.New(memory.New(), heard.observe(""))
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		everything(t.Context(), store)
		for i := 1; i < len(heard.operations); i += 2 {
			if heard.operations[i] != heard.operations[i-1]+" unavailable" {
				t.Errorf("heard %q", heard.operations[i])
			}
		}
	})
}

func TestNew_panic(t *testing.T) {
	t.Run("tells of a panic as of a failure", func(t *testing.T) {
		var heard book
		store := observed.New(memory.New(), heard.observe(""))
		user, err := store.Create(t.Context(), repotest.Sample(1))
		if err != nil {
			t.Fatal(err)
		}
		operations := map[string]func(){
			"update": func() {
				_, _ = store.Update(t.Context(), user.ID, func(models.User) (models.User, error) { panic("odd") })
			},
			"delete": func() { _ = store.Delete(t.Context(), user.ID, func(models.User) error { panic("odd") }) },
			"batch":  func() { _ = store.Batch(t.Context(), func(repository.Tx) (repository.Changes, error) { panic("odd") }) },
		}
		broken := observed.New(nil, heard.observe(""))
		for name, call := range map[string]func(){
			"create": func() { _, _ = broken.Create(t.Context(), user) }, "get": func() { _, _ = broken.Get(t.Context(), 1) },
			"list": func() { _, _ = broken.List(t.Context(), models.Query{}) }, "ping": func() { _ = broken.Ping(t.Context()) },
			"begin":   func() { _, _, _ = broken.Begin(t.Context(), "key", repository.Fingerprint{}) },
			"release": func() { _ = broken.Release(t.Context(), "key") },
		} {
			operations[name] = call
		}
		for name, call := range operations {
			panicked := func() (value any) {
				defer func() { value = recover() }()
				call()
				return nil
			}()
			if last := heard.operations[len(heard.operations)-1]; panicked == nil || last != name+" internal_error" {
				t.Errorf("%s panicked with %v, and was heard as %q", name, panicked, last)
			}
		}
	})
}

func TestBoth(t *testing.T) {
	t.Run("nests the second in the first", func(t *testing.T) {
		var heard book
		ctx, end := observed.Both(heard.observe("a "), heard.observe("b "))(t.Context(), "get")
		end(errors.New("odd"))
		if want := []string{"a get", "b get", "b get internal_error", "a get internal_error"}; !slices.Equal(heard.operations, want) || ctx.Value(&heard) != "b " {
			t.Errorf("heard %q, and the context is that of %v", heard.operations, ctx.Value(&heard))
		}
	})
	t.Run("is the one when there is no other", func(t *testing.T) {
		var heard book
		for _, alone := range []observed.Observer{observed.Both(nil, heard.observe("")), observed.Both(heard.observe(""), nil)} {
			_, end := alone(t.Context(), "get")
			end(nil)
		}
		if len(heard.operations) != 4 || observed.Both(nil, nil) != nil {
			t.Errorf("heard %q", heard.operations)
		}
	})
}
