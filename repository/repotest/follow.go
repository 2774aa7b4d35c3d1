package repotest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"userapi/models"
	"userapi/repository"
)

// filterFollowsChanges changes users in every way that a store has, and in some that it refuses, and
// asks each time for every value that there is or was.
func filterFollowsChanges(s *subject) {
	users := s.filled(crowd(7, 11))
	var ever []models.User
	check := func() {
		s.Helper()
		for _, user := range users {
			if !slices.Contains(ever, user) {
				ever = append(ever, user)
			}
		}
		for _, user := range ever {
			s.foundBy(users, user)
		}
		for _, order := range singles() {
			s.shows(users, models.Query{Order: order, Limit: models.MaxLimit, WithTotal: true})
		}
	}
	check()
	for i, edits := range []func(*models.User){
		func(user *models.User) { user.Name = "Grace Hopper" },
		func(user *models.User) { user.Email = "\u00efrina@example.net" },
		func(user *models.User) { user.Age = 77 },
		func(user *models.User) { user.Age = 0 },
		func(user *models.User) { user.UpdatedAt += 5_000_000 },
		func(user *models.User) { user.Name, user.Version = strings.ToUpper(user.Name), 9 },
	} {
		users[i] = s.updated(users[i].ID, edits)
		check()
	}
	ever = append(ever, s.refusesChanges(users)...)
	check()

	a, b := users[0], users[4]
	a.Name, a.Email, a.Age, a.UpdatedAt = users[4].Name, users[4].Email, users[4].Age, users[4].UpdatedAt
	b.Name, b.Email, b.Age, b.UpdatedAt = users[0].Name, users[0].Email, users[0].Age, users[0].UpdatedAt
	created := s.batched(repository.Changes{
		Create: users[1:2], Replace: []models.User{a, b}, Delete: []int64{users[1].ID},
	})
	users[1], users[4] = a, b
	users = append(users[1:], created...)
	check()
	s.deleted(users[2].ID)
	users = slices.Delete(users, 2, 3)
	check()
}

// refusesChanges tries to change the users in every way that must have no effect, and returns users
// that were never stored.
func (s *subject) refusesChanges(users []models.User) []models.User {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	refusal := errors.New("refused")
	never := make([]models.User, 0, 4)
	for i, email := range []string{"never@example.com", users[3].Email, users[2].Email, "new@example.com"} {
		user := users[i]
		user.Name, user.Email, user.Age, user.UpdatedAt = "Never Stored", email, 99, user.UpdatedAt+1
		never = append(never, user)
	}
	update := func(ctx context.Context, email string, end func() error) error {
		_, err := s.Update(ctx, users[0].ID, func(models.User) (models.User, error) {
			changed := never[0]
			changed.Email = email
			return changed, end()
		})
		return err
	}
	batch := func(ctx context.Context, email string, end func() error) error {
		return s.Batch(ctx, func(tx repository.Tx) (repository.Changes, error) {
			created, replaced := never[3], never[1]
			replaced.Email = email
			var err error
			if created.ID, err = tx.NextID(); err != nil {
				return repository.Changes{}, err
			}
			return repository.Changes{
				Create: []models.User{created}, Replace: []models.User{replaced, never[2]}, Delete: []int64{users[4].ID},
			}, end()
		})
	}
	none := func() error { return nil }
	refuse := func() error { return refusal }
	cancels := func() error {
		cancel()
		return nil
	}
	s.fails(update(s.Context(), users[5].Email, none), models.ErrEmailTaken, "Update to a taken address")
	s.refuses(update(s.Context(), never[0].Email, refuse), refusal, "Update")
	s.fails(batch(s.Context(), users[5].Email, none), models.ErrEmailTaken, "Batch with a taken address")
	s.refuses(batch(s.Context(), never[1].Email, refuse), refusal, "Batch")
	s.fails(batch(ctx, never[1].Email, cancels), context.Canceled, "Batch with a context that decide cancelled")
	s.fails(update(ctx, never[0].Email, none), context.Canceled, "Update with a cancelled context")
	s.refuses(s.Delete(s.Context(), users[0].ID, func(models.User) error { return refusal }), refusal, "Delete")
	return never
}

// foundBy asks for each value of a user, who may be gone or changed.
func (s *subject) foundBy(users []models.User, user models.User) {
	s.Helper()
	name := models.FoldName(user.Name)
	before, after := user.CreatedAt-1, user.CreatedAt+1
	updated := user.UpdatedAt - 1
	for _, filter := range []models.Filter{
		{Name: name},
		{EmailKey: models.EmailKey(user.Email)},
		{Search: name},
		{Search: models.FoldName(user.Email)},
		{MinAge: user.Age, MaxAge: user.Age},
		{CreatedAfter: &before, CreatedBefore: &after},
		{UpdatedAfter: &updated},
		{IDs: []int64{user.ID}},
	} {
		s.shows(users, models.Query{Filter: filter, Limit: models.MaxLimit, WithTotal: true})
	}
	s.searched(users, append(parts(name, 3), parts(name, 1)[0])...)
}
