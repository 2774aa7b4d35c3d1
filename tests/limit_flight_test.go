package tests

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/middleware/limit"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

func TestLimit_InFlight(t *testing.T) {
	t.Parallel()
	t.Run("beyond the bound it is 503 at once, for users only", func(t *testing.T) {
		t.Parallel()
		faults, gate := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), repotest.NewGate()
		flight := limit.NewFlight(2, time.Now)
		svc := testkit.New(t, testkit.Options{Repository: faults, Flight: flight})
		faults.At(repotest.Before, repotest.List, 0, gate.Hold)
		slow := make(chan *testkit.Response)
		for range 2 {
			go func() { slow <- svc.Get(t, "/users/") }()
			if err := gate.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, ask := range []func() *testkit.Response{
			func() *testkit.Response { return svc.Get(t, "/users/1") },
			func() *testkit.Response { return svc.Head(t, "/v1/users/") },
			func() *testkit.Response { return svc.Post(t, "/users/", ada) },
			func() *testkit.Response { return svc.Delete(t, "/users/1") },
		} {
			answer := ask()
			if answer.Request.Method == http.MethodHead {
				answer.Want(http.StatusServiceUnavailable)
			} else {
				answer.WantProblem(http.StatusServiceUnavailable, "overloaded")
			}
			answer.WantHeader("Retry-After", "1")
		}
		for _, path := range []string{"/health", "/livez", "/readyz", "/", "/openapi.json", "/swagger/index.html", "/problems/overloaded"} {
			svc.Get(t, path).Want(http.StatusOK)
		}
		svc.Do(t, http.MethodOptions, "/users/", "").Want(http.StatusNoContent)
		if got := flight.Stats(); got != (limit.FlightStats{Most: 2, Allowed: 2, Current: 2, Shed: 4}) {
			t.Errorf("%+v", got)
		}
		gate.Open()
		(<-slow).Want(http.StatusOK)
		(<-slow).Want(http.StatusOK)
		svc.Get(t, "/users/1").Want(http.StatusNotFound)
	})
	t.Run("a body that no route reads does not put off the bound", func(t *testing.T) {
		t.Parallel()
		faults, gate := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), repotest.NewGate()
		svc := testkit.New(t, testkit.Options{Repository: faults, Flight: limit.NewFlight(1, time.Now)})
		faults.At(repotest.Before, repotest.List, 0, gate.Hold)
		wire := svc.Dial(t)
		wire.Write(t, "GET /users/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			svc.Do(t, method, "/users/1", "x").WantProblem(http.StatusServiceUnavailable, "overloaded")
		}
		gate.Open()
		answer, err := wire.Read(t, http.MethodGet)
		if err != nil {
			t.Fatal(err)
		}
		answer.Want(http.StatusOK)
	})
	t.Run("clients who are slow to send take no place from others, and are not without number", func(t *testing.T) {
		t.Parallel()
		flight := limit.NewFlight(5, time.Now)
		svc := testkit.New(t, testkit.Options{Flight: flight})
		const slow = 20 // four times as many
		wires := make([]*testkit.Wire, slow)
		body := func(n int) string {
			return fmt.Sprintf(`{"name":"Slow","email":"slow%02d@example.com"}`, n)
		}
		for n := range wires {
			wires[n] = svc.Dial(t)
			wires[n].Write(t, fmt.Sprintf("POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body(n)))+body(n)[:7])
		}
		testkit.Eventually(t, "all of them arrive", func() bool { return flight.Stats().Arriving == slow })
		svc.Post(t, "/users/", ada).WantProblem(http.StatusServiceUnavailable, "overloaded")
		for range 50 {
			svc.Get(t, "/users/").Want(http.StatusOK)
		}
		for n, wire := range wires {
			wire.Write(t, body(n)[7:])
			answer, err := wire.Read(t, http.MethodPost)
			if err != nil {
				t.Fatal(err)
			}
			answer.Want(http.StatusCreated)
		}
		if got := flight.Stats(); got != (limit.FlightStats{Most: 5, Allowed: 5, Shed: 1}) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a body that arrives while all places are taken is refused behind its end", func(t *testing.T) {
		t.Parallel()
		faults, gate := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), repotest.NewGate()
		svc := testkit.New(t, testkit.Options{Repository: faults, Flight: limit.NewFlight(1, time.Now)})
		faults.At(repotest.Before, repotest.List, 0, gate.Hold)
		wire := svc.Dial(t)
		wire.Write(t, fmt.Sprintf("POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(ada))+ada[:7])
		slow := make(chan *testkit.Response)
		go func() { slow <- svc.Get(t, "/users/") }()
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		wire.Write(t, ada[7:])
		answer, err := wire.Read(t, http.MethodPost)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Want(http.StatusServiceUnavailable); !strings.Contains(string(answer.Body), `"overloaded"`) || answer.Header.Get("Retry-After") != "1" {
			t.Errorf("%v: %s", answer.Header, answer.Body)
		}
		gate.Open()
		(<-slow).Want(http.StatusOK)
		svc.Create(t, ada) // nothing of the refused one was stored
	})
}

// TestLimit_Places has the store ask at each call whether the request that makes it has a place.
func TestLimit_Places(t *testing.T) {
	t.Parallel()
	faults, flight := repotest.NewFaults(testkit.NewStore(t, testkit.Options{})), limit.NewFlight(10, time.Now)
	svc := testkit.New(t, testkit.Options{Repository: faults, Flight: flight, MaxBodyBytes: 1 << 10})
	asked := ""
	faults.At(repotest.Before, repotest.Any, 0, func(context.Context, context.CancelFunc) error {
		if got := flight.Stats(); got.Current != 1 || got.Arriving != 0 {
			t.Errorf("%s: %+v", asked, got)
		}
		return nil
	})
	const id, batch = "/users/1", `{"operations":[{"op":"delete","id":1}]}`
	for _, c := range []struct {
		method, path, body string
		headers            []string
		want               int
	}{
		{http.MethodPost, "/users/", ada, nil, http.StatusCreated},
		{http.MethodPost, "/users/", ada, []string{"Idempotency-Key: one"}, http.StatusConflict},
		{http.MethodPut, id, ada, nil, http.StatusOK},
		{http.MethodPatch, id, `{"age":40}`, nil, http.StatusOK},
		{http.MethodPatch, id, `{"age":40}`, []string{`If-Match: "9"`}, http.StatusPreconditionFailed},
		{http.MethodGet, id, "x", nil, http.StatusOK},
		{http.MethodGet, "/users/", "x", nil, http.StatusOK},
		{http.MethodGet, "/users/by-email/nobody@example.com", "x", nil, http.StatusNotFound},
		{http.MethodPost, "/users/", ada, []string{"Content-Type: text/plain"}, http.StatusUnsupportedMediaType},
		{http.MethodPost, "/users/", strings.Repeat(" ", 1<<11), nil, http.StatusRequestEntityTooLarge},
		{http.MethodPut, id, `{"name":1}`, nil, http.StatusUnprocessableEntity},
		{http.MethodPost, "/users/batch", batch, []string{"Idempotency-Key: two"}, http.StatusOK},
		{http.MethodPost, "/users/batch", batch, []string{"Idempotency-Key: two"}, http.StatusOK},
		{http.MethodDelete, id, "x", nil, http.StatusNotFound},
	} {
		asked = c.method + " " + c.path
		svc.Do(t, c.method, c.path, c.body, c.headers...).Want(c.want)
	}
	if faults.Calls(repotest.Any) == 0 {
		t.Error("the store was never asked")
	}
	if got := flight.Stats(); got.Current != 0 || got.Arriving != 0 {
		t.Errorf("%+v", got)
	}
}
