package main

import (
	"errors"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	errNotFound   = errors.New("user not found")
	errEmailTaken = errors.New("email already registered")
	errStale      = errors.New("user has changed")
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

// userPatch has nil for what stays as it is; a tutorial has no way to clear an age.
type userPatch struct {
	Name  *string `json:"name"  binding:"omitempty,min=1,max=100"`
	Email *string `json:"email" binding:"omitempty,email"`
	Age   *int    `json:"age"   binding:"omitempty,gte=1,lte=150"`
}

type pageQuery struct {
	Limit  int    `form:"limit"   binding:"gte=1,lte=1000"`
	Skip   int    `form:"skip"    binding:"gte=0"`
	AgeMin int    `form:"age_min" binding:"omitempty,gte=1,lte=150"`
	Sort   string `form:"sort"    binding:"omitempty,oneof=created_at -created_at"`
}

func (u user) etag() string { return strconv.Quote(strconv.Itoa(u.Version)) }

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

// find filters by a scan and sorts what is left.
func (s *store) find(q pageQuery) []user {
	s.mu.RLock()
	found := []user{}
	for _, id := range s.ids {
		if u := s.users[id]; q.AgeMin == 0 || u.Age != nil && *u.Age >= q.AgeMin {
			found = append(found, u)
		}
	}
	s.mu.RUnlock()

	if q.Sort != "" {
		sort.Slice(found, func(i, j int) bool {
			if q.Sort == "-created_at" {
				i, j = j, i
			}
			return found[i].CreatedAt.Before(found[j].CreatedAt)
		})
	}
	return found[min(q.Skip, len(found)):min(q.Skip+q.Limit, len(found))]
}

func (s *store) patch(id int, in userPatch, match string) (user, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	u, ok := s.users[id]
	if !ok {
		return user{}, errNotFound
	}
	if match != "" && match != u.etag() {
		return user{}, errStale
	}
	if in.Email != nil {
		key := strings.ToLower(*in.Email)
		if owner, taken := s.emails[key]; taken && owner != id {
			return user{}, errEmailTaken
		}
		delete(s.emails, strings.ToLower(u.Email))
		s.emails[key] = id
		u.Email = *in.Email
	}
	if in.Name != nil {
		u.Name = *in.Name
	}
	if in.Age != nil {
		u.Age = in.Age
	}
	u.UpdatedAt = time.Now().UTC().Truncate(time.Microsecond)
	u.Version++
	s.users[id] = u
	return u, nil
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
