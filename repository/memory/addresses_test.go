package memory

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"userapi/models"
)

func TestAddresses(t *testing.T) {
	t.Run("behaves as a map from key to id", rapid.MakeCheck(func(t *rapid.T) {
		users := new(ledger)
		a, want := newAddresses(users), make(map[string]int64)
		var taken []string
		id := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 3000).Draw(t, "count") {
					id++
					user := models.User{ID: id, Email: fmt.Sprintf("U%d@example.com", id)}
					users.put(&user)
					key := models.EmailKey(user.Email)
					a.add(key, id)
					want[key] = id
					taken = append(taken, key)
				}
			},
			"remove": func(t *rapid.T) {
				for range rapid.IntRange(1, 2000).Draw(t, "count") {
					if len(taken) == 0 {
						return
					}
					at := rapid.IntRange(0, len(taken)-1).Draw(t, "at")
					key := taken[at]
					taken[at] = taken[len(taken)-1]
					taken = taken[:len(taken)-1]
					a.remove(key, want[key])
					users.remove(want[key])
					delete(want, key)
				}
			},
			"": func(t *rapid.T) {
				for key, id := range want {
					if got := a.find(key); got != id {
						t.Fatalf("find(%q) = %d, want %d", key, got, id)
					}
				}
				for _, key := range []string{"", "u0@example.com", fmt.Sprintf("u%d@example.com", id+1)} {
					if got := a.find(key); got != 0 {
						t.Fatalf("find(%q) = %d, but nobody has it", key, got)
					}
				}
			},
		})
	}))
}
