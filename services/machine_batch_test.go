package services_test

import (
	"errors"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"userapi/models"
)

// attempt is what a batch comes to by the plainest reading of contract 5: the operations one after
// the other on a copy of the users.
type attempt struct {
	*machine
	users  map[int64]models.User
	lastID int64
	// since has, for every user whom an operation gave an address, the last that did.
	since   map[int64]int
	results []models.Result
}

// operations draws a batch whose operations often meet: on few users, on those that it creates, and
// on few addresses.
func (m *machine) operations(t *rapid.T) []models.Operation {
	operations := make([]models.Operation, rapid.IntRange(1, 8).Draw(t, "operations"))
	ids := slices.Sorted(maps.Keys(m.users))
	if len(ids) > 3 {
		ids = ids[:3]
	}
	for i := range operations {
		kinds := []models.Op{models.OpCreate, models.OpUpdate, models.OpPatch, models.OpPatch, models.OpDelete}
		op := models.Operation{Op: rapid.SampledFrom(kinds).Draw(t, "op"), Patch: m.patch(t)}
		if rapid.IntRange(0, 15).Draw(t, "is valid") == 15 {
			op = invalid()
		} else if op.Op != models.OpCreate {
			op.Match = m.match(t)
			op.ID = rapid.OneOf(
				rapid.SampledFrom(append(ids, m.lastID+1)),
				rapid.Int64Range(m.lastID+1, m.lastID+int64(i)+1),
				rapid.Int64Range(-1, m.lastID+9),
			).Draw(t, "id")
		}
		operations[i] = op
	}
	return operations
}

// run does the operations. When strict, an address must be free at the moment when it is given.
func (a *attempt) run(operations []models.Operation, strict bool) {
	for i := range operations {
		a.results = append(a.results, a.do(i, &operations[i], strict))
	}
	if strict {
		return
	}
	// Of two users who end with one address, the one who was given it later is at fault; who had it
	// before the batch was given it before all others.
	for id, user := range a.users {
		for other, rival := range a.users {
			if id != other && models.EmailKey(user.Email) == models.EmailKey(rival.Email) && a.from(other) < a.from(id) {
				a.results[a.from(id)] = models.Result{Err: models.ErrEmailTaken}
			}
		}
	}
}

// from is the operation that gave a user the address, or -1.
func (a *attempt) from(id int64) int {
	if i, ok := a.since[id]; ok {
		return i
	}
	return -1
}

func (a *attempt) do(i int, op *models.Operation, strict bool) models.Result {
	if op.Err != nil {
		return models.Result{Err: op.Err}
	}
	old, ok := a.users[op.ID]
	if op.Op == models.OpCreate {
		at := models.TimestampOf(a.clock.at)
		old, ok = models.User{ID: a.lastID + 1, CreatedAt: at, UpdatedAt: at, Version: 1}, true
	}
	user := wanted(old, op)
	if op.Op == models.OpDelete {
		user = models.User{ID: op.ID}
	}
	clash := strict && op.Op != models.OpDelete && (&machine{users: a.users}).taken(old.ID, user.Email)
	switch {
	case !ok:
		return models.Result{Err: models.ErrUserNotFound}
	case isStale(op.Match, old.Version):
		err := *models.ErrPreconditionFailed
		err.Version = old.Version
		return models.Result{Err: &err}
	case clash:
		return models.Result{Err: models.ErrEmailTaken}
	}
	switch op.Op {
	case models.OpDelete:
		delete(a.users, op.ID)
		return models.Result{User: user}
	case models.OpCreate:
		a.lastID++
	default:
		user = a.revised(old, user)
	}
	if models.EmailKey(user.Email) != models.EmailKey(old.Email) {
		a.since[user.ID] = i
	}
	a.users[user.ID] = user
	return models.Result{User: user}
}

// Batch holds a batch against the attempt, first as a dry run.
func (m *machine) Batch(t *rapid.T) {
	batch := models.Batch{Independent: rapid.Bool().Draw(t, "independent"), Operations: m.operations(t)}
	want := &attempt{machine: m, users: maps.Clone(m.users), lastID: m.lastID, since: make(map[int64]int)}
	want.run(batch.Operations, batch.Independent)

	planned := batch
	planned.DryRun = true
	for _, batch := range []models.Batch{planned, batch} {
		got, err := m.service.Batch(t.Context(), batch)
		if err != nil || !slices.EqualFunc(got, want.results, sameResult) {
			t.Fatalf("of %+v\nBatch(%+v)\n got %+v, error %v\nwant %+v", m.sorted(), batch, got, err, want.results)
		}
		if batch.DryRun {
			m.Check(t)
		}
	}
	fails := func(result models.Result) bool { return result.Err != nil }
	if batch.Independent || !slices.ContainsFunc(want.results, fails) {
		m.users, m.lastID = want.users, want.lastID
	}
}

// sameResult compares two results, errors by what they are.
func sameResult(got, want models.Result) bool {
	if got.Err == nil || want.Err == nil {
		return got == want
	}
	return errors.Is(got.Err, want.Err) && got.Err.Version == want.Err.Version && got.User == want.User
}
