package memory

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"userapi/models"
)

// model is what a ledger stands for: users sorted by id.
type model []models.User

func (m model) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(m, id, func(user models.User, id int64) int {
		return cmp.Compare(user.ID, id)
	})
}

func (m *model) put(user models.User) {
	if at, ok := m.find(user.ID); ok {
		(*m)[at] = user
	} else {
		*m = slices.Insert(*m, at, user)
	}
}

func (m *model) remove(id int64) {
	if at, ok := m.find(id); ok {
		*m = slices.Delete(*m, at, at+1)
	}
}

// agree fails the test unless the ledger answers about these ids, ranks and limits as the model does.
func agree(t rapid.TB, l *ledger, m model, ids []int64, limits []int) {
	t.Helper()
	if l.count != int64(len(m)) {
		t.Fatalf("size %d, want %d", l.count, len(m))
	}
	for _, id := range ids {
		at, found := m.find(id)
		switch user := l.get(id); {
		case (user != nil) != found:
			t.Fatalf("get(%d) found %t, want %t", id, user != nil, found)
		case found && *user != m[at]:
			t.Fatalf("get(%d) = %+v, want %+v", id, *user, m[at])
		}
		if n := l.before(id); n != int64(at) {
			t.Fatalf("before(%d) = %d, want %d", id, n, at)
		}
		for _, limit := range limits {
			first := models.User{ID: -1}
			got := l.collect([]models.User{first}, int64(at), limit)
			want := slices.Concat([]models.User{first}, m[at:min(at+limit, len(m))])
			if !slices.Equal(got, want) {
				t.Fatalf("collect from %d, limit %d = %v, want %v", at, limit, got, want)
			}
		}
	}
}

// edges are the ids around the ends of the pages of the ledger, and beyond.
func edges(last int64) []int64 {
	ids := []int64{0, 1, 2, last, last + 1, last + pageSize, models.MaxID}
	for edge := int64(pageSize); edge <= last+pageSize; edge += pageSize {
		ids = append(ids, edge-1, edge, edge+1, edge+2, edge+pageSize/2)
	}
	return ids
}

func TestLedger(t *testing.T) {
	limits := []int{0, 1, pageSize - 1, pageSize, pageSize + 1, 3 * pageSize}
	filled := func(last int64) (*ledger, model) {
		l, m := new(ledger), model(nil)
		for id := int64(1); id <= last; id++ {
			user := models.User{ID: id, Version: id}
			l.put(&user)
			m.put(user)
		}
		return l, m
	}
	t.Run("the zero ledger is empty", func(t *testing.T) {
		agree(t, new(ledger), nil, edges(1), limits)
		new(ledger).remove(1)
	})
	t.Run("knows every user at every fill of its pages", func(t *testing.T) {
		for _, last := range []int64{1, 2, 64, 65, 511, 512, 513, 1023, 1024, 1025, 2048, 4097} {
			l, m := filled(last)
			agree(t, l, m, edges(last), limits)
		}
	})
	t.Run("ids out of its range are absent", func(t *testing.T) {
		l, m := filled(3)
		for _, id := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 4, math.MaxInt64} {
			if l.get(id) != nil {
				t.Errorf("get(%d) found a user", id)
			}
			l.remove(id)
		}
		if n := l.before(math.MinInt64); n != 0 {
			t.Errorf("before the smallest id are %d users", n)
		}
		if n := l.before(math.MaxInt64); n != 3 {
			t.Errorf("before the largest id are %d users, want 3", n)
		}
		agree(t, l, m, edges(3), limits)
	})
	t.Run("a user put again is replaced and not counted twice", func(t *testing.T) {
		l, m := filled(600)
		for _, id := range []int64{1, 512, 513, 600} {
			user := models.User{ID: id, Name: "Second"}
			l.put(&user)
			m.put(user)
		}
		agree(t, l, m, edges(600), limits)
	})
	t.Run("a user removed twice is counted once", func(t *testing.T) {
		l, m := filled(600)
		for _, id := range []int64{512, 512, 513, 513} {
			l.remove(id)
			m.remove(id)
		}
		agree(t, l, m, edges(600), limits)
	})
	t.Run("an emptied page is given back, passed over and filled again", func(t *testing.T) {
		l, m := filled(4 * pageSize)
		for id := int64(pageSize + 1); id <= 3*pageSize; id++ {
			l.remove(id)
			m.remove(id)
		}
		if l.pages[1] != nil || l.pages[2] != nil {
			t.Error("an empty page is kept")
		}
		agree(t, l, m, edges(4*pageSize), limits)
		user := models.User{ID: 2*pageSize + 7}
		l.put(&user)
		m.put(user)
		agree(t, l, m, edges(4*pageSize), limits)
	})
	t.Run("a user far ahead leaves a gap of pages", func(t *testing.T) {
		l, m := filled(2)
		user := models.User{ID: 9*pageSize + 1}
		l.put(&user)
		m.put(user)
		agree(t, l, m, edges(9*pageSize+1), limits)
	})
}

func TestLedger_property(t *testing.T) {
	t.Run("behaves as a sorted slice", rapid.MakeCheck(func(t *rapid.T) {
		l, m := new(ledger), model(nil)
		const last = 5 * pageSize
		id := rapid.OneOf(
			rapid.Int64Range(1, last),
			rapid.SampledFrom(edges(last)).Filter(func(id int64) bool { return 1 <= id && id <= 2*last }),
		)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				user := models.User{ID: id.Draw(t, "id"), Version: rapid.Int64().Draw(t, "version")}
				l.put(&user)
				m.put(user)
			},
			"put a run": func(t *rapid.T) {
				from, length := id.Draw(t, "from"), rapid.Int64Range(1, 700).Draw(t, "length")
				for id := from; id < from+length; id++ {
					user := models.User{ID: id}
					l.put(&user)
					m.put(user)
				}
			},
			"remove": func(t *rapid.T) {
				id := id.Draw(t, "id")
				l.remove(id)
				m.remove(id)
			},
			"remove a run": func(t *rapid.T) {
				from, length := id.Draw(t, "from"), rapid.Int64Range(1, 700).Draw(t, "length")
				for id := from; id < from+length; id++ {
					l.remove(id)
					m.remove(id)
				}
			},
			"": func(t *rapid.T) {
				ids := rapid.SliceOfN(id, 1, 4).Draw(t, "asked")
				limits := rapid.SliceOfN(rapid.IntRange(0, 2*pageSize), 1, 2).Draw(t, "limits")
				agree(t, l, m, ids, limits)
			},
		})
	}))
}
