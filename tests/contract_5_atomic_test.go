package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// Operations of a batch, as JSON.

func opCreate(user string) string { return `{"op":"create","user":` + user + `}` }

func opUpdate(id int64, user string) string {
	return fmt.Sprintf(`{"op":"update","id":%d,"user":%s}`, id, user)
}

func opPatch(id int64, patch string) string {
	return fmt.Sprintf(`{"op":"patch","id":%d,"user":%s}`, id, patch)
}

func opDelete(id int64) string { return fmt.Sprintf(`{"op":"delete","id":%d}`, id) }

// under adds a condition, which is a JSON value, to an operation.
func under(operation, match string) string {
	return strings.TrimSuffix(operation, "}") + `,"if_match":` + match + `}`
}

// person returns the body of a user whose address is a letter at example.com.
func person(letter string) string {
	return fmt.Sprintf(`{"name":%[1]q,"email":"%[1]s@example.com"}`, letter)
}

// people starts a service whose users 1 to 4 have the addresses a@ to d@example.com, each at version 1.
func people(t *testing.T, options testkit.Options) *testkit.Service {
	t.Helper()
	svc := testkit.New(t, options)
	for _, letter := range []string{"a", "b", "c", "d"} {
		svc.Create(t, person(letter))
	}
	return svc
}

// everybody returns all users of a service as they are now.
func everybody(t testkit.TB, svc *testkit.Service) []testkit.User {
	t.Helper()
	return svc.Get(t, "/users/?limit=1000").Want(http.StatusOK).Page().Items
}

// unchanged ends the test when a service has other users than these.
func unchanged(t testkit.TB, svc *testkit.Service, before []testkit.User) {
	t.Helper()
	if now := everybody(t, svc); !slices.EqualFunc(now, before, testkit.User.Equal) {
		t.Fatalf("the users became %+v, were %+v", now, before)
	}
}

func TestContract_5_Atomic(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	svc := people(t, testkit.Options{Now: clock.Now})
	clock.Add(time.Hour)
	answer := svc.Batch(t, "", opCreate(`{"name":" Eve ","email":"Eve@EXAMPLE.com","age":3e1}`), opUpdate(1, `{"name":"A","email":"aa@example.com"}`),
		opPatch(2, `{"age":7}`), opDelete(3), opPatch(4, `{}`))
	batch := answer.WantHeader("ETag", "").WantHeader("Location", "").WantHeader("Content-Type", "application/json; charset=utf-8").
		WantResults("atomic", 201, 200, 200, 204, 200)
	t.Run("each result shows the user as stored", func(t *testing.T) {
		for _, user := range batch.Users() {
			if stored := svc.Get(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusOK).User(); !stored.Equal(user) {
				t.Errorf("the result is %+v, stored is %+v", user, stored)
			}
		}
		eve, first := batch.Results[0].User, batch.Results[1].User
		if eve.ID != 5 || eve.Name != "Eve" || eve.Email != "Eve@example.com" || *eve.Age != 30 || eve.Version != 1 || eve.CreatedAt != "2026-03-04T06:06:07.000000Z" {
			t.Errorf("created %+v", eve)
		}
		if first.Version != 2 || first.CreatedAt != "2026-03-04T05:06:07.000000Z" || first.UpdatedAt != "2026-03-04T06:06:07.000000Z" {
			t.Errorf("updated %+v", first)
		}
		if same := batch.Results[4].User; same.Version != 1 || same.UpdatedAt != same.CreatedAt {
			t.Errorf("changed nothing and became %+v", same)
		}
	})
	t.Run("a deletion shows the id alone", func(t *testing.T) {
		if !strings.Contains(string(answer.Body), `{"status":204,"id":3}`) {
			t.Errorf("answered %s", answer.Body)
		}
		svc.Get(t, "/users/3").Want(http.StatusNotFound)
	})
	t.Run("atomic is the default, and dry_run false", func(t *testing.T) {
		explicit := svc.Batch(t, `"mode":"atomic","dry_run":false`, opPatch(1, `{"age":1}`)).WantResults("atomic", 200)
		implicit := svc.Batch(t, "", opPatch(1, `{"age":2}`)).WantResults("atomic", 200)
		if explicit.DryRun || implicit.DryRun {
			t.Errorf("%+v, %+v", explicit, implicit)
		}
	})
	t.Run("every spelling of the path is the same", func(t *testing.T) {
		for n, path := range []string{"/users/batch", "/users/batch/", "/v1/users/batch", "/v1/users/batch/", "/users/batch?x=1"} {
			svc.Post(t, path, `{"operations":[`+opPatch(1, fmt.Sprintf(`{"age":%d}`, 10+n))+`]}`).WantResults("atomic", 200)
		}
	})
	t.Run("a thousand operations are one batch", func(t *testing.T) {
		operations := []string{}
		for n := range 1000 {
			operations = append(operations, opCreate(named(n, `"Many"`)))
		}
		users := svc.Batch(t, "", operations...).WantResults("atomic", slices.Repeat([]int{201}, 1000)...).Users()
		for n, user := range users {
			if user.ID != users[0].ID+int64(n) || user.Email != fmt.Sprintf("case%d@example.com", n) {
				t.Fatalf("result %d is %+v", n, user)
			}
		}
	})
}

func TestContract_5_LaterSeesEarlier(t *testing.T) {
	t.Parallel()
	cases := []struct {
		says       string
		operations []string
		statuses   []int
		versions   []int64 // of the users in the results
	}{
		{"two changes of one user are two versions", []string{opPatch(1, `{"age":1}`), opPatch(1, `{"name":"A"}`)}, []int{200, 200}, []int64{2, 3}},
		{"a condition is on the version as it is then", []string{opPatch(1, `{"age":1}`), under(opPatch(1, `{"age":2}`), `"2"`), under(opDelete(1), `"3"`)}, []int{200, 200, 204}, []int64{2, 3}},
		{"a change back is a change", []string{opPatch(1, `{"age":1}`), opPatch(1, `{"age":null}`)}, []int{200, 200}, []int64{2, 3}},
		{"a user is changed who was created before", []string{opCreate(person("e")), opPatch(5, `{"age":9}`), opPatch(5, `{"age":9}`)}, []int{201, 200, 200}, []int64{1, 2, 2}},
		{"and deleted", []string{opCreate(person("e")), opDelete(5)}, []int{201, 204}, []int64{1}},
		{"an address is free behind a deletion", []string{opDelete(1), opCreate(person("a"))}, []int{204, 201}, []int64{1}},
		{"and when it is given up", []string{opPatch(1, `{"email":"z@example.com"}`), opCreate(person("a"))}, []int{200, 201}, []int64{2, 1}},
		{"and when it was lent", []string{opPatch(1, `{"email":"z@example.com"}`), opPatch(1, `{"email":"y@example.com"}`), opCreate(person("z"))}, []int{200, 200, 201}, []int64{2, 3, 1}},
	}
	for _, c := range cases {
		for _, mode := range []string{"atomic", "independent"} {
			t.Run(mode+": "+c.says, func(t *testing.T) {
				t.Parallel()
				for _, dry := range []bool{true, false} {
					svc := people(t, testkit.Options{}) // a new one, for a dry run may use up ids
					before := everybody(t, svc)
					batch := svc.Batch(t, fmt.Sprintf(`"mode":%q,"dry_run":%v`, mode, dry), c.operations...).WantResults(mode, c.statuses...)
					if dry {
						unchanged(t, svc, before)
					}
					versions := []int64{}
					for _, user := range batch.Users() {
						versions = append(versions, user.Version)
					}
					if !slices.Equal(versions, c.versions) {
						t.Errorf("dry run %v: versions %v, want %v", batch.DryRun, versions, c.versions)
					}
				}
			})
		}
	}
}

func TestContract_5_Addresses(t *testing.T) {
	t.Parallel()
	take := func(id int64, letter string) string { return opPatch(id, `{"email":"`+letter+`@example.com"}`) }
	passes := map[string][]string{
		"two users swap":                     {take(1, "b"), take(2, "a")},
		"two users swap by update":           {opUpdate(1, person("b")), opUpdate(2, person("a"))},
		"three users hand theirs round":      {take(1, "b"), take(2, "c"), take(3, "a")},
		"a swap through letter case":         {take(1, "B"), take(2, "A")},
		"one's own in another case":          {take(1, "A")},
		"two have one address for a moment":  {take(1, "b"), take(1, "e")},
		"a newcomer takes what is given up":  {opCreate(person("a")), take(1, "e")},
		"a newcomer takes what is deleted":   {opCreate(person("a")), opDelete(1)},
		"a swap and a newcomer":              {take(1, "b"), opCreate(person("a")), take(2, "e")},
		"away and back again":                {take(1, "e"), take(1, "a")},
		"two newcomers, of whom one goes":    {opCreate(person("e")), opCreate(person("e")), opDelete(5)},
		"one leaves what two others wanted":  {take(1, "e"), take(2, "a"), take(3, "b")},
		"two take one, and one moves on":     {take(1, "e"), take(2, "e"), take(1, "f")},
		"a swap of users who then are gone":  {take(1, "b"), take(2, "a"), opDelete(1), opDelete(2)},
		"a swap of one's own and a no-op":    {take(1, "b"), take(2, "a"), opPatch(1, `{}`), take(2, "A")},
		"an address in NFD, given up in NFC": {opPatch(1, `{"email":"é@example.com"}`), opPatch(1, `{"email":"z@example.com"}`), opPatch(2, `{"email":"e\u0301@example.com"}`)},
	}
	for says, operations := range passes {
		t.Run("passes: "+says, func(t *testing.T) {
			t.Parallel()
			rehearsal, svc := people(t, testkit.Options{}), people(t, testkit.Options{})
			before := everybody(t, rehearsal)
			dry := rehearsal.Batch(t, `"dry_run":true`, operations...).Want(http.StatusOK).Batch()
			unchanged(t, rehearsal, before)
			batch := svc.Batch(t, "", operations...).Want(http.StatusOK).Batch()
			if !slices.Equal(dry.Statuses(), batch.Statuses()) {
				t.Errorf("the dry run said %v, then came %v", dry.Statuses(), batch.Statuses())
			}
			last := map[int64]testkit.User{}
			for _, user := range batch.Users() {
				last[user.ID] = user
			}
			for _, user := range everybody(t, svc) { // all can be found where they say they are
				if found := svc.Get(t, "/users/by-email/"+strings.ToUpper(user.Email)).Want(http.StatusOK).User(); !found.Equal(user) {
					t.Errorf("%s leads to %+v, not %+v", user.Email, found, user)
				}
				if shown, touched := last[user.ID]; touched && !shown.Equal(user) {
					t.Errorf("the last result is %+v, stored is %+v", shown, user)
				}
			}
		})
	}

	clashes := map[string]struct {
		operations []string
		faults     []string
	}{
		"two newcomers: the later is at fault":       {[]string{opCreate(person("e")), opCreate(person("E"))}, []string{"1"}},
		"three newcomers: the later two":             {[]string{opCreate(person("e")), opCreate(person("f")), opCreate(person("E")), opCreate(person("e"))}, []string{"2", "3"}},
		"a newcomer and somebody who has it":         {[]string{opCreate(person("a"))}, []string{"0"}},
		"a newcomer and somebody who takes it later": {[]string{opCreate(person("e")), take(1, "e")}, []string{"1"}},
		"two take one address":                       {[]string{take(1, "e"), take(2, "E")}, []string{"1"}},
		"somebody takes what another keeps":          {[]string{take(1, "b")}, []string{"0"}},
		"half a swap":                                {[]string{take(1, "b"), opPatch(2, `{"age":5}`)}, []string{"0"}},
		"a ring that does not close":                 {[]string{take(1, "b"), take(2, "c"), take(4, "a")}, []string{"1"}},
		"who goes back to what was taken meanwhile":  {[]string{take(1, "e"), take(2, "a"), take(1, "a")}, []string{"2"}},
		"a swap that one of them takes back":         {[]string{take(1, "b"), take(2, "a"), take(2, "b")}, []string{"2"}},
		"each of several takes what another keeps":   {[]string{take(1, "d"), opPatch(4, `{}`), take(2, "c"), opDelete(1)}, []string{"2"}},
	}
	for says, c := range clashes {
		t.Run("clashes: "+says, func(t *testing.T) {
			t.Parallel()
			svc := people(t, testkit.Options{})
			before := everybody(t, svc)
			faults := []string{}
			for _, n := range c.faults {
				faults = append(faults, "/operations/"+n+"/user/email email_taken 409")
			}
			for _, members := range []string{"", `"dry_run":true`} {
				svc.Batch(t, members, c.operations...).WantRejected(http.StatusConflict, faults...)
				unchanged(t, svc, before)
			}
		})
	}
}

func TestContract_5_AllOrNothing(t *testing.T) {
	t.Parallel()
	svc := people(t, testkit.Options{})
	before := everybody(t, svc)
	good := []string{opCreate(person("e")), opPatch(1, `{"age":5}`), opUpdate(2, person("f")), opDelete(3)}
	const (
		unknown = `{"op":"delete","id":99}`
		stale   = `{"op":"delete","id":4,"if_match":"2"}`
		clash   = `{"op":"create","user":{"name":"D","email":"D@example.com"}}`
		invalid = `{"op":"patch","id":4,"user":{"age":0,"name":null}}`
	)
	cases := []struct {
		says   string
		bad    []string
		status int
		faults []string // behind the number of the operation
	}{
		{"one that is unknown", []string{unknown}, 404, []string{"4/id user_not_found 404"}},
		{"one that is stale", []string{stale}, 412, []string{"4/if_match precondition_failed 412"}},
		{"one that clashes", []string{clash}, 409, []string{"4/user/email email_taken 409"}},
		{"one that is not valid, with all its faults", []string{invalid}, 422, []string{"4/user/age out_of_range 422", "4/user/name wrong_type 422"}},
		{"several: the status is that of the first", []string{clash, unknown, stale}, 409, []string{"4/user/email email_taken 409", "5/id user_not_found 404", "6/if_match precondition_failed 412"}},
		{"several in another order", []string{stale, clash, unknown}, 412, []string{"4/if_match precondition_failed 412", "5/user/email email_taken 409", "6/id user_not_found 404"}},
		{"several, of which the last is not valid: 422", []string{unknown, stale, clash, invalid}, 422, []string{
			"4/id user_not_found 404", "5/if_match precondition_failed 412", "6/user/email email_taken 409", "7/user/age out_of_range 422", "7/user/name wrong_type 422",
		}},
		{"a user who was deleted before", []string{opDelete(4), opPatch(4, `{}`), opDelete(4), opUpdate(4, person("z"))}, 404, []string{"5/id user_not_found 404", "6/id user_not_found 404", "7/id user_not_found 404"}},
		{"a version that an earlier operation made old", []string{opPatch(4, `{"age":9}`), under(opPatch(4, `{"age":10}`), `"1"`)}, 412, []string{"5/if_match precondition_failed 412"}},
		{"one and the same twice", []string{unknown, unknown}, 404, []string{"4/id user_not_found 404", "5/id user_not_found 404"}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			faults := []string{}
			for _, fault := range c.faults {
				faults = append(faults, "/operations/"+fault)
			}
			operations := slices.Concat(good, c.bad)
			for _, members := range []string{"", `"dry_run":true`} {
				svc.Batch(t, members, operations...).WantRejected(c.status, faults...)
				unchanged(t, svc, before)
			}
		})
	}
	t.Run("the good ones alone would have passed", func(t *testing.T) {
		svc.Batch(t, "", good...).WantResults("atomic", 201, 200, 200, 204)
	})
}

func TestContract_5_DryRun(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"atomic", "independent"} {
		t.Run(mode+": it answers what the batch will, and changes nothing", func(t *testing.T) {
			t.Parallel()
			clock := testkit.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
			svc := people(t, testkit.Options{Now: clock.Now})
			before := everybody(t, svc)
			operations := []string{opCreate(person("e")), opPatch(1, `{"email":"f@example.com","age":3}`), opDelete(2), opCreate(person("b")), opPatch(3, `{}`)}
			if mode == "independent" {
				operations = append(operations, opDelete(99), opCreate(person("e")), under(opPatch(3, `{"age":1}`), `"7"`), opCreate(`{}`), opPatch(4, `{"age":8}`))
			}
			dry := svc.Batch(t, `"mode":"`+mode+`","dry_run":true`, operations...)
			for range 2 {
				again := svc.Batch(t, `"mode":"`+mode+`","dry_run":true`, operations...)
				if told, first := anonymous(again), anonymous(dry); told != first {
					t.Errorf("the second time it said %s, the first %s", told, first)
				}
			}
			unchanged(t, svc, before)
			wet := svc.Batch(t, `"mode":"`+mode+`"`, operations...)
			if told, want := anonymous(wet), strings.Replace(anonymous(dry), `"dry_run":true`, `"dry_run":false`, 1); told != want || wet.Status != dry.Status {
				t.Errorf("the batch answered %d %s, its dry run %d %s", wet.Status, told, dry.Status, want)
			}
			if !dry.Batch().DryRun || wet.Batch().DryRun {
				t.Error("dry_run is not echoed")
			}
		})
	}
}

// anonymous returns the body of an answer to people without the id of its request and those of newcomers,
// of which a dry run promises nothing.
func anonymous(answer *testkit.Response) string {
	body := strings.ReplaceAll(string(answer.Body), answer.Header.Get("X-Request-ID"), "ID")
	return regexp.MustCompile(`"id":([5-9]|[1-9]\d+)\b`).ReplaceAllString(body, `"id":"NEW"`)
}
