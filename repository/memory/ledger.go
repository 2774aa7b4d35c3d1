package memory

import (
	"math/bits"

	"userapi/models"
)

// pageSize is how many ids one page of the ledger covers.
const pageSize = 128

// ledger holds users by id and knows the n-th of them. Ids are given in sequence, so it is an array
// of pages in which an id has its fixed slot, and a Fenwick tree over the number of users in each
// page: a look-up is two index operations at any size, and the n-th user one descent of the tree and
// the scan of one bitmap. Users who follow each other lie beside each other, which is most of what a
// list costs. A page whose users are all deleted is given back; what remains of it is one pointer.
//
// The zero ledger is empty and ready. It is not safe for concurrent use; the store locks.
type ledger struct {
	pages []*page
	// tree[i] is the number of users in the pages that node i+1 of the Fenwick tree covers.
	tree []int64
	size int64
}

type page struct {
	users [pageSize]models.User
	used  [pageSize / 64]uint64
	live  int
}

// get returns the user with this id, or nil. What it points at is the ledger's own.
func (l *ledger) get(id int64) *models.User {
	index := (id - 1) / pageSize
	if id < 1 || index >= int64(len(l.pages)) || l.pages[index] == nil {
		return nil
	}
	p, slot := l.pages[index], (id-1)%pageSize
	if !p.has(slot) {
		return nil
	}
	return &p.users[slot]
}

// put stores the user under its id, in place of one that may be there.
func (l *ledger) put(user *models.User) {
	index, slot := (user.ID-1)/pageSize, (user.ID-1)%pageSize
	for index >= int64(len(l.pages)) {
		l.grow()
	}
	p := l.pages[index]
	if p == nil {
		p = new(page)
		l.pages[index] = p
	}
	if !p.has(slot) {
		p.used[slot/64] |= 1 << (slot % 64)
		p.live++
		l.add(index, 1)
	}
	p.users[slot] = *user
}

// remove takes the user with this id out, if it is there.
func (l *ledger) remove(id int64) {
	if l.get(id) == nil {
		return
	}
	index, slot := (id-1)/pageSize, (id-1)%pageSize
	p := l.pages[index]
	p.users[slot] = models.User{}
	p.used[slot/64] &^= 1 << (slot % 64)
	p.live--
	l.add(index, -1)
	if p.live == 0 {
		l.pages[index] = nil
	}
}

// before returns how many users have an id smaller than id.
func (l *ledger) before(id int64) int64 {
	if id <= 1 {
		return 0
	}
	index := (id - 1) / pageSize
	if index >= int64(len(l.pages)) {
		return l.size
	}
	var n int64
	for i := index; i > 0; i &= i - 1 {
		n += l.tree[i-1]
	}
	if p := l.pages[index]; p != nil {
		n += int64(p.rank(int((id - 1) % pageSize)))
	}
	return n
}

// collect appends copies of up to limit users to dst, from the n-th (counted from zero) on.
func (l *ledger) collect(dst []models.User, n int64, limit int) []models.User {
	if n >= l.size {
		return dst
	}
	var index int64
	for step := int64(1) << (bits.Len(uint(len(l.tree))) - 1); step > 0; step >>= 1 {
		if next := index + step; next <= int64(len(l.tree)) && l.tree[next-1] <= n {
			index = next
			n -= l.tree[next-1]
		}
	}
	for want := len(dst) + limit; index < int64(len(l.pages)) && len(dst) < want; index++ {
		if p := l.pages[index]; p != nil {
			dst = p.collect(dst, int(n), want)
			n = 0
		}
	}
	return dst
}

// grow adds one empty page. A new node of a Fenwick tree covers itself and the nodes below it that
// no other node covers yet.
func (l *ledger) grow() {
	node := len(l.tree) + 1
	var sum int64
	for child, end := node-1, node-(node&-node); child > end; child &= child - 1 {
		sum += l.tree[child-1]
	}
	l.pages = append(l.pages, nil)
	l.tree = append(l.tree, sum)
}

func (l *ledger) add(index, delta int64) {
	for i := index + 1; i <= int64(len(l.tree)); i += i & -i {
		l.tree[i-1] += delta
	}
	l.size += delta
}

func (p *page) has(slot int64) bool { return p.used[slot/64]>>(slot%64)&1 != 0 }

// rank returns how many users stand in the slots before slot.
func (p *page) rank(slot int) int {
	n := 0
	for _, word := range p.used[:slot/64] {
		n += bits.OnesCount64(word)
	}
	return n + bits.OnesCount64(p.used[slot/64]&(1<<(slot%64)-1))
}

// collect appends copies of the users from the n-th of the page on, until dst has want of them.
func (p *page) collect(dst []models.User, n, want int) []models.User {
	for i, word := range p.used {
		if count := bits.OnesCount64(word); n >= count {
			n -= count
			continue
		}
		for ; word != 0 && len(dst) < want; word &= word - 1 {
			if n > 0 {
				n--
				continue
			}
			dst = append(dst, p.users[i*64+bits.TrailingZeros64(word)])
		}
	}
	return dst
}
