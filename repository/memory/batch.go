package memory

import (
	"context"

	"userapi/models"
	"userapi/repository"
)

// Batch implements repository.UserRepository. It calls decide once, under the lock.
func (s *Store) Batch(ctx context.Context, decide func(tx repository.Tx) (repository.Changes, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	tx := &transaction{store: s, lastID: s.lastID}
	changes, err := decide(tx)
	if err == nil {
		err = s.usable(ctx)
	}
	if err == nil {
		err = s.checkAddresses(&changes)
	}
	if err == nil && changes.Kept != nil {
		err = s.finish(changes.Kept) // nothing can fail behind it
	}
	if err != nil {
		return err
	}
	// Whoever gives an address up does so before anybody takes it.
	for _, id := range changes.Delete {
		s.drop(id)
	}
	for i := range changes.Replace {
		s.forgetAddress(&changes.Replace[i])
	}
	for i := range changes.Replace {
		s.replace(changes.Replace[i])
	}
	for i := range changes.Create {
		s.add(&changes.Create[i])
	}
	s.lastID = tx.lastID // also past users that the batch has created and deleted
	return nil
}

// transaction is a repository.Tx. The lock is held as long as it lives.
type transaction struct {
	store  *Store
	lastID int64
}

// Get implements repository.Tx.
func (tx *transaction) Get(id int64) (models.User, error) {
	user := tx.store.users.get(id)
	if user == nil {
		return models.User{}, models.ErrUserNotFound
	}
	return *user, nil
}

// Owner implements repository.Tx.
func (tx *transaction) Owner(emailKey string) (int64, error) {
	id := tx.store.byKey.find(emailKey)
	if id == 0 {
		return 0, models.ErrUserNotFound
	}
	return id, nil
}

// NextID implements repository.Tx.
func (tx *transaction) NextID() (int64, error) {
	if tx.lastID >= models.MaxID {
		return 0, errExhausted
	}
	tx.lastID++
	return tx.lastID, nil
}

// Expect implements repository.Tx. Here everything is at hand.
func (tx *transaction) Expect([]int64, []string, int) error { return nil }

// checkAddresses returns models.ErrEmailTaken when the changes lead to two users with one address.
func (s *Store) checkAddresses(changes *repository.Changes) error {
	touched := make(map[int64]bool, len(changes.Delete)+len(changes.Replace))
	for _, id := range changes.Delete {
		touched[id] = true
	}
	for i := range changes.Replace {
		touched[changes.Replace[i].ID] = true
	}
	taken := make(map[string]bool, len(changes.Replace)+len(changes.Create))
	for _, users := range [...][]models.User{changes.Replace, changes.Create} {
		for i := range users {
			key := models.EmailKey(users[i].Email)
			owner := s.byKey.find(key)
			if taken[key] || owner != 0 && !touched[owner] {
				return models.ErrEmailTaken
			}
			taken[key] = true
		}
	}
	return nil
}
