package models

import (
	"cmp"
	"slices"
	"strings"
)

// Key is a member of a user by which lists are sorted.
type Key uint8

// The keys, in the order of SortKeys.
const (
	KeyID Key = iota
	KeyName
	KeyEmail
	KeyAge
	KeyCreatedAt
	KeyUpdatedAt
)

// MaxSorts is how many keys one order has at most (contract 4).
const MaxSorts = 3

// SortKeys returns the names of the keys by Key: they are the members of a user.
func SortKeys() []string {
	return []string{"id", "name", "email", "age", "created_at", "updated_at"}
}

// String returns the name of the member.
func (k Key) String() string { return SortKeys()[k] }

// Sort is one key of an order and its direction.
type Sort struct {
	Key        Key
	Descending bool
}

// Order is how a list is sorted: by the first key, users who are equal there by the next, and those
// who are equal in all by ascending id. Users without an age come last in either direction. Names
// and addresses stand in the order of their code points after case folding (FoldName), so that
// every store has the same order (contract 4). The zero Order is by id.
//
// An Order in a Query is in its normal form. It is never changed once made.
type Order []Sort

// Normal returns the order without what makes no difference: what stands behind the id, which no two
// users share, and an ascending id at the end.
func (o Order) Normal() Order {
	if at := slices.IndexFunc(o, func(s Sort) bool { return s.Key == KeyID }); at >= 0 {
		o = o[:at+1]
		if !o[at].Descending {
			o = o[:at]
		}
	}
	if len(o) == 0 {
		return nil
	}
	return slices.Clone(o)
}

// String returns the order as the parameter `sort` has it: -age,name.
func (o Order) String() string {
	if len(o) == 0 {
		return KeyID.String()
	}
	words := make([]string, 0, len(o))
	for _, s := range o {
		word := s.Key.String()
		if s.Descending {
			word = "-" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, ",")
}

// Compare returns a negative number when a stands before b, a positive one when it stands behind b,
// and zero when they stand at one place: no two users of one state of a store do, but a user who has
// changed may stand elsewhere than before. It looks at the id and at the members that are keys of
// the order, and at no others.
func (o Order) Compare(a, b *User) int {
	for _, s := range o {
		if c := s.compare(a, b); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ID, b.ID)
}

func (s Sort) compare(a, b *User) int {
	var c int
	switch s.Key {
	case KeyID:
		c = cmp.Compare(a.ID, b.ID)
	case KeyName:
		c = CompareFolded(a.Name, b.Name)
	case KeyEmail:
		c = CompareFolded(a.Email, b.Email)
	case KeyAge:
		if a.Age == 0 || b.Age == 0 {
			return cmp.Compare(b2i(a.Age == 0), b2i(b.Age == 0)) // in either direction
		}
		c = cmp.Compare(a.Age, b.Age)
	case KeyCreatedAt:
		c = cmp.Compare(a.CreatedAt, b.CreatedAt)
	case KeyUpdatedAt:
		c = cmp.Compare(a.UpdatedAt, b.UpdatedAt)
	}
	if s.Descending {
		return -c
	}
	return c
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
