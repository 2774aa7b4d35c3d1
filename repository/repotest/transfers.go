package repotest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"userapi/models"
	"userapi/repository"
)

// deleteKeepsNewer lets clients change and delete a user of the first version: of all, one succeeds,
// because a deleted user is not changed and a changed one is not deleted.
func deleteKeepsNewer(s *subject) {
	const rounds, deleters, updaters = 40, 3, 2
	for round := range rounds {
		user := s.created(Sample(round))
		check := func(user models.User) error {
			if user.Version != 1 {
				return errStale
			}
			return nil
		}
		var removed, changed atomic.Int64
		together(deleters+updaters, func(i int) {
			var err error
			won := &removed
			if i < deleters {
				err = s.Delete(s.Context(), user.ID, check)
			} else {
				won = &changed
				_, err = s.Update(s.Context(), user.ID, func(user models.User) (models.User, error) {
					err := check(user)
					user.Version++
					return user, err
				})
			}
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, models.ErrUserNotFound) && !errors.Is(err, errStale) {
				s.Errorf("conditional Delete beside Update: %v", err)
			}
		})
		if removed.Load()+changed.Load() != 1 {
			s.Errorf("of the first version, %d deletes and %d updates succeeded, want one of all", removed.Load(), changed.Load())
		}
		user, err := s.Get(s.Context(), user.ID)
		if stays := err == nil && user.Version == 2; stays != (changed.Load() == 1) {
			s.Errorf("after %d updates succeeded, Get gives %+v, error %v", changed.Load(), user, err)
		}
	}
}

// batchTransfers moves amounts, which are versions, between a few users, and looks on meanwhile.
func batchTransfers(s *subject) {
	const parties, workers, each, amount = 5, 6, 30, 1000
	users := s.seeded(parties)
	for i := range users {
		users[i].Version = amount
	}
	s.batched(repository.Changes{Replace: users})
	sum := func(users []models.User) (sum int64) {
		for _, user := range users {
			sum += user.Version
		}
		return sum
	}
	var done atomic.Int64
	together(workers+1, func(worker int) {
		random := rand.New(rand.NewPCG(uint64(worker), 6))
		for worker == workers && done.Load() < workers {
			page, err := s.List(s.Context(), models.Query{Limit: parties})
			if err != nil || sum(page.Users) != parties*amount {
				s.Errorf("between the batches, %d users have %d together, error %v; want %d",
					len(page.Users), sum(page.Users), err, parties*amount)
				return
			}
		}
		if worker == workers {
			return
		}
		defer done.Add(1)
		for range each {
			from, to := random.IntN(parties), random.IntN(parties-1)
			if to >= from {
				to++
			}
			if err := s.Batch(s.Context(), transfer(users[from].ID, users[to].ID, random.Int64N(9)+1)); err != nil {
				s.Errorf("parallel Batch: %v", err)
				return
			}
		}
	})
	if left := s.listed(models.Query{Limit: parties}).Users; sum(left) != parties*amount {
		s.Errorf("after all batches the users have %d together, want %d", sum(left), parties*amount)
	}
}

// transfer is the decision to take an amount from one user and give it to another.
func transfer(from, to, amount int64) func(tx repository.Tx) (repository.Changes, error) {
	return func(tx repository.Tx) (repository.Changes, error) {
		giver, err := tx.Get(from)
		if err != nil {
			return repository.Changes{}, err
		}
		taker, err := tx.Get(to)
		giver.Version -= amount
		taker.Version += amount
		return repository.Changes{Replace: []models.User{taker, giver}}, err
	}
}

// batchReadsStay lets each of a few users retire as long as another one stays, and each of a few
// newcomers come as long as no other has: what a batch reads is not what it writes.
func batchReadsStay(s *subject) {
	const rounds, parties = 15, 4
	for round := range rounds {
		users := s.filled([]models.User{Sample(0), Sample(1), Sample(2), Sample(3)})
		together(parties, func(i int) {
			if err := s.Batch(s.Context(), retire(users, i)); err != nil {
				s.Errorf("parallel Batch: %v", err)
			}
		})
		staying := 0
		for _, user := range users {
			if s.got(user.ID).Version == 1 {
				staying++
			}
		}
		if staying != 1 {
			s.Errorf("round %d: of users who retire as long as another one stays, %d stay, want one", round, staying)
		}
		together(parties, func(i int) {
			if err := s.Batch(s.Context(), comeFirst(parties, i)); err != nil {
				s.Errorf("parallel Batch: %v", err)
			}
		})
		if all := s.listed(models.Query{Limit: 1, WithTotal: true}).Total; all != parties+1 {
			s.Errorf("round %d: %d users came who come as long as no other has, want one", round, all-parties)
		}
		s.emptied()
	}
}

// retire is the decision to give a user the second version if another one still has the first.
func retire(users []models.User, i int) func(tx repository.Tx) (repository.Changes, error) {
	return func(tx repository.Tx) (repository.Changes, error) {
		staying := 0
		for _, user := range users {
			now, err := tx.Get(user.ID)
			if err != nil {
				return repository.Changes{}, err
			}
			if now.Version == 1 {
				staying++
			}
		}
		own := users[i]
		if own.Version = 2; staying < 2 {
			return repository.Changes{}, nil
		}
		return repository.Changes{Replace: []models.User{own}}, nil
	}
}

// comeFirst is the decision to create the newcomer i if no newcomer is there.
func comeFirst(n, i int) func(tx repository.Tx) (repository.Changes, error) {
	newcomer := func(i int) models.User { return Sample(100 + i) }
	return func(tx repository.Tx) (repository.Changes, error) {
		for other := range n {
			_, err := tx.Owner(models.EmailKey(newcomer(other).Email))
			if err == nil {
				return repository.Changes{}, nil
			}
			if !errors.Is(err, models.ErrUserNotFound) {
				return repository.Changes{}, err
			}
		}
		return identified(repository.Changes{Create: []models.User{newcomer(i)}}, nil)(tx)
	}
}

func batchBesideUpdates(s *subject) {
	const writers, each = 6, 40
	users := s.seeded(2)
	together(writers, func(i int) {
		for range each {
			var err error
			if i%2 == 0 {
				_, err = s.Update(s.Context(), users[0].ID, edit(func(user *models.User) { user.Version++ }))
			} else {
				err = s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
					user, err := tx.Get(users[0].ID)
					user.Version++
					return repository.Changes{Replace: []models.User{user}}, err
				})
			}
			if err != nil {
				s.Errorf("Update and Batch of one user: %v", err)
				return
			}
		}
	})
	users[0].Version += writers * each
	s.holds(users...)
}

func batchParallelIDs(s *subject) {
	const writers, each, size = 6, 15, 3
	ids := make([][]int64, writers)
	together(writers, func(i int) {
		for n := range each {
			number := (i*each + n) * size
			created := []models.User{Sample(number), Sample(number + 1), Sample(number + 2)}
			var err error
			if i%2 == 0 {
				err = s.Batch(s.Context(), identified(repository.Changes{Create: created}, &created))
			} else {
				created = created[:1]
				created[0], err = s.Create(s.Context(), created[0])
			}
			if err != nil {
				s.Errorf("parallel Batch and Create: %v", err)
				return
			}
			for _, user := range created {
				ids[i] = append(ids[i], user.ID)
			}
		}
	})
	for _, own := range ids {
		if !slices.IsSorted(own) {
			s.Errorf("one client got the ids %v, want them to grow", own)
		}
	}
	all := slices.Concat(ids...)
	slices.Sort(all)
	const want = writers / 2 * each * (size + 1)
	if distinct := len(slices.Compact(all)); distinct != want {
		s.Errorf("%d users got %d ids", want, distinct)
	}
	if total := s.listed(models.Query{Limit: 1, WithTotal: true}).Total; total != want {
		s.Errorf("%d users were created and %d are there", want, total)
	}
}

// listWholeBatches lets batches exchange one user whom a filter lets through for one whom it does
// not, so that their number is always the same. Thousands of others stand by, whom one of the filters
// lets through too.
func listWholeBatches(s *subject) {
	const within, without, others = 6, 6, 5000
	const moment = 1_000_000
	random := rand.New(rand.NewPCG(8, 9))
	users := crowd(within+without+others, 13)
	for i := range users {
		user := &users[i]
		switch user.UpdatedAt = moment; {
		case i < within:
			user.Name, user.Age, user.UpdatedAt = fmt.Sprintf("Within %d", i), 1, moment+1
		case i < within+without:
			user.Name, user.Age = fmt.Sprintf("Outside %d", i), 10
		default:
			user.Name, user.Age = fmt.Sprintf("Bystander %d", i), 5
		}
	}
	users = s.filled(users)[:within+without]
	write := func(n int) error {
		a, b := random.IntN(within), within+random.IntN(without)
		users[a], users[b] = users[b], users[a] // those within stand first
		users[a].Age, users[a].Name, users[a].UpdatedAt = 1, fmt.Sprintf("Within %d", n), moment+1
		users[b].Age, users[b].Name, users[b].UpdatedAt = 10, fmt.Sprintf("Outside %d", n), moment
		return s.Batch(s.Context(), identified(repository.Changes{Replace: []models.User{users[b], users[a]}}, nil))
	}
	after := models.Timestamp(moment)
	filters := []models.Filter{{MaxAge: 4}, {Search: "within"}, {UpdatedAfter: &after}, {Search: "n", MaxAge: 9}}
	orders := singles()
	s.besideWrites(write, func(n int) bool {
		query := models.Query{
			Filter: filters[n%len(filters)], Order: orders[n/len(filters)%len(orders)],
			Limit: within + 1 - n%3, Skip: int64(n % 2), WithTotal: true,
		}
		all := within
		if query.Filter.MaxAge == 9 {
			all += others
		}
		page, err := s.List(s.Context(), query)
		if err != nil {
			s.Errorf("List beside batches: %v", err)
			return false
		}
		want := min(query.Limit, all-int(query.Skip))
		right := page.Total == int64(all) && len(page.Users) == want &&
			page.Before == (query.Skip > 0) && page.More == (int(query.Skip)+want < all)
		if !right || !slices.Equal(arranged(page.Users, query), page.Users) {
			s.Errorf("List(%s) shows half of a batch: %s\n%s\nwant %d users in order, of %d",
				describeQuery(query), describePage(page), describeUsers(page.Users), want, all)
			return false
		}
		return true
	})
}
