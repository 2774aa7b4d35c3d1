package memory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
)

// manyOrders returns more orders than there are late indexes.
func manyOrders() []models.Order {
	var orders []models.Order
	for _, first := range []models.Key{models.KeyName, models.KeyEmail, models.KeyAge, models.KeyUpdatedAt} {
		for _, second := range []models.Key{models.KeyCreatedAt, models.KeyID} {
			for _, down := range []bool{false, true} {
				orders = append(orders, models.Order{{Key: first, Descending: true}, {Key: second, Descending: down}}.Normal())
			}
		}
	}
	return orders
}

// inOrder fails the test unless the store lists the first of its users as the order has them.
func inOrder(t *testing.T, store *memory.Store, order models.Order) {
	t.Helper()
	page, err := store.List(t.Context(), models.Query{Order: order, Limit: 300})
	if err != nil {
		t.Errorf("sorted by %s: %v", order, err)
	}
	sorted := func(a, b models.User) int { return order.Compare(&a, &b) }
	if len(page.Users) != 300 || !slices.IsSortedFunc(page.Users, sorted) {
		t.Errorf("sorted by %s: %d users, not in this order", order, len(page.Users))
	}
}

func TestStore_List_lateIndexes(t *testing.T) {
	const size = 5000
	t.Run("more orders at once than there is room for are all answered", func(t *testing.T) {
		store := filled(t, size)
		for range 3 {
			var all sync.WaitGroup
			for _, order := range manyOrders() {
				all.Go(func() { inOrder(t, store, order) })
			}
			all.Wait()
		}
	})
	t.Run("an order that is asked for again and again finds room", func(t *testing.T) {
		store := filled(t, size)
		orders := manyOrders()
		for _, order := range orders {
			inOrder(t, store, order)
		}
		wanted := orders[len(orders)-1]
		perList := func() float64 {
			return testing.AllocsPerRun(1, func() { inOrder(t, store, wanted) })
		}
		gathered := perList()
		for range 300 {
			inOrder(t, store, wanted)
		}
		if read := perList(); read >= gathered {
			t.Errorf("%v allocations at first and %v after many lists: no index was made", gathered, read)
		}
	})
	t.Run("users who came and went in one batch do not keep an index from being made", func(t *testing.T) {
		store := filled(t, size)
		err := store.Batch(t.Context(), func(tx repository.Tx) (repository.Changes, error) {
			for range 1000 {
				if _, err := tx.NextID(); err != nil {
					return repository.Changes{}, err
				}
			}
			return repository.Changes{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, store, models.Order{{Key: models.KeyEmail}})
	})
	t.Run("an index that was left half made is finished by the next who wants it", func(t *testing.T) {
		store := filled(t, size)
		order := models.Order{{Key: models.KeyEmail, Descending: true}}
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan error)
		go func() {
			_, err := store.List(ctx, models.Query{Order: order, Limit: 300})
			asked <- err
		}()
		cancel()
		if err := <-asked; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		for i := range 50 { // beside the part that is made and the part that is not
			if _, err := store.Create(t.Context(), person(size+i)); err != nil {
				t.Fatal(err)
			}
			if err := store.Delete(t.Context(), int64(100*i+1), nil); err != nil {
				t.Fatal(err)
			}
		}
		inOrder(t, store, order)
		page, err := store.List(t.Context(), models.Query{Order: order, Limit: 1, WithTotal: true})
		if err != nil || page.Total != size {
			t.Errorf("total %d, error %v", page.Total, err)
		}
	})
}

func TestStore_List_long(t *testing.T) {
	const size = 12_000
	store := filled(t, size)
	// Whose parts of the text are with everybody, so that no block can be passed over.
	const rare = "lovelace 00000000"
	for _, id := range []int64{1, 3, 40, 5000, 5001, 11_000, 11_001, 11_500, 11_998} {
		_, err := store.Update(t.Context(), id, func(user models.User) (models.User, error) {
			user.Name = "Ada Lovelace 00000000"
			return user, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := everyone(t, store)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("in the order of the ids a snapshot gives the page that the store would", func(t *testing.T) {
		least := person(size * 9 / 10).UpdatedAt
		for _, filter := range []models.Filter{
			{Search: rare},
			{Search: "lovelace 000000000"},
			{Search: "7", MinAge: 77, MaxAge: 78},
			{Search: "ada love", UpdatedAfter: &least, MinAge: 3},
		} {
			for _, order := range []models.Order{nil, {{Key: models.KeyID, Descending: true}}} {
				for _, id := range []int64{0, 1, 50, size / 2, size * 19 / 20, size, size + 1} {
					for _, turn := range []models.Position{{}, {Inclusive: true}, {Backward: true}, {Inclusive: true, Backward: true}} {
						turn.At = models.User{ID: id}
						holds(t, store, all, models.Query{Filter: filter, Order: order, Limit: 2, Position: turn})
						holds(t, store, all, models.Query{Filter: filter, Order: order, Limit: 7, Position: turn})
					}
					holds(t, store, all, models.Query{Filter: filter, Order: order, Limit: 3, Skip: id / 1000})
				}
			}
		}
	})
	t.Run("a list that nobody waits for ends early", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := store.List(ctx, models.Query{Limit: 7, Filter: models.Filter{Search: "7"}}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// everyone reads all users of a store.
func everyone(t *testing.T, store *memory.Store) ([]models.User, error) {
	t.Helper()
	var all []models.User
	query := models.Query{Limit: models.MaxLimit}
	for {
		page, err := store.List(t.Context(), query)
		if err != nil || len(page.Users) == 0 {
			return all, err
		}
		all = append(all, page.Users...)
		query.Position.At = models.User{ID: page.Users[len(page.Users)-1].ID}
		if len(all) > 1<<20 {
			return nil, fmt.Errorf("a walk does not end after %d users", len(all))
		}
	}
}
