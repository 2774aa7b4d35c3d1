package memory

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// compareEntries is the order of a tree whose ties are told by id.
func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
}

func newTree() *tree { return &tree{tie: func(a, b entry) int { return cmp.Compare(a.id, b.id) }} }

// sound fails the test unless the tree holds exactly these entries and its nodes say so.
func sound(t rapid.TB, tr *tree, want []entry) {
	t.Helper()
	if tr.size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", tr.size(), len(want))
	}
	var got []entry
	depths := make(map[int]bool)
	var look func(n *node, depth int) int64
	look = func(n *node, depth int) int64 {
		if len(n.entries) == 0 || len(n.entries) > fanout {
			t.Fatalf("a node with %d entries", len(n.entries))
		}
		if n.children == nil {
			depths[depth] = true
			got = append(got, n.entries...)
			return int64(len(n.entries))
		}
		var sum int64
		for i, child := range n.children {
			below := look(child, depth+1)
			if n.counts[i] != below || n.entries[i] != child.entries[0] {
				t.Fatalf("child %d: count %d and first %v, want %d and %v", i, n.counts[i], n.entries[i], below, child.entries[0])
			}
			sum += below
		}
		return sum
	}
	if tr.root != nil {
		look(tr.root, 0)
	}
	if len(depths) > 1 {
		t.Fatalf("leaves at the depths %v", depths)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the tree holds %v, want %v", got, want)
	}
}

// reads fails the test unless the tree finds ranks and walks from them as the sorted entries do.
func reads(t rapid.TB, tr *tree, want []entry, n int64, e entry) {
	t.Helper()
	rank, _ := slices.BinarySearchFunc(want, e, compareEntries)
	if got := tr.rank(func(other entry) bool { return compareEntries(other, e) < 0 }); got != int64(rank) {
		t.Fatalf("rank of %v is %d, want %d", e, got, rank)
	}
	n = min(n, int64(len(want)))
	var up, down []int64
	tr.ascend(n, func(id int64) bool { up = append(up, id); return len(up) < 100 })
	tr.descend(n, func(id int64) bool { down = append(down, id); return len(down) < 100 })
	for i := range 100 {
		if at := int(n) + i; at < len(want) && (i >= len(up) || up[i] != want[at].id) {
			t.Fatalf("ascend(%d) gives %v", n, up)
		}
		if at := int(n) - 1 - i; at >= 0 && (i >= len(down) || down[i] != want[at].id) {
			t.Fatalf("descend(%d) gives %v", n, down)
		}
	}
	if int64(len(up)) > int64(len(want))-n || int64(len(down)) > n {
		t.Fatalf("from %d up %d and down %d of %d entries", n, len(up), len(down), len(want))
	}
}

func TestTree(t *testing.T) {
	orders := map[string]func(i int) uint64{
		"rising":     func(i int) uint64 { return uint64(i) },
		"falling":    func(i int) uint64 { return uint64(1<<20 - i) },
		"equal":      func(int) uint64 { return 7 },
		"in groups":  func(i int) uint64 { return uint64(i % 5) },
		"everywhere": func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 },
	}
	for name, key := range orders {
		t.Run("is sound while keys come "+name+" and go at random", func(t *testing.T) {
			const most = 20_000
			tr, want := newTree(), []entry{}
			for i := range most {
				e := entry{key(i), int64(i)}
				tr.insert(e)
				want = append(want, e)
			}
			slices.SortFunc(want, compareEntries)
			sound(t, tr, want)
			random := rand.New(rand.NewPCG(1, 2))
			for len(want) > 0 {
				for range min(len(want), 1+len(want)/3) {
					i := random.IntN(len(want))
					tr.remove(want[i])
					want = slices.Delete(want, i, i+1)
				}
				sound(t, tr, want)
				reads(t, tr, want, random.Int64N(int64(len(want))+1), entry{random.Uint64(), 3})
			}
		})
	}
	t.Run("what comes in order fills its leaves", func(t *testing.T) {
		for _, name := range []string{"rising", "falling"} {
			tr := newTree()
			for i := range 64 * fanout {
				tr.insert(entry{orders[name](i), int64(i)})
			}
			leaves := 0
			var count func(n *node)
			count = func(n *node) {
				if n.children == nil {
					leaves++
				}
				for _, child := range n.children {
					count(child)
				}
			}
			count(tr.root)
			if leaves > 66 {
				t.Errorf("%s: %d leaves for the entries of 64", name, leaves)
			}
		}
	})
	t.Run("behaves as a sorted slice", rapid.MakeCheck(func(t *rapid.T) {
		tr, want := newTree(), []entry{}
		id := int64(0)
		key := rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Uint64())
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				first := key.Draw(t, "key")
				for i := range rapid.IntRange(1, 200).Draw(t, "count") {
					id++
					e := entry{first + uint64(i%3), id}
					tr.insert(e)
					at, _ := slices.BinarySearchFunc(want, e, compareEntries)
					want = slices.Insert(want, at, e)
				}
			},
			"remove": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("nothing to remove")
				}
				at := rapid.IntRange(0, len(want)-1).Draw(t, "at")
				for range min(rapid.IntRange(1, 300).Draw(t, "count"), len(want)-at) {
					tr.remove(want[at])
					want = slices.Delete(want, at, at+1)
				}
			},
			"": func(t *rapid.T) {
				sound(t, tr, want)
				n := rapid.Int64Range(0, int64(len(want))).Draw(t, "from")
				reads(t, tr, want, n, entry{key.Draw(t, "key"), rapid.Int64Range(0, id+1).Draw(t, "id")})
			},
		})
	}))
}
