package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

// held starts a service whose first Create stops at a gate before the store or, after it, before the
// answer.
func held(t *testing.T, moment repotest.Moment) (*testkit.Service, *repotest.Gate) {
	t.Helper()
	faults, gate := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), repotest.NewGate()
	faults.At(moment, repotest.Batch, 1, gate.Hold)
	return testkit.New(t, testkit.Options{Repository: faults}), gate
}

func TestContract_3_RequestInProgress(t *testing.T) {
	t.Parallel()
	svc, gate := held(t, repotest.Before)
	var first *testkit.Response
	var running sync.WaitGroup
	running.Go(func() { first = svc.Post(t, "/users/", ada, keyed("k")) })
	if err := gate.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	inProgress := func(t *testing.T, answer *testkit.Response) {
		t.Helper()
		answer.WantProblem(http.StatusConflict, "request_in_progress")
		if after, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("Retry-After is %q", answer.Header.Get("Retry-After"))
		}
	}
	t.Run("409 with Retry-After while the first one runs, whatever the body", func(t *testing.T) {
		inProgress(t, svc.Post(t, "/users/", ada, keyed("k")))
		inProgress(t, svc.Post(t, "/v1/users", ada, keyed(`"k"`)))
		inProgress(t, svc.Post(t, "/users/", named(1, `"Eve"`), keyed("k")))
	})
	t.Run("what is not valid is told without waiting", func(t *testing.T) {
		svc.Post(t, "/users/", `{}`, keyed("k")).WantInvalid("/name required", "/email required")
	})
	t.Run("others go on: without a key, with another one, and by another route", func(t *testing.T) {
		svc.Post(t, "/users/", named(2, `"Eve"`)).Want(http.StatusCreated)
		svc.Post(t, "/users/", named(3, `"Eve"`), keyed("other")).Want(http.StatusCreated)
		svc.Post(t, "/users/batch", `{"operations":[{"op":"create","user":`+named(4, `"Eve"`)+`}]}`, keyed("k")).Want(http.StatusOK)
	})
	gate.Open()
	running.Wait()
	t.Run("then it is replayed", func(t *testing.T) {
		first.Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
		replayed(t, svc.Post(t, "/users/", ada, keyed("k")), first)
		if n := users(t, svc); n != 4 {
			t.Errorf("%d users", n)
		}
	})
}

// TestContract_3_ClientGoesAway has a client leave while its request runs: what it has begun is brought
// to its end, and told to whoever asks again.
func TestContract_3_ClientGoesAway(t *testing.T) {
	t.Parallel()
	for says, moment := range map[string]repotest.Moment{"before the store has it": repotest.Before, "before it is answered": repotest.After} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			svc, gate := held(t, moment)
			req := svc.Request(t, http.MethodPost, "/users/", ada, keyed("k"))
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan struct{})
			go func() {
				defer close(left)
				if answer, err := svc.Try(t, req.WithContext(ctx)); err == nil {
					t.Errorf("who left was answered %d", answer.Status)
				}
			}()
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			leave()
			<-left
			if moment == repotest.Before {
				svc.Post(t, "/users/", ada, keyed("k")).WantProblem(http.StatusConflict, "request_in_progress")
			} else { // the answer is kept in the step that makes the user
				svc.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "true")
			}
			gate.Open()
			var again *testkit.Response
			testkit.Eventually(t, "the request to end", func() bool {
				again = svc.Post(t, "/users/", ada, keyed("k"))
				return again.Status != http.StatusConflict
			})
			again.Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "true").WantHeader("Location", "/users/1")
			if user := svc.Get(t, "/users/1").User(); !user.Equal(again.User()) {
				t.Errorf("replayed %+v, stored is %+v", again.User(), user)
			}
			if n := users(t, svc); n != 1 {
				t.Errorf("%d users", n)
			}
		})
	}
	t.Run("in the middle of the body: nothing has begun", func(t *testing.T) {
		t.Parallel()
		svc := testkit.New(t, testkit.Options{})
		wire := svc.Dial(t)
		wire.Write(t, "POST /users/ HTTP/1.1\r\nHost: x\r\nX-Request-ID: half\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name")
		_ = wire.Close()
		svc.Log.Request(t, "half")
		svc.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
	})
}

func TestContract_3_KeyIsFreeAfterOutage(t *testing.T) {
	t.Parallel()
	boom := func(context.Context, context.CancelFunc) error { panic("boom") }
	for says, c := range map[string]struct {
		action repotest.Action
		status int
	}{
		"the store is away":    {repotest.Fail(models.ErrUnavailable), http.StatusServiceUnavailable},
		"nobody foresaw it":    {repotest.Fail(errors.New("disk on fire")), http.StatusInternalServerError},
		"it is a panic":        {boom, http.StatusInternalServerError},
		"the deadline is past": {repotest.Fail(context.DeadlineExceeded), http.StatusServiceUnavailable},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
			svc := testkit.New(t, testkit.Options{Repository: faults})
			batch := `{"operations":[{"op":"create","user":` + named(1, `"Eve"`) + `}]}`
			faults.At(repotest.Before, repotest.Any, 0, c.action)
			for range 2 {
				svc.Post(t, "/users/", ada, keyed("k")).Want(c.status)
				svc.Post(t, "/users/batch", batch, keyed("k")).Want(c.status)
			}
			faults.Heal()
			for path, body := range map[string]string{"/users/": ada, "/users/batch": batch} {
				first := svc.Post(t, path, body, keyed("k")).WantHeader("Idempotency-Replayed", "")
				if first.Status >= 300 {
					t.Errorf("%s is answered %d: %s", path, first.Status, first.Body)
				}
				replayed(t, svc.Post(t, path, body, keyed("k")), first)
			}
		})
	}
}

// lost is an IdempotencyRepository that is away.
type lost struct{}

func (lost) Begin(context.Context, string, repository.Fingerprint) (models.Answer, bool, error) {
	return models.Answer{}, false, models.ErrUnavailable
}
func (lost) Release(context.Context, string) error { return models.ErrUnavailable }

func TestContract_3_KeysAreAway(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{Answers: lost{}})
	t.Run("a request whose retry nobody would know is 503 and does not run", func(t *testing.T) {
		svc.Post(t, "/users/", ada, keyed("k")).WantProblem(http.StatusServiceUnavailable, "unavailable")
		svc.Post(t, "/users/batch", `{"operations":[{"op":"create","user":`+ada+`}]}`, keyed("k")).WantProblem(http.StatusServiceUnavailable, "unavailable")
		if n := users(t, svc); n != 0 {
			t.Errorf("%d users", n)
		}
	})
	t.Run("without a key it runs", func(t *testing.T) {
		svc.Create(t, ada)
	})
}

// TestUsers_OneKeyOneUser sends one request from many clients at once, each of which tries again as
// long as it is told that the request is still running.
func TestUsers_OneKeyOneUser(t *testing.T) {
	t.Parallel()
	const clients, keys = 50, 6
	svc := testkit.New(t, testkit.Options{})
	for key := range keys {
		body := named(key, `"Ada"`)
		answers := make([]*testkit.Response, clients)
		var all sync.WaitGroup
		start := make(chan struct{})
		for client := range clients {
			all.Go(func() {
				<-start
				path := []string{"/users/", "/v1/users"}[client%2]
				for {
					answer := svc.Post(t, path, body, keyed(fmt.Sprintf("key %d", key)))
					if answers[client] = answer; answer.Status != http.StatusConflict || answer.Problem().Code != "request_in_progress" {
						return
					}
				}
			})
		}
		close(start)
		all.Wait()
		first := 0
		for _, answer := range answers {
			if answer.Want(http.StatusCreated).Header.Get("Idempotency-Replayed") == "" {
				first++
			}
			if string(answer.Body) != string(answers[0].Body) {
				t.Errorf("one client was told %s, another %s", answer.Body, answers[0].Body)
			}
		}
		if first != 1 {
			t.Errorf("%d of %d answers are no replays", first, clients)
		}
	}
	if n := users(t, svc); n != keys {
		t.Errorf("%d users were made of %d keys", n, keys)
	}
}
