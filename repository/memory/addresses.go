package memory

import (
	"hash/maphash"

	"userapi/models"
)

// addresses finds users by their addresses. It is a hash table that holds ids alone, since the
// addresses themselves are in the ledger: less than half of what a map with strings for its keys takes, and
// without pointers for the garbage collector. It is cut into many small tables, so that nobody waits
// long for one to grow.
//
// Beside each id stands the hash of its address, so that to grow means to look at no users, and to find
// one means to look at hardly any other. A slot without an id is free; collisions go to the next slot
// (linear probing).
type addresses struct {
	seed   maphash.Seed
	users  *ledger
	shards [1 << shardBits]shard
}

type shard struct {
	ids    []int64 // a power of two of them
	hashes []uint32
	count  int
}

const (
	shardBits = 8
	leastSize = 8
)

func newAddresses(users *ledger) *addresses {
	return &addresses{seed: maphash.MakeSeed(), users: users}
}

// place returns the shard of an address and the hash that places it there.
func (a *addresses) place(key string) (*shard, uint32) {
	hash := maphash.String(a.seed, key)
	return &a.shards[hash>>(64-shardBits)], uint32(hash) //nolint:gosec // other bits
}

// find returns the id of the user whose address has the key, or zero.
func (a *addresses) find(key string) int64 {
	s, hash := a.place(key)
	if s.count == 0 {
		return 0
	}
	mask := uint32(len(s.ids) - 1) //nolint:gosec // small
	i := hash & mask
	for s.ids[i] != 0 && (s.hashes[i] != hash || models.EmailKey(a.users.get(s.ids[i]).Email) != key) {
		i = (i + 1) & mask
	}
	return s.ids[i]
}

// add notes that the address with this key, which nobody has, is that of a user.
func (a *addresses) add(key string, id int64) {
	s, hash := a.place(key)
	if (s.count+1)*4 > len(s.ids)*3 {
		s.grow()
	}
	s.count++
	s.put(hash, id)
}

// remove forgets the address of a user, which has this key.
func (a *addresses) remove(key string, id int64) {
	s, hash := a.place(key)
	mask := uint32(len(s.ids) - 1) //nolint:gosec // small
	i := hash & mask
	for s.ids[i] != id {
		i = (i + 1) & mask
	}
	s.count--
	// What stands behind and was pushed there moves up, so that no gap hides it.
	for next := (i + 1) & mask; s.ids[next] != 0; next = (next + 1) & mask {
		home := s.hashes[next] & mask
		if (next-home)&mask >= (next-i)&mask {
			s.ids[i], s.hashes[i] = s.ids[next], s.hashes[next]
			i = next
		}
	}
	s.ids[i] = 0
}

// grow makes room.
func (s *shard) grow() {
	ids, hashes := s.ids, s.hashes
	size := max(leastSize, 2*len(ids))
	s.ids, s.hashes = make([]int64, size), make([]uint32, size)
	for i, id := range ids {
		if id != 0 {
			s.put(hashes[i], id)
		}
	}
}

// put stores an id in the first free slot from where its hash says.
func (s *shard) put(hash uint32, id int64) {
	mask := uint32(len(s.ids) - 1) //nolint:gosec // small
	i := hash & mask
	for s.ids[i] != 0 {
		i = (i + 1) & mask
	}
	s.ids[i], s.hashes[i] = id, hash
}
