package memory

import (
	"context"
	"math"
	"slices"
	"sync"

	"userapi/models"
)

// lateIndexes is how many orders have an index besides those that always have one.
const lateIndexes = 6

// demand counts how often orders are asked for that have no index of the first hour, so that the few
// late ones are in those that are asked for most. Scores are bounded and halved every so often:
// what nobody asks for any more gives way soon. It is safe for concurrent use.
type demand struct {
	mu     sync.Mutex
	scores map[string]int
	asked  int
}

const (
	mostScore   = 64 // also after how many questions all scores are halved
	mostWishes  = 64 // orders that have a score
	clearlyMore = 8
)

// ask counts a question and returns the score of the order.
func (d *demand) ask(order models.Order) int {
	name := order.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.scores == nil {
		d.scores = make(map[string]int)
	}
	if d.asked++; d.asked%mostScore == 0 {
		for other, score := range d.scores {
			if d.scores[other] = score / 2; score < 2 {
				delete(d.scores, other)
			}
		}
	}
	score, known := d.scores[name]
	if known || len(d.scores) < mostWishes {
		score = min(score+1, mostScore)
		d.scores[name] = score
	}
	return score
}

func (d *demand) score(order models.Order) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.scores[order.String()]
}

// indexIn returns the index in an order, if it is complete; else whether it is worth to wait for one
// and there is room for it.
func (s *Store) indexIn(order models.Order) (x *index, room bool) {
	at := slices.IndexFunc(s.indexes, func(x *index) bool { return slices.Equal(x.order, order) })
	if 0 <= at && at < len(alwaysIndexed) {
		return s.indexes[at], true
	}
	score := s.demand.ask(order)
	if at >= 0 && s.indexes[at].filled == complete {
		return s.indexes[at], true
	}
	return nil, at >= 0 || s.place(score) >= 0
}

// place returns where an order of this score can have its index: behind the others or in the place of
// the one that is asked for least, if that is clearly less; or a negative number. An index that somebody is
// making stays.
func (s *Store) place(score int) int {
	if len(s.indexes) < len(alwaysIndexed)+lateIndexes {
		return len(s.indexes)
	}
	least, lowest := -1, math.MaxInt
	for at := len(alwaysIndexed); at < len(s.indexes); at++ {
		x := s.indexes[at]
		if x.makers > 0 {
			continue
		}
		if now := s.demand.score(x.order); now < lowest {
			least, lowest = at, now
		}
	}
	if least < 0 || score <= 2*lowest+clearlyMore {
		return -1
	}
	return least
}

// makeIndex makes an index in an order, or helps to, and lets others in after every few users. When
// there is no room any more, it does nothing.
func (s *Store) makeIndex(ctx context.Context, order models.Order) error {
	x, err := s.claim(ctx, order)
	if err != nil || x == nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		x.makers--
	}()
	for done := false; !done && err == nil; {
		done, err = s.fill(ctx, x)
	}
	return err
}

// claim returns the index in an order, to be made, or nil when there is no room.
func (s *Store) claim(ctx context.Context, order models.Order) (*index, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(s.indexes, func(x *index) bool { return slices.Equal(x.order, order) })
	if at < 0 {
		switch at = s.place(s.demand.score(order)); {
		case at < 0:
			return nil, nil //nolint:nilnil // nothing to make
		case at == len(s.indexes):
			s.indexes = append(s.indexes, newIndex(&s.users, order))
		default:
			s.indexes[at] = newIndex(&s.users, order)
		}
	}
	s.indexes[at].makers++
	return s.indexes[at], nil
}

// fillStep is how many users an index takes in while everybody waits.
const fillStep = 128

func (s *Store) fill(ctx context.Context, x *index) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return false, err
	}
	return x.fill(fillStep), nil
}
