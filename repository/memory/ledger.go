package memory

import (
	"math/bits"
	"slices"
	"sync/atomic"

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
// A snapshot shares the pages with the ledger, which from then on copies a page before it first
// changes it, as long as any snapshot is held.
//
// The zero ledger is empty and ready. It is not safe for concurrent use; the store locks. Only to
// take and release snapshots is safe beside readers, and what a snapshot holds needs no lock.
type ledger struct {
	pages []*page
	// tree[i] is the number of users in the pages that node i+1 of the Fenwick tree covers.
	tree  []int64
	count int64

	// epoch is the number of snapshots taken, held of those that have not been released.
	epoch, held atomic.Int64
}

type page struct {
	users [pageSize]models.User
	used  [pageSize / 64]uint64
	live  int
	// epoch is that of the ledger when the page was made.
	epoch int64
}

// snapshot is the state of a ledger at one moment.
type snapshot struct {
	pages []*page
	of    *ledger
}

// snapshot returns the state as it is now, to be released.
func (l *ledger) snapshot() snapshot {
	l.held.Add(1)
	l.epoch.Add(1)
	return snapshot{slices.Clone(l.pages), l}
}

func (s snapshot) release() { s.of.held.Add(-1) }

// get returns the user with this id, or nil. What it points at is to be read only.
func (s snapshot) get(id int64) *models.User { return find(s.pages, id) }

// get returns the user with this id, or nil. What it points at is the ledger's own, and stays as it is
// when the user is replaced or removed only while a snapshot is held.
func (l *ledger) get(id int64) *models.User { return find(l.pages, id) }

func find(pages []*page, id int64) *models.User {
	index := (id - 1) / pageSize
	if id < 1 || index >= int64(len(pages)) || pages[index] == nil {
		return nil
	}
	p, slot := pages[index], (id-1)%pageSize
	if !p.has(slot) {
		return nil
	}
	return &p.users[slot]
}

// visit calls do for the users from an id on, in order, until it returns false. It returns the id up to
// which it has been.
func (l *ledger) visit(from int64, do func(*models.User) bool) int64 {
	from = max(from, 1)
	for index := (from - 1) / pageSize; index < int64(len(l.pages)); index++ {
		p := l.pages[index]
		if p == nil {
			continue
		}
		for slot := max(0, from-1-index*pageSize); slot < pageSize; slot++ {
			if p.has(slot) && !do(&p.users[slot]) {
				return p.users[slot].ID
			}
		}
	}
	return int64(len(l.pages)) * pageSize
}

// between visits the users from one id to another, which are on one page, until do returns false; it
// returns whether it never did.
func (l *ledger) between(first, last int64, do func(*models.User) bool) bool {
	if p := l.pages[(first-1)/pageSize]; p != nil {
		for slot := (first - 1) % pageSize; slot <= (last-1)%pageSize; slot++ {
			if p.has(slot) && !do(&p.users[slot]) {
				return false
			}
		}
	}
	return true
}

// betweenBack is between from the last id down.
func (l *ledger) betweenBack(first, last int64, do func(*models.User) bool) bool {
	if p := l.pages[(first-1)/pageSize]; p != nil {
		for slot := (last - 1) % pageSize; slot >= (first-1)%pageSize; slot-- {
			if p.has(slot) && !do(&p.users[slot]) {
				return false
			}
		}
	}
	return true
}

// own returns a page that no snapshot shares, to be changed.
func (l *ledger) own(index int64) *page {
	p, epoch := l.pages[index], l.epoch.Load()
	switch {
	case p == nil:
		p = &page{epoch: epoch}
		l.pages[index] = p
	case p.epoch < epoch && l.held.Load() > 0:
		copied := *p
		p = &copied
		p.epoch = epoch
		l.pages[index] = p
	}
	return p
}

// put stores the user under its id, in place of one that may be there.
func (l *ledger) put(user *models.User) {
	index, slot := (user.ID-1)/pageSize, (user.ID-1)%pageSize
	for index >= int64(len(l.pages)) {
		l.grow()
	}
	p := l.own(index)
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
	p := l.own(index)
	p.users[slot] = models.User{}
	p.used[slot/64] &^= 1 << (slot % 64)
	p.live--
	l.add(index, -1)
	if p.live == 0 {
		l.pages[index] = nil
	}
}

// size, place, ascend and descend make the ledger a sequence, in the order of the ids.

func (l *ledger) size() int64 { return l.count }

func (l *ledger) place(at *models.User, behind bool) int64 {
	n := l.before(at.ID)
	if behind && l.get(at.ID) != nil {
		n++
	}
	return n
}

func (l *ledger) ascend(n int64, do func(*models.User) bool) {
	if n < l.count {
		index, n := l.page(n)
		l.visit(index*pageSize+l.pages[index].slot(n)+1, do)
	}
}

func (l *ledger) descend(n int64, do func(*models.User) bool) {
	if n > 0 {
		index, n := l.page(n - 1)
		last := index*pageSize + l.pages[index].slot(n) + 1
		for ; index >= 0 && l.betweenBack(index*pageSize+1, last, do); index-- {
			last = index * pageSize
		}
	}
}

// before returns how many users have an id smaller than id.
func (l *ledger) before(id int64) int64 {
	if id <= 1 {
		return 0
	}
	index := (id - 1) / pageSize
	if index >= int64(len(l.pages)) {
		return l.count
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
	if n >= l.count {
		return dst
	}
	index, n := l.page(n)
	for want := len(dst) + limit; index < int64(len(l.pages)) && len(dst) < want; index++ {
		if p := l.pages[index]; p != nil {
			dst = p.collect(dst, int(n), want)
			n = 0
		}
	}
	return dst
}

// page returns the index of the page that holds the n-th user, and which of its users that is.
func (l *ledger) page(n int64) (index, ofPage int64) {
	for step := int64(1) << (bits.Len(uint(len(l.tree))) - 1); step > 0; step >>= 1 {
		if next := index + step; next <= int64(len(l.tree)) && l.tree[next-1] <= n {
			index = next
			n -= l.tree[next-1]
		}
	}
	return index, n
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
	l.count += delta
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

// slot returns the slot of the n-th user of the page.
func (p *page) slot(n int64) int64 {
	for i, word := range p.used {
		if count := int64(bits.OnesCount64(word)); n >= count {
			n -= count
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return int64(i*64 + bits.TrailingZeros64(word))
	}
	return pageSize
}
