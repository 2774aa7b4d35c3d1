package tests

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"userapi/models"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

func TestContract_5_Independent(t *testing.T) {
	t.Parallel()
	svc := people(t, testkit.Options{})
	answer := svc.Batch(t, `"mode":"independent"`,
		opCreate(person("e")),                      // 0
		opCreate(person("A")),                      // 1: taken
		opDelete(99),                               // 2: nobody
		opPatch(1, `{"age":7}`),                    // 3
		under(opPatch(1, `{"age":8}`), `"1"`),      // 4: made old by 3
		opUpdate(2, `{"name":"","email":"x"}`),     // 5: not valid
		opPatch(2, `{"email":"c@example.com"}`),    // 6: taken, although 7 gives it up
		opPatch(3, `{"email":"f@example.com"}`),    // 7
		opPatch(2, `{"email":"c@example.com"}`),    // 8
		opDelete(4),                                // 9
		opDelete(4),                                // 10: gone
		under(opUpdate(1, person("a")), `"\"2\""`), // 11
	)
	batch := answer.WantResults("independent", 201, 409, 404, 200, 412, 422, 409, 200, 200, 204, 404, 200)
	t.Run("each failure is a whole problem", func(t *testing.T) {
		codes := []string{}
		for _, result := range batch.Results {
			if result.Problem != nil {
				codes = append(codes, result.Problem.Code)
			}
		}
		if want := []string{"email_taken", "user_not_found", "precondition_failed", "invalid_input", "email_taken", "user_not_found"}; !slices.Equal(codes, want) {
			t.Errorf("the codes are %q, want %q", codes, want)
		}
		if got := placesOf(*batch.Results[5].Problem); !slices.Equal(got, []string{"/operations/5/user/email invalid_email", "/operations/5/user/name too_short"}) {
			t.Errorf("the errors are %q", got)
		}
	})
	t.Run("what succeeded is stored, and what failed is not", func(t *testing.T) {
		got := []string{}
		for _, user := range everybody(t, svc) {
			got = append(got, fmt.Sprintf("%d %s v%d", user.ID, user.Email, user.Version))
		}
		want := []string{"1 a@example.com v3", "2 c@example.com v2", "3 f@example.com v2", "5 e@example.com v1"}
		if !slices.Equal(got, want) {
			t.Errorf("stored are %q, want %q", got, want)
		}
	})
	t.Run("two users cannot swap one after the other", func(t *testing.T) {
		svc := people(t, testkit.Options{})
		before := everybody(t, svc)
		for _, dry := range []string{"true", "false"} {
			svc.Batch(t, `"mode":"independent","dry_run":`+dry, opPatch(1, `{"email":"b@example.com"}`), opPatch(2, `{"email":"a@example.com"}`)).WantResults("independent", 409, 409)
			unchanged(t, svc, before)
		}
	})
	t.Run("it is 207 also when all fail and when none does", func(t *testing.T) {
		svc.Batch(t, `"mode":"independent"`, opDelete(98), opDelete(99)).WantResults("independent", 404, 404)
		svc.Batch(t, `"mode":"independent"`, opPatch(1, `{}`)).WantResults("independent", 200)
	})
	t.Run("a thousand operations are one batch", func(t *testing.T) {
		operations, statuses := []string{}, []int{}
		for n := range 1000 {
			operations, statuses = append(operations, opCreate(named(n/2, `"Twin"`))), append(statuses, []int{201, 409}[n%2])
		}
		svc.Batch(t, `"mode":"independent"`, operations...).WantResults("independent", statuses...)
	})
	t.Run("the answer repeats nothing that was refused", func(t *testing.T) {
		const secret = "hunter2secret"
		for _, mode := range []string{"atomic", "independent"} {
			for _, operation := range []string{
				opCreate(`{"name":"\u0007` + secret + `","email":"` + secret + `","age":"` + secret + `"}`), `{"op":"delete","id":"` + secret + `"}`,
				`{"op":"` + secret + `"}`, `"` + secret + `"`, under(opDelete(1), `"`+secret+`"`), opCreate(`"` + secret + `"`),
			} {
				if answer := svc.Batch(t, `"mode":"`+mode+`"`, operation); strings.Contains(string(answer.Body), secret) {
					t.Errorf("%s: %s", mode, answer.Body)
				}
			}
		}
		if answer := svc.Batch(t, `"mode":"`+secret+`"`, opDelete(1)); strings.Contains(string(answer.Body), secret) {
			t.Errorf("%s", answer.Body)
		}
	})
}

// batchUnder sends a batch under an idempotency key.
func batchUnder(t *testing.T, svc *testkit.Service, key, members string, operations ...string) *testkit.Response {
	t.Helper()
	return svc.Post(t, "/users/batch", "{"+members+`"operations":[`+strings.Join(operations, ",")+"]}", keyed(key))
}

func TestContract_5_Retries(t *testing.T) {
	t.Parallel()
	t.Run("an atomic batch is replayed", func(t *testing.T) {
		t.Parallel()
		svc := people(t, testkit.Options{})
		operations := []string{opCreate(person("e")), opPatch(1, `{"age":5}`), opDelete(2)}
		first := batchUnder(t, svc, "k", "", operations...).WantHeader("Idempotency-Replayed", "")
		first.WantResults("atomic", 201, 200, 204)
		now := everybody(t, svc)
		replayed(t, batchUnder(t, svc, "k", "", operations...), first)
		replayed(t, batchUnder(t, svc, `"k"`, "", operations...), first)
		replayed(t, svc.Post(t, "/v1/users/batch/", `{"operations":[`+strings.Join(operations, ",")+"]}", keyed("k")), first)
		batchUnder(t, svc, "k", "", operations[0]).WantProblem(422, "idempotency_key_reused", "Idempotency-Key: idempotency_key_reused")
		unchanged(t, svc, now)
	})
	t.Run("an independent one with its failures too, since the others ran", func(t *testing.T) {
		t.Parallel()
		svc := people(t, testkit.Options{})
		operations := []string{opCreate(person("e")), opCreate(person("e")), opDelete(99)}
		first := batchUnder(t, svc, "k", `"mode":"independent",`, operations...)
		first.WantResults("independent", 201, 409, 404)
		replayed(t, batchUnder(t, svc, "k", `"mode":"independent",`, operations...), first)
	})
	t.Run("after a rejected batch and after a dry run the key is free", func(t *testing.T) {
		t.Parallel()
		svc := people(t, testkit.Options{})
		for range 2 {
			batchUnder(t, svc, "k", "", opDelete(1), opDelete(99)).Want(404).WantHeader("Idempotency-Replayed", "")
			batchUnder(t, svc, "k", `"dry_run":true,`, opDelete(1)).Want(200).WantHeader("Idempotency-Replayed", "")
			batchUnder(t, svc, "k", `"dry_run":true,"mode":"independent",`, opDelete(1)).Want(207).WantHeader("Idempotency-Replayed", "")
			batchUnder(t, svc, "k", "").Want(422)
		}
		first := batchUnder(t, svc, "k", "", opDelete(1)).Want(200)
		replayed(t, batchUnder(t, svc, "k", "", opDelete(1)), first)
	})
	t.Run("the same key on the other route is another one", func(t *testing.T) {
		t.Parallel()
		svc := people(t, testkit.Options{})
		single := svc.Post(t, "/users/", person("e"), keyed("k")).Want(201)
		batch := batchUnder(t, svc, "k", "", opDelete(1)).WantHeader("Idempotency-Replayed", "").Want(200)
		replayed(t, svc.Post(t, "/users/", person("e"), keyed("k")), single)
		replayed(t, batchUnder(t, svc, "k", "", opDelete(1)), batch)
	})
}

func TestContract_5_Outage(t *testing.T) {
	t.Parallel()
	t.Run("a store that is away fails every batch as a whole, and a dry run", func(t *testing.T) {
		t.Parallel()
		faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
		svc := people(t, testkit.Options{Repository: faults})
		before := everybody(t, svc)
		faults.At(repotest.Before, repotest.Any, 0, repotest.Fail(models.ErrUnavailable))
		for _, members := range []string{`"mode":"atomic"`, `"mode":"independent"`, `"dry_run":true`, `"dry_run":true,"mode":"independent"`} {
			svc.Batch(t, members, opDelete(1), opCreate(person("e"))).WantProblem(http.StatusServiceUnavailable, "unavailable")
		}
		faults.Heal()
		unchanged(t, svc, before)
	})
	t.Run("one that goes away in the middle has done all of an independent one or nothing", func(t *testing.T) {
		t.Parallel()
		operations := []string{opPatch(1, `{"age":1}`), opDelete(99), opDelete(2), opPatch(3, `{"age":3}`)}
		faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
		svc := people(t, testkit.Options{Repository: faults})
		before := everybody(t, svc)
		faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
		batchUnder(t, svc, "k", `"mode":"independent",`, operations...).WantProblem(http.StatusServiceUnavailable, "unavailable")
		unchanged(t, svc, before)

		// Whoever asks again under the key learns what came of it, also when the answer alone was lost.
		faults.At(repotest.After, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
		batchUnder(t, svc, "k", `"mode":"independent",`, operations...).WantProblem(http.StatusServiceUnavailable, "unavailable")
		again := batchUnder(t, svc, "k", `"mode":"independent",`, operations...).WantHeader("Idempotency-Replayed", "true")
		again.WantResults("independent", 200, 404, 204, 200)
		if got := len(everybody(t, svc)); got != len(before)-1 {
			t.Errorf("%d users are left of %d", got, len(before))
		}
	})
	t.Run("a client that goes away before its batch has run leaves everything as it was", func(t *testing.T) {
		t.Parallel()
		faults, gate := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), repotest.NewGate()
		svc := people(t, testkit.Options{Repository: faults})
		before := everybody(t, svc)
		faults.At(repotest.Before, repotest.Batch, 1, gate.Hold)
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_ = gate.Await(t.Context())
			leave()
		}()
		req := svc.Request(t, http.MethodPost, "/users/batch", `{"operations":[{"op":"delete","id":1}]}`, "X-Request-ID: gone").WithContext(ctx)
		if answer, err := svc.Try(t, req); err == nil {
			t.Fatalf("answered %d", answer.Status)
		}
		if entry := svc.Log.Request(t, "gone"); entry.Number("status") != 499 || entry.Text("level") != "info" {
			t.Errorf("logged as %v", entry)
		}
		unchanged(t, svc, before)
	})
}

// TestContract_5_AtomicIsOneStep has readers look while batches move a mark from user to user: each batch
// swaps two addresses, and no reader may see both or none.
func TestContract_5_AtomicIsOneStep(t *testing.T) {
	t.Parallel()
	const swaps, readers = 150, 4
	svc := people(t, testkit.Options{})
	var done atomic.Bool
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for !done.Load() {
				marked, addresses := 0, map[string]bool{}
				for _, user := range everybody(t, svc) {
					addresses[user.Email] = true
					if user.Age != nil {
						marked++
					}
				}
				if len(addresses) != 4 || marked > 1 {
					t.Errorf("%d addresses and %d marks at one time", len(addresses), marked)
					return
				}
			}
		})
	}
	for n := range swaps {
		one, two := int64(n%4+1), int64((n+1)%4+1)
		first, second := svc.Get(t, fmt.Sprintf("/users/%d", one)).User(), svc.Get(t, fmt.Sprintf("/users/%d", two)).User()
		svc.Batch(t, "", under(opUpdate(one, fmt.Sprintf(`{"name":"x","email":%q}`, second.Email)), fmt.Sprintf(`"%d"`, first.Version)),
			under(opUpdate(two, fmt.Sprintf(`{"name":"x","email":%q,"age":1}`, first.Email)), fmt.Sprintf(`"%d"`, second.Version))).WantResults("atomic", 200, 200)
	}
	done.Store(true)
	all.Wait()
}
