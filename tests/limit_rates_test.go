package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"userapi/middleware/limit"
	"userapi/tests/testkit"
)

// perHour is a rate that gives back nothing while a test runs.
func perHour(count int) limit.Rate { return limit.Rate{Count: count, Per: time.Hour} }

// limited is a service with a clock that stands.
func limited(t *testing.T, options testkit.Options) (*testkit.Service, *testkit.Clock) {
	t.Helper()
	clock := testkit.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	options.Now = clock.Now
	return testkit.New(t, options), clock
}

// anyAddress is one of IPv4 or IPv6 that nobody has sent before.
func anyAddress() string {
	if rand.N(2) == 0 {
		return fmt.Sprintf("%d.%d.%d.%d", 1+rand.N(220), rand.N(256), rand.N(256), rand.N(256))
	}
	return fmt.Sprintf("2001:db8:%x:%x::%x", rand.N(1<<16), rand.N(1<<16), rand.N(1<<16))
}

// refusals counts the answers of 429 to so many requests, each forwarded for somebody.
func refusals(t *testing.T, svc *testkit.Service, requests int, forwarded func(n int) []string) (refused int) {
	t.Helper()
	for n := range requests {
		if svc.Get(t, "/users/", forwarded(n)...).Status == http.StatusTooManyRequests {
			refused++
		}
	}
	return refused
}

func TestLimit_Address(t *testing.T) {
	t.Parallel()
	t.Run("a thousand forged addresses share one budget", func(t *testing.T) {
		t.Parallel()
		svc, _ := limited(t, testkit.Options{Rates: limit.Rates{Reads: perHour(500)}})
		got := refusals(t, svc, 1000, func(n int) []string {
			name := []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"}[n%5]
			address := anyAddress()
			if name == "Forwarded" {
				address = "for=" + strconv.Quote(address)
			}
			return []string{name + ": " + address}
		})
		if got != 500 {
			t.Errorf("%d of 1000 were refused, where 500 are granted", got)
		}
	})
	t.Run("behind a trusted proxy each client has its own", func(t *testing.T) {
		t.Parallel()
		svc, _ := limited(t, testkit.Options{Rates: limit.Rates{Reads: perHour(1)}, TrustedProxies: []string{"127.0.0.1"}})
		next := func(n int) []string { return []string{fmt.Sprintf("X-Forwarded-For: 198.51.%d.%d", n/200, 1+n%200)} }
		if got := refusals(t, svc, 300, next); got != 0 {
			t.Errorf("%d of 300 clients were refused at their first request", got)
		}
		if got := refusals(t, svc, 300, next); got != 300 {
			t.Errorf("%d of 300 clients were refused at their second request", got)
		}
	})
	t.Run("and what a client puts before the proxy's word changes nothing", func(t *testing.T) {
		t.Parallel()
		svc, _ := limited(t, testkit.Options{Rates: limit.Rates{Reads: perHour(10)}, TrustedProxies: []string{"127.0.0.1"}})
		if got := refusals(t, svc, 100, func(int) []string { return []string{"X-Forwarded-For: " + anyAddress() + ", 198.51.100.7"} }); got != 90 {
			t.Errorf("%d of 100 were refused, where 10 are granted", got)
		}
	})
	t.Run("IPv6 is by 64 bits", func(t *testing.T) {
		t.Parallel()
		svc, _ := limited(t, testkit.Options{Rates: limit.Rates{Reads: perHour(10)}, TrustedProxies: []string{"127.0.0.1"}})
		within := func(n int) []string {
			return []string{fmt.Sprintf("X-Forwarded-For: 2001:db8:0:7:%x::%x", n, rand.N(1<<16))}
		}
		if got := refusals(t, svc, 100, within); got != 90 {
			t.Errorf("%d of 100 were refused, where 10 are granted", got)
		}
		across := func(n int) []string { return []string{fmt.Sprintf("X-Forwarded-For: 2001:db8:1:%x::1", n)} }
		if got := refusals(t, svc, 100, across); got != 0 {
			t.Errorf("%d of 100 networks were refused at their first request", got)
		}
	})
}

func TestLimit_Refusal(t *testing.T) {
	t.Parallel()
	svc, clock := limited(t, testkit.Options{Rates: limit.Rates{Reads: limit.Rate{Count: 2, Per: time.Minute}, Writes: perHour(1)}})
	svc.Create(t, `{"name":"Ada","email":"ada@example.com"}`)
	svc.Get(t, "/users/1").Want(http.StatusOK)
	svc.Head(t, "/v1/users/1/").Want(http.StatusOK)
	clock.Add(10 * time.Second)
	t.Run("it says which budget it is of, and when to come again", func(t *testing.T) {
		for range 5 { // and costs nothing
			answer := svc.Get(t, "/users/by-email/ada@example.com")
			answer.WantProblem(http.StatusTooManyRequests, "rate_limited")
			answer.WantHeader("Retry-After", "20").WantHeader("RateLimit", `"reads";r=0;t=20`).WantHeader("RateLimit-Policy", `"reads";q=2;w=60`)
		}
		answer := svc.Post(t, "/users/", `{"name":"Bob","email":"bob@example.com"}`)
		answer.WantProblem(http.StatusTooManyRequests, "rate_limited")
		answer.WantHeader("Retry-After", "3590").WantHeader("RateLimit", `"writes";r=0;t=3590`).WantHeader("RateLimit-Policy", `"writes";q=1;w=3600`)
	})
	t.Run("what is not about users is never refused", func(t *testing.T) {
		for _, path := range []string{"/health", "/livez", "/readyz", "/", "/openapi.json", "/swagger/doc.json", "/swagger/index.html", "/problems/rate-limited"} {
			for range 5 {
				answer := svc.Get(t, path).Want(http.StatusOK)
				answer.WantHeader("RateLimit", "").WantHeader("RateLimit-Policy", "")
			}
		}
		svc.Do(t, http.MethodOptions, "/users/", "").Want(http.StatusNoContent)
	})
	t.Run("when the time is over it is let in", func(t *testing.T) {
		clock.Add(20 * time.Second)
		svc.Get(t, "/users/1").Want(http.StatusOK).WantHeader("RateLimit", `"reads";r=0;t=30`)
	})
}

// TestLimit_Every looks at the fields on whatever a limited route can answer.
func TestLimit_Every(t *testing.T) {
	t.Parallel()
	svc, _ := limited(t, testkit.Options{
		Rates: limit.Rates{Reads: perHour(1000), Writes: perHour(1000), Bulk: perHour(1000)}, MaxBodyBytes: 1000,
	})
	const created = `{"name":"Ada","email":"ada@example.com"}`
	for _, c := range []struct {
		method, path, body string
		headers            []string
		want               int
		budget             string
	}{
		{"POST", "/users/", created, nil, 201, "writes"},
		{"POST", "/users/", created, nil, 409, "writes"},
		{"POST", "/users/", "{", nil, 400, "writes"},
		{"POST", "/users/", "{}", nil, 422, "writes"},
		{"POST", "/users/", "{}", []string{"Content-Type: text/plain"}, 415, "writes"},
		{"POST", "/users/", `{"name":"` + strings.Repeat("x", 1000) + `"}`, nil, 413, "writes"},
		{"PUT", "/users/1", created, []string{`If-Match: "9"`}, 412, "writes"},
		{"PATCH", "/users/9", `{"age":3}`, nil, 404, "writes"},
		{"GET", "/users/1", "", nil, 200, "reads"},
		{"HEAD", "/users/1", "", nil, 200, "reads"},
		{"GET", "/users/1", "", []string{`If-None-Match: "1"`}, 304, "reads"},
		{"GET", "/users/x", "", nil, 422, "reads"},
		{"GET", "/v1/users?limit=3", "", nil, 200, "reads"},
		{"POST", "/users/batch", `{"operations":[{"op":"delete","id":9}]}`, nil, 404, "bulk"},
		{"POST", "/users/batch", `{"mode":"independent","operations":[{"op":"delete","id":9}]}`, nil, 207, "bulk"},
		{"DELETE", "/users/1", "", nil, 204, "writes"},
	} {
		t.Run(fmt.Sprintf("%s %s is %d", c.method, c.path, c.want), func(t *testing.T) {
			answer := svc.Do(t, c.method, c.path, c.body, c.headers...).Want(c.want)
			answer.WantHeader("RateLimit-Policy", fmt.Sprintf(`"%s";q=1000;w=3600`, c.budget))
			if got := answer.Header.Get("RateLimit"); !strings.HasPrefix(got, `"`+c.budget+`";r=9`) {
				t.Errorf("RateLimit: %s", got)
			}
		})
	}
	t.Run("without a rate nothing is said", func(t *testing.T) {
		t.Parallel()
		testkit.New(t, testkit.Options{}).Get(t, "/users/").Want(http.StatusOK).WantHeader("RateLimit", "").WantHeader("RateLimit-Policy", "")
	})
}

func TestLimit_Batch(t *testing.T) {
	t.Parallel()
	// of returns a batch of so many operations, each of which fails by itself.
	of := func(count int) string {
		return `{"mode":"independent","operations":[` + strings.TrimSuffix(strings.Repeat(`{"op":"delete","id":9},`, count), ",") + `]}`
	}
	left := func(r *testkit.Response) string {
		_, rest, _ := strings.Cut(r.Header.Get("RateLimit"), ";r=")
		units, _, _ := strings.Cut(rest, ";")
		return units
	}
	svc, clock := limited(t, testkit.Options{Rates: limit.Rates{Bulk: limit.Rate{Count: 100, Per: 100 * time.Second}, Writes: perHour(1)}})
	svc.Create(t, `{"name":"Ada","email":"ada@example.com"}`)
	for _, c := range []struct {
		says   string
		body   string
		want   int
		left   string
		repeat string // Retry-After
	}{
		{"it costs what it does", of(30), http.StatusMultiStatus, "70", ""},
		{"one that cannot be read costs one", `{`, http.StatusBadRequest, "69", ""},
		{"so does one that is more than there ever is", of(101), http.StatusUnprocessableEntity, "68", ""},
		{"and one that is more than there is now", of(69), http.StatusTooManyRequests, "67", "2"},
		{"all that is left can be had", of(67), http.StatusMultiStatus, "0", ""},
		{"then nothing is read", `{`, http.StatusTooManyRequests, "0", "1"},
		{"whatever it says, nor charged", of(100), http.StatusTooManyRequests, "0", "1"},
	} {
		t.Run(c.says, func(t *testing.T) {
			answer := svc.Post(t, "/users/batch", c.body).Want(c.want)
			if left(answer) != c.left || answer.Header.Get("Retry-After") != c.repeat {
				t.Errorf("%s are left, want %s; to be sent again after %q, want %q", left(answer), c.left, answer.Header.Get("Retry-After"), c.repeat)
			}
		})
	}
	t.Run("after Retry-After it is let in", func(t *testing.T) {
		clock.Add(50 * time.Second)
		for _, early := range []time.Duration{time.Second, 0} { // too early costs the unit of the door
			wait, err := strconv.Atoi(svc.Post(t, "/users/batch", of(60)).Want(http.StatusTooManyRequests).Header.Get("Retry-After"))
			if err != nil {
				t.Fatal(err)
			}
			clock.Add(time.Duration(wait)*time.Second - early)
		}
		svc.Post(t, "/users/batch", of(60)).Want(http.StatusMultiStatus)
	})
	t.Run("one that is more than there ever is says so, and by what", func(t *testing.T) {
		clock.Add(time.Hour)
		answer := svc.Post(t, "/users/batch", of(101))
		problem := answer.WantInvalid("/operations too_many")
		if !strings.Contains(problem.Errors[0].Detail, "at most 100 ") {
			t.Error(problem.Errors[0].Detail)
		}
	})
	t.Run("a dry run and a batch that is rejected cost as much", func(t *testing.T) {
		clock.Add(time.Hour)
		svc.Post(t, "/users/batch", `{"dry_run":true,`+of(10)[1:]).Want(http.StatusMultiStatus)
		answer := svc.Post(t, "/users/batch", strings.Replace(of(10), "independent", "atomic", 1)).Want(http.StatusNotFound)
		if left(answer) != "80" {
			t.Errorf("%s are left", left(answer))
		}
	})
}
