package models

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPosition_Admits(t *testing.T) {
	// Ages 10, 20 and 30 at the ids 3, 2 and 1, and one who is unknown.
	users := []User{{ID: 3, Age: 10}, {ID: 2, Age: 20}, {ID: 1, Age: 30}, {ID: 4}}
	byAge := Order{{Key: KeyAge}}
	t.Run("lets in who stands on its side", func(t *testing.T) {
		for _, row := range []struct {
			position Position
			order    Order
			want     []int64
		}{
			{Position{}, byAge, []int64{3, 2, 1, 4}},
			{Position{Backward: true}, byAge, []int64{3, 2, 1, 4}},
			{Position{Inclusive: true}, byAge, []int64{3, 2, 1, 4}},
			{Position{At: User{ID: 2, Age: 20}}, byAge, []int64{1, 4}},
			{Position{At: User{ID: 2, Age: 20}, Inclusive: true}, byAge, []int64{2, 1, 4}},
			{Position{At: User{ID: 2, Age: 20}, Backward: true}, byAge, []int64{3}},
			{Position{At: User{ID: 2, Age: 20}, Backward: true, Inclusive: true}, byAge, []int64{3, 2}},
			// Where nobody stands any more.
			{Position{At: User{ID: 9, Age: 20}}, byAge, []int64{1, 4}},
			{Position{At: User{ID: 9, Age: 20}, Backward: true, Inclusive: true}, byAge, []int64{3, 2}},
			// Whoever moved since stands where it does now.
			{Position{At: User{ID: 3, Age: 25}}, byAge, []int64{1, 4}},
			{Position{At: User{ID: 3, Age: 25}, Backward: true}, byAge, []int64{3, 2}},
			// Those without an age are last.
			{Position{At: User{ID: 4}}, byAge, nil},
			{Position{At: User{ID: 3}}, byAge, []int64{4}},
			{Position{At: User{ID: 4}, Backward: true}, Order{{KeyAge, true}}, []int64{3, 2, 1}},
			{Position{At: User{ID: 2}}, nil, []int64{3, 4}},
			{Position{At: User{ID: 2}}, Order{{KeyID, true}}, []int64{1}},
		} {
			var got []int64
			for i := range users {
				if row.position.Admits(row.order, &users[i]) {
					got = append(got, users[i].ID)
				}
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%+v by %v: got %v, want %v", row.position, row.order, got, row.want)
			}
		}
	})
	t.Run("divides a list in two, and is the same for what stands in no key", rapid.MakeCheck(func(t *rapid.T) {
		order, at, user := orders().Draw(t, "order"), people().Draw(t, "at"), people().Draw(t, "user")
		admits := func(at User, inclusive, backward bool) bool {
			p := Position{At: at, Inclusive: inclusive, Backward: backward}
			return p.Admits(order, &user)
		}
		for _, inclusive := range []bool{false, true} {
			// Who is behind a place is not before it, nor at it.
			if admits(at, inclusive, false) == admits(at, !inclusive, true) {
				t.Fatalf("by %v, %+v is on both sides of %+v or on none", order, user, at)
			}
			for _, backward := range []bool{false, true} {
				if admits(at, inclusive, backward) != admits(onlyKeys(order, &at), inclusive, backward) {
					t.Fatalf("by %v, %+v stands elsewhere without the members that are no keys", order, at)
				}
			}
		}
		if admits(user, true, false) != true || admits(user, false, false) != false {
			t.Fatalf("by %v, %+v is not at its own place", order, user)
		}
	}))
}
