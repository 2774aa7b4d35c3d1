package tests

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/tests/testkit"
)

// step is an operation of a batch, drawn for two services whose users stand in the same order.
type step struct {
	op string
	// at is the place of the user in that order; past its end are ids that nobody has, unless the batch
	// has created them by then.
	at    int
	match int64 // 0 for none
	name  string
	email string
	age   int
	with  map[string]bool // the members of a patch
}

// body returns what the step sends of the user.
func (s step) body() string {
	members := []string{}
	for name, value := range map[string]string{"name": quoted(s.name), "email": quoted(s.email), "age": fmt.Sprint(s.age)} {
		if s.op != "patch" || s.with[name] {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
	}
	slices.Sort(members)
	return "{" + strings.Join(members, ",") + "}"
}

// operation returns the step as a part of a batch for the service whose users have these ids.
func (s step) operation(id int64) string {
	var text string
	switch s.op {
	case "create":
		return opCreate(s.body())
	case "update":
		text = opUpdate(id, s.body())
	case "patch":
		text = opPatch(id, s.body())
	case "delete":
		text = opDelete(id)
	}
	if s.match != 0 {
		text = under(text, fmt.Sprintf(`"%d"`, s.match))
	}
	return text
}

// alone sends the step as a request of its own.
func (s step) alone(t testkit.TB, svc *testkit.Service, id int64) *testkit.Response {
	path, condition := fmt.Sprintf("/users/%d", id), "If-Match:"
	if s.match != 0 {
		condition = fmt.Sprintf(`If-Match: "%d"`, s.match)
	}
	switch s.op {
	case "create":
		return svc.Post(t, "/users/", s.body())
	case "update":
		return svc.Put(t, path, s.body(), condition)
	case "patch":
		return svc.Patch(t, path, s.body(), condition)
	}
	return svc.Delete(t, path, condition)
}

func drawStep(t *rapid.T) step {
	return step{
		op:    rapid.SampledFrom([]string{"create", "update", "patch", "patch", "patch", "delete"}).Draw(t, "op"),
		at:    rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 9}).Draw(t, "user"),
		match: rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 1, 2}).Draw(t, "match"),
		name:  rapid.SampledFrom([]string{"Ada", "Eve"}).Draw(t, "name"),
		email: rapid.SampledFrom([]string{"a", "A", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "email") + "@example.com",
		age:   rapid.IntRange(1, 3).Draw(t, "age"),
		with:  map[string]bool{"name": rapid.Bool().Draw(t, "with name"), "email": rapid.Bool().Draw(t, "with email"), "age": true},
	}
}

// TestUsers_Batches runs random batches on one service and the same operations one by one on its twin,
// and both beside a model: an atomic batch comes to the same when all operations succeed, changes nothing
// when one fails, and differs only in that addresses are judged at its end.
func TestUsers_Batches(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(morning)
	options := testkit.Options{Now: clock.Now}
	batched, single, rehearsed := testkit.New(t, options), testkit.New(t, options), testkit.New(t, options) // a dry run may use up ids
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 6).Draw(t, "steps")
		if rapid.IntRange(0, 4).Draw(t, "swap") == 0 { // which hardly ever comes about by chance
			email := map[string]bool{"email": true}
			steps = append([]step{{op: "patch", at: 0, email: "b@example.com", with: email}, {op: "patch", at: 1, email: "A@example.com", with: email}}, steps[:len(steps)/2]...)
		}
		firstID := [3]int64{}
		for n, svc := range []*testkit.Service{batched, single, rehearsed} {
			for _, letter := range []string{"a", "b", "c"} {
				firstID[n] = max(firstID[n], svc.Create(t, person(letter)).ID)
			}
			firstID[n] -= 2
		}
		defer empty(t, batched)
		defer empty(t, single)
		defer empty(t, rehearsed)
		want := modelled(steps)
		operations := func(firstID int64) []string {
			texts := []string{}
			for _, s := range steps {
				texts = append(texts, s.operation(firstID+int64(s.at)))
			}
			return texts
		}
		before := everybody(t, rehearsed)
		judgeBatch(t, rehearsed.Batch(t, `"dry_run":true`, operations(firstID[2])...), want)
		unchanged(t, rehearsed, before)
		before = everybody(t, batched)
		answer := batched.Batch(t, "", operations(firstID[0])...)
		outcomes[fmt.Sprint(answer.Status)]++
		judgeBatch(t, answer, want)
		if answer.Status != http.StatusOK {
			unchanged(t, batched, before)
			return
		}
		judgeTwin(t, single, steps, firstID, answer.Batch(), outcomes)
		if outcomes["one by one"] > 0 && len(want.users) != len(everybody(t, batched)) {
			t.Fatalf("there are %d users, want %d", len(everybody(t, batched)), len(want.users))
		}
	})
	for _, outcome := range []string{"200", "404", "409", "412", "one by one", "at once only"} {
		if outcomes[outcome] == 0 {
			t.Errorf("there was no %s, so little is proved: %v", outcome, outcomes)
		}
	}
}

// judgeTwin does the steps one by one. When all succeed the results are those of the batch; when one does
// not, it must be for an address that is free only in the end.
func judgeTwin(t *rapid.T, single *testkit.Service, steps []step, firstID [3]int64, batch testkit.Batch, outcomes map[string]int) {
	for n, s := range steps {
		answer, result := s.alone(t, single, firstID[1]+int64(s.at)), batch.Results[n]
		if answer.Status == http.StatusConflict {
			outcomes["at once only"]++
			return
		}
		if answer.Status != result.Status {
			t.Fatalf("step %d is answered %d alone and %d in the batch", n, answer.Status, result.Status)
		}
		if result.User == nil {
			continue
		}
		alone := answer.User()
		alone.ID += firstID[0] - firstID[1]
		if !alone.Equal(*result.User) {
			t.Fatalf("step %d makes %+v alone and %+v in the batch", n, alone, *result.User)
		}
	}
	outcomes["one by one"]++
}

// expectation is what a batch comes to.
type expectation struct {
	status int
	faults []string
	users  map[int]step // by place, when it succeeds
}

// modelled works out a batch on users a, b and c at the places 0 to 2, each at version 1.
func modelled(steps []step) expectation {
	type user struct {
		step
		version int64
		since   int // the step that gave the address, -1 for none
	}
	users, next := map[int]*user{}, 3
	for n, letter := range []string{"a", "b", "c"} {
		users[n] = &user{step{name: letter, email: letter + "@example.com"}, 1, -1}
	}
	faults := map[int]string{}
	for n, s := range steps {
		now := users[s.at]
		switch {
		case s.op == "create":
			users[next], next = &user{step{name: s.name, email: s.email, age: s.age}, 1, n}, next+1
			continue
		case now == nil:
			faults[n] = "/id user_not_found 404"
			continue
		case s.match != 0 && s.match != now.version:
			faults[n] = "/if_match precondition_failed 412"
			continue
		case s.op == "delete":
			delete(users, s.at)
			continue
		}
		changed := *now
		for _, member := range []struct {
			name string
			set  func()
		}{{"name", func() { changed.name = s.name }}, {"email", func() { changed.email = s.email }}, {"age", func() { changed.age = s.age }}} {
			if s.op == "update" || s.with[member.name] {
				member.set()
			}
		}
		if !strings.EqualFold(changed.email, now.email) {
			changed.since = n
		}
		if changed.name != now.name || changed.email != now.email || changed.age != now.age {
			changed.version++
		}
		users[s.at] = &changed
	}
	// Of two who end with one address, the one who got it later is at fault.
	holders := map[string][]*user{}
	for _, u := range users {
		address := strings.ToLower(u.email)
		holders[address] = append(holders[address], u)
	}
	for _, same := range holders {
		slices.SortFunc(same, func(a, b *user) int { return a.since - b.since })
		for _, u := range same[1:] {
			faults[u.since] = "/user/email email_taken 409"
		}
	}
	want := expectation{status: http.StatusOK, users: map[int]step{}}
	for at, u := range users {
		want.users[at] = u.step
	}
	for _, n := range slices.Sorted(maps.Keys(faults)) {
		if want.status == http.StatusOK {
			_, _ = fmt.Sscan(faults[n][strings.LastIndexByte(faults[n], ' '):], &want.status)
		}
		want.faults = append(want.faults, fmt.Sprintf("/operations/%d%s", n, faults[n]))
	}
	return want
}

func judgeBatch(t *rapid.T, answer *testkit.Response, want expectation) {
	if want.status != http.StatusOK {
		answer.WantRejected(want.status, want.faults...)
		return
	}
	answer.Want(http.StatusOK)
}
