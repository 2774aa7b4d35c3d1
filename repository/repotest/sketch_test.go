package repotest_test

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sort"
	"sync"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
)

// sketch is the plainest correct store: a slice, and steps that each take the inner lock. It is
// correct only because a method holds the outer lock over all its steps; a flaw takes that away
// from one method, or replaces a part. It yields between steps, so that what can go wrong does.
type sketch struct {
	outer sync.Mutex

	inner  sync.Mutex
	users  []models.User    // in the order of their ids
	owners map[string]int64 // by address
	lastID int64
	closed bool

	// parts that a flaw replaces
	unlocked repotest.Method
	key      func(email string) string
	nextID   func(s *sketch, given models.User) int64
	keep     func(old, changed models.User) models.User
	matches  func(filter *models.Filter, user *models.User) bool
	compare  func(order models.Order, a, b *models.User) int
	// seal keeps the answer of a batch that will not fail any more.
	seal func(kept *repository.Kept) error
	// stands is compare for a user and a place.
	stands func(order models.Order, user, place *models.User) int
}

func newSketch() *sketch {
	return &sketch{
		owners:   make(map[string]int64),
		unlocked: "none",
		key:      models.EmailKey,
		nextID:   func(s *sketch, _ models.User) int64 { return s.lastID + 1 },
		keep: func(old, changed models.User) models.User {
			changed.ID, changed.CreatedAt = old.ID, old.CreatedAt
			return changed
		},
		matches: (*models.Filter).Matches,
		compare: models.Order.Compare,
		stands:  models.Order.Compare,
	}
}

// begin takes the outer lock, unless the method is the flawed one, and returns what releases it.
func (s *sketch) begin(ctx context.Context, method repotest.Method) (release func(), err error) {
	release = func() {}
	if method != s.unlocked {
		s.outer.Lock()
		release = s.outer.Unlock
	}
	if err := ctx.Err(); err != nil {
		return release, err
	}
	return release, s.step(func() error {
		if s.closed {
			return models.ErrUnavailable
		}
		return nil
	})
}

// step runs one step under the inner lock.
func (s *sketch) step(do func() error) error {
	runtime.Gosched()
	s.inner.Lock()
	defer s.inner.Unlock()
	return do()
}

func (s *sketch) read(id int64) (user models.User, err error) {
	err = s.step(func() error {
		at, ok := s.find(id)
		if !ok {
			return models.ErrUserNotFound
		}
		user = s.users[at]
		return nil
	})
	return user, err
}

// vacant says with ErrEmailTaken that another user than this one has the address.
func (s *sketch) vacant(user models.User) error {
	return s.step(func() error {
		if owner, ok := s.owners[s.key(user.Email)]; ok && owner != user.ID {
			return models.ErrEmailTaken
		}
		return nil
	})
}

// find returns where a user is, or would be; the caller has the inner lock.
func (s *sketch) find(id int64) (at int, ok bool) {
	return slices.BinarySearchFunc(s.users, id, func(user models.User, id int64) int { return cmp.Compare(user.ID, id) })
}

// put stores a user; the caller has the inner lock.
func (s *sketch) put(user models.User) {
	s.drop(user.ID)
	at, _ := s.find(user.ID)
	s.users = slices.Insert(s.users, at, user)
	s.owners[s.key(user.Email)] = user.ID
	s.lastID = max(s.lastID, user.ID)
}

// drop removes a user, if it is there; the caller has the inner lock.
func (s *sketch) drop(id int64) {
	at, ok := s.find(id)
	if !ok {
		return
	}
	if key := s.key(s.users[at].Email); s.owners[key] == id {
		delete(s.owners, key)
	}
	s.users = slices.Delete(s.users, at, at+1)
}

func (s *sketch) write(user models.User) error {
	return s.step(func() error {
		s.put(user)
		return nil
	})
}

// all returns the users whom the filter lets through, in the order of their ids, of one moment; or of
// as many moments as there are users, when List is the flawed method.
func (s *sketch) all(filter *models.Filter) (users []models.User, err error) {
	var ids []int64
	err = s.step(func() error {
		for i := range s.users {
			if s.matches(filter, &s.users[i]) {
				users = append(users, s.users[i])
			}
			if s.unlocked == repotest.List {
				ids = append(ids, s.users[i].ID)
			}
		}
		return nil
	})
	if err != nil || s.unlocked != repotest.List {
		return users, err
	}
	users = nil
	for _, id := range ids {
		if user, err := s.read(id); err == nil && s.matches(filter, &user) {
			users = append(users, user)
		}
	}
	return users, nil
}

func (s *sketch) Create(ctx context.Context, user models.User) (models.User, error) {
	release, err := s.begin(ctx, repotest.Create)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	given := user
	user.ID = 0
	if err := s.vacant(user); err != nil {
		return models.User{}, err
	}
	if err := s.step(func() error { user.ID = s.nextID(s, given); return nil }); err != nil {
		return models.User{}, err
	}
	return user, s.write(user)
}

func (s *sketch) Get(ctx context.Context, id int64) (models.User, error) {
	release, err := s.begin(ctx, repotest.Get)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	return s.read(id)
}

func (s *sketch) List(ctx context.Context, query models.Query) (models.Page, error) {
	release, err := s.begin(ctx, repotest.List)
	defer release()
	if err != nil {
		return models.Page{}, err
	}
	users, err := s.all(&query.Filter)
	if err != nil {
		return models.Page{}, err
	}
	return s.page(users, query), nil
}

// page is PageOf, for users whom the filter lets through, with parts that a flaw replaces.
func (s *sketch) page(all []models.User, query models.Query) models.Page {
	users := make([]*models.User, len(all))
	for i := range all {
		users[i] = &all[i]
	}
	slices.SortFunc(users, func(a, b *models.User) int { return s.compare(query.Order, a, b) })
	start, end := int(min(query.Skip, int64(len(users)))), len(users)
	if at := query.Position; at.At.ID != 0 {
		// The first user who does not stand before the place, or at it if that is not in the page.
		place := sort.Search(len(users), func(i int) bool {
			c := s.stands(query.Order, users[i], &at.At)
			return c > 0 || c == 0 && at.Backward != at.Inclusive
		})
		if at.Backward {
			end = place
		} else {
			start = place
		}
	}
	if query.Position.Backward {
		start = max(0, end-query.Limit)
	} else {
		end = min(start+query.Limit, end)
	}
	page := models.Page{Users: []models.User{}, Before: start > 0, More: end < len(users)}
	for _, user := range users[start:end] {
		page.Users = append(page.Users, *user)
	}
	if query.WithTotal {
		page.Total = int64(len(users))
	}
	return page
}

func (s *sketch) Update(
	ctx context.Context, id int64, change func(models.User) (models.User, error),
) (models.User, error) {
	release, err := s.begin(ctx, repotest.Update)
	defer release()
	if err != nil {
		return models.User{}, err
	}
	old, err := s.read(id)
	if err != nil {
		return models.User{}, err
	}
	changed, err := change(old)
	if err != nil {
		return models.User{}, err
	}
	if err := ctx.Err(); err != nil {
		return models.User{}, err
	}
	changed = s.keep(old, changed)
	if err := s.vacant(changed); err != nil {
		return models.User{}, err
	}
	return changed, s.write(changed)
}

func (s *sketch) Delete(ctx context.Context, id int64, allow func(models.User) error) error {
	release, err := s.begin(ctx, repotest.Delete)
	defer release()
	if err != nil {
		return err
	}
	user, err := s.read(id)
	if err == nil && allow != nil {
		err = allow(user)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	return s.step(func() error { s.drop(id); return nil })
}

func (s *sketch) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	release, err := s.begin(ctx, repotest.Batch)
	defer release()
	if err != nil {
		return err
	}
	tx := &sketchTx{sketch: s}
	changes, err := decide(tx)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = s.vacantFor(&changes)
	}
	if err == nil && changes.Kept != nil {
		err = s.seal(changes.Kept)
	}
	if err != nil || len(changes.Create)+len(changes.Replace)+len(changes.Delete) == 0 {
		return err
	}
	_ = s.step(func() error {
		s.lastID = max(s.lastID, tx.lastID)
		for _, id := range changes.Delete {
			s.drop(id)
		}
		return nil
	})
	for _, user := range changes.Replace {
		old, err := s.read(user.ID)
		if err != nil {
			return err
		}
		_ = s.write(s.keep(old, user))
	}
	for _, user := range changes.Create {
		_ = s.write(user)
	}
	return nil
}

// vacantFor says with ErrEmailTaken that after the changes two users would have one address.
func (s *sketch) vacantFor(changes *repository.Changes) error {
	return s.step(func() error {
		touched := make(map[int64]bool)
		for _, id := range changes.Delete {
			touched[id] = true
		}
		for _, user := range changes.Replace {
			touched[user.ID] = true
		}
		taken := make(map[string]bool)
		for _, user := range slices.Concat(changes.Replace, changes.Create) {
			key := s.key(user.Email)
			if owner, ok := s.owners[key]; taken[key] || ok && !touched[owner] {
				return models.ErrEmailTaken
			}
			taken[key] = true
		}
		return nil
	})
}

// sketchTx is the repository.Tx of a sketch. Its lastID hides that of the store.
type sketchTx struct {
	*sketch
	lastID int64
}

func (tx *sketchTx) Get(id int64) (models.User, error) { return tx.read(id) }

func (tx *sketchTx) Owner(emailKey string) (owner int64, err error) {
	err = tx.step(func() error {
		id, ok := tx.owners[emailKey]
		if owner = id; !ok {
			return models.ErrUserNotFound
		}
		return nil
	})
	return owner, err
}

func (tx *sketchTx) NextID() (int64, error) {
	err := tx.step(func() error {
		tx.lastID = max(tx.lastID+1, tx.nextID(tx.sketch, models.User{}))
		return nil
	})
	return tx.lastID, err
}

func (tx *sketchTx) Expect([]int64, []string, int) error { return nil }

func (s *sketch) Ping(ctx context.Context) error {
	release, err := s.begin(ctx, repotest.Ping)
	defer release()
	return err
}

func (s *sketch) Close() error {
	return s.step(func() error { s.closed = true; return nil })
}
