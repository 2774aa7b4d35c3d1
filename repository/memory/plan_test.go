package memory_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/memory"
)

// world is a store that changes at random, beside what it has to hold. Its users share names, ages
// and times, so that orders have ties and filters let some of all through; and there are enough of
// them that every way to a page is taken.
type world struct {
	*rand.Rand
	store  *memory.Store
	users  map[int64]models.User
	made   int
	moment int // the number of different times
}

var worldNames = []string{"Ada", "ada", "Ada Lovelace", "Ada Lovelacf", "Grace", "Straße", "STRASSE", "ßeta", "Ädna", "Zed Q", "Zed R", "x"}

func newWorld(seed uint64, size int) *world {
	w := &world{
		Rand: rand.New(rand.NewPCG(seed, 2)), store: memory.New(),
		users: make(map[int64]models.User), moment: size,
	}
	return w
}

func (w *world) user() models.User {
	w.made++
	return models.User{
		Name:      worldNames[w.IntN(len(worldNames))],
		Email:     fmt.Sprintf("U%d.x@ex%d.com", w.made, w.IntN(3)),
		Age:       models.Age(w.IntN(4) * w.IntN(38)),
		CreatedAt: models.Timestamp(w.IntN(w.moment)),
		UpdatedAt: models.Timestamp(w.IntN(10)),
		Version:   1,
	}
}

// id returns one that mostly is that of a user.
func (w *world) id() int64 { return w.Int64N(int64(w.made) + 2) }

// change writes something.
func (w *world) change(t *testing.T) {
	t.Helper()
	switch w.IntN(6) {
	case 0:
		user := w.user()
		stored, err := w.store.Update(t.Context(), w.id(), func(old models.User) (models.User, error) {
			user.Version = old.Version + 1
			return user, nil
		})
		if err == nil {
			w.users[stored.ID] = stored
		}
	case 1:
		id := w.id()
		if w.store.Delete(t.Context(), id, nil) == nil {
			delete(w.users, id)
		}
	case 2:
		err := w.store.Batch(t.Context(), func(tx repository.Tx) (repository.Changes, error) {
			a, _ := tx.Get(w.id()) // a user without an id is one who is not there
			b, _ := tx.Get(w.id())
			if a.ID == 0 || b.ID == 0 || a.ID == b.ID {
				return repository.Changes{}, nil
			}
			a.Email, b.Email = b.Email, a.Email
			w.users[a.ID], w.users[b.ID] = a, b
			return repository.Changes{Replace: []models.User{a, b}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	default:
		user, err := w.store.Create(t.Context(), w.user())
		if err != nil {
			t.Fatal(err)
		}
		w.users[user.ID] = user
	}
}

func (w *world) order() models.Order {
	var order models.Order
	for _, key := range w.Perm(len(models.SortKeys()))[:w.IntN(models.MaxSorts+1)] {
		order = append(order, models.Sort{Key: models.Key(key), Descending: w.IntN(2) == 0})
	}
	return order.Normal()
}

// once calls do one time in n.
func (w *world) once(n int, do func()) {
	if w.IntN(n) == 0 {
		do()
	}
}

func (w *world) filter() (f models.Filter) {
	moment := func(most int) *models.Timestamp {
		at := models.Timestamp(w.IntN(most))
		return &at
	}
	age := func(most int) models.Age { return models.Age(w.IntN(most)) }
	w.once(3, func() {
		f.Search = []string{"a", "ad", "da ", "lovelacf", "ss", "@ex1", "u7", "zed", "ä", "qqq", "x@e"}[w.IntN(11)]
	})
	w.once(4, func() { f.Name = models.FoldName(worldNames[w.IntN(len(worldNames))]) })
	w.once(4, func() { f.MinAge = age(100) })
	w.once(4, func() { f.MaxAge = age(100) })
	w.once(8, func() { f.MinAge = age(40); f.MaxAge = f.MinAge })
	w.once(5, func() { f.CreatedAfter = moment(w.moment) })
	w.once(5, func() { f.CreatedBefore = moment(w.moment) })
	w.once(5, func() { f.UpdatedAfter = moment(10) })
	w.once(8, func() {
		for range 1 + w.IntN(20) {
			f.IDs = append(f.IDs, w.id())
		}
		slices.Sort(f.IDs)
		f.IDs = slices.Compact(f.IDs)
	})
	w.once(10, func() { f.EmailKey = models.EmailKey(w.users[w.id()].Email) })
	return f
}

func (w *world) query() models.Query {
	query := models.Query{Filter: w.filter(), Order: w.order(), Limit: 1 + w.IntN(20), WithTotal: w.IntN(3) == 0}
	switch w.IntN(3) {
	case 0:
		query.Skip = w.Int64N(int64(w.made))
	case 1:
		at, known := w.users[w.id()]
		if !known {
			at = w.user()
			at.ID = w.id()
		}
		query.Position = models.Position{At: at, Inclusive: w.IntN(2) == 0}
		fallthrough
	default:
		query.Position.Backward = w.IntN(2) == 0
	}
	return query
}

func TestStore_List_plans(t *testing.T) {
	for _, size := range []int{50, 700, 7000} {
		t.Run(fmt.Sprintf("every way to a page leads to the right one of %d users", size), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5) {
				w := newWorld(seed, size)
				for range size {
					w.change(t)
				}
				for range 300 {
					for range 3 {
						w.change(t)
					}
					holds(t, w.store, slices.Collect(maps.Values(w.users)), w.query())
				}
			}
		})
	}
}
