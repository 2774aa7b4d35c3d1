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
	wrongPages int
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
		if err := s.Delete(s.Context(), id, nil); err != nil {
			s.Fatalf("Delete(%d): %v", id, err)
		}
	}
}

// batched writes changes as one batch, in which created users get their ids, and returns those.
func (s *subject) batched(changes repository.Changes) []models.User {
	s.Helper()
	var created []models.User
	if err := s.Batch(s.Context(), identified(changes, &created)); err != nil {
		s.Fatalf("Batch: %v", err)
	}
	return created
}

// identified is the decision to write these changes, in which created users get their ids. It leaves
// these users in created, unless that is nil.
func identified(changes repository.Changes, created *[]models.User) func(tx repository.Tx) (repository.Changes, error) {
	return func(tx repository.Tx) (repository.Changes, error) {
		users := slices.Clone(changes.Create) // decide may be called again
		for i := range users {
			var err error
			if users[i].ID, err = tx.NextID(); err != nil {
				return repository.Changes{}, err
			}
		}
		if created != nil {
			*created = slices.Clone(users)
		}
		changes := changes
		changes.Create = users
		return changes, nil
	}
}

// looks runs a batch that changes nothing.
func (s *subject) looks(look func(tx repository.Tx) error) {
	s.Helper()
	err := s.Batch(s.Context(), func(tx repository.Tx) (repository.Changes, error) {
		return repository.Changes{}, look(tx)
	})
	if err != nil {
		s.Fatalf("Batch that only looks: %v", err)
	}
}

// filled creates many users in batches as large as a client can send, and returns them as stored.
func (s *subject) filled(users []models.User) []models.User {
	s.Helper()
	stored := make([]models.User, 0, len(users))
	for some := range slices.Chunk(users, models.MaxOperations) {
		stored = append(stored, s.batched(repository.Changes{Create: some})...)
	}
	return stored
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
	s.answered(query, PageOf(users, query))
}

// answered complains unless List answers the query with this page. A store that is wrong is mostly
// wrong often, so a few complaints end the rule.
func (s *subject) answered(query models.Query, want models.Page) {
	s.Helper()
	const enough = 5
	got := s.listed(query)
	if got.Users == nil {
		s.Errorf("List(%s) has nil for its users, want an empty slice", describeQuery(query))
	}
	if samePage(got, want) {
		return
	}
	s.Errorf("List(%s)\n got %s\nwant %s", describeQuery(query), describePage(got), describePage(want))
	if s.wrongPages++; s.wrongPages == enough {
		s.Fatalf("that is %d wrong pages: the rule ends here", enough)
	}
}

func samePage(a, b models.Page) bool {
	return slices.Equal(a.Users, b.Users) && a.More == b.More && a.Before == b.Before && a.Total == b.Total
}

// fails complains unless err is the one that is wanted. It may be called on any goroutine.
func (s *subject) fails(err, want error, doing string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", doing, err, want)
	}
}

// refuses complains unless err is the very error that a function of the caller returned.
func (s *subject) refuses(err, want error, doing string) {
	s.Helper()
	if err != want { //nolint:errorlint // the promise is this very value
		s.Errorf("%s: error %v, want the one that was returned, and nothing around it", doing, err)
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
	text := fmt.Sprintf("sort %v, limit %d, skip %d, total %t", query.Order, query.Limit, query.Skip, query.WithTotal)
	if at := query.Position; at != (models.Position{}) {
		text += fmt.Sprintf(", position %+v, inclusive %t, backward %t", at.At, at.Inclusive, at.Backward)
	}
	if f := &query.Filter; !f.IsZero() {
		text += ", filter" + describeFilter(f)
	}
	return text
}

func describeFilter(f *models.Filter) string {
	var b strings.Builder
	say := func(given bool, what string, value any) {
		if given {
			fmt.Fprintf(&b, " %s %+q", what, fmt.Sprint(value)) // quoted, so that white space shows
		}
	}
	say(f.Search != "", "q", f.Search)
	say(f.EmailKey != "", "email", f.EmailKey)
	say(f.Name != "", "name", f.Name)
	say(f.MinAge != 0, "age_min", uint8(f.MinAge))
	say(f.MaxAge != 0, "age_max", uint8(f.MaxAge))
	moment := func(at *models.Timestamp, what string) {
		if at != nil {
			say(true, what, int64(*at))
		}
	}
	moment(f.CreatedAfter, "created_after")
	moment(f.CreatedBefore, "created_before")
	moment(f.UpdatedAfter, "updated_after")
	say(f.IDs != nil, "ids", f.IDs)
	return b.String()
}
