package sql_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/repository/sql/sqltest"
)

// TestStore_Unison draws changes and questions once and puts them to all engines.
func TestStore_Unison(t *testing.T) {
	if sqltest.Raced() {
		t.Skip("it takes long")
	}
	t.Parallel()
	all := &unison{names: []string{"memory"}, stores: []repository.UserRepository{memory.New()}}
	for _, engine := range sqltest.Available(t) {
		all.names = append(all.names, engine)
		all.stores = append(all.stores, sqltest.New(t, engine))
	}
	random := slices.IndexFunc(repotest.Rules(), func(rule repotest.Rule) bool { return strings.HasPrefix(rule.Name, "Whatever was changed") })
	if random < 0 {
		t.Fatal("there is no such rule")
	}
	t.Run("all engines answer alike, and as the plainest list does: "+strings.Join(all.names, ", "), func(t *testing.T) {
		repotest.Rules()[random].Check(t, all)
	})
	if all.calls == 0 {
		t.Error("nothing was asked")
	}
}

// unison is a store that asks several, and answers with an error when one of them differs from the first in
// users, order, ids or error. It is for one goroutine.
type unison struct {
	names  []string
	stores []repository.UserRepository
	calls  int
}

// together calls all stores and returns what the first one answers, if the others agree.
func together[A any](u *unison, call func(store repository.UserRepository) (A, error)) (A, error) {
	u.calls++
	first, err := call(u.stores[0])
	for i, store := range u.stores[1:] {
		answer, failure := call(store)
		if code(failure) != code(err) || err == nil && !reflect.DeepEqual(answer, first) {
			// No error that the caller might expect is in the chain of this one.
			var none A
			return none, fmt.Errorf("%s answers %+v, %v; memory %+v, %v", u.names[i+1], answer, failure, first, err) //nolint:errorlint // see above
		}
	}
	return first, err
}

// code returns the code word of an error, and an empty one for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	return models.AsError(err).Code
}

// level has all stores go on with the same id after a change that failed, by which each may use up as many
// as it likes, and returns why it failed.
func (u *unison) level(ctx context.Context, failed error) error {
	if failed == nil {
		return nil
	}
	last := make([]int64, len(u.stores))
	burn := func(i int, n int64) error {
		return u.stores[i].Batch(ctx, func(tx repository.Tx) (changes repository.Changes, err error) {
			for range n {
				if last[i], err = tx.NextID(); err != nil {
					return changes, err
				}
			}
			return changes, nil
		})
	}
	for i := range u.stores {
		if err := burn(i, 1); err != nil {
			return fmt.Errorf("%s gives no id: %w", u.names[i], err)
		}
	}
	most := slices.Max(last)
	for i := range u.stores {
		if err := burn(i, most-last[i]); err != nil {
			return fmt.Errorf("%s gives no ids: %w", u.names[i], err)
		}
	}
	return failed
}

func (u *unison) Create(ctx context.Context, user models.User) (models.User, error) {
	stored, err := together(u, func(store repository.UserRepository) (models.User, error) { return store.Create(ctx, user) })
	return stored, u.level(ctx, err)
}

func (u *unison) Get(ctx context.Context, id int64) (models.User, error) {
	return together(u, func(store repository.UserRepository) (models.User, error) { return store.Get(ctx, id) })
}

func (u *unison) List(ctx context.Context, query models.Query) (models.Page, error) {
	return together(u, func(store repository.UserRepository) (models.Page, error) {
		page, err := store.List(ctx, query)
		if len(page.Users) == 0 {
			page.Users = nil
		}
		return page, err
	})
}

func (u *unison) Update(ctx context.Context, id int64, change func(models.User) (models.User, error)) (models.User, error) {
	return together(u, func(store repository.UserRepository) (models.User, error) { return store.Update(ctx, id, change) })
}

func (u *unison) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	_, err := together(u, func(store repository.UserRepository) (struct{}, error) {
		return struct{}{}, store.Delete(ctx, id, allow)
	})
	return err
}

func (u *unison) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	_, err := together(u, func(store repository.UserRepository) (decided repository.Changes, err error) {
		err = store.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			var failure error
			decided, failure = decide(tx)
			return decided, failure
		})
		decided.Create = slices.Clone(decided.Create) // decide may use its memory again
		return decided, err
	})
	return u.level(ctx, err)
}

func (u *unison) Ping(ctx context.Context) error {
	_, err := together(u, func(store repository.UserRepository) (struct{}, error) { return struct{}{}, store.Ping(ctx) })
	return err
}

func (u *unison) Close() error {
	_, err := together(u, func(store repository.UserRepository) (struct{}, error) { return struct{}{}, store.Close() })
	return err
}
