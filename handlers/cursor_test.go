package handlers

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/models"
)

func newSealer(t testing.TB) *cursors {
	t.Helper()
	sealer, err := newCursors([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// orders generates orders in their normal form.
func orders() *rapid.Generator[models.Order] {
	return rapid.Custom(func(t *rapid.T) models.Order {
		keys := rapid.Permutation([]models.Key{models.KeyID, models.KeyName, models.KeyEmail, models.KeyAge, models.KeyCreatedAt, models.KeyUpdatedAt}).Draw(t, "keys")
		var order models.Order
		for _, key := range keys[:rapid.IntRange(0, models.MaxSorts).Draw(t, "length")] {
			order = append(order, models.Sort{Key: key, Descending: rapid.Bool().Draw(t, "descending")})
		}
		return order.Normal()
	})
}

// onlyKeys returns what a position in an order has of a user.
func onlyKeys(user models.User, order models.Order) models.User {
	short := models.User{ID: user.ID}
	for _, sort := range order {
		switch sort.Key {
		case models.KeyID:
		case models.KeyName:
			short.Name = user.Name
		case models.KeyEmail:
			short.Email = user.Email
		case models.KeyAge:
			short.Age = user.Age
		case models.KeyCreatedAt:
			short.CreatedAt = user.CreatedAt
		case models.KeyUpdatedAt:
			short.UpdatedAt = user.UpdatedAt
		}
	}
	return short
}

func TestCursors_seal(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	t.Run("what is sealed is opened again, with the keys of the order alone", rapid.MakeCheck(func(t *rapid.T) {
		order := orders().Draw(t, "order")
		user := models.User{
			ID: rapid.Int64().Draw(t, "id"), Name: rapid.StringN(0, 100, -1).Draw(t, "name"), Email: rapid.StringN(0, -1, 254).Draw(t, "email"),
			Age: models.Age(rapid.Uint8().Draw(t, "age")), CreatedAt: models.Timestamp(rapid.Int64().Draw(t, "created")),
			UpdatedAt: models.Timestamp(rapid.Int64().Draw(t, "updated")), Version: 7,
		}
		at := models.Position{At: user, Backward: rapid.Bool().Draw(t, "backward"), Inclusive: rapid.Bool().Draw(t, "inclusive")}
		list := rapid.SliceOf(rapid.Byte()).Draw(t, "list")
		cursor := sealer.seal(&at, order, list)
		at.At = onlyKeys(user, order)
		if got, ours := sealer.open(cursor, order, list); got != at || !ours {
			t.Fatalf("%+v became %+v, %v", at, got, ours)
		}
		if strings.Trim(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q would have to be encoded", cursor)
		}
	}))
	t.Run("the longest cursor is short enough", func(t *testing.T) {
		t.Parallel()
		user := models.User{
			ID: math.MaxInt64, Name: strings.Repeat("\U0010fffd", 100), Email: strings.Repeat("x", 254), CreatedAt: math.MinInt64, UpdatedAt: math.MinInt64, Age: 150,
		}
		order := models.Order{{Key: models.KeyName}, {Key: models.KeyEmail}, {Key: models.KeyCreatedAt}}
		cursor := sealer.seal(&models.Position{At: user}, order, nil)
		if _, ours := sealer.open(cursor, order, nil); !ours || len(cursor) != 944 {
			t.Errorf("%d characters, %v", len(cursor), ours)
		}
	})
	t.Run("the same position is never sealed the same way twice", func(t *testing.T) {
		t.Parallel()
		at := &models.Position{At: models.User{ID: 7}}
		if one, other := sealer.seal(at, nil, nil), sealer.seal(at, nil, nil); one == other {
			t.Error("a nonce was used twice")
		}
	})
	t.Run("nothing of it can be read", func(t *testing.T) {
		t.Parallel()
		at := &models.Position{At: models.User{ID: 7, Email: "ada@example.com"}}
		cursor := sealer.seal(at, models.Order{{Key: models.KeyEmail}}, nil)
		sealed, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || strings.Contains(string(sealed), "ada") || strings.Contains(cursor, "ada@") {
			t.Errorf("%q, %v", sealed, err)
		}
	})
}

func TestCursors_open(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	order := models.Order{{Key: models.KeyName}, {Key: models.KeyAge, Descending: true}}
	at := models.Position{At: models.User{ID: 7, Name: "Ada", Age: 36}}
	list := []byte("a list")
	genuine := sealer.seal(&at, order, list)
	refused := func(t *testing.T, cursor string, order models.Order, list []byte) {
		t.Helper()
		if got, ours := sealer.open(cursor, order, list); ours || got != (models.Position{}) {
			t.Errorf("%.40q opens as %+v", cursor, got)
		}
	}
	t.Run("a cursor of another list does not open", func(t *testing.T) {
		t.Parallel()
		for _, other := range [][]byte{nil, {}, []byte("a lisT"), []byte("a list ")} {
			refused(t, genuine, order, other)
		}
	})
	t.Run("a cursor of which one bit is another does not open", func(t *testing.T) {
		t.Parallel()
		sealed, err := base64.RawURLEncoding.DecodeString(genuine)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(sealed) * 8 {
			sealed[bit/8] ^= 1 << (bit % 8)
			refused(t, base64.RawURLEncoding.EncodeToString(sealed), order, list)
			sealed[bit/8] ^= 1 << (bit % 8)
		}
	})
	t.Run("a part of a cursor, or more than it, does not open", func(t *testing.T) {
		t.Parallel()
		for n := range genuine {
			refused(t, genuine[:n], order, list)
		}
		for _, more := range []string{"=", "A", "\n", "\r\n", " ", genuine, strings.Repeat("A", 2000)} {
			refused(t, genuine+more, order, list)
			refused(t, more+genuine, order, list)
		}
	})
	t.Run("a cursor under another key does not open", func(t *testing.T) {
		t.Parallel()
		other, err := newCursors(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, other.seal(&at, order, list), order, list)
	})
	t.Run("a layout of the order before, or of a version to come, does not open", func(t *testing.T) {
		t.Parallel()
		for _, other := range []models.Order{nil, order[:1], {order[1], order[0]}, append(order[:2:2], models.Sort{Key: models.KeyEmail})} {
			refused(t, genuine, other, list)
		}
		plain := appendPosition(nil, &at, order)
		plain[0]++
		if _, ok := readPosition(plain, order); ok {
			t.Error("another version is read")
		}
	})
	t.Run("a key of the wrong length is an error", func(t *testing.T) {
		t.Parallel()
		if _, err := newCursors(make([]byte, 31)); err == nil {
			t.Error("31 octets were taken")
		}
	})
}

func TestListing(t *testing.T) {
	t.Parallel()
	at := func(n models.Timestamp) *models.Timestamp { return &n }
	lists := []models.Query{
		{},
		{Order: models.Order{{Key: models.KeyID, Descending: true}}},
		{Order: models.Order{{Key: models.KeyName}}},
		{Order: models.Order{{Key: models.KeyName, Descending: true}}},
		{Order: models.Order{{Key: models.KeyName}, {Key: models.KeyAge}}},
		{Order: models.Order{{Key: models.KeyAge}, {Key: models.KeyName}}},
		{Filter: models.Filter{Search: "ada"}},
		{Filter: models.Filter{EmailKey: "ada"}},
		{Filter: models.Filter{Name: "ada"}},
		{Filter: models.Filter{Name: "ada"}, Order: models.Order{{Key: models.KeyName}}},
		{Filter: models.Filter{MinAge: 3}},
		{Filter: models.Filter{MaxAge: 3}},
		{Filter: models.Filter{MinAge: 3, MaxAge: 3}},
		{Filter: models.Filter{CreatedAfter: at(3)}},
		{Filter: models.Filter{CreatedAfter: at(0)}},
		{Filter: models.Filter{CreatedBefore: at(3)}},
		{Filter: models.Filter{UpdatedAfter: at(3)}},
		{Filter: models.Filter{IDs: []int64{3}}},
		{Filter: models.Filter{IDs: []int64{3, 4}}},
	}
	t.Run("tells any two lists apart", func(t *testing.T) {
		t.Parallel()
		for i := range lists {
			for j := range lists[:i] {
				if string(listing(&lists[i])) == string(listing(&lists[j])) {
					t.Errorf("%+v and %+v have one name", lists[i], lists[j])
				}
			}
		}
	})
	t.Run("is the same whatever the page", func(t *testing.T) {
		t.Parallel()
		for _, query := range lists {
			page := query
			page.Limit, page.Skip, page.WithTotal, page.Position = 7, 9, true, models.Position{At: models.User{ID: 3}}
			if string(listing(&page)) != string(listing(&query)) {
				t.Errorf("%+v has two names", query)
			}
		}
	})
}
