package memory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/models"
)

// gramsOf returns the index of substrings of the users of a ledger.
func gramsOf(users *ledger) *grams {
	g := new(grams)
	users.visit(1, func(user *models.User) bool {
		g.add(user)
		return true
	})
	return g
}

// found returns the ids of all blocks that may hold a text.
func found(g *grams, text string) map[int64]bool {
	ids := make(map[int64]bool)
	for _, start := range g.blocks(needleOf(models.FoldName(text))) {
		for id := start; id < start+blockSize; id++ {
			ids[id] = true
		}
	}
	return ids
}

func TestGrams(t *testing.T) {
	words := []string{"Ada", "GRACE", "Straße", "Ёлка", "日本", "o'neil", "x", "zz-top", "👩‍🔬", "Ⅷ"}
	t.Run("misses no part of a name or an address, whatever changes", rapid.MakeCheck(func(t *rapid.T) {
		users, g := new(ledger), new(grams)
		word := rapid.SampledFrom(words)
		id := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				id += rapid.SampledFrom([]int64{1, 1, 1, blockSize, chunkSize}).Draw(t, "step")
				user := models.User{ID: id, Name: word.Draw(t, "name") + word.Draw(t, "more"), Email: fmt.Sprintf("%s%d@x.io", word.Draw(t, "local"), id)}
				users.put(&user)
				g.add(&user)
			},
			"replace": func(t *rapid.T) {
				old := users.get(rapid.Int64Range(1, id+1).Draw(t, "id"))
				if old == nil {
					t.Skip("nobody is there")
				}
				before, after := *old, *old
				after.Name = word.Draw(t, "name")
				users.put(&after)
				g.replace(&before, &after, users)
			},
			"drop": func(t *rapid.T) {
				old := users.get(rapid.Int64Range(1, id+1).Draw(t, "id"))
				if old == nil {
					t.Skip("nobody is there")
				}
				gone := old.ID
				users.remove(gone)
				g.drop(gone, users)
			},
			"": func(t *rapid.T) {
				users.visit(1, func(user *models.User) bool {
					for _, text := range []string{models.FoldName(user.Name), models.FoldName(user.Email)} {
						from := rapid.IntRange(0, len(text)-1).Draw(t, "from")
						part := text[from:rapid.IntRange(from+1, len(text)).Draw(t, "to")]
						rows := needleOf(part)
						if first, last := g.next(user.ID, rows); first != user.ID || last < first {
							t.Fatalf("next(%d) for %q is %d to %d", user.ID, part, first, last)
						}
						if first, last := g.previous(user.ID, rows); last != user.ID || first > last {
							t.Fatalf("previous(%d) for %q is %d to %d", user.ID, part, first, last)
						}
					}
					return true
				})
			},
		})
	}))
	t.Run("names few blocks in vain", func(t *testing.T) {
		users := new(ledger)
		random := rand.New(rand.NewPCG(1, 2))
		letters := func(n int) string {
			var text strings.Builder
			for range n {
				text.WriteByte(byte('a' + random.IntN(26)))
			}
			return text.String()
		}
		const count = 20_000
		for id := int64(1); id <= count; id++ {
			users.put(&models.User{ID: id, Name: letters(6) + " " + letters(9), Email: letters(10) + "@example.com"})
		}
		g := gramsOf(users)
		for _, text := range []string{"qx7", "%%%", "jqzwxy", "someone@nowhere"} {
			if n := len(found(g, text)); n > count/20 {
				t.Errorf("%q, which nobody has, may be with %d of %d", text, n, count)
			}
		}
		if n := len(found(g, "example")); n < count {
			t.Errorf("a text that all have may be with %d of %d", n, count)
		}
	})
	t.Run("forgets in time what was replaced, and all of what is gone", func(t *testing.T) {
		users := new(ledger)
		for id := int64(1); id <= chunkSize; id++ {
			users.put(&models.User{ID: id, Name: "Wanderer", Email: "a@b.io"})
		}
		g := gramsOf(users)
		for id := int64(1); id <= chunkSize; id++ {
			before := *users.get(id)
			after := before
			after.Name = "Settled"
			users.put(&after)
			g.replace(&before, &after, users)
		}
		if n := len(found(g, "wanderer")); n != 0 {
			t.Errorf("a name that nobody has any more may be with %d", n)
		}
		if n := len(found(g, "settled")); n != chunkSize {
			t.Errorf("a name that all have may be with %d", n)
		}
		for id := int64(1); id <= chunkSize; id++ {
			users.remove(id)
			g.drop(id, users)
		}
		if g.chunks[0] != nil {
			t.Error("a chunk without users is kept")
		}
	})
	t.Run("costs 50 octets a user at most", func(t *testing.T) {
		if size := gramRows * 8 / chunkSize; size > 50 {
			t.Errorf("%d octets for each of %d users", size, chunkSize)
		}
	})
}
