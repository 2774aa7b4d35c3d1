package memory

import (
	"hash/maphash"

	"userapi/models"
)

// addresses finds users by their addresses. It is a hash table that holds ids alone, since the
// addresses themselves are in the ledger: a third of what a map with strings for its keys takes, and
// without pointers for the garbage collector. It is cut into many small tables, so that nobody waits
// long for one to grow.
//
// A slot holds an id and, above it, some bits of the hash, which tell most other addresses apart
// without a look at the user. The zero slot is free; collisions go to the next slot (linear probing).
type addresses struct {
	seed   maphash.Seed
	users  *ledger
	shards [1 << shardBits]shard
}

type shard struct {
	slots []uint64 // a power of two of them
	count int
}

const (
	shardBits = 8
	idBits    = 53 // of models.MaxID
	idMask    = 1<<idBits - 1
	leastSize = 8
)

func newAddresses(users *ledger) *addresses {
	return &addresses{seed: maphash.MakeSeed(), users: users}
}

// find returns the id of the user whose address has the key, or zero.
func (a *addresses) find(key string) int64 {
	hash := maphash.String(a.seed, key)
	s := a.shard(hash)
	if s.count == 0 {
		return 0
	}
	if i := s.probe(hash, func(id int64) bool { return models.EmailKey(a.users.get(id).Email) == key }); s.slots[i] != 0 {
		return int64(s.slots[i] & idMask) //nolint:gosec // 53 bits
	}
	return 0
}

// add notes that the address with this key, which nobody has, is that of a user.
func (a *addresses) add(key string, id int64) {
	hash := maphash.String(a.seed, key)
	s := a.shard(hash)
	if (s.count+1)*4 > len(s.slots)*3 {
		a.grow(s)
	}
	s.count++
	s.put(hash, id)
}

// remove forgets the address of a user, which has this key.
func (a *addresses) remove(key string, id int64) {
	hash := maphash.String(a.seed, key)
	s := a.shard(hash)
	i := s.probe(hash, func(other int64) bool { return other == id })
	s.count--
	// What stands behind and was pushed there moves up, so that no gap hides it.
	mask := uint64(len(s.slots) - 1)
	for next := (i + 1) & mask; s.slots[next] != 0; next = (next + 1) & mask {
		home := a.hashOf(s.slots[next]) & mask
		if (next-home)&mask >= (next-i)&mask {
			s.slots[i] = s.slots[next]
			i = next
		}
	}
	s.slots[i] = 0
}

// grow makes room in a shard.
func (a *addresses) grow(s *shard) {
	old := s.slots
	s.slots = make([]uint64, max(leastSize, 2*len(old)))
	for _, slot := range old {
		if slot != 0 {
			s.put(a.hashOf(slot), int64(slot&idMask)) //nolint:gosec // 53 bits
		}
	}
}

// hashOf returns the hash of the address of the user in a slot.
func (a *addresses) hashOf(slot uint64) uint64 {
	user := a.users.get(int64(slot & idMask)) //nolint:gosec // 53 bits
	return maphash.String(a.seed, models.EmailKey(user.Email))
}

// shard takes bits of the hash that neither place a slot nor stand in it.
func (a *addresses) shard(hash uint64) *shard {
	return &a.shards[hash>>(idBits-shardBits)&(1<<shardBits-1)]
}

// put stores an id in the first free slot from where its hash says.
func (s *shard) put(hash uint64, id int64) {
	mask := uint64(len(s.slots) - 1)
	i := hash & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = hash&^idMask | uint64(id) //nolint:gosec // positive
}

// probe returns the index of the slot of an id that is the one, or of the free slot that says that
// there is none.
func (s *shard) probe(hash uint64, is func(id int64) bool) uint64 {
	mask := uint64(len(s.slots) - 1)
	i := hash & mask
	for ; s.slots[i] != 0; i = (i + 1) & mask {
		if (s.slots[i]^hash)&^idMask == 0 && is(int64(s.slots[i]&idMask)) { //nolint:gosec // 53 bits
			break
		}
	}
	return i
}
