package repotest

import (
	"errors"
	"math"
	"slices"

	"userapi/models"
	"userapi/repository"
)

func txShowsBefore(s *subject) {
	users := s.seeded(4)
	s.deleted(users[1].ID)
	for i, form := range forms() {
		holder := Sample(50 + i)
		holder.Email = form[0]
		users = append(users, s.created(holder))
	}
	var newcomer models.User
	lookAt := func(tx repository.Tx) {
		for i, user := range users {
			if got, err := tx.Get(user.ID); i != 1 && (got != user || err != nil) {
				s.Errorf("Tx.Get(%d) = %+v, error %v, want %+v", user.ID, got, err, user)
			}
		}
		for _, id := range []int64{0, -1, users[1].ID, newcomer.ID, 1 << 32, models.MaxID, math.MaxInt64} {
			got, err := tx.Get(id)
			if s.fails(err, models.ErrUserNotFound, "Tx.Get of an absent id"); got != (models.User{}) {
				s.Errorf("Tx.Get(%d) returned %+v beside its error", id, got)
			}
		}
		for i, form := range forms() {
			if owner, err := tx.Owner(models.EmailKey(form[1])); owner != users[4+i].ID || err != nil {
				s.Errorf("Tx.Owner of %s is %d, error %v, want %d", form[1], owner, err, users[4+i].ID)
			}
		}
		for _, free := range []string{users[1].Email, newcomer.Email, "nobody@example.com", "%@example.com"} {
			owner, err := tx.Owner(models.EmailKey(free))
			if s.fails(err, models.ErrUserNotFound, "Tx.Owner of a free address"); owner != 0 {
				s.Errorf("Tx.Owner of a free address returned %d beside its error", owner)
			}
		}
	}
	err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		newcomer = Sample(20)
		id, err := tx.NextID()
		newcomer.ID = id
		lookAt(tx)
		changes, _ := renamesInBatch(users[0].ID, "Renamed")(tx)
		changes.Create, changes.Delete = []models.User{newcomer}, []int64{users[2].ID}
		lookAt(tx) // what is to be written does not show
		return changes, err
	})
	if err != nil {
		s.Fatalf("Batch: %v", err)
	}
	users[0].Name = "Renamed"
	s.looks(func(tx repository.Tx) error {
		renamed, err := tx.Get(users[0].ID)
		created, failed := tx.Get(newcomer.ID)
		_, absent := tx.Get(users[2].ID)
		owner, unknown := tx.Owner(models.EmailKey(newcomer.Email))
		s.fails(absent, models.ErrUserNotFound, "Tx.Get of a user whom the batch before deleted")
		if renamed != users[0] || created != newcomer || owner != newcomer.ID {
			s.Errorf("the next Tx shows\n%+v\n%+v\nowner %d", renamed, created, owner)
		}
		return errors.Join(err, failed, unknown)
	})
}

// given asks for n ids in a batch, of which only those at these places are used, in this order. It
// complains unless the ids grow, and are above last, and returns them. A batch that uses none writes
// nothing, unless it has other changes.
func (s *subject) given(last int64, n int, changes repository.Changes, used ...int) []int64 {
	s.Helper()
	var ids []int64
	err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		ids = nil
		for range n {
			id, err := tx.NextID()
			if err != nil {
				return repository.Changes{}, err
			}
			ids = append(ids, id)
		}
		all := changes
		all.Create = nil
		for i, at := range used {
			user := changes.Create[i]
			user.ID = ids[at]
			all.Create = append(all.Create, user)
		}
		return all, nil
	})
	if err != nil && !errors.Is(err, models.ErrEmailTaken) {
		s.Fatalf("Batch that asks for ids: %v", err)
	}
	for _, id := range ids {
		if id <= last {
			s.Errorf("NextID gave the ids %v after %d, want larger ones that grow", ids, last)
			break
		}
		last = id
	}
	return ids
}

func nextIDGrows(s *subject) {
	number := 0
	samples := func(n int) repository.Changes {
		var users []models.User
		for range n {
			number++
			users = append(users, Sample(number))
		}
		return repository.Changes{Create: users}
	}
	next := func(after string, last int64) models.User {
		s.Helper()
		user := s.created(samples(1).Create[0])
		if user.ID <= last {
			s.Errorf("Create gave id %d after %s; %d was given before", user.ID, after, last)
		}
		return user
	}
	if ids := s.given(0, 3, samples(3), 0, 1, 2); ids[0] != 1 {
		s.Errorf("the first id is %d, want 1", ids[0])
	}
	user := next("a batch of three", 3)
	ids := s.given(user.ID, 3, samples(1), 0)
	user = next("a batch that left ids out, which other people may have been told of", ids[2])
	ids = s.given(user.ID, 3, samples(3), 2, 0, 1)
	user = next("a batch that used its ids in another order", ids[2])

	s.given(user.ID, 3, repository.Changes{})
	s.given(user.ID, 2, repository.Changes{})
	user = next("batches that wrote nothing", user.ID)
	clash := samples(2)
	clash.Create[1].Email = user.Email
	s.given(user.ID, 2, clash, 0, 1)
	user = next("a batch that was refused", user.ID)

	ids = s.given(user.ID, 2, repository.Changes{Delete: []int64{user.ID}})
	user = next("a batch that deleted the newest user and used no id", ids[1])
	user.Version++
	ids = s.given(user.ID, 2, repository.Changes{Replace: []models.User{user}})
	user = next("a batch that replaced a user and used no id", ids[1])
	s.deleted(user.ID)
	s.given(user.ID, 1, samples(1), 0)
}

func batchNeverAliases(s *subject) {
	users := s.seeded(3)
	var changes repository.Changes
	var want models.User
	err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		id, err := tx.NextID()
		want = Sample(9)
		want.ID = id
		changes, _ = renamesInBatch(users[0].ID, "Renamed")(tx)
		changes.Create = append(make([]models.User, 0, 4), want)
		changes.Delete = append(make([]int64, 0, 4), users[1].ID)
		return changes, err
	})
	if err != nil {
		s.Fatalf("Batch: %v", err)
	}
	for _, own := range [][]models.User{changes.Create, changes.Replace} {
		own[0].Name, own[0].Email = "Overwritten", "overwritten@example.com"
		_ = slices.Insert(own, 0, users[2])
	}
	changes.Delete[0] = users[2].ID
	users[0].Name = "Renamed"
	s.holds(users[0], users[2], want)
	s.batched(repository.Changes{})
	s.holds(users[0], users[2], want)
}
