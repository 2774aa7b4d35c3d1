package memory

import (
	"cmp"
	"math"
	"unicode/utf8"

	"userapi/models"
)

// index holds all users in one order. What it knows of a user it reads in the ledger, but for the
// first eight octets of the sorted values, which it keeps beside the id.
//
// An index that is made late is filled little by little, in the order of the ids, while the store
// goes on: a user whose id is not above filled is in it, and all others are not.
type index struct {
	tree
	order  models.Order
	users  *ledger
	filled int64
	// exact says that the eight octets are all there is to compare before the id.
	exact bool
	// makers is the number of those who are filling the index.
	makers int
}

// complete is the filled of an index that has every user, also those to come.
const complete = math.MaxInt64

const (
	// keyBits is the size of an entry's key.
	keyBits = 64
	// unknownAge stands in a key for no age, behind all ages.
	unknownAge = 255
)

func newIndex(users *ledger, order models.Order) *index {
	x := &index{order: order, users: users}
	x.exact = true
	room := keyBits
	for _, s := range order {
		if room -= keyWidth(s.Key); room < 0 {
			x.exact = false
		}
	}
	x.tie = func(a, b entry) int {
		if x.exact {
			return cmp.Compare(a.id, b.id)
		}
		return x.order.Compare(x.users.get(a.id), x.users.get(b.id))
	}
	return x
}

// keyWidth is how many bits of a key say all about a member, which for a text is more than there are.
func keyWidth(key models.Key) int {
	switch key {
	case models.KeyAge:
		return 8
	case models.KeyName, models.KeyEmail:
		return keyBits + 1
	case models.KeyID, models.KeyCreatedAt, models.KeyUpdatedAt:
	}
	return keyBits
}

// entryOf returns the entry of a user.
func (x *index) entryOf(user *models.User) entry {
	return entry{keyOf(x.order, user), user.ID}
}

// keyOf puts as much of the sorted values into 64 bits as goes in, so that of two users the one with
// the smaller key stands first. What stands behind a text does not go in.
func keyOf(order models.Order, user *models.User) (key uint64) {
	if len(order) == 0 {
		return uint64(user.ID) //nolint:gosec // not negative
	}
	room := keyBits
	for _, s := range order {
		var value uint64 // its first bit is the highest
		width := keyBits
		switch s.Key {
		case models.KeyAge:
			width = 8
			rank := uint64(user.Age)
			if s.Descending {
				rank = 254 - rank
			}
			if user.Age == 0 {
				rank = unknownAge
			}
			value = rank << (keyBits - 8)
		case models.KeyName:
			value = headOf(user.Name)
		case models.KeyEmail:
			value = headOf(user.Email)
		case models.KeyID:
			value = uint64(user.ID) //nolint:gosec // not negative
		case models.KeyCreatedAt:
			value = uint64(user.CreatedAt) ^ 1<<63 //nolint:gosec // the bit sorts what is negative
		case models.KeyUpdatedAt:
			value = uint64(user.UpdatedAt) ^ 1<<63 //nolint:gosec // as above
		}
		if s.Descending && s.Key != models.KeyAge {
			value = ^value
		}
		key |= value >> (keyBits - room)
		if room -= width; room <= 0 {
			break
		}
	}
	return key
}

// headOf returns the first eight octets of the folded text, filled up with zeros.
func headOf(text string) (head uint64) {
	const size = keyBits / 8
	for i := range min(len(text), size) {
		c := text[i]
		if c >= utf8.RuneSelf {
			return headOfFolded(models.FoldName(text))
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		head |= uint64(c) << (keyBits - 8 - 8*i)
	}
	return head
}

func headOfFolded(text string) (head uint64) {
	for i := range min(len(text), keyBits/8) {
		head |= uint64(text[i]) << (keyBits - 8 - 8*i)
	}
	return head
}

// add and drop put a user of the ledger in and take it out, unless the index has yet to come to it.
// A user is dropped before the ledger changes and added afterwards.
func (x *index) add(user *models.User) {
	if user.ID <= x.filled {
		x.insert(x.entryOf(user))
	}
}

func (x *index) drop(user *models.User) {
	if user.ID <= x.filled {
		x.remove(x.entryOf(user))
	}
}

// same says whether two states of a user have one place in the index.
func (x *index) same(a, b *models.User) bool { return x.order.Compare(a, b) == 0 }

// fill takes in some of the users whose turn has come and says whether that was all.
func (x *index) fill(most int) bool {
	if x.filled == complete {
		return true
	}
	left := most
	at := x.users.visit(x.filled+1, func(user *models.User) bool {
		x.insert(x.entryOf(user))
		left--
		return left > 0
	})
	if x.filled = at; left > 0 {
		x.filled = complete
	}
	return left > 0
}

// place returns how many users stand before a user, who need not be in the index, or at its place
// when behind is set.
func (x *index) place(user *models.User, behind bool) int64 {
	at := x.entryOf(user)
	return x.rank(func(e entry) bool {
		if e.key != at.key {
			return e.key < at.key
		}
		c := x.order.Compare(x.users.get(e.id), user)
		return c < 0 || c == 0 && behind
	})
}

// interval is within for a side that looks at the first sort alone, which needs no look at the users
// when the keys hold that as it is.
func (x *index) interval(side func(*models.User) int) (from, to int64) {
	if keyWidth(x.order[0].Key) > keyBits || x.order[0].Descending {
		return x.within(side)
	}
	stands := func(e entry) int {
		var user models.User
		switch x.order[0].Key {
		case models.KeyAge:
			if user.Age = models.Age(e.key >> (keyBits - 8)); user.Age == unknownAge {
				user.Age = 0
			}
		case models.KeyCreatedAt:
			user.CreatedAt = models.Timestamp(e.key ^ 1<<63) //nolint:gosec // as keyOf has put it there
		case models.KeyUpdatedAt:
			user.UpdatedAt = models.Timestamp(e.key ^ 1<<63) //nolint:gosec // as above
		case models.KeyID, models.KeyName, models.KeyEmail:
		}
		return side(&user)
	}
	from = x.rank(func(e entry) bool { return stands(e) < 0 })
	to = x.rank(func(e entry) bool { return stands(e) <= 0 })
	return from, to
}

// within returns the numbers of the first user in an interval and of the first one behind it. side
// says where a user stands: before the interval (negative), in it (zero) or behind it.
func (x *index) within(side func(*models.User) int) (from, to int64) {
	from = x.rank(func(e entry) bool { return side(x.users.get(e.id)) < 0 })
	to = x.rank(func(e entry) bool { return side(x.users.get(e.id)) <= 0 })
	return from, to
}

func (x *index) ascend(n int64, do func(*models.User) bool) {
	x.tree.ascend(n, func(id int64) bool { return do(x.users.get(id)) })
}

func (x *index) descend(n int64, do func(*models.User) bool) {
	x.tree.descend(n, func(id int64) bool { return do(x.users.get(id)) })
}
