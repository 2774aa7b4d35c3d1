package repotest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"userapi/models"
	"userapi/repository"
)

// subject is a store under test together with the test that judges it. Its own methods are those of
// the store for a rule that takes their success for granted: they end the rule when one fails, so
// they are not for the goroutines that a rule starts.
type subject struct {
	T
	repository.UserRepository
}

func (s *subject) created(user models.User) models.User {
	s.Helper()
	stored, err := s.Create(s.Context(), user)
	if err != nil {
		s.Fatalf("Create(%q): %v", user.Email, err)
	}
	return stored
}

// seeded creates the samples 1 to n.
func (s *subject) seeded(n int) []models.User {
	s.Helper()
	users := make([]models.User, 0, n)
	for i := range n {
		users = append(users, s.created(Sample(i+1)))
	}
	return users
}

func (s *subject) got(id int64) models.User {
	s.Helper()
	user, err := s.Get(s.Context(), id)
	if err != nil {
		s.Fatalf("Get(%d): %v", id, err)
	}
	return user
}

func (s *subject) updated(id int64, edits func(*models.User)) models.User {
	s.Helper()
	user, err := s.Update(s.Context(), id, edit(edits))
	if err != nil {
		s.Fatalf("Update(%d): %v", id, err)
	}
	return user
}

func (s *subject) deleted(ids ...int64) {
	s.Helper()
	for _, id := range ids {
		if err := s.Delete(s.Context(), id); err != nil {
			s.Fatalf("Delete(%d): %v", id, err)
		}
	}
}

func (s *subject) listed(query models.Query) models.Page {
	s.Helper()
	page, err := s.List(s.Context(), query)
	if err != nil {
		s.Fatalf("List(%s): %v", describeQuery(query), err)
	}
	return page
}

// holds complains unless these users, in the order of their ids, are what the store holds: as List
// shows them and as Get does.
func (s *subject) holds(want ...models.User) {
	s.Helper()
	page := s.listed(models.Query{Limit: models.MaxLimit})
	if !slices.Equal(page.Users, want) {
		s.Errorf("the store lists\n%s\nwant\n%s", describeUsers(page.Users), describeUsers(want))
	}
	for _, user := range want {
		if got := s.got(user.ID); got != user {
			s.Errorf("Get(%d) = %+v, want %+v", user.ID, got, user)
		}
	}
}

// shows complains unless List answers the query as PageOf does for these users.
func (s *subject) shows(users []models.User, query models.Query) {
	s.Helper()
	got, want := s.listed(query), PageOf(users, query)
	if got.Users == nil {
		s.Errorf("List(%s) has nil for its users, want an empty slice", describeQuery(query))
	}
	if !slices.Equal(got.Users, want.Users) || got.More != want.More || got.Before != want.Before || got.Total != want.Total {
		s.Errorf("List(%s)\n got %s\nwant %s", describeQuery(query), describePage(got), describePage(want))
	}
}

// fails complains unless err is the one that is wanted. It may be called on any goroutine.
func (s *subject) fails(err, want error, doing string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", doing, err, want)
	}
}

// edit turns a function that sets members into a change for Update.
func edit(edits func(*models.User)) func(models.User) (models.User, error) {
	return func(user models.User) (models.User, error) {
		edits(&user)
		return user, nil
	}
}

// together runs do(0) to do(n-1) at the same time, each on a goroutine of its own, and waits for all.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	all.Wait()
}

func describeUsers(users []models.User) string {
	lines := make([]string, 0, len(users))
	for _, user := range users {
		lines = append(lines, fmt.Sprintf("%+v", user))
	}
	return strings.Join(lines, "\n")
}

func describePage(page models.Page) string {
	ids := make([]int64, 0, len(page.Users))
	for _, user := range page.Users {
		ids = append(ids, user.ID)
	}
	return fmt.Sprintf("ids %v, more %t, before %t, total %d", ids, page.More, page.Before, page.Total)
}

func describeQuery(query models.Query) string {
	text := fmt.Sprintf("limit %d, skip %d, total %t", query.Limit, query.Skip, query.WithTotal)
	if at := query.Position; at != nil {
		text += fmt.Sprintf(", id %d, backward %t", at.ID, at.Backward)
	}
	return text
}
