package cached

import (
	"errors"
	"sync"

	"userapi/models"
)

// flights are the loads under way in this process, at most one for each user.
type flights [64]struct {
	mu sync.Mutex
	of map[int64]*flight
	_  [48]byte // two locks are not in one line of a processor's cache
}

// flight is one load. Its result is there when done is closed.
type flight struct {
	done chan struct{}
	user models.User
	err  error
}

// errNoResult is that of a flight that has none: its load panicked.
var errNoResult = errors.New("cached: load was abandoned")

// join returns the flight of a user; true when it is a new one, which the caller ends.
func (f *flights) join(id int64) (*flight, bool) {
	part := &f[uint64(id)%uint64(len(f))] //nolint:gosec // ids are positive
	part.mu.Lock()
	defer part.mu.Unlock()
	if current := part.of[id]; current != nil {
		return current, false
	}
	if part.of == nil {
		part.of = make(map[int64]*flight)
	}
	begun := &flight{done: make(chan struct{}), err: errNoResult}
	part.of[id] = begun
	return begun, true
}

func (f *flights) end(id int64, ended *flight) {
	part := &f[uint64(id)%uint64(len(f))] //nolint:gosec // ids are positive
	part.mu.Lock()
	delete(part.of, id)
	part.mu.Unlock()
	close(ended.done)
}
