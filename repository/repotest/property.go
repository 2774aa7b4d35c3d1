package repotest

import (
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"userapi/models"
	"userapi/repository"
)

func propertyRules() []Rule {
	return []Rule{
		{
			"Whatever was changed, List answers as the plainest list does",
			"what nobody thought of: random changes, refused ones among them, and random questions in between",
			answersAsPlainList,
		},
		{
			"List answers exactly over thousands of users",
			"what holds for ten need not hold where indexes split and merge, or where a page does not hold all",
			answersOverThousands,
		},
	}
}

// answersAsPlainList draws changes and questions. When one fails, rapid looks for the shortest way to
// it; ids are therefore counted from the first of each case.
func answersAsPlainList(s *subject) {
	orders := allOrders()
	rapid.Check(s.T, func(t *rapid.T) {
		p := &population{subject: &subject{T: t, UserRepository: s.UserRepository}}
		p.orders, p.conditions = orders, 3
		p.choose = func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, what) }
		p.emptied()
		p.looks(func(tx repository.Tx) error {
			id, err := tx.NextID()
			p.base = id - 1
			return err
		})
		t.Repeat(map[string]func(*rapid.T){
			"create": p.create,
			"crowd":  p.crowd,
			"update": p.update,
			"delete": p.delete,
			"batch":  p.batch,
			"list":   p.list,
			"walk":   p.walkBothWays,
		})
	})
}

// population is what the store holds in the random rule.
type population struct {
	*subject
	questions       // whose users stand in the order of their ids
	base      int64 // the last id before the case
}

// drawn draws a user without an id, who often has something in common with another one.
func (p *population) drawn(t *rapid.T) models.User {
	return models.User{
		Name: rapid.SampledFrom(spellings()).Draw(t, "name"),
		Email: rapid.SampledFrom(locals()).Draw(t, "local") + rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "number") +
			rapid.SampledFrom([]string{"@example.com", "@b\u00fccher.example"}).Draw(t, "domain"),
		Age:       rapid.SampledFrom([]models.Age{0, 1, 30, 31, 150}).Draw(t, "age"),
		CreatedAt: rapid.SampledFrom(someTimes()).Draw(t, "created"),
		UpdatedAt: rapid.SampledFrom(someTimes()).Draw(t, "updated"),
		Version:   rapid.Int64Range(1, 3).Draw(t, "version"),
	}
}

// changed draws what becomes of a user: all of it, or one member.
func (p *population) changed(t *rapid.T, user models.User) models.User {
	to := p.drawn(t)
	to.ID, to.CreatedAt = user.ID, user.CreatedAt
	switch rapid.IntRange(0, 5).Draw(t, "which") {
	case 0:
		user.Name = to.Name
	case 1:
		user.Email = to.Email
	case 2:
		user.Age = to.Age
	case 3:
		user.UpdatedAt = to.UpdatedAt
	case 4:
		user.Version = to.Version
	default:
		return to
	}
	return user
}

// pick draws the place of a user, or skips the action when there is none.
func (p *population) pick(t *rapid.T) int {
	if len(p.users) == 0 {
		t.Skip("nobody is there")
	}
	return rapid.IntRange(0, len(p.users)-1).Draw(t, "user")
}

// become makes the users those that the model should hold, or says with ErrEmailTaken why it cannot.
func (p *population) become(users []models.User) error {
	keys := make(map[string]bool)
	for _, user := range users {
		key := models.EmailKey(user.Email)
		if keys[key] {
			return models.ErrEmailTaken
		}
		keys[key] = true
	}
	p.past = append(p.past, p.users...)
	p.past = p.past[max(0, len(p.past)-20):]
	slices.SortFunc(users, func(a, b models.User) int { return int(a.ID - b.ID) })
	p.users = users
	return nil
}

// agrees complains unless the store answered with this error.
func (p *population) agrees(err, want error, doing string) {
	p.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		p.Fatalf("%s: error %v, want %v", doing, err, want)
	}
}

func (p *population) create(t *rapid.T) {
	user := p.drawn(t)
	stored, err := p.Create(t.Context(), user)
	user.ID = stored.ID
	want := p.become(append(slices.Clone(p.users), user))
	if p.agrees(err, want, "Create"); want == nil && stored != user {
		t.Fatalf("Create returned %+v, want %+v", stored, user)
	}
}

func (p *population) update(t *rapid.T) {
	i := p.pick(t)
	to := p.changed(t, p.users[i])
	refusal := errors.New("refused")
	if rapid.IntRange(0, 7).Draw(t, "refuse") != 7 {
		refusal = nil
	}
	stored, err := p.Update(t.Context(), to.ID, func(models.User) (models.User, error) { return to, refusal })
	if refusal != nil {
		p.agrees(err, refusal, "Update that is refused")
		return
	}
	users := slices.Clone(p.users)
	users[i] = to
	want := p.become(users)
	if p.agrees(err, want, "Update"); want == nil && stored != to {
		t.Fatalf("Update returned %+v, want %+v", stored, to)
	}
}

func (p *population) delete(t *rapid.T) {
	i := p.pick(t)
	p.agrees(p.Delete(t.Context(), p.users[i].ID, nil), p.become(slices.Delete(slices.Clone(p.users), i, i+1)), "Delete")
}

// crowd creates several users who do not clash.
func (p *population) crowd(t *rapid.T) {
	n := rapid.IntRange(1, 10).Draw(t, "users")
	users := make([]models.User, 0, n)
	for i := range n {
		user := p.drawn(t)
		user.Email = fmt.Sprintf("%d.%d.%s", len(p.past), len(p.users)+i, user.Email)
		users = append(users, user)
	}
	p.batches(t, repository.Changes{Create: users})
}

func (p *population) batch(t *rapid.T) {
	var changes repository.Changes
	for _, user := range p.users {
		switch rapid.IntRange(0, 4).Draw(t, "change") {
		case 3:
			changes.Replace = append(changes.Replace, p.changed(t, user))
		case 4:
			changes.Delete = append(changes.Delete, user.ID)
		}
	}
	if n := len(changes.Replace); n > 1 && rapid.Bool().Draw(t, "rotate") {
		first := changes.Replace[0].Email
		for i := range n - 1 {
			changes.Replace[i].Email = changes.Replace[i+1].Email
		}
		changes.Replace[n-1].Email = first
	}
	for range rapid.IntRange(0, 2).Draw(t, "new") {
		changes.Create = append(changes.Create, p.drawn(t))
	}
	p.batches(t, changes)
}

// batches writes changes to the store and the model.
func (p *population) batches(t *rapid.T, changes repository.Changes) {
	var created []models.User
	err := p.Batch(t.Context(), identified(changes, &created))
	users := slices.Concat(p.users, created)
	for _, to := range changes.Replace {
		users[slices.IndexFunc(users, func(user models.User) bool { return user.ID == to.ID })] = to
	}
	users = slices.DeleteFunc(users, func(user models.User) bool { return slices.Contains(changes.Delete, user.ID) })
	p.agrees(err, p.become(users), "Batch")
}

// list asks for a random page.
func (p *population) list(t *rapid.T) {
	query := p.query()
	query.Limit = rapid.OneOf(rapid.IntRange(1, 6), rapid.Just(models.MaxLimit)).Draw(t, "limit")
	query.WithTotal = rapid.Bool().Draw(t, "total")
	if rapid.Bool().Draw(t, "position") {
		query.Position = p.position(query.Order)
	} else {
		query.Skip = rapid.Int64Range(0, int64(len(p.users)+1)).Draw(t, "skip")
	}
	p.answers(t, query)
}

// walkBothWays asks for all pages from the start on, and for all from the end back.
func (p *population) walkBothWays(t *rapid.T) {
	query := p.query()
	query.Limit = rapid.IntRange(1, 9).Draw(t, "limit")
	want := arranged(p.users, query)
	for _, backward := range []bool{false, true} {
		query.Skip, query.Position = 0, models.Position{Backward: backward}
		var got []models.User
		for goesOn := true; goesOn; {
			page := p.answers(t, query)
			if backward {
				got = slices.Concat(page.Users, got)
			} else {
				got = append(got, page.Users...)
			}
			query, goesOn = following(query, page)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the pages of List(%s) do not join to the whole list", p.describe(query))
		}
	}
}

// answers complains unless the store answers as PageOf does.
func (p *population) answers(t *rapid.T, query models.Query) models.Page {
	got, want := p.listed(query), PageOf(p.users, query)
	if !samePage(got, want) {
		t.Fatalf("List(%s)\n got %s\nwant %s", p.describe(query), describePage(p.counted(got)), describePage(p.counted(want)))
	}
	return got
}

// describe and counted are for messages in which ids are counted from the first of the case.
func (p *population) describe(query models.Query) string {
	query.Filter.IDs = slices.Clone(query.Filter.IDs)
	for i := range query.Filter.IDs {
		query.Filter.IDs[i] -= p.base
	}
	if query.Position.At.ID != 0 {
		query.Position.At.ID -= p.base
	}
	return describeQuery(query)
}

func (p *population) counted(page models.Page) models.Page {
	page.Users = slices.Clone(page.Users)
	for i := range page.Users {
		page.Users[i].ID -= p.base
	}
	return page
}
