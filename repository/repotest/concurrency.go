package repotest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"userapi/models"
)

func concurrencyRules() []Rule {
	return []Rule{
		{
			"Of a thousand parallel creators one gets the address",
			"a store that looks and then writes makes two accounts of a double click",
			createOnce,
		},
		{
			"Parallel creators get different ids that grow for each",
			"an id given twice is one user lost",
			createParallelIDs,
		},
		{
			"Parallel updates lose none",
			"a lost update is a change that was acknowledged and never happened",
			updateLosesNothing,
		},
		{
			"Of parallel updates to one address one gets it",
			"uniqueness has to hold on every way in",
			updateToOneAddress,
		},
		{
			"Parallel updates do not bring a deleted user back",
			"a deletion that was acknowledged stands",
			deleteStands,
		},
		{
			"Of parallel deletes of one user one succeeds",
			"the others must learn that it was gone",
			deleteOnce,
		},
		{
			"A conditional delete never removes a newer version",
			"the client agreed to lose what it had seen, not what somebody has written since",
			deleteKeepsNewer,
		},
		{
			"Parallel batches are one after another",
			"what a batch takes from one user and gives to another must neither vanish nor double",
			batchTransfers,
		},
		{
			"A batch writes only while what it has read still holds",
			"two batches that each see the other's user must not both act on what the other changes",
			batchReadsStay,
		},
		{
			"Updates and batches of one user lose none of each other",
			"a lost update is a change that was acknowledged and never happened",
			batchBesideUpdates,
		},
		{
			"Parallel batches and creators get different ids",
			"an id given twice is one user lost",
			batchParallelIDs,
		},
		{
			"List shows a batch whole or not at all",
			"a page and its total must not catch two users in the middle of their exchange",
			listWholeBatches,
		},
		{
			"Walks beside writers show every untouched user exactly once",
			"by any filter and in any order, whatever happens to the others",
			walksBesideWriters,
		},
		{
			"List shows one consistent state",
			"a page put together from two moments shows what never was",
			listOneState,
		},
		{
			"List counts the state that it shows",
			"a total from another moment contradicts the page beside it",
			listOneCount,
		},
		{
			"Concurrent clients see one history",
			"what was acknowledged is seen by the next request, everywhere",
			oneHistory,
		},
	}
}

// capitals returns the text with the letters at the set bits of the mask in upper case.
func capitals(text string, mask int) string {
	bytes := []byte(text)
	for i := range bytes {
		if mask>>(i%16)&1 == 1 {
			bytes[i] = strings.ToUpper(text[i : i+1])[0]
		}
	}
	return string(bytes)
}

func createOnce(s *subject) {
	var won atomic.Int64
	together(1000, func(i int) {
		user := Sample(i)
		user.Email = capitals("everybody.wants.this@example.com", i)
		if _, err := s.Create(s.Context(), user); err == nil {
			won.Add(1)
		} else {
			s.fails(err, models.ErrEmailTaken, "parallel Create")
		}
	})
	page := s.listed(models.Query{Limit: 10, WithTotal: true})
	if won.Load() != 1 || page.Total != 1 || len(page.Users) != 1 {
		s.Errorf("%d creators got the address, and the store holds %d users; want one", won.Load(), page.Total)
	}
}

func createParallelIDs(s *subject) {
	const creators, each = 8, 25
	ids := make([][]int64, creators)
	together(creators, func(i int) {
		for n := range each {
			user, err := s.Create(s.Context(), Sample(i*each+n))
			if err != nil {
				s.Errorf("parallel Create: %v", err)
				return
			}
			ids[i] = append(ids[i], user.ID)
		}
	})
	for _, own := range ids {
		if !slices.IsSorted(own) {
			s.Errorf("one creator got the ids %v, want them to grow", own)
		}
	}
	all := slices.Concat(ids...)
	slices.Sort(all)
	if distinct := len(slices.Compact(all)); distinct != creators*each {
		s.Errorf("%d creates gave %d ids", creators*each, distinct)
	}
	if total := s.listed(models.Query{Limit: 1, WithTotal: true}).Total; total != creators*each {
		s.Errorf("%d creates left %d users", creators*each, total)
	}
}

func updateLosesNothing(s *subject) {
	const writers, each = 8, 50
	users := s.seeded(2)
	together(writers, func(int) {
		for range each {
			_, err := s.Update(s.Context(), users[0].ID, edit(func(user *models.User) {
				user.Version++
				user.Name = fmt.Sprintf("Version %d", user.Version)
			}))
			if err != nil {
				s.Errorf("parallel Update: %v", err)
				return
			}
		}
	})
	users[0].Version += writers * each
	users[0].Name = fmt.Sprintf("Version %d", users[0].Version)
	s.holds(users...)
}

func updateToOneAddress(s *subject) {
	const rounds = 20
	users := s.seeded(8)
	for round := range rounds {
		address := fmt.Sprintf("round.%d@example.com", round)
		var won atomic.Int64
		together(len(users), func(i int) {
			_, err := s.Update(s.Context(), users[i].ID, edit(func(user *models.User) {
				user.Email = capitals(address, i)
			}))
			if err == nil {
				won.Add(1)
			} else {
				s.fails(err, models.ErrEmailTaken, "parallel Update to one address")
			}
		})
		holders := 0
		for _, user := range s.listed(models.Query{Limit: models.MaxLimit}).Users {
			if strings.EqualFold(user.Email, address) {
				holders++
			}
		}
		if won.Load() != 1 || holders != 1 {
			s.Fatalf("%d updates got the address, %d users have it; want one", won.Load(), holders)
		}
	}
}

func deleteStands(s *subject) {
	const rounds, writers = 20, 4
	for round := range rounds {
		user := s.created(Sample(round))
		together(writers, func(i int) {
			if i == 0 {
				if err := s.Delete(s.Context(), user.ID, nil); err != nil {
					s.Errorf("Delete beside updates: %v", err)
				}
				return
			}
			for range 3 {
				_, err := s.Update(s.Context(), user.ID, edit(func(user *models.User) { user.Version++ }))
				if err != nil {
					s.fails(err, models.ErrUserNotFound, "Update beside Delete")
				}
			}
		})
		_, err := s.Get(s.Context(), user.ID)
		s.fails(err, models.ErrUserNotFound, "Get after Delete beside updates")
	}
	s.holds()
	s.created(Sample(0)) // its address is free
}

func deleteOnce(s *subject) {
	const rounds, callers = 20, 8
	for round := range rounds {
		user := s.created(Sample(round))
		var won atomic.Int64
		together(callers, func(int) {
			if err := s.Delete(s.Context(), user.ID, nil); err == nil {
				won.Add(1)
			} else {
				s.fails(err, models.ErrUserNotFound, "parallel Delete")
			}
		})
		if won.Load() != 1 {
			s.Errorf("%d of %d deletes of one user succeeded, want one", won.Load(), callers)
		}
	}
	s.holds()
}

// besideWrites calls read again and again while a goroutine of its own calls write, until there
// were enough of both; each is given how often it was called before. It stops at the first error of
// write and when read returns false.
func (s *subject) besideWrites(write func(n int) error, read func(n int) bool) {
	s.Helper()
	const enough = 300
	var written atomic.Int64
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; !stop.Load(); n++ {
			if err := write(n); err != nil {
				s.Errorf("writing beside List: %v", err)
				stop.Store(true)
			}
			written.Add(1)
			runtime.Gosched() // on one core the two take turns
		}
	})
	for n := 0; (n < enough || written.Load() < enough) && !stop.Load(); n++ {
		if !read(n) {
			break
		}
		runtime.Gosched()
	}
	stop.Store(true)
	writer.Wait()
}

// listOneState sends waves through the users: each wave gives them one after another, in an order
// that is always the same, its number for a version. So at every moment the versions fall at most
// once in that order, and by one.
func listOneState(s *subject) {
	users := s.seeded(24)
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(users))
	write := func(n int) error {
		wave, at := int64(n/len(users))+2, order[n%len(users)]
		_, err := s.Update(s.Context(), users[at].ID, edit(func(user *models.User) { user.Version = wave }))
		return err
	}
	s.besideWrites(write, func(int) bool {
		page, err := s.List(s.Context(), models.Query{Limit: len(users)})
		if err != nil || len(page.Users) != len(users) {
			s.Errorf("List beside updates: %d users, error %v", len(page.Users), err)
			return false
		}
		versions := make([]int64, 0, len(users))
		for _, at := range order {
			versions = append(versions, page.Users[at].Version)
		}
		first, last := versions[0], versions[len(versions)-1]
		falling := slices.IsSortedFunc(versions, func(a, b int64) int { return int(b - a) })
		if !falling || first-last > 1 {
			s.Errorf("List shows a state that never was: in the order of the updates the versions are %v", versions)
			return false
		}
		return true
	})
}

// listOneCount lets users come and go behind three that stay.
func listOneCount(s *subject) {
	const stay = 3
	s.seeded(stay)
	random := rand.New(rand.NewPCG(1, 2))
	var guests []int64
	write := func(n int) error {
		if len(guests) > 0 && (len(guests) > 8 || random.IntN(2) == 0) {
			id := guests[0]
			guests = guests[1:]
			return s.Delete(s.Context(), id, nil)
		}
		user, err := s.Create(s.Context(), Sample(100+n))
		guests = append(guests, user.ID)
		return err
	}
	s.besideWrites(write, func(n int) bool {
		query := models.Query{Limit: models.MaxLimit, Skip: int64(n % stay), WithTotal: true}
		if n%2 == 0 {
			query.Limit = 2
		}
		page, err := s.List(s.Context(), query)
		if err != nil {
			s.Errorf("List beside writes: %v", err)
			return false
		}
		least := min(query.Limit, stay-int(query.Skip))
		follow := page.Total - query.Skip - int64(len(page.Users))
		if len(page.Users) < least || follow < 0 || page.More != (follow > 0) || page.Before != (query.Skip > 0) {
			s.Errorf("List(%s) contradicts itself: %s", describeQuery(query), describePage(page))
			return false
		}
		return true
	})
}
