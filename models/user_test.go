package models

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reference returns v as encoding/json writes it without HTML escapes, but for U+2028 and U+2029:
// those it escapes for the JavaScript of before 2019, and they are written as they are.
func reference(t rapid.TB, v any) string {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	unescape := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
	return unescape.Replace(strings.TrimSuffix(text.String(), "\n"))
}

// texts generates strings in which what may have to be escaped stands at every place of an eight
// octet word, alone and beside other such characters.
func texts() *rapid.Generator[string] {
	special := rapid.RuneFrom([]rune("\"\\/<>&' \x00\x01\b\t\n\f\r\x1f\x7f\u0080\u00a0\u2028\u2029\ufeff\ufffd\U0001f469"))
	plain := rapid.StringOfN(rapid.RuneFrom([]rune("azAZ09~\u00e9\u4f60")), 0, 20, -1)
	spiked := rapid.Custom(func(t *rapid.T) string {
		return plain.Draw(t, "before") + string(special.Draw(t, "special")) + plain.Draw(t, "after")
	})
	return rapid.OneOf(plain, spiked, rapid.StringOf(special), rapid.String())
}

func users() *rapid.Generator[User] {
	return rapid.Custom(func(t *rapid.T) User {
		created := Timestamp(rapid.Int64().Draw(t, "created"))
		updated := created
		switch rapid.IntRange(0, 2).Draw(t, "updated") {
		case 1: // often on the same day
			updated = created/2 + Timestamp(rapid.Int64Range(0, microsPerDay).Draw(t, "later"))
		case 2:
			updated = Timestamp(rapid.Int64().Draw(t, "whenever"))
		}
		return User{
			ID:        rapid.Int64().Draw(t, "id"),
			Name:      texts().Draw(t, "name"),
			Email:     texts().Draw(t, "email"),
			Age:       Age(rapid.Uint8().Draw(t, "age")),
			CreatedAt: created,
			UpdatedAt: updated,
			Version:   rapid.Int64().Draw(t, "version"),
		}
	})
}

func ada() User {
	return User{
		ID: 7, Name: `Ada "Countess" <Lovelace>`, Email: "ada@example.com", Age: 36,
		CreatedAt: 1_767_366_245_678_901, UpdatedAt: 1_767_366_245_678_902, Version: 2,
	}
}

func TestUser_AppendJSON(t *testing.T) {
	t.Run("writes the members in the order of contract 1", func(t *testing.T) {
		user := ada()
		const want = `{"id":7,"name":"Ada \"Countess\" <Lovelace>","email":"ada@example.com","age":36,` +
			`"created_at":"2026-01-02T15:04:05.678901Z","updated_at":"2026-01-02T15:04:05.678902Z","version":2}`
		if got := string(user.AppendJSON(nil)); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	})
	t.Run("writes null for an unknown age", func(t *testing.T) {
		user := User{ID: math.MaxInt64}
		if got := string(user.AppendJSON(nil)); !strings.Contains(got, `"age":null,`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("writes what encoding/json writes", rapid.MakeCheck(func(t *rapid.T) {
		user := users().Draw(t, "user")
		if got, want := string(user.AppendJSON(nil)), reference(t, user); got != want {
			t.Fatalf("got\n%s, want\n%s", got, want)
		}
	}))
	t.Run("is read back as the same user", rapid.MakeCheck(func(t *rapid.T) {
		want := users().Filter(func(u User) bool {
			return within9999(u.CreatedAt) && within9999(u.UpdatedAt)
		}).Draw(t, "user")
		var got User
		if err := json.Unmarshal(want.AppendJSON(nil), &got); err != nil || got != want {
			t.Fatalf("got\n%+v, want\n%+v, error %v", got, want, err)
		}
	}))
	t.Run("leaves what is there and needs no memory of its own", func(t *testing.T) {
		user, buffer := ada(), append(make([]byte, 0, 1024), "before "...)
		if got := string(user.AppendJSON(buffer)); !strings.HasPrefix(got, `before {"id":7`) {
			t.Errorf("got %s", got)
		}
		user.Name = "Ada Lovelace"
		if n := testing.AllocsPerRun(100, func() { user.AppendJSON(buffer) }); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	})
}

// within9999 says whether a timestamp is of the years that RFC 3339 can write.
func within9999(at Timestamp) bool {
	year := at.Time().Year()
	return 0 <= year && year <= 9999
}

func TestAppendUsers(t *testing.T) {
	t.Run("writes an empty array for no users", func(t *testing.T) {
		for _, none := range [][]User{nil, {}} {
			if got := string(AppendUsers([]byte("x"), none)); got != "x[]" {
				t.Errorf("got %s, want x[]", got)
			}
		}
	})
	t.Run("writes what encoding/json writes", rapid.MakeCheck(func(t *rapid.T) {
		list := rapid.SliceOfN(users(), 1, 5).Draw(t, "users")
		// Days that repeat and years that cannot be written stand beside each other in turn.
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(list)-1), 0, 5).Draw(t, "again") {
			list = append(list, list[i])
		}
		if got, want := string(AppendUsers(nil, list)), reference(t, list); got != want {
			t.Fatalf("got\n%s, want\n%s", got, want)
		}
	}))
}

func BenchmarkAppendUsers(b *testing.B) {
	list := make([]User, DefaultLimit)
	for i := range list {
		list[i] = ada()
		list[i].Name = "Ada Lovelace"
	}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = AppendUsers(buffer[:0], list)
	}
	b.SetBytes(int64(len(buffer)))
}
