package tests

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"userapi/models"
	"userapi/repository/repotest"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// base is a database with services on it, as instances of one deployment are, or as one is after a restart.
type base struct {
	settings sql.Options
	clock    *testkit.Clock
	key      []byte // that seals the cursors
}

// onEachBase runs a test beside the others with an empty database of each engine.
func onEachBase(t *testing.T, test func(t *testing.T, b *base)) {
	t.Helper()
	t.Parallel()
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			b := &base{settings: sqltest.Options(t, engine), clock: testkit.NewClock(morning), key: []byte("0123456789abcdef0123456789abcdef")}
			b.settings.Now = b.clock.Now
			test(t, b)
		})
	}
}

// instance returns one more service, with its store, of which calls can be made to fail.
func (b *base) instance(t *testing.T) (*testkit.Service, *repotest.Faults) {
	t.Helper()
	faults := repotest.NewFaults(sqltest.Open(t, b.settings))
	return testkit.New(t, testkit.Options{Repository: faults, Now: b.clock.Now, CursorKey: b.key}), faults
}

// ended returns a service whose store is closed, as that of a process that has ended, after what was done
// with it.
func (b *base) ended(t *testing.T, do func(svc *testkit.Service)) {
	t.Helper()
	svc, store := b.instance(t)
	do(svc)
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	svc.Get(t, "/users/1").WantProblem(http.StatusServiceUnavailable, "unavailable")
}

func TestDurable_Users(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		var before []testkit.User
		b.ended(t, func(svc *testkit.Service) {
			for n, name := range []string{"Ada", "👩‍🔬 Ю́лия", `O'Brien "\%_`, strings.Repeat("\U0001f600", 100)} {
				svc.Create(t, fmt.Sprintf(`{"name":%s,"email":"case%d@bücher.example","age":%d}`, quoted(name), n, n+1))
			}
			b.clock.Add(time.Second)
			svc.Patch(t, "/users/2", `{"age":null}`).Want(http.StatusOK)
			before = everybody(t, svc)
		})
		b.ended(t, func(svc *testkit.Service) {
			unchanged(t, svc, before)
			svc.Get(t, "/users/2").Want(http.StatusOK).WantHeader("ETag", `"2"`)
			svc.Post(t, "/users/", `{"name":"Eve","email":"CASE0@BÜCHER.example"}`).WantProblem(http.StatusConflict, "email_taken")
		})
	})
}

func TestDurable_IDs(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		last := int64(0)
		create := func(svc *testkit.Service, n int) int64 {
			id := svc.Create(t, named(n, `"Ada"`)).ID
			if id <= last {
				t.Fatalf("id %d comes after %d", id, last)
			}
			last = id
			return id
		}
		b.ended(t, func(svc *testkit.Service) {
			for n := range 3 {
				create(svc, n)
			}
			svc.Delete(t, fmt.Sprintf("/users/%d", last)).Want(http.StatusNoContent)
		})
		b.ended(t, func(svc *testkit.Service) { // the highest one is gone
			svc.Delete(t, fmt.Sprintf("/users/%d", create(svc, 3))).Want(http.StatusNoContent)
			for _, user := range everybody(t, svc) {
				svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
			}
		})
		b.ended(t, func(svc *testkit.Service) { // all are gone
			svc.Batch(t, "", opCreate(named(5, `"Ada"`)), opDelete(1)).Want(http.StatusNotFound) // may use up an id, and must not give one again
			create(svc, 4)
			gone := svc.Batch(t, "", opCreate(named(5, `"Ada"`)), opCreate(named(6, `"Ada"`))).WantResults("atomic", 201, 201).Users()
			for _, user := range gone {
				if user.ID <= last {
					t.Errorf("id %d of a batch comes after %d", user.ID, last)
				}
				last = user.ID
				svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
			}
		})
		b.ended(t, func(svc *testkit.Service) { create(svc, 7) })
	})
}

func TestDurable_Retries(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		var single, batch *testkit.Response
		b.ended(t, func(svc *testkit.Service) {
			single = svc.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated)
			batch = batchUnder(t, svc, "k", "", opCreate(person("e")), opDelete(1)).Want(http.StatusOK)
			svc.Post(t, "/users/", person("e"), keyed("failed")).WantProblem(http.StatusConflict, "email_taken")
		})
		b.clock.Add(23 * time.Hour)
		b.ended(t, func(svc *testkit.Service) {
			replayed(t, svc.Post(t, "/v1/users", ada, keyed("k")), single)
			replayed(t, batchUnder(t, svc, "k", "", opCreate(person("e")), opDelete(1)), batch)
			svc.Post(t, "/users/", person("f"), keyed("k")).WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "Idempotency-Key: idempotency_key_reused")
			svc.Post(t, "/users/", person("f"), keyed("failed")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
		})
		b.clock.Add(time.Hour + time.Second)
		b.ended(t, func(svc *testkit.Service) {
			svc.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
		})
	})
}

func TestDurable_TwoInstances(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		one, _ := b.instance(t)
		two, _ := b.instance(t)
		t.Run("each sees at once what the other has acknowledged", func(t *testing.T) {
			for n := range 20 {
				writer, reader := one, two
				if n%2 == 1 {
					writer, reader = two, one
				}
				made := writer.Create(t, named(n, `"Ada"`))
				path := fmt.Sprintf("/users/%d", made.ID)
				if seen := reader.Get(t, path).Want(http.StatusOK).User(); !seen.Equal(made) {
					t.Errorf("%+v was made, %+v is seen", made, seen)
				}
				writer.Patch(t, path, `{"age":7}`, `If-Match: "1"`).Want(http.StatusOK)
				reader.Get(t, "/users/by-email/"+made.Email).Want(http.StatusOK).WantHeader("ETag", `"2"`)
				reader.Patch(t, path, `{"age":8}`, `If-Match: "1"`).WantHeader("ETag", `"2"`).WantProblem(http.StatusPreconditionFailed, "precondition_failed")
				reader.Get(t, path, `If-None-Match: "2"`).Want(http.StatusNotModified)
				writer.Delete(t, path).Want(http.StatusNoContent)
				reader.Get(t, path).WantProblem(http.StatusNotFound, "user_not_found")
				reader.Delete(t, path).WantProblem(http.StatusNotFound, "user_not_found")
			}
		})
		t.Run("a cursor of one leads on at the other", func(t *testing.T) {
			for n := range 5 {
				one.Create(t, named(n, `"Ada"`))
			}
			seen := []int64{}
			path, at := "/users/?limit=2&sort=-name,-id", one
			for page := at.Get(t, path).Want(http.StatusOK).Page(); ; {
				seen = append(seen, page.IDs()...)
				if page.NextCursor == nil {
					break
				}
				if at = two; len(seen)%4 == 0 {
					at = one
				}
				page = at.Get(t, follow(path, *page.NextCursor)).Want(http.StatusOK).Page()
			}
			if want := one.Get(t, "/users/?sort=-name,-id").Page().IDs(); fmt.Sprint(seen) != fmt.Sprint(want) {
				t.Errorf("walked over %v, want %v", seen, want)
			}
		})
	})
}

// TestDurable_OneAddress sends one address to two instances at once, with and without keys.
func TestDurable_OneAddress(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		one, _ := b.instance(t)
		two, _ := b.instance(t)
		const rounds, requests = 5, 20
		for round := range rounds {
			answers := atOnce(requests, func(n int) *testkit.Response {
				return []*testkit.Service{one, two}[n%2].Post(t, "/users/", named(round, `"Ada"`))
			})
			if counts := tally(answers); counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != requests-1 {
				t.Errorf("one address: %v", counts)
			}
			answers = atOnce(requests, func(n int) *testkit.Response {
				for {
					answer := []*testkit.Service{one, two}[n%2].Post(t, "/users/", named(100+round, `"Ada"`), keyed(fmt.Sprint("key ", round)))
					if answer.Status != http.StatusConflict {
						return answer
					}
					running(t, answer)
				}
			})
			first := 0
			for _, answer := range answers {
				if answer.Want(http.StatusCreated).Header.Get("Idempotency-Replayed") == "" {
					first++
				}
				if string(answer.Body) != string(answers[0].Body) {
					t.Errorf("one key: %s and %s", answer.Body, answers[0].Body)
				}
			}
			if first != 1 {
				t.Errorf("one key: %d of %d answers are no replays", first, requests)
			}
		}
		if n := users(t, one); n != 2*rounds {
			t.Errorf("%d users, want %d", n, 2*rounds)
		}
	})
}

// atOnce makes calls at once and returns what they return.
func atOnce(n int, call func(n int) *testkit.Response) []*testkit.Response {
	answers := make([]*testkit.Response, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	all.Wait()
	return answers
}

func tally(answers []*testkit.Response) map[int]int {
	counts := map[int]int{}
	for _, answer := range answers {
		counts[answer.Status]++
	}
	return counts
}

// running holds an answer to being that to a key whose request still runs.
func running(t testkit.TB, answer *testkit.Response) {
	t.Helper()
	answer.WantProblem(http.StatusConflict, "request_in_progress")
	if after, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("Retry-After is %q", answer.Header.Get("Retry-After"))
	}
}

// TestDurable_KeyOfAnother has one instance hold a key, and then be gone.
func TestDurable_KeyOfAnother(t *testing.T) {
	onEachBase(t, func(t *testing.T, b *base) {
		one, faults := b.instance(t)
		two, _ := b.instance(t)
		gate := repotest.NewGate()
		faults.At(repotest.Before, repotest.Batch, 1, gate.Hold)
		var late *testkit.Response
		var runs sync.WaitGroup
		runs.Go(func() { late = one.Post(t, "/users/", ada, keyed("k")) })
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		lease := 30*time.Second + 2*b.settings.Timeout
		for _, wait := range []time.Duration{0, lease - 2*time.Second} {
			b.clock.Add(wait)
			running(t, two.Post(t, "/users/", ada, keyed("k")))
			running(t, two.Post(t, "/users/", named(1, `"Eve"`), keyed("k")))
		}
		two.Post(t, "/users/", person("e"), keyed("other")).Want(http.StatusCreated)

		b.clock.Add(3 * time.Second) // now its owner is taken for dead
		first := two.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
		replayed(t, two.Post(t, "/users/", ada, keyed("k")), first)
		gate.Open() // but it lives, and has lost the key
		runs.Wait()
		if late.Status != http.StatusConflict {
			t.Errorf("the owner who came too late was answered %d %s", late.Status, late.Body)
		}
		replayed(t, one.Post(t, "/users/", ada, keyed("k")), first)
		if n := users(t, one); n != 2 {
			t.Errorf("%d users", n)
		}
		t.Run("and an outage after the write is told by a replay, at any instance", func(t *testing.T) {
			faults.At(repotest.After, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
			one.Post(t, "/users/", person("f"), keyed("lost")).WantProblem(http.StatusServiceUnavailable, "unavailable")
			two.Post(t, "/users/", person("f"), keyed("lost")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "true")
		})
	})
}
