package tests

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"userapi/tests/testkit"
)

// TestInstances_AreOne asks three instances, directly and through a balancer, what one is asked.
func TestInstances_AreOne(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, sharedRedis(t))
	anywhere := &testkit.Service{Client: f.anywhere(t)}
	t.Run("every answer is the model's, whoever is asked", func(t *testing.T) { followed(t, anywhere) })
	t.Run("300 creates of one address make one user", func(t *testing.T) {
		var created, clashed atomic.Int64
		together(300, func(n int) {
			switch answer := anywhere.Post(t, "/users/", `{"name":"Ada","email":"One.Address@example.com"}`); answer.Status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusConflict:
				clashed.Add(1)
			default:
				t.Errorf("request %d: %d %s", n, answer.Status, answer.Body)
			}
		})
		if created.Load() != 1 || clashed.Load() != 299 {
			t.Errorf("%d created, %d clashed", created.Load(), clashed.Load())
		}
	})
	t.Run("50 clients with one key make one user, and all hear the same", func(t *testing.T) {
		answers := make([]*testkit.Response, 50)
		together(len(answers), func(n int) {
			answers[n] = persisted(t, 20*time.Second, func() *testkit.Response {
				return anywhere.Post(t, "/users/", `{"name":"Ada","email":"keyed@example.com"}`, keyed("fifty"))
			})
		})
		first := 0
		for _, answer := range answers {
			answer.Want(http.StatusCreated)
			if string(answer.Body) != string(answers[0].Body) {
				t.Errorf("%s and %s", answer.Body, answers[0].Body)
			}
			if answer.Header.Get("Idempotency-Replayed") == "" {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d answers are no replays", first)
		}
		for _, instance := range f.instances {
			instance.Post(t, "/users/", `{"name":"Eve","email":"keyed@example.com"}`, keyed("fifty")).WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "Idempotency-Key: idempotency_key_reused")
		}
	})
	t.Run("a counter under If-Match is exact", func(t *testing.T) { counted(t, anywhere.Client, 40) })
}

// together runs something n times at once.
func together(n int, do func(n int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range n {
		all.Go(func() {
			<-start
			do(n)
		})
	}
	close(start)
	all.Wait()
}

// followed lets rapid do what a client may do, for some seconds: that outlasts the time in which the
// cache of a new database is not served yet.
func followed(t *testing.T, svc *testkit.Service) {
	const enough = 9 * time.Second
	begin, last, keys, cases := time.Now(), int64(0), 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if time.Since(begin) > enough {
			return
		}
		defer empty(t, svc)
		m := &machine{svc: svc, users: map[int64]testkit.User{}, lastID: last, keys: &keys}
		t.Repeat(m.actions())
		last = m.lastID
		cases++
	})
	t.Logf("%d cases in %v, up to id %d", cases, time.Since(begin).Round(time.Millisecond), last)
}

// counted has clients raise one age, each by reading and writing it back under If-Match.
func counted(t *testing.T, client *testkit.Client, clients int) {
	path := fmt.Sprintf("/users/%d", client.Create(t, `{"name":"Ada","email":"counter@example.com","age":1}`).ID)
	var late atomic.Int64
	together(clients, func(int) {
		for {
			read := client.Get(t, path).Want(http.StatusOK)
			switch answer := client.Patch(t, path, fmt.Sprintf(`{"age":%d}`, *read.User().Age+1), "If-Match: "+read.Header.Get("ETag")); answer.Status {
			case http.StatusOK:
				return
			case http.StatusPreconditionFailed:
				late.Add(1)
			default:
				t.Errorf("answered %d: %s", answer.Status, answer.Body)
				return
			}
		}
	})
	if user := client.Get(t, path).User(); *user.Age != int64(1+clients) || user.Version != int64(1+clients) {
		t.Errorf("after %d raises the age is %d at version %d", clients, *user.Age, user.Version)
	}
	if late.Load() == 0 {
		t.Error("nobody was late, so nothing is proved")
	}
}

// crowdOf makes users in one batch, and returns their ids.
func crowdOf(t *testing.T, client *testkit.Client, name string, count int) []int64 {
	t.Helper()
	var operations []string
	for n := range count {
		age := strconv.Itoa(1 + n%40)
		if n%7 == 0 {
			age = "null"
		}
		operations = append(operations, fmt.Sprintf(`{"op":"create","user":{"name":"%s %d","email":"%s%d@example.com","age":%s}}`, name, n%11, name, n, age))
	}
	client.Post(t, "/users/batch", `{"operations":[`+strings.Join(operations, ",")+`]}`).Want(http.StatusOK)
	page := client.Get(t, "/users/?limit=1000&q="+name).Want(http.StatusOK).Page()
	if len(page.Items) != count {
		t.Fatalf("%d users of %d", len(page.Items), count)
	}
	return page.IDs()
}
