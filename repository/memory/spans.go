package memory

import (
	"math"

	"userapi/models"
)

// span bounds the times of the users of some pages of the ledger. It may be wider than they are: it
// grows with every user who comes, and shrinks for none who goes.
type span struct {
	firstCreated, lastCreated, lastUpdated models.Timestamp
}

// spans holds a span for each page of the ledger, and one for each group of pages. Users mostly come
// in the order of their times, so that a look at a few spans finds where an interval begins.
type spans struct {
	pages, groups []span
}

// groupPages is how many pages share the span of a group.
const groupPages = 64

// widen takes a user into the spans of its page.
func (s *spans) widen(user *models.User) {
	index := (user.ID - 1) / pageSize
	s.pages = widened(s.pages, index, user)
	s.groups = widened(s.groups, index/groupPages, user)
}

func widened(spans []span, index int64, user *models.User) []span {
	for index >= int64(len(spans)) {
		spans = append(spans, span{math.MaxInt64, math.MinInt64, math.MinInt64})
	}
	at := &spans[index]
	at.firstCreated = min(at.firstCreated, user.CreatedAt)
	at.lastCreated = max(at.lastCreated, user.CreatedAt)
	at.lastUpdated = max(at.lastUpdated, user.UpdatedAt)
	return spans
}

// meets says whether a user in the span can meet the conditions on times.
func (s *span) meets(f *models.Filter) bool {
	return (f.CreatedAfter == nil || s.lastCreated > *f.CreatedAfter) &&
		(f.CreatedBefore == nil || s.firstCreated < *f.CreatedBefore) &&
		(f.UpdatedAfter == nil || s.lastUpdated > *f.UpdatedAfter)
}

// next returns the first page from the index on in which users can meet the conditions on times.
func (s *spans) next(index int64, f *models.Filter) int64 {
	for end := int64(len(s.pages)); index < end; {
		switch {
		case index%groupPages == 0 && !s.groups[index/groupPages].meets(f):
			index += groupPages
		case !s.pages[index].meets(f):
			index++
		default:
			return index
		}
	}
	return int64(len(s.pages))
}

// previous returns the last page up to the index in which users can meet them, or a negative number.
func (s *spans) previous(index int64, f *models.Filter) int64 {
	for index >= 0 {
		switch {
		case index%groupPages == groupPages-1 && !s.groups[index/groupPages].meets(f):
			index -= groupPages
		case !s.pages[index].meets(f):
			index--
		default:
			return index
		}
	}
	return -1
}
