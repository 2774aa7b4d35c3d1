package repotest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"userapi/models"
	"userapi/repository"
)

func batchRules() []Rule {
	return []Rule{
		{
			"Batch writes all its changes at once",
			"creations, replacements and deletions of one request are one step",
			batchWritesAll,
		},
		{
			"Batch takes as many changes as a request has operations",
			"databases have limits of their own on what one statement may hold",
			batchTakesMany,
		},
		{
			"Batch returns the error of decide as it is and writes nothing",
			"the service decides, also not to keep anything, as in a dry run",
			batchReturnsTheError,
		},
		{
			"Batch that changes nothing leaves everything",
			"versions and times of who was only looked at must stay",
			batchChangesNothing,
		},
		{
			"Batch judges addresses on the state that it leads to",
			"two users can exchange addresses, and whoever takes over the address of somebody deleted is no clash",
			batchJudgesTheEnd,
		},
		{
			"Batch refuses an address that two users would have and writes nothing",
			"one mailbox, one user: also in a batch, in any form of the address",
			batchRefusesClash,
		},
		{
			"Tx shows the store as it was before the batch",
			"what decide has asked for does not show before all of it is written",
			txShowsBefore,
		},
		{
			"NextID gives ids that grow and are never given twice",
			"an id of a batch must not come back as that of another person",
			nextIDGrows,
		},
		{
			"Batch keeps no memory of its caller",
			"the caller goes on with its slices",
			batchNeverAliases,
		},
		{
			"Batch survives a panic of decide",
			"a bug in one request must not hold a lock over all the others",
			batchSurvivesPanic,
		},
	}
}

func batchWritesAll(s *subject) {
	users := s.seeded(5)
	a, b := users[1], users[3]
	a.Name, a.Age, a.UpdatedAt, a.Version = "Changed", 0, a.UpdatedAt+9, 2
	b.Email, b.Version = "Changed@example.com", 7
	moved := b
	moved.CreatedAt += 5 // which is kept as it was
	var want []models.User
	for i, vary := range variants() {
		user := Sample(10 + i)
		vary(&user)
		want = append(want, user)
	}
	created := s.batched(repository.Changes{
		Create: want, Replace: []models.User{moved, a}, Delete: []int64{users[4].ID, users[0].ID},
	})
	for i := range want {
		want[i].ID = created[i].ID
	}
	s.holds(slices.Concat([]models.User{a, users[2], b}, want)...)
	s.created(Sample(1)) // whose address is free
	_, err := s.Create(s.Context(), Sample(10))
	s.fails(err, models.ErrEmailTaken, "Create with an address of the batch")
}

func batchTakesMany(s *subject) {
	const all, part = models.MaxOperations, models.MaxOperations / 4
	users := make([]models.User, 0, all)
	for i := range all {
		users = append(users, Sample(i))
	}
	users = s.batched(repository.Changes{Create: users})
	s.manyHeld(users)
	var gone []int64
	for _, user := range users[:part] {
		gone = append(gone, user.ID)
	}
	replaced := slices.Clone(users[part : 3*part])
	for i := range replaced {
		replaced[i].Version, replaced[i].Email = 2, users[i].Email // a chain: each takes the address of somebody
	}
	created := make([]models.User, 0, part)
	for i := range part {
		created = append(created, Sample(3*part-1-i)) // whose addresses the last of the chain gave up
	}
	created = s.batched(repository.Changes{Create: created, Replace: replaced, Delete: gone})
	s.manyHeld(slices.Concat(replaced, users[3*part:], created))
}

// manyHeld complains unless these users, in the order of their ids, are what the store holds.
func (s *subject) manyHeld(users []models.User) {
	s.Helper()
	for skip := 0; skip < len(users); skip += models.MaxLimit {
		s.shows(users, models.Query{Limit: models.MaxLimit, Skip: int64(skip), WithTotal: true})
	}
}

func batchReturnsTheError(s *subject) {
	users := s.seeded(3)
	refusal := errors.New("decide refuses")
	err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		id, err := tx.NextID()
		if err != nil {
			return repository.Changes{}, err
		}
		created := Sample(7)
		created.ID = id
		changes, _ := renamesInBatch(users[0].ID, "Refused")(tx)
		changes.Create, changes.Delete = []models.User{created}, []int64{users[1].ID}
		return changes, refusal
	})
	s.refuses(err, refusal, "Batch")
	s.holds(users...)
	s.created(Sample(7)) // the address of the refused creation is free
}

func batchChangesNothing(s *subject) {
	users := s.seeded(3)
	if err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		_, err := tx.Get(users[0].ID)
		return repository.Changes{}, err
	}); err != nil {
		s.Errorf("Batch without changes: %v", err)
	}
	s.holds(users...)
	s.batched(repository.Changes{Create: []models.User{}, Replace: users[1:], Delete: []int64{}})
	s.holds(users...)
	later := users[0]
	later.CreatedAt++
	s.batched(repository.Changes{Replace: []models.User{later}})
	s.holds(users...)
}

// addressed are users with the addresses of others.
func addressed(users []models.User, emails ...string) []models.User {
	all := slices.Clone(users)
	for i := range all {
		all[i].Email, all[i].Version = emails[i], all[i].Version+1
	}
	return all
}

func batchJudgesTheEnd(s *subject) {
	for _, form := range forms() {
		given := []models.User{Sample(0), Sample(1), Sample(2), Sample(3)}
		given[0].Email = form[0]
		users := s.filled(given)
		a, b, c, d := users[0].Email, users[1].Email, users[2].Email, users[3].Email

		swapped := addressed(users[:2], b, form[1]) // into the other form
		s.batched(repository.Changes{Replace: swapped})
		s.owned(slices.Concat(swapped, users[2:])...)

		cycled := addressed([]models.User{swapped[1], swapped[0], users[2]}, b, c, a)
		s.batched(repository.Changes{Replace: cycled})
		s.owned(cycled[1], cycled[0], cycled[2], users[3])

		// The address of somebody deleted goes to somebody new, and theirs to somebody who gives up
		// one of which a second new user takes the other form.
		newcomers := []models.User{Sample(10), Sample(11)}
		newcomers[0].Email, newcomers[1].Email = b, form[1]
		taking := addressed([]models.User{cycled[2]}, d)
		created := s.batched(repository.Changes{
			Create: newcomers, Replace: taking, Delete: []int64{cycled[0].ID, users[3].ID},
		})
		s.owned(cycled[1], taking[0], created[0], created[1])

		own := addressed(created[1:], form[0]) // the same address in another form
		s.batched(repository.Changes{Replace: own})
		s.owned(cycled[1], taking[0], created[0], own[0])
		s.emptied()
	}
}

// owned complains unless the store holds these users, in the order of their ids, each of whom owns
// their address.
func (s *subject) owned(users ...models.User) {
	s.Helper()
	s.holds(users...)
	for _, user := range users {
		_, err := s.Create(s.Context(), models.User{Name: "Second", Email: user.Email, Version: 1})
		s.fails(err, models.ErrEmailTaken, "Create with "+user.Email)
		key := models.EmailKey(user.Email)
		s.looks(func(tx repository.Tx) error {
			if owner, err := tx.Owner(key); owner != user.ID || err != nil {
				s.Errorf("the owner of %s is %d, error %v; want %d", key, owner, err, user.ID)
			}
			return nil
		})
	}
}

func batchRefusesClash(s *subject) {
	for i, form := range forms() {
		given := []models.User{Sample(0), Sample(1), Sample(2), Sample(3)}
		given[0].Email = form[0]
		users := s.filled(given)
		newcomer := func(email string) models.User {
			user := Sample(50)
			user.Email = email
			return user
		}
		free := fmt.Sprintf("free.%d@example.com", i)
		for what, changes := range map[string]repository.Changes{
			"a creation beside a user":          {Create: []models.User{newcomer(free), newcomer(form[1])}},
			"two creations":                     {Create: []models.User{newcomer("x" + form[0]), newcomer("x" + form[1])}},
			"a replacement beside a user":       {Replace: addressed(users[1:3], form[1], free)},
			"two replacements":                  {Replace: addressed(users[1:3], "x"+form[1], "x"+form[0])},
			"a replacement and a creation":      {Create: []models.User{newcomer("x" + form[0])}, Replace: addressed(users[1:2], "x"+form[1])},
			"half an exchange":                  {Replace: addressed(users[:1], users[1].Email), Create: []models.User{newcomer(form[1])}},
			"an exchange with a third":          {Replace: addressed(users[:3], users[1].Email, form[1], form[0])},
			"a deletion that frees another one": {Create: []models.User{newcomer(form[1])}, Delete: []int64{users[1].ID}},
		} {
			changes.Delete = append(changes.Delete, users[3].ID)
			s.fails(s.Batch(s.Context(), identified(changes, nil)), models.ErrEmailTaken, "Batch with "+what+", "+form[1])
			s.owned(users...)
		}
		s.emptied()
	}
}

func batchSurvivesPanic(s *subject) {
	users := s.seeded(2)
	s.survives(Batch,
		func() error {
			return s.Batch(s.Context(), func(repository.Tx) (repository.Changes, error) { panic("decide panics") })
		},
		func(ctx context.Context) error { return s.Batch(ctx, renamesInBatch(users[0].ID, "After")) },
	)
	users[0].Name = "After"
	s.holds(users...)
}
