package services_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository/repotest"
	"userapi/services"
)

// The operations of the tests. Whose address is said to be a has a@example.com.

func create(email string) models.Operation {
	return models.Operation{Op: models.OpCreate, Patch: models.UserPatch{Input: input(email)}}
}

func update(id int64, email string) models.Operation {
	return models.Operation{Op: models.OpUpdate, ID: id, Patch: models.UserPatch{Input: input(email)}}
}

// move is the patch that gives a user another address.
func move(id int64, email string) models.Operation {
	return models.Operation{Op: models.OpPatch, ID: id, Patch: models.UserPatch{Input: models.UserInput{Email: email + "@example.com"}, Email: true}}
}

func rename(id int64, name string) models.Operation {
	return models.Operation{Op: models.OpPatch, ID: id, Patch: models.UserPatch{Input: models.UserInput{Name: name}, Name: true}}
}

func remove(id int64) models.Operation { return models.Operation{Op: models.OpDelete, ID: id} }

// provided is the operation under a condition.
func provided(match models.Match, op models.Operation) models.Operation {
	op.Match = match
	return op
}

// invalid is an operation that validation has refused.
func invalid() models.Operation {
	return models.Operation{Op: models.OpCreate, Err: models.ErrInvalid.With(models.Fault{Pointer: "/operations/0/user/age", Code: "out_of_range"})}
}

func input(email string) models.UserInput {
	return models.UserInput{Name: "Ada", Email: email + "@example.com"}
}

// peopled returns a world with a user for each address: a is user 1, b is user 2.
func peopled(t *testing.T, emails ...string) *world {
	t.Helper()
	w := newWorld()
	for _, email := range emails {
		if _, err := w.Create(t.Context(), input(email)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// stored returns what the store holds.
func (w *world) stored(t *testing.T) []models.User {
	t.Helper()
	page, err := w.List(t.Context(), models.Query{Limit: models.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	return page.Users
}

// addresses returns who has which address: 1a 2b.
func addresses(users []models.User) string {
	var words []string
	for _, user := range users {
		words = append(words, fmt.Sprint(user.ID)+strings.TrimSuffix(user.Email, "@example.com"))
	}
	return strings.Join(words, " ")
}

// words returns a word for each result: ok, or the code of its error.
func words(results []models.Result) string {
	var words []string
	for _, result := range results {
		if result.Err == nil {
			words = append(words, "ok")
		} else {
			words = append(words, result.Err.Code)
		}
	}
	return strings.Join(words, " ")
}

func TestUsers_Batch_atomic(t *testing.T) {
	for _, row := range []struct {
		name       string
		operations []models.Operation
		// want has a word for each result, and holds who has which address afterwards, if anything
		// is written. At first it is 1a 2b 3c.
		want, holds string
	}{
		{"everything at once", []models.Operation{create("d"), update(1, "e"), rename(2, "Bo"), remove(3)}, "ok ok ok ok", "1e 2b 4d"},
		{"two exchange addresses", []models.Operation{move(1, "b"), move(2, "a")}, "ok ok", "1b 2a 3c"},
		{"three pass addresses around", []models.Operation{move(1, "b"), move(2, "c"), update(3, "a")}, "ok ok ok", "1b 2c 3a"},
		{"a chain of addresses, the free one last", []models.Operation{move(1, "b"), move(2, "c"), move(3, "d")}, "ok ok ok", "1b 2c 3d"},
		{"a clash that is over in the end", []models.Operation{move(1, "b"), move(1, "d")}, "ok ok", "1d 2b 3c"},
		{"a created user who clashes and is gone in the end", []models.Operation{create("a"), remove(4)}, "ok ok", "1a 2b 3c"},
		{"moved away and back", []models.Operation{move(1, "d"), move(1, "a")}, "ok ok", "1a 2b 3c"},
		{"the address in another case", []models.Operation{move(1, "A"), create("d")}, "ok ok", "1A 2b 3c 4d"},
		{"delete, then create with the address", []models.Operation{remove(1), create("a")}, "ok ok", "2b 3c 4a"},
		{"create with the address, then delete", []models.Operation{create("a"), remove(1)}, "ok ok", "2b 3c 4a"},
		{"create, then change and delete", []models.Operation{create("d"), update(4, "e"), create("f"), remove(5)}, "ok ok ok ok", "1a 2b 3c 4e"},
		{"create and delete by turns", []models.Operation{create("d"), remove(4), create("d"), remove(5), create("d")}, "ok ok ok ok ok", "1a 2b 3c 6d"},
		{"take what a created user gave up", []models.Operation{create("d"), move(4, "e"), move(1, "d")}, "ok ok ok", "1d 2b 3c 4e"},
		{"a condition on what an earlier operation made", []models.Operation{
			provided(version(1), rename(1, "Bo")), provided(version(2), rename(1, "Cy")), create("d"), provided(version(1), move(4, "e")), provided(version(2), remove(4)),
		}, "ok ok ok ok ok", "1a 2b 3c"},

		{"an address that somebody keeps", []models.Operation{move(1, "b"), create("d")}, "email_taken ok", ""},
		{"an address that somebody keeps in another case", []models.Operation{move(2, "B"), create("b")}, "ok email_taken", ""},
		{"two created alike", []models.Operation{create("d"), create("D")}, "ok email_taken", ""},
		{"three created alike", []models.Operation{create("d"), create("d"), create("d")}, "ok email_taken email_taken", ""},
		{"created twice with what somebody keeps", []models.Operation{create("a"), create("a")}, "email_taken email_taken", ""},
		{"who moves back comes after who came meanwhile", []models.Operation{move(1, "d"), create("a"), move(1, "a")}, "ok ok email_taken", ""},
		{"who came before the owner left is first all the same", []models.Operation{create("a"), move(1, "d"), move(1, "a")}, "ok ok email_taken", ""},
		{"who moved back is first", []models.Operation{move(1, "d"), move(1, "a"), create("a")}, "ok ok email_taken", ""},
		{"who has only changed the case is first", []models.Operation{create("a"), move(1, "A")}, "email_taken ok", ""},
		{"the operation that gave the address is at fault, not a later one", []models.Operation{move(1, "b"), rename(1, "Bo"), rename(1, "Cy")}, "email_taken ok ok", ""},
		{"the last operation that gave it is at fault", []models.Operation{move(1, "b"), move(1, "d"), move(1, "b")}, "ok ok email_taken", ""},
		{"half an exchange", []models.Operation{move(1, "b"), move(2, "c")}, "ok email_taken", ""},
		{"a move away that failed keeps the address", []models.Operation{provided(version(7), move(1, "d")), create("a")}, "precondition_failed email_taken", ""},
		{"gone is gone", []models.Operation{remove(1), remove(1), update(1, "d"), rename(1, "Bo")}, "ok user_not_found user_not_found user_not_found", ""},
		{"an id that no operation has made yet", []models.Operation{rename(4, "Bo"), create("d"), rename(4, "Bo")}, "user_not_found ok ok", ""},
		{"ids that nobody has", []models.Operation{remove(0), remove(-1), remove(99), rename(1<<63-1, "Bo")}, "user_not_found user_not_found user_not_found user_not_found", ""},
		{"a version that an earlier operation has moved on from", []models.Operation{rename(1, "Bo"), provided(version(1), rename(1, "Cy"))}, "ok precondition_failed", ""},
		{"every fault of every kind", []models.Operation{
			invalid(), remove(99), provided(version(2), remove(1)), create("b"), create("d"), provided(anyVersion(), remove(98)),
		}, "invalid_input user_not_found precondition_failed email_taken ok user_not_found", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := peopled(t, "a", "b", "c")
			before := w.stored(t)
			planned, err := w.Batch(t.Context(), models.Batch{DryRun: true, Operations: row.operations})
			if err != nil || words(planned) != row.want {
				t.Errorf("the dry run: got %s, error %v, want %s", words(planned), err, row.want)
			}
			if got := w.stored(t); !slices.Equal(got, before) {
				t.Errorf("the dry run left %+v, want %+v", got, before)
			}
			results, err := w.Batch(t.Context(), models.Batch{Operations: row.operations})
			if err != nil || words(results) != row.want {
				t.Errorf("got %s, error %v, want %s", words(results), err, row.want)
			}
			if !sameResults(planned, results) {
				t.Errorf("the dry run said\n%+v, and the real one\n%+v", planned, results)
			}
			after := w.stored(t)
			if row.holds == "" && !slices.Equal(after, before) {
				t.Errorf("it failed, and left %+v, want %+v", after, before)
			}
			if row.holds != "" && addresses(after) != row.holds {
				t.Errorf("it left %s, want %s", addresses(after), row.holds)
			}
		})
	}
}

// sameResults compares results, and holds failed ones to showing no user.
func sameResults(a, b []models.Result) bool {
	return slices.EqualFunc(a, b, func(a, b models.Result) bool {
		if a.Err == nil || b.Err == nil {
			return a == b
		}
		return a.Err.Code == b.Err.Code && a.Err.Version == b.Err.Version && a.User == b.User && a.User == models.User{}
	})
}

func TestUsers_Batch_independent(t *testing.T) {
	for _, row := range []struct {
		name        string
		operations  []models.Operation
		want, holds string
	}{
		{"everything in order", []models.Operation{create("d"), update(1, "e"), rename(2, "Bo"), remove(3)}, "ok ok ok ok", "1e 2b 4d"},
		{"two cannot exchange addresses", []models.Operation{move(1, "b"), move(2, "a")}, "email_taken email_taken", "1a 2b 3c"},
		{"two exchange addresses by a third", []models.Operation{move(1, "d"), move(2, "a"), move(1, "b")}, "ok ok ok", "1b 2a 3c"},
		{"delete, then create with the address", []models.Operation{remove(1), create("a")}, "ok ok", "2b 3c 4a"},
		{"create with the address, then delete", []models.Operation{create("a"), remove(1)}, "email_taken ok", "2b 3c"},
		{"moved away, taken, and not back", []models.Operation{move(1, "d"), create("a"), move(1, "a"), remove(4), move(1, "A")}, "ok ok email_taken ok ok", "1A 2b 3c"},
		{"create, change and delete by the id", []models.Operation{create("d"), move(4, "e"), create("d"), remove(4), rename(4, "Bo")}, "ok ok ok ok user_not_found", "1a 2b 3c 5d"},
		{"what fails gets no id", []models.Operation{create("a"), create("b"), create("d"), rename(4, "Bo")}, "email_taken email_taken ok ok", "1a 2b 3c 4d"},
		{"the address in another case", []models.Operation{move(1, "A"), create("a"), create("d"), move(4, "D")}, "ok email_taken ok ok", "1A 2b 3c 4D"},
		{"faults stop nobody", []models.Operation{
			invalid(), remove(99), provided(version(2), remove(1)), create("b"), create("d"), provided(version(1), rename(1, "Bo")), provided(version(1), rename(1, "Cy")),
		}, "invalid_input user_not_found precondition_failed email_taken ok ok precondition_failed", "1a 2b 3c 4d"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := peopled(t, "a", "b", "c")
			before := w.stored(t)
			planned, err := w.Batch(t.Context(), models.Batch{Independent: true, DryRun: true, Operations: row.operations})
			if err != nil || words(planned) != row.want {
				t.Errorf("the dry run: got %s, error %v, want %s", words(planned), err, row.want)
			}
			if got := w.stored(t); !slices.Equal(got, before) {
				t.Errorf("the dry run left %+v, want %+v", got, before)
			}
			results, err := w.Batch(t.Context(), models.Batch{Independent: true, Operations: row.operations})
			if err != nil || words(results) != row.want {
				t.Errorf("got %s, error %v, want %s", words(results), err, row.want)
			}
			if !sameResults(planned, results) {
				t.Errorf("the dry run said\n%+v, and the real one\n%+v", planned, results)
			}
			if got := addresses(w.stored(t)); got != row.holds {
				t.Errorf("it left %s, want %s", got, row.holds)
			}
		})
	}
}

// ticking lets the clock run by a second at every look.
func (w *world) ticking() {
	w.Users = services.NewUsers(w.faults, func() time.Time {
		w.clock.at = w.clock.at.Add(time.Second)
		return w.clock.at
	})
}

func TestUsers_Batch(t *testing.T) {
	modes := map[string]models.Batch{"atomic": {}, "independent": {Independent: true}, "dry": {DryRun: true}, "dry independent": {Independent: true, DryRun: true}}

	t.Run("every operation has its time and its version", func(t *testing.T) {
		for name, batch := range modes {
			w := peopled(t, "a")
			w.ticking()
			old := w.stored(t)[0]
			at := func(n int) models.Timestamp {
				return models.TimestampOf(w.clock.at.Add(time.Duration(n) * time.Second))
			}
			first, second, third := at(1), at(2), at(3)
			batch.Operations = []models.Operation{rename(1, "Bo"), create("b"), rename(1, "Cy"), rename(1, "Cy"), move(2, "b"), remove(1)}
			results, err := w.Batch(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			b := models.User{ID: 2, Name: "Ada", Email: "b@example.com", CreatedAt: second, UpdatedAt: second, Version: 1}
			cy := models.User{ID: 1, Name: "Cy", Email: old.Email, CreatedAt: old.CreatedAt, UpdatedAt: third, Version: 3}
			want := []models.Result{
				{User: models.User{ID: 1, Name: "Bo", Email: old.Email, CreatedAt: old.CreatedAt, UpdatedAt: first, Version: 2}},
				{User: b},
				{User: cy},
				{User: cy}, // what changes nothing counts for nothing
				{User: b},
				{User: models.User{ID: 1}},
			}
			if !slices.Equal(results, want) {
				t.Errorf("%s: got\n%+v, want\n%+v", name, results, want)
			}
			if got := w.stored(t); !batch.DryRun && !slices.Equal(got, []models.User{b}) {
				t.Errorf("%s: left %+v, want %+v", name, got, b)
			}
		}
	})
	t.Run("time moves forward within a batch when the clock stands", func(t *testing.T) {
		w := peopled(t, "a")
		results, err := w.Batch(t.Context(), models.Batch{Operations: []models.Operation{rename(1, "Bo"), rename(1, "Cy")}})
		at := models.TimestampOf(w.clock.at)
		if err != nil || results[0].User.UpdatedAt != at+1 || results[1].User.UpdatedAt != at+2 {
			t.Errorf("got %+v, error %v", results, err)
		}
	})
	t.Run("what changes nothing is not written", func(t *testing.T) {
		for name, batch := range modes {
			w := peopled(t, "a", "b")
			want := w.stored(t)
			w.clock.at = w.clock.at.Add(time.Hour)
			batch.Operations = []models.Operation{update(1, "a"), rename(2, "Ada"), provided(version(1), move(2, "b"))}
			results, err := w.Batch(t.Context(), batch)
			if err != nil || !slices.Equal(results, []models.Result{{User: want[0]}, {User: want[1]}, {User: want[1]}}) {
				t.Errorf("%s: got %+v, error %v", name, results, err)
			}
			if got := w.stored(t); !slices.Equal(got, want) {
				t.Errorf("%s: left %+v, want %+v", name, got, want)
			}
		}
	})
	t.Run("an id that was shown is never given again, and one of a dry run is", func(t *testing.T) {
		for name, batch := range modes {
			for _, also := range [][]models.Operation{nil, {rename(1, "Bo")}} {
				w := peopled(t, "a")
				batch.Operations = append([]models.Operation{create("b"), create("c"), remove(3), remove(2)}, also...)
				results, err := w.Batch(t.Context(), batch)
				if err != nil || results[0].User.ID != 2 || results[1].User.ID != 3 || results[2].Err != nil {
					t.Fatalf("%s: got %+v, error %v", name, results, err)
				}
				want := int64(4)
				if batch.DryRun {
					want = 2
				}
				if next, err := w.Create(t.Context(), input("d")); err != nil || next.ID != want {
					t.Errorf("%s: the next user is %+v, error %v, want the id %d", name, next, err, want)
				}
			}
		}
	})
	t.Run("a full batch goes through at once", func(t *testing.T) {
		for name, batch := range modes {
			w := newWorld()
			for i := range models.MaxOperations {
				batch.Operations = append(batch.Operations, create(fmt.Sprint("user", i)))
			}
			results, err := w.Batch(t.Context(), batch)
			if err != nil || strings.Count(words(results), "ok") != models.MaxOperations {
				t.Errorf("%s: error %v, %s", name, err, words(results))
			}
		}
	})
	t.Run("the operations are left as they were", func(t *testing.T) {
		for name, batch := range modes {
			w := peopled(t, "a", "b")
			batch.Operations = []models.Operation{move(1, "c"), update(2, "a"), create("d"), remove(1), invalid()}
			before := fmt.Sprintf("%+v", batch)
			if _, err := w.Batch(t.Context(), batch); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if after := fmt.Sprintf("%+v", batch); after != before {
				t.Errorf("%s: %s became %s", name, before, after)
			}
		}
	})
	t.Run("every batch is one call of the store", func(t *testing.T) {
		for name, batch := range modes {
			w := peopled(t, "a", "b")
			before := w.faults.Calls(repotest.Any)
			batch.Operations = []models.Operation{move(1, "c"), create("d"), remove(2), invalid()}
			if _, err := w.Batch(t.Context(), batch); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := w.faults.Calls(repotest.Any) - before; got != 1 || w.faults.Calls(repotest.Batch) != 1 {
				t.Errorf("%s: %d calls", name, got)
			}
		}
	})
}
