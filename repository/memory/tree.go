package memory

import "slices"

// fanout is how many entries a node of a tree holds at most.
const fanout = 64

// entry stands for a user in a tree: the beginning of the values that it is sorted by, which decides
// most comparisons without a look at the user, and the id.
type entry struct {
	key uint64
	id  int64
}

// tree is a B+ tree that counts: it finds the n-th entry and the number of an entry in the depth of
// the tree, which is four or five for ten million. Entries are sorted by their keys, and those of one key by
// tie. Its entries hold no pointers, so the garbage collector passes over them.
//
// A separator in an inner node is always an entry that is in the tree, so that tie never sees a user
// who is gone. The tree is not safe for concurrent use; the store locks.
type tree struct {
	root *node
	// tie compares entries of one key; it returns zero for an entry and itself alone.
	tie func(a, b entry) int
}

// node is a leaf when it has no children. In an inner node, entries[i] is the first entry below
// children[i], and counts[i] the number of entries there.
type node struct {
	entries  []entry
	children []*node
	counts   []int64
}

func (t *tree) size() int64 {
	if t.root == nil {
		return 0
	}
	return t.root.size()
}

func (n *node) size() int64 {
	if n.children == nil {
		return int64(len(n.entries))
	}
	var sum int64
	for _, count := range n.counts {
		sum += count
	}
	return sum
}

// find returns the index of the first entry of the node that does not stand before e.
func (t *tree) find(n *node, e entry) int {
	low, high := 0, len(n.entries)
	if high > 0 && n.entries[high-1].key < e.key { // times mostly come in order
		return high
	}
	for low < high {
		middle := int(uint(low+high) >> 1)
		other := n.entries[middle]
		if other.key < e.key || other.key == e.key && t.tie(other, e) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// child returns the index of the child that e is in or belongs in.
func (t *tree) child(n *node, e entry) int {
	i := t.find(n, e)
	if i < len(n.entries) && n.entries[i] == e {
		return i
	}
	return max(i-1, 0)
}

// insert adds an entry that is not in the tree.
func (t *tree) insert(e entry) {
	if t.root == nil {
		t.root = newLeaf()
	}
	right := t.insertBelow(t.root, e, true, true)
	if right == nil {
		return
	}
	root := newInner()
	root.insertChild(0, t.root)
	root.insertChild(1, right)
	t.root = root
}

// insertBelow adds an entry below a node and returns the node that has to stand right of it, if it
// had to be split. The node stands at the left or at the right end of its level, or at neither.
func (t *tree) insertBelow(n *node, e entry, leftmost, rightmost bool) (right *node) {
	if n.children == nil {
		return t.insertHere(n, e, leftmost, rightmost)
	}
	i := t.child(n, e)
	last := len(n.children) - 1
	split := t.insertBelow(n.children[i], e, leftmost && i == 0, rightmost && i == last)
	n.entries[i] = n.children[i].entries[0]
	n.counts[i]++
	if split == nil {
		return nil
	}
	n.refresh(i)
	if len(n.entries) == fanout {
		at := fanout / 2
		if rightmost && i == last {
			at = fanout - 1
		}
		right = n.splitInner(at)
		if i >= at {
			n, i = right, i-at
		}
	}
	n.insertChild(i+1, split)
	return right
}

// insertHere adds an entry to a leaf. What comes in order, as ids and times do, fills one leaf after
// the other at the end of the tree, instead of leaving halves behind.
func (t *tree) insertHere(n *node, e entry, leftmost, rightmost bool) (right *node) {
	i := t.find(n, e)
	if len(n.entries) == fanout {
		at := fanout / 2
		switch {
		case i == fanout && rightmost:
			at = fanout
		case i == 0 && leftmost:
			at = 0
		}
		right = newLeaf()
		right.entries = append(right.entries, n.entries[at:]...)
		n.entries = n.entries[:at]
		if i > at || i == at && at == fanout {
			n, i = right, i-at
		}
	}
	n.entries = append(n.entries, entry{})
	copy(n.entries[i+1:], n.entries[i:])
	n.entries[i] = e
	return right
}

// remove takes an entry out that is in the tree.
func (t *tree) remove(e entry) {
	t.removeBelow(t.root, e)
	for len(t.root.children) == 1 {
		t.root = t.root.children[0]
	}
	if len(t.root.entries) == 0 {
		t.root = nil
	}
}

func (t *tree) removeBelow(n *node, e entry) {
	if n.children == nil {
		if i := t.find(n, e); i < len(n.entries) && n.entries[i] == e {
			n.entries = slices.Delete(n.entries, i, i+1)
		}
		return
	}
	i := t.child(n, e)
	below := n.children[i]
	t.removeBelow(below, e)
	if len(below.entries) == 0 {
		n.removeChild(i)
		return
	}
	n.entries[i] = below.entries[0]
	n.counts[i]--
	if len(below.entries) < fanout/4 && len(n.children) > 1 {
		n.merge(max(i-1, 0))
	}
}

// merge puts the child after the i-th into the i-th, if there is room enough to insert for a while.
func (n *node) merge(i int) {
	left, right := n.children[i], n.children[i+1]
	if len(left.entries)+len(right.entries) > fanout*3/4 {
		return
	}
	left.entries = append(left.entries, right.entries...)
	left.children = append(left.children, right.children...)
	left.counts = append(left.counts, right.counts...)
	n.removeChild(i + 1)
	n.refresh(i)
}

// rank returns the number of entries at the start of the tree for which before holds; it holds for
// none behind them.
func (t *tree) rank(before func(entry) bool) int64 {
	n := t.root
	if n == nil {
		return 0
	}
	var passed int64
	for {
		low, high := 0, len(n.entries)
		for low < high {
			middle := int(uint(low+high) >> 1)
			if before(n.entries[middle]) {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if n.children == nil {
			return passed + int64(low)
		}
		if low == 0 {
			return passed
		}
		for _, count := range n.counts[:low-1] {
			passed += count
		}
		n = n.children[low-1]
	}
}

// ascend visits the ids from the n-th entry on, until visit returns false.
func (t *tree) ascend(n int64, visit func(id int64) bool) {
	if t.root != nil {
		t.root.ascend(n, visit)
	}
}

func (n *node) ascend(skip int64, visit func(id int64) bool) bool {
	if n.children == nil {
		for i := int(skip); i < len(n.entries); i++ {
			if !visit(n.entries[i].id) {
				return false
			}
		}
		return true
	}
	for i, child := range n.children {
		if skip >= n.counts[i] {
			skip -= n.counts[i]
			continue
		}
		if !child.ascend(skip, visit) {
			return false
		}
		skip = 0
	}
	return true
}

// descend visits the ids before the n-th entry, the nearest first, until visit returns false.
func (t *tree) descend(n int64, visit func(id int64) bool) {
	if t.root != nil {
		t.root.descend(t.root.size()-n, visit)
	}
}

// descend passes over as many entries at the end as skip says.
func (n *node) descend(skip int64, visit func(id int64) bool) bool {
	if n.children == nil {
		for i := len(n.entries) - 1 - int(skip); i >= 0; i-- {
			if !visit(n.entries[i].id) {
				return false
			}
		}
		return true
	}
	for i := len(n.children) - 1; i >= 0; i-- {
		if skip >= n.counts[i] {
			skip -= n.counts[i]
			continue
		}
		if !n.children[i].descend(skip, visit) {
			return false
		}
		skip = 0
	}
	return true
}

func newLeaf() *node { return &node{entries: make([]entry, 0, fanout)} }

func newInner() *node {
	return &node{
		entries:  make([]entry, 0, fanout),
		children: make([]*node, 0, fanout),
		counts:   make([]int64, 0, fanout),
	}
}

// refresh notes anew what stands below the i-th child.
func (n *node) refresh(i int) {
	n.entries[i] = n.children[i].entries[0]
	n.counts[i] = n.children[i].size()
}

func (n *node) insertChild(i int, child *node) {
	n.entries = slices.Insert(n.entries, i, child.entries[0])
	n.children = slices.Insert(n.children, i, child)
	n.counts = slices.Insert(n.counts, i, child.size())
	if i > 0 {
		n.refresh(i - 1) // the child was split off from it
	}
}

func (n *node) removeChild(i int) {
	n.entries = slices.Delete(n.entries, i, i+1)
	n.children = slices.Delete(n.children, i, i+1)
	n.counts = slices.Delete(n.counts, i, i+1)
}

// splitInner leaves the first children to the node and gives the others to a new one.
func (n *node) splitInner(at int) *node {
	right := newInner()
	right.entries = append(right.entries, n.entries[at:]...)
	right.children = append(right.children, n.children[at:]...)
	right.counts = append(right.counts, n.counts[at:]...)
	clear(n.children[at:])
	n.entries, n.children, n.counts = n.entries[:at], n.children[:at], n.counts[:at]
	return right
}
