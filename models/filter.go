package models

import (
	"encoding/binary"
	"slices"
)

// The bounds of filters (contract 4).
const (
	MaxIDs          = 500
	MaxSearchLength = 254 // characters: no member is longer
)

// Filter says which users a list has: those that meet all of its conditions. The zero Filter has
// none, and lets every user through. It is never changed once made.
type Filter struct {
	// Search is a text, folded by FoldName, that is part of the folded name or of the folded
	// address; empty for none.
	Search string
	// EmailKey is the EmailKey of the address; empty for any.
	EmailKey string
	// Name is the whole name, folded by FoldName; empty for any.
	Name string
	// MinAge and MaxAge are the bounds of the age, both included; zero for none. A user without an
	// age is within no bounds.
	MinAge, MaxAge Age
	// CreatedAfter, CreatedBefore and UpdatedAfter are bounds of times, all of them excluded; nil for
	// none.
	CreatedAfter, CreatedBefore, UpdatedAfter *Timestamp
	// IDs are the ids that are let through, sorted and different; nil for any.
	IDs []int64
}

// IsZero says whether the filter has no conditions.
func (f *Filter) IsZero() bool {
	return f.Search == "" && f.EmailKey == "" && f.Name == "" && f.MinAge == 0 && f.MaxAge == 0 &&
		f.CreatedAfter == nil && f.CreatedBefore == nil && f.UpdatedAfter == nil && f.IDs == nil
}

// Matches says whether a user meets all conditions. It looks at the cheap ones first.
func (f *Filter) Matches(u *User) bool {
	switch {
	case f.MinAge != 0 && u.Age < f.MinAge, // an unknown age is zero
		f.MaxAge != 0 && (u.Age == 0 || u.Age > f.MaxAge),
		f.CreatedAfter != nil && u.CreatedAt <= *f.CreatedAfter,
		f.CreatedBefore != nil && u.CreatedAt >= *f.CreatedBefore,
		f.UpdatedAfter != nil && u.UpdatedAt <= *f.UpdatedAfter:
		return false
	}
	if f.IDs != nil {
		if _, found := slices.BinarySearch(f.IDs, u.ID); !found {
			return false
		}
	}
	if f.Name != "" && CompareFolded(u.Name, f.Name) != 0 {
		return false
	}
	if f.EmailKey != "" && EmailKey(u.Email) != f.EmailKey {
		return false
	}
	return f.Search == "" || containsFolded(u.Name, f.Search) || containsFolded(u.Email, f.Search)
}

// Append appends a form of the filter to dst that no other filter has, nor begins with.
func (f *Filter) Append(dst []byte) []byte {
	for _, text := range [...]string{f.Search, f.EmailKey, f.Name} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	dst = append(dst, byte(f.MinAge), byte(f.MaxAge))
	for _, at := range [...]*Timestamp{f.CreatedAfter, f.CreatedBefore, f.UpdatedAfter} {
		if at == nil {
			dst = append(dst, 0)
			continue
		}
		dst = binary.AppendVarint(append(dst, 1), int64(*at))
	}
	if f.IDs == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(f.IDs))+1) // no ids are another filter than any id
	for _, id := range f.IDs {
		dst = binary.AppendVarint(dst, id)
	}
	return dst
}
