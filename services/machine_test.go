package services_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"userapi/models"
	"userapi/repository/memory"
	"userapi/repository/repotest"
	"userapi/services"
)

// machine holds the service over the memory store beside what it stands for: a map of users, the
// last id, and a clock that may also stand still and step back.
type machine struct {
	service *services.Users
	clock   *clock
	users   map[int64]models.User
	lastID  int64
}

func newMachine() *machine {
	m := &machine{clock: newClock(), users: make(map[int64]models.User)}
	m.service = services.NewUsers(memory.New(), m.clock.now)
	return m
}

// input draws what a client may set, from few addresses so that they clash.
func (m *machine) input(t *rapid.T) models.UserInput {
	in := models.UserInput{
		Name:  rapid.SampledFrom([]string{"Ada", "ada", "\u0410\u0434\u0430", "Ada \U0001f469\u200d\U0001f52c"}).Draw(t, "name"),
		Email: rapid.SampledFrom([]string{"ada", "ADA", "grace", "Grace", "stra\u00dfe", "STRASSE", "jos\u00e9", "JOS\u00c9", "jose"}).Draw(t, "email") + "@example.com",
		Age:   rapid.Ptr(rapid.Int64Range(1, 150), true).Draw(t, "age"),
	}
	return in
}

// id draws an id, mostly one that was given.
func (m *machine) id(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(-1, m.lastID+2),
		rapid.SampledFrom(append(slices.Sorted(maps.Keys(m.users)), 1)),
		rapid.Int64(),
	).Draw(t, "id")
}

// taken says whether a user other than the one with this id has the address.
func (m *machine) taken(id int64, email string) bool {
	for _, user := range m.users {
		if user.ID != id && models.EmailKey(user.Email) == models.EmailKey(email) {
			return true
		}
	}
	return false
}

// sorted returns the users in the order of their ids.
func (m *machine) sorted() []models.User {
	var users []models.User
	for _, id := range slices.Sorted(maps.Keys(m.users)) {
		users = append(users, m.users[id])
	}
	return users
}

// fails fails the test unless err is the one that is wanted.
func fails(t *rapid.T, err, want error, doing string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", doing, err, want)
	}
}

func (m *machine) Create(t *rapid.T) {
	in := m.input(t)
	got, err := m.service.Create(t.Context(), in)
	if m.taken(0, in.Email) {
		fails(t, err, models.ErrEmailTaken, "Create")
		return
	}
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	at := models.TimestampOf(m.clock.at)
	want := in.Apply(models.User{ID: got.ID, CreatedAt: at, UpdatedAt: at, Version: 1})
	if got != want || got.ID <= m.lastID {
		t.Fatalf("Create returned %+v after id %d, want %+v", got, m.lastID, want)
	}
	m.lastID = got.ID
	m.users[got.ID] = got
}

func (m *machine) Get(t *rapid.T) {
	id := m.id(t)
	got, err := m.service.Get(t.Context(), id)
	want, ok := m.users[id]
	if !ok {
		fails(t, err, models.ErrUserNotFound, "Get")
		return
	}
	if err != nil || got != want {
		t.Fatalf("Get(%d) = %+v, error %v, want %+v", id, got, err, want)
	}
}

// patch draws the members that a patch gives.
func (m *machine) patch(t *rapid.T) models.UserPatch {
	return models.UserPatch{
		Input: m.input(t),
		Name:  rapid.Bool().Draw(t, "gives a name"), Email: rapid.Bool().Draw(t, "gives an address"), Age: rapid.Bool().Draw(t, "gives an age"),
	}
}

// match draws a condition, which often names the version that users have.
func (m *machine) match(t *rapid.T) models.Match {
	versions := rapid.SliceOfN(rapid.Int64Range(1, 4), 0, 2).Draw(t, "versions")
	return rapid.SampledFrom([]models.Match{{}, {}, {Given: true, Any: true}, {Given: true, Versions: versions}}).Draw(t, "match")
}

// revised is a user as a change leaves it: the wanted one with the next version and a later time,
// unless that is the old one.
func (m *machine) revised(old, wanted models.User) models.User {
	if wanted == old {
		return old
	}
	wanted.Version = old.Version + 1
	wanted.UpdatedAt = models.TimestampOf(m.clock.at)
	if wanted.UpdatedAt <= old.UpdatedAt {
		wanted.UpdatedAt = old.UpdatedAt + 1
	}
	return wanted
}

// isStale says whether a condition keeps a write from a user of this version.
func isStale(match models.Match, version int64) bool {
	return match.Given && !match.Any && !slices.Contains(match.Versions, version)
}

func (m *machine) Update(t *rapid.T) {
	id, in, match := m.id(t), m.input(t), m.match(t)
	got, err := m.service.Update(t.Context(), id, in, match)
	m.changed(t, got, err, models.Operation{Op: models.OpUpdate, ID: id, Match: match, Patch: models.UserPatch{Input: in}})
}

func (m *machine) Patch(t *rapid.T) {
	id, patch, match := m.id(t), m.patch(t), m.match(t)
	got, err := m.service.Patch(t.Context(), id, patch, match)
	m.changed(t, got, err, models.Operation{Op: models.OpPatch, ID: id, Match: match, Patch: patch})
}

// changed judges what a change of one user came to, and makes it in the model.
func (m *machine) changed(t *rapid.T, got models.User, err error, op models.Operation) {
	old, ok := m.users[op.ID]
	want := wanted(old, &op)
	switch {
	case !ok:
		fails(t, err, models.ErrUserNotFound, "a change")
	case isStale(op.Match, old.Version):
		fails(t, err, models.ErrPreconditionFailed, "a change")
		if version := models.AsError(err).Version; version != old.Version {
			t.Fatalf("it tells of version %d, want %d", version, old.Version)
		}
	case m.taken(op.ID, want.Email):
		fails(t, err, models.ErrEmailTaken, "a change")
	case err != nil || got != m.revised(old, want):
		t.Fatalf("%+v of %+v returned\n%+v, error %v, want\n%+v", op, old, got, err, m.revised(old, want))
	default:
		m.users[op.ID] = got
	}
}

// wanted is a user with what an operation sets, and nothing else changed.
func wanted(old models.User, op *models.Operation) models.User {
	whole, in := op.Op != models.OpPatch, &op.Patch.Input
	if whole || op.Patch.Name {
		old.Name = in.Name
	}
	if whole || op.Patch.Email {
		old.Email = in.Email
	}
	if whole || op.Patch.Age {
		old.Age = 0
		if in.Age != nil {
			old.Age = models.Age(*in.Age)
		}
	}
	return old
}

func (m *machine) Delete(t *rapid.T) {
	id, match := m.id(t), m.match(t)
	err := m.service.Delete(t.Context(), id, match)
	switch old, ok := m.users[id]; {
	case !ok:
		fails(t, err, models.ErrUserNotFound, "Delete")
	case isStale(match, old.Version):
		fails(t, err, models.ErrPreconditionFailed, "Delete")
	case err != nil:
		t.Fatalf("Delete(%d): %v", id, err)
	default:
		delete(m.users, id)
	}
}

func (m *machine) GetByEmail(t *rapid.T) {
	email := m.input(t).Email
	got, err := m.service.GetByEmail(t.Context(), email)
	for _, user := range m.users {
		if models.EmailKey(user.Email) == models.EmailKey(email) {
			if err != nil || got != user {
				t.Fatalf("GetByEmail(%s) = %+v, error %v, want %+v", email, got, err, user)
			}
			return
		}
	}
	fails(t, err, models.ErrUserNotFound, "GetByEmail")
}

func (m *machine) List(t *rapid.T) {
	query := models.Query{
		Filter:    models.Filter{Name: rapid.SampledFrom([]string{"", "", "ada"}).Draw(t, "name filter")},
		Order:     rapid.SampledFrom([]models.Order{nil, {{Key: models.KeyName}}, {{Key: models.KeyAge, Descending: true}, {Key: models.KeyEmail}}}).Draw(t, "order"),
		Limit:     rapid.IntRange(1, 7).Draw(t, "limit"),
		WithTotal: rapid.Bool().Draw(t, "total"),
	}
	if rapid.Bool().Draw(t, "by position") {
		at := m.users[m.id(t)]
		query.Position = models.Position{At: at, Inclusive: rapid.Bool().Draw(t, "inclusive"), Backward: rapid.Bool().Draw(t, "backward")}
	} else {
		query.Skip = rapid.OneOf(rapid.Int64Range(0, 9), rapid.Int64Min(0)).Draw(t, "skip")
	}
	got, err := m.service.List(t.Context(), query)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	want := repotest.PageOf(m.sorted(), query)
	if got.Users == nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("List(%+v) = %+v, want %+v", query, got, want)
	}
}

// Time lets the clock run, stand still or step back.
func (m *machine) Time(t *rapid.T) {
	step := rapid.SampledFrom([]time.Duration{time.Hour, time.Microsecond, 999, 0, -time.Microsecond, -time.Hour}).Draw(t, "step")
	m.clock.at = m.clock.at.Add(step)
}

// Check holds the whole store against the model.
func (m *machine) Check(t *rapid.T) {
	page, err := m.service.List(t.Context(), models.Query{Limit: models.MaxLimit, WithTotal: true})
	if err != nil || !slices.Equal(page.Users, m.sorted()) || page.Total != int64(len(m.users)) {
		t.Fatalf("the store holds\n%+v, error %v, want\n%+v", page, err, m.sorted())
	}
	for _, user := range page.Users {
		if user.UpdatedAt < user.CreatedAt || user.Version < 1 || (user.Version == 1) != (user.UpdatedAt == user.CreatedAt) {
			t.Fatalf("times and version of %+v contradict each other", user)
		}
	}
}

func TestUsers_property(t *testing.T) {
	t.Run("the service and its store behave as a map", rapid.MakeCheck(func(t *rapid.T) {
		t.Repeat(rapid.StateMachineActions(newMachine()))
	}))
}
