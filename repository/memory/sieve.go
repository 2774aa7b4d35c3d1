package memory

import "userapi/models"

// sieve is the ledger as a sequence of which only those parts are visited where users may meet the
// conditions of a filter: blocks that may hold its text, pages that may lie within its times.
type sieve struct {
	*ledger
	grams  *grams
	spans  *spans
	needle needle // nil for no text
	filter *models.Filter
}

func (s *sieve) ascend(n int64, do func(*models.User) bool) {
	if n >= s.count {
		return
	}
	for id := s.idOf(n); ; {
		page := s.spans.next((id-1)/pageSize, s.filter)
		first, last := max(id, page*pageSize+1), (page+1)*pageSize
		if page >= int64(len(s.pages)) {
			return
		}
		if s.needle != nil {
			first, last = s.grams.next(first, s.needle)
			if first < 0 {
				return
			}
			if first > (page+1)*pageSize { // on another page, which may be out of time
				id = first
				continue
			}
		}
		if !s.between(first, last, do) {
			return
		}
		id = last + 1
	}
}

func (s *sieve) descend(n int64, do func(*models.User) bool) {
	if n <= 0 {
		return
	}
	for id := s.idOf(n - 1); id > 0; {
		page := s.spans.previous((id-1)/pageSize, s.filter)
		first, last := page*pageSize+1, min(id, (page+1)*pageSize)
		if page < 0 {
			return
		}
		if s.needle != nil {
			first, last = s.grams.previous(last, s.needle)
			if first < 0 {
				return
			}
			if first <= page*pageSize {
				id = last
				continue
			}
		}
		if !s.betweenBack(first, last, do) {
			return
		}
		id = first - 1
	}
}

// idOf returns the id of the n-th user.
func (s *sieve) idOf(n int64) int64 {
	index, n := s.page(n)
	return index*pageSize + s.pages[index].slot(n) + 1
}
