package models

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// filters draws filters of few values, so that many let some people through and many are alike.
func filters() *rapid.Generator[Filter] {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"", "", "a", "ada", "ss", "\u00e9", "a@b.io", "jos", "stra\u00dfe"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("a\x00\x01\x02")), 0, 3, -1), // like the lengths of texts
		foldable(),
	)
	age := rapid.Custom(func(t *rapid.T) Age { return Age(rapid.SampledFrom([]int{0, 0, 1, 36, 37, 150}).Draw(t, "age")) })
	bound := rapid.Ptr(rapid.Custom(func(t *rapid.T) Timestamp {
		return Timestamp(rapid.OneOf(rapid.Int64Range(-2, 3), rapid.Int64()).Draw(t, "time"))
	}), true)
	ids := rapid.Custom(func(t *rapid.T) []int64 {
		if rapid.Bool().Draw(t, "any id") {
			return nil
		}
		ids := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1, 6), rapid.Int64Min(1)), 0, 4).Draw(t, "ids")
		slices.Sort(ids)
		return slices.Compact(ids)
	})
	return rapid.Custom(func(t *rapid.T) Filter {
		f := Filter{
			Search: FoldName(word.Draw(t, "search")), EmailKey: word.Draw(t, "email key"), Name: FoldName(word.Draw(t, "name")),
			MinAge: age.Draw(t, "min age"), MaxAge: age.Draw(t, "max age"),
			CreatedAfter: bound.Draw(t, "created after"), CreatedBefore: bound.Draw(t, "created before"), UpdatedAfter: bound.Draw(t, "updated after"),
			IDs: ids.Draw(t, "ids"),
		}
		for _, i := range rapid.SliceOf(rapid.IntRange(0, reflect.TypeFor[Filter]().NumField()-1)).Draw(t, "without") {
			reflect.ValueOf(&f).Elem().Field(i).SetZero()
		}
		return f
	})
}

// matchesPlainly is Filter.Matches as contract 4 words it.
func matchesPlainly(f *Filter, u *User) bool {
	known := u.Age != 0
	for _, condition := range []struct{ given, met bool }{
		{f.Search != "", strings.Contains(FoldName(u.Name), f.Search) || strings.Contains(FoldName(u.Email), f.Search)},
		{f.EmailKey != "", EmailKey(u.Email) == f.EmailKey},
		{f.Name != "", FoldName(u.Name) == f.Name},
		{f.MinAge != 0, known && f.MinAge <= u.Age},
		{f.MaxAge != 0, known && u.Age <= f.MaxAge},
		{f.CreatedAfter != nil, f.CreatedAfter != nil && *f.CreatedAfter < u.CreatedAt},
		{f.CreatedBefore != nil, f.CreatedBefore != nil && u.CreatedAt < *f.CreatedBefore},
		{f.UpdatedAfter != nil, f.UpdatedAfter != nil && *f.UpdatedAfter < u.UpdatedAt},
		{f.IDs != nil, slices.Contains(f.IDs, u.ID)},
	} {
		if condition.given && !condition.met {
			return false
		}
	}
	return true
}

func TestFilter_Matches(t *testing.T) {
	t.Run("is the conditions of contract 4, all together", rapid.MakeCheck(func(t *rapid.T) {
		filter, user := filters().Draw(t, "filter"), people().Draw(t, "user")
		if got, want := filter.Matches(&user), matchesPlainly(&filter, &user); got != want {
			t.Fatalf("%+v and %+v: got %t, want %t", filter, user, got, want)
		}
	}))
	at := func(t Timestamp) *Timestamp { return &t }
	t.Run("knows the edges of each condition", func(t *testing.T) {
		user := User{ID: 7, Name: "Stra\u00dfe", Email: "Jos\u00e9@b\u00fccher.example", Age: 36, CreatedAt: 100, UpdatedAt: 200}
		for _, row := range []struct {
			filter Filter
			want   bool
		}{
			{Filter{}, true},
			{Filter{MinAge: 36}, true},
			{Filter{MinAge: 37}, false},
			{Filter{MaxAge: 36}, true},
			{Filter{MaxAge: 35}, false},
			{Filter{MinAge: 40, MaxAge: 30}, false},
			{Filter{MinAge: 36, MaxAge: 30}, false},
			{Filter{CreatedAfter: at(99)}, true},
			{Filter{CreatedAfter: at(100)}, false},
			{Filter{CreatedBefore: at(101)}, true},
			{Filter{CreatedBefore: at(100)}, false},
			{Filter{UpdatedAfter: at(199)}, true},
			{Filter{UpdatedAfter: at(200)}, false},
			{Filter{IDs: []int64{1, 7, 9}}, true},
			{Filter{IDs: []int64{1, 9}}, false},
			{Filter{IDs: []int64{}}, false},
			{Filter{Name: "strasse"}, true},
			{Filter{Name: "strass"}, false},
			{Filter{EmailKey: EmailKey("JOS\u00c9@b\u00fccher.example")}, true},
			{Filter{EmailKey: "jos\u00e9@b\u00fccher.example"}, false}, // a key has its domain in A-labels
			{Filter{Search: "ss"}, true},
			{Filter{Search: "\u00e9@b\u00fc"}, true},
			{Filter{Search: "strassej"}, false}, // name and address are not one text
			{Filter{Search: "ss", MinAge: 36, MaxAge: 36, CreatedAfter: at(99), CreatedBefore: at(101), UpdatedAfter: at(199), IDs: []int64{7}, Name: "strasse"}, true},
		} {
			if got := row.filter.Matches(&user); got != row.want {
				t.Errorf("%+v: got %t", row.filter, got)
			}
		}
	})
	t.Run("has an unknown age within no bounds", func(t *testing.T) {
		user := User{ID: 7}
		for _, filter := range []Filter{{MinAge: 1}, {MaxAge: 150}, {MinAge: 1, MaxAge: 150}} {
			if filter.Matches(&user) {
				t.Errorf("%+v lets a user without an age through", filter)
			}
		}
	})
}

func TestFilter_IsZero(t *testing.T) {
	t.Run("is true of the filter without conditions alone", rapid.MakeCheck(func(t *rapid.T) {
		filter := filters().Draw(t, "filter")
		if got, want := filter.IsZero(), reflect.ValueOf(filter).IsZero(); got != want {
			t.Fatalf("%+v: got %t", filter, got)
		}
	}))
	t.Run("sees every member", func(t *testing.T) {
		at := Timestamp(0)
		filters := []Filter{
			{Search: "a"},
			{EmailKey: "a"},
			{Name: "a"},
			{MinAge: 1},
			{MaxAge: 1},
			{CreatedAfter: &at},
			{CreatedBefore: &at},
			{UpdatedAfter: &at},
			{IDs: []int64{}},
		}
		if want := reflect.TypeFor[Filter]().NumField(); len(filters) != want {
			t.Fatalf("the test has %d members, the filter %d", len(filters), want)
		}
		for _, filter := range filters {
			if filter.IsZero() {
				t.Errorf("%+v passes for the zero one", filter)
			}
		}
	})
}

func TestFilter_Append(t *testing.T) {
	// A cursor opens under the filter of its list and under no other, and this form is how it knows.
	t.Run("has one form for each filter, of which none begins another", rapid.MakeCheck(func(t *rapid.T) {
		a, b := filters().Draw(t, "a"), filters().Draw(t, "b")
		if rapid.Bool().Draw(t, "neighbours") { // that differ in one member, if at all
			one := rapid.IntRange(0, reflect.TypeFor[Filter]().NumField()-1).Draw(t, "but for")
			other := reflect.ValueOf(b).Field(one)
			b = a
			reflect.ValueOf(&b).Elem().Field(one).Set(other)
		}
		first, second := a.Append(nil), b.Append(nil)
		if same := reflect.DeepEqual(a, b); slices.Equal(first, second) != same {
			t.Fatalf("%+v is %q and %+v is %q", a, first, b, second)
		} else if !same && strings.HasPrefix(string(first), string(second)) {
			t.Fatalf("%+v is %q, which begins with %q for %+v", a, first, second, b)
		}
	}))
	t.Run("tells what looks alike apart", func(t *testing.T) {
		zero, one := Timestamp(0), Timestamp(1)
		seen := make(map[string]int)
		for i, filter := range []Filter{
			{},
			{Search: "a"},
			{EmailKey: "a"},
			{Name: "a"},
			{Search: "ab"},
			{Search: "a", EmailKey: "b"},
			{EmailKey: "ab"},
			{EmailKey: "a", Name: "b"},
			{Search: "\x01a"},
			{Search: "\x00"},
			{Search: "\x00\x00"},
			{EmailKey: "\x00"},
			{MinAge: 1},
			{MaxAge: 1},
			{MinAge: 1, MaxAge: 1},
			{CreatedAfter: &zero},
			{CreatedBefore: &zero},
			{UpdatedAfter: &zero},
			{CreatedAfter: &one},
			{CreatedAfter: &zero, CreatedBefore: &zero},
			{IDs: []int64{}},
			{IDs: []int64{1}},
			{IDs: []int64{1, 2}},
			{IDs: []int64{2}},
			{IDs: []int64{1 << 40}},
			{IDs: []int64{1<<63 - 1}},
		} {
			form := string(filter.Append(nil))
			for other, n := range seen {
				if strings.HasPrefix(form, other) || strings.HasPrefix(other, form) {
					t.Errorf("the filter %d is %q and %d is %q", n, other, i, form)
				}
			}
			seen[form] = i
		}
	})
	t.Run("appends, and does not write over what is there", func(t *testing.T) {
		filter := Filter{Name: "ada", IDs: []int64{7}}
		buffer := append(make([]byte, 0, 256), "before"...)
		got := filter.Append(buffer)
		if want := "before" + string(filter.Append(nil)); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("takes the bounds of every number", func(t *testing.T) {
		low, high := Timestamp(-1<<63), Timestamp(1<<63-1)
		filter := Filter{MinAge: 255, MaxAge: 255, CreatedAfter: &low, CreatedBefore: &high, IDs: []int64{-1 << 63, 1<<63 - 1}}
		if got := len(filter.Append(nil)); got > 3+2+3+5*binary.MaxVarintLen64 {
			t.Errorf("it takes %d octets", got)
		}
	})
}
