package main

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	errNotFound   = errors.New("user not found")
	errEmailTaken = errors.New("email already registered")
)

// user has the members of contract 1, encoded by their tags.
type user struct {
	ID        int       `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Age       *int      `json:"age"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int       `json:"version"`
}

type userInput struct {
	Name  string `json:"name"  binding:"required,min=1,max=100"`
	Email string `json:"email" binding:"required,email"`
	Age   *int   `json:"age"   binding:"omitempty,gte=1,lte=150"`
}

type pageQuery struct {
	Limit int `form:"limit" binding:"gte=1,lte=1000"`
	Skip  int `form:"skip"  binding:"gte=0"`
}

// store is as good as a tutorial gets: the index of addresses spares a scan at each create, and
// the ids are kept in order so that a page needs no sorting.
type store struct {
	mu     sync.RWMutex
	users  map[int]user
	emails map[string]int
	ids    []int
	nextID int
}

func newStore() *store {
	return &store{users: make(map[int]user), emails: make(map[string]int), nextID: 1}
}

func (s *store) create(in userInput) (user, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	key := strings.ToLower(in.Email)
	if _, taken := s.emails[key]; taken {
		return user{}, errEmailTaken
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	u := user{
		ID: s.nextID, Name: in.Name, Email: in.Email, Age: in.Age,
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	s.nextID++
	s.users[u.ID] = u
	s.emails[key] = u.ID
	s.ids = append(s.ids, u.ID)
	return u, nil
}

func (s *store) get(id int) (user, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()

	u, ok := s.users[id]
	return u, ok
}

func (s *store) list(skip, limit int) []user {
	s.mu.RLock()
	defer s.mu.RUnlock()

	items := make([]user, 0, limit)
	if skip >= len(s.ids) {
		return items
	}
	for _, id := range s.ids[skip:min(skip+limit, len(s.ids))] {
		items = append(items, s.users[id])
	}
	return items
}

func (s *store) update(id int, in userInput) (user, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	u, ok := s.users[id]
	if !ok {
		return user{}, errNotFound
	}
	key := strings.ToLower(in.Email)
	if owner, taken := s.emails[key]; taken && owner != id {
		return user{}, errEmailTaken
	}
	delete(s.emails, strings.ToLower(u.Email))
	s.emails[key] = id
	u.Name, u.Email, u.Age = in.Name, in.Email, in.Age
	u.UpdatedAt = time.Now().UTC().Truncate(time.Microsecond)
	u.Version++
	s.users[id] = u
	return u, nil
}

func (s *store) remove(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	u, ok := s.users[id]
	if !ok {
		return false
	}
	delete(s.users, id)
	delete(s.emails, strings.ToLower(u.Email))
	if at, found := slices.BinarySearch(s.ids, id); found {
		s.ids = slices.Delete(s.ids, at, at+1)
	}
	return true
}
