package models

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// orders draws any order that a client can ask for, normal or not.
func orders() *rapid.Generator[Order] {
	return rapid.Custom(func(t *rapid.T) Order {
		sorts := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Sort {
			return Sort{Key(rapid.IntRange(0, len(SortKeys())-1).Draw(t, "key")), rapid.Bool().Draw(t, "descending")}
		}), 0, MaxSorts, func(s Sort) Key { return s.Key })
		return sorts.Draw(t, "sorts")
	})
}

// people draws users who are often equal in one member and differ in another.
func people() *rapid.Generator[User] {
	times := rapid.Custom(func(t *rapid.T) Timestamp { return Timestamp(rapid.Int64Range(-1, 2).Draw(t, "time")) })
	return rapid.Custom(func(t *rapid.T) User {
		return User{
			ID:        rapid.Int64Range(1, 5).Draw(t, "id"),
			Name:      rapid.OneOf(rapid.SampledFrom([]string{"Ada", "ada", "Stra\u00dfe", "STRASSE", "\u00c9va", "B"}), foldable()).Draw(t, "name"),
			Email:     rapid.SampledFrom([]string{"a@b.io", "A@b.io", "a@\u00fcb.io", "jos\u00e9@b.io", "JOS\u00c9@b.io"}).Draw(t, "email"),
			Age:       Age(rapid.SampledFrom([]int{0, 0, 1, 36, 150}).Draw(t, "age")),
			CreatedAt: times.Draw(t, "created"),
			UpdatedAt: times.Draw(t, "updated"),
			Version:   rapid.Int64Range(1, 3).Draw(t, "version"),
		}
	})
}

// comparePlainly is Order.Compare as contract 4 words it.
func comparePlainly(o Order, a, b *User) int {
	for _, s := range o {
		if s.Key == KeyAge && (a.Age == 0) != (b.Age == 0) {
			if a.Age == 0 {
				return 1
			}
			return -1
		}
		c := [...]int{
			KeyID:        cmp.Compare(a.ID, b.ID),
			KeyName:      strings.Compare(FoldName(a.Name), FoldName(b.Name)),
			KeyEmail:     strings.Compare(FoldName(a.Email), FoldName(b.Email)),
			KeyAge:       cmp.Compare(a.Age, b.Age),
			KeyCreatedAt: cmp.Compare(a.CreatedAt, b.CreatedAt),
			KeyUpdatedAt: cmp.Compare(a.UpdatedAt, b.UpdatedAt),
		}[s.Key]
		if c != 0 && s.Descending {
			return -c
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ID, b.ID)
}

func TestOrder_Compare(t *testing.T) {
	t.Run("is the order of contract 4", rapid.MakeCheck(func(t *rapid.T) {
		order, a, b := orders().Draw(t, "order"), people().Draw(t, "a"), people().Draw(t, "b")
		if got, want := order.Compare(&a, &b), comparePlainly(order, &a, &b); sign(got) != want {
			t.Fatalf("by %v, %+v and %+v: got %d, want %d", order, a, b, got, want)
		}
	}))
	t.Run("is total, antisymmetric and transitive", rapid.MakeCheck(func(t *rapid.T) {
		order := orders().Draw(t, "order")
		a, b, c := people().Draw(t, "a"), people().Draw(t, "b"), people().Draw(t, "c")
		ab, ba, bc, ac := order.Compare(&a, &b), order.Compare(&b, &a), order.Compare(&b, &c), order.Compare(&a, &c)
		if sign(ab) != -sign(ba) {
			t.Fatalf("by %v, %+v and %+v: %d one way and %d the other", order, a, b, ab, ba)
		}
		if ab == 0 && a.ID != b.ID {
			t.Fatalf("by %v, %+v and %+v share a place", order, a, b)
		}
		if ab <= 0 && bc <= 0 && ac > 0 || ab < 0 && bc <= 0 && ac >= 0 || ab <= 0 && bc < 0 && ac >= 0 {
			t.Fatalf("by %v, %+v before %+v before %+v: but the first and the last compare as %d", order, a, b, c, ac)
		}
		if order.Compare(&a, &a) != 0 {
			t.Fatalf("by %v, %+v does not equal itself", order, a)
		}
	}))
	t.Run("puts an unknown age last in both directions", func(t *testing.T) {
		users := []User{{ID: 1}, {ID: 2, Age: 150}, {ID: 3}, {ID: 4, Age: 1}}
		for _, row := range []struct {
			order Order
			want  []int64
		}{
			{Order{{KeyAge, false}}, []int64{4, 2, 1, 3}},
			{Order{{KeyAge, true}}, []int64{2, 4, 1, 3}},
			{Order{{KeyAge, true}, {KeyID, true}}, []int64{2, 4, 3, 1}},
		} {
			sorted := slices.SortedFunc(slices.Values(users), func(a, b User) int { return row.order.Compare(&a, &b) })
			for i, user := range sorted {
				if user.ID != row.want[i] {
					t.Errorf("by %v: got %+v, want the ids %v", row.order, sorted, row.want)
					break
				}
			}
		}
	})
	t.Run("looks at the members of its keys and at the id alone", rapid.MakeCheck(func(t *rapid.T) {
		order, a, b := orders().Draw(t, "order"), people().Draw(t, "a"), people().Draw(t, "b")
		bare := onlyKeys(order, &b)
		if got, want := order.Compare(&a, &bare), order.Compare(&a, &b); sign(got) != sign(want) {
			t.Fatalf("by %v, %+v compares with %+v as %d, and with %+v as %d", order, a, b, want, bare, got)
		}
	}))
}

// onlyKeys returns a user who has the members of the keys of the order and the id, as a Position has.
func onlyKeys(order Order, user *User) User {
	bare := User{ID: user.ID}
	from, to := reflect.ValueOf(user).Elem(), reflect.ValueOf(&bare).Elem()
	for _, s := range order {
		member := [...]string{"ID", "Name", "Email", "Age", "CreatedAt", "UpdatedAt"}[s.Key]
		to.FieldByName(member).Set(from.FieldByName(member))
	}
	return bare
}

func TestOrder_Normal(t *testing.T) {
	t.Run("drops what makes no difference", func(t *testing.T) {
		id, up, name, age := Sort{KeyID, false}, Sort{KeyID, true}, Sort{KeyName, false}, Sort{KeyAge, true}
		for _, row := range []struct{ order, want Order }{
			{nil, nil},
			{Order{}, nil},
			{Order{id}, nil},
			{Order{id, name}, nil},
			{Order{up}, Order{up}},
			{Order{up, name, age}, Order{up}},
			{Order{name}, Order{name}},
			{Order{name, id}, Order{name}},
			{Order{name, id, age}, Order{name}},
			{Order{age, up, name}, Order{age, up}},
			{Order{name, age}, Order{name, age}},
		} {
			if got := row.order.Normal(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("%#v: got %#v, want %#v", row.order, got, row.want)
			}
		}
	})
	t.Run("sorts as before, is normal, and leaves the order alone", rapid.MakeCheck(func(t *rapid.T) {
		order, a, b := orders().Draw(t, "order"), people().Draw(t, "a"), people().Draw(t, "b")
		if a.ID == b.ID {
			b = a // no two users share an id
		}
		before := slices.Clone(order)
		normal := order.Normal()
		if sign(order.Compare(&a, &b)) != sign(normal.Compare(&a, &b)) {
			t.Fatalf("%v and its normal form %v sort %+v and %+v differently", order, normal, a, b)
		}
		if again := normal.Normal(); !reflect.DeepEqual(again, normal) {
			t.Fatalf("%v became %v, and that %v", order, normal, again)
		}
		if len(normal) > 0 {
			normal[0].Descending = !normal[0].Descending
		}
		if !slices.Equal(order, before) {
			t.Fatalf("%v became %v by changing its normal form", before, order)
		}
	}))
	t.Run("is one for orders that never differ", rapid.MakeCheck(func(t *rapid.T) {
		a, b := orders().Draw(t, "a"), orders().Draw(t, "b")
		if reflect.DeepEqual(a.Normal(), b.Normal()) {
			return
		}
		for _, one := range telling() {
			for _, other := range telling() {
				if sign(a.Compare(&one, &other)) != sign(b.Compare(&one, &other)) {
					return
				}
			}
		}
		t.Fatalf("%v and %v sort alike, but their normal forms are %v and %v", a, b, a.Normal(), b.Normal())
	}))
}

// telling returns users of whom every two normal orders sort some two differently: all that can be
// made of two values for each member, one of them also of the id.
func telling() []User {
	var users []User
	for bits := range 1 << 6 {
		bit := func(n int) int { return bits >> n & 1 }
		users = append(users, User{
			ID: int64(1 + bit(0)), Name: "ab"[bit(1) : bit(1)+1], Email: "ab"[bit(2) : bit(2)+1],
			Age: Age(1 + bit(3)), CreatedAt: Timestamp(bit(4)), UpdatedAt: Timestamp(bit(5)),
		})
	}
	return users
}

func TestOrder_String(t *testing.T) {
	t.Run("is the parameter", func(t *testing.T) {
		for want, order := range map[string]Order{
			"id":                       nil,
			"-id":                      {{KeyID, true}},
			"name":                     {{KeyName, false}},
			"-age,email":               {{KeyAge, true}, {KeyEmail, false}},
			"created_at,-updated_at":   {{KeyCreatedAt, false}, {KeyUpdatedAt, true}},
			"-created_at,name,-id":     {{KeyCreatedAt, true}, {KeyName, false}, {KeyID, true}},
			"updated_at,-email,-name":  {{KeyUpdatedAt, false}, {KeyEmail, true}, {KeyName, true}},
			"-updated_at,-name,-email": {{KeyUpdatedAt, true}, {KeyName, true}, {KeyEmail, true}},
		} {
			if got := order.String(); got != want {
				t.Errorf("%#v: got %q, want %q", order, got, want)
			}
		}
	})
	// Cursors are bound to an order by this text.
	t.Run("tells every two normal orders apart", rapid.MakeCheck(func(t *rapid.T) {
		a, b := orders().Draw(t, "a").Normal(), orders().Draw(t, "b").Normal()
		if (a.String() == b.String()) != reflect.DeepEqual(a, b) {
			t.Fatalf("%#v is %s, and %#v is %s", a, a, b, b)
		}
	}))
}

func TestSortKeys(t *testing.T) {
	t.Run("names every key by its member", func(t *testing.T) {
		keys := []Key{KeyID, KeyName, KeyEmail, KeyAge, KeyCreatedAt, KeyUpdatedAt}
		names := SortKeys()
		if len(names) != len(keys) {
			t.Fatalf("%d names for %d keys", len(names), len(keys))
		}
		user := reflect.TypeFor[User]()
		for _, key := range keys {
			member, ok := user.FieldByName([...]string{"ID", "Name", "Email", "Age", "CreatedAt", "UpdatedAt"}[key])
			if !ok || member.Tag.Get("json") != key.String() || names[key] != key.String() {
				t.Errorf("the key %d is %q, its member is %q in JSON", key, key, member.Tag.Get("json"))
			}
		}
	})
	t.Run("belongs to its caller", func(t *testing.T) {
		SortKeys()[KeyName] = "changed"
		if KeyName.String() != "name" {
			t.Errorf("the key is %q now", KeyName)
		}
	})
}
