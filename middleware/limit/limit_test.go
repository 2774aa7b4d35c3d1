package limit

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
	"userapi/models"
)

// refusing answers 429, and keeps for how long it was.
func refusing(wait *time.Duration) Refuse {
	return func(c *gin.Context, length time.Duration) {
		*wait = length
		c.Status(http.StatusTooManyRequests)
	}
}

// router has a route for each budget, behind a step that lets in who has a name.
func router(l *Limiter, wait *time.Duration) *gin.Engine {
	engine := gin.New()
	_ = engine.SetTrustedProxies(nil)
	authenticate := func(budget middleware.Budget) gin.HandlerFunc {
		return func(c *gin.Context) {
			name := c.GetHeader("Authorization")
			if name == "" {
				var ok bool
				if *wait, ok = l.Fail(c, budget); ok {
					c.AbortWithStatus(http.StatusUnauthorized)
				} else {
					c.AbortWithStatus(http.StatusTooManyRequests)
				}
				return
			}
			principal := &models.Principal{Name: name, Method: "api_key"}
			c.Request = c.Request.WithContext(models.WithPrincipal(c.Request.Context(), principal))
		}
	}
	for path, budget := range map[string]middleware.Budget{
		"/reads": middleware.BudgetReads, "/writes": middleware.BudgetWrites, "/none": middleware.BudgetNone,
	} {
		engine.GET(path, authenticate(budget), l.Step(budget, refusing(wait)), func(c *gin.Context) { c.Status(http.StatusOK) })
	}
	return engine
}

func ask(tb testing.TB, handler http.Handler, path, name string) *httptest.ResponseRecorder {
	tb.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path, nil)
	if name != "" {
		request.Header.Set("Authorization", name)
	}
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestLimiter_Step(t *testing.T) {
	t.Parallel()
	t.Run("it counts down, refuses, and lets in again in time", func(t *testing.T) {
		t.Parallel()
		l, clock := limiter(t, Rates{Reads: perMinute(3)})
		var wait time.Duration
		engine := router(l, &wait)
		for _, want := range []string{`"reads";r=2;t=20`, `"reads";r=1;t=20`, `"reads";r=0;t=20`} {
			answer := ask(t, engine, "/reads", "ada")
			if answer.Code != http.StatusOK || answer.Header().Get("RateLimit") != want || answer.Header().Get("RateLimit-Policy") != `"reads";q=3;w=60` {
				t.Errorf("%d, %v", answer.Code, answer.Header())
			}
		}
		clock.advance(5 * time.Second)
		answer := ask(t, engine, "/reads", "ada")
		if answer.Code != http.StatusTooManyRequests || wait != 15*time.Second || answer.Header().Get("RateLimit") != `"reads";r=0;t=15` {
			t.Errorf("%d after %v, %v", answer.Code, wait, answer.Header())
		}
		clock.advance(15*time.Second - time.Microsecond)
		if answer := ask(t, engine, "/reads", "ada"); answer.Code != http.StatusTooManyRequests {
			t.Errorf("%d before the wait is over", answer.Code)
		}
		clock.advance(time.Microsecond)
		if answer := ask(t, engine, "/reads", "ada"); answer.Code != http.StatusOK {
			t.Errorf("%d when the wait is over", answer.Code)
		}
	})
	t.Run("callers and budgets are apart, and what has none is not limited", func(t *testing.T) {
		t.Parallel()
		l, _ := limiter(t, Rates{Reads: perMinute(1), Writes: perMinute(2)})
		engine := router(l, new(time.Duration))
		for _, c := range []struct {
			path, name string
			want       int
		}{
			{"/reads", "ada", 200},
			{"/reads", "ada", 429},
			{"/reads", "bob", 200},
			{"/writes", "ada", 200},
			{"/writes", "ada", 200},
			{"/writes", "ada", 429},
			{"/none", "ada", 200},
			{"/none", "ada", 200},
			{"/none", "ada", 200},
		} {
			answer := ask(t, engine, c.path, c.name)
			if answer.Code != c.want || (answer.Header().Get("RateLimit") == "") != (c.path == "/none") {
				t.Errorf("%s of %s: %d, want %d; %v", c.path, c.name, answer.Code, c.want, answer.Header())
			}
		}
		want := [budgets]Decisions{{"reads", 2, 1, 0}, {"writes", 2, 1, 0}, {"bulk", 0, 0, 0}}
		if stats := l.Stats(); stats.Budgets != want || stats.Callers != 2 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestLimiter_Fail(t *testing.T) {
	t.Parallel()
	t.Run("failures are charged to the address, and refused when its budget is used up", func(t *testing.T) {
		t.Parallel()
		l, clock := limiter(t, Rates{Reads: perMinute(3)})
		var wait time.Duration
		engine := router(l, &wait)
		for _, want := range []int{401, 401, 401, 429, 429} {
			answer := ask(t, engine, "/reads", "")
			if answer.Code != want || (answer.Header().Get("RateLimit") != "") != (want == 429) {
				t.Errorf("%d, want %d; %v", answer.Code, want, answer.Header())
			}
		}
		if wait != 20*time.Second {
			t.Errorf("a wait of %v", wait)
		}
		clock.advance(20 * time.Second)
		for _, want := range []int{401, 429} {
			if answer := ask(t, engine, "/reads", ""); answer.Code != want {
				t.Errorf("%d, want %d, after the wait", answer.Code, want)
			}
		}
		want := [budgets]Decisions{{"reads", 0, 3, 0}, {"writes", 0, 0, 0}, {"bulk", 0, 0, 0}}
		if stats := l.Stats(); stats.Budgets != want {
			t.Errorf("%+v", stats)
		}
	})
	t.Run("who can say who he is pays nothing for it, and is let in beside those who fail there", func(t *testing.T) {
		t.Parallel()
		l, _ := limiter(t, Rates{Reads: perMinute(3)})
		engine := router(l, new(time.Duration))
		for _, c := range []struct {
			name string
			want int
		}{
			{"ada", 200}, {"ada", 200}, {"bob", 200}, {"bob", 200}, {"eve", 200}, // more than the address alone has
			{"", 401}, {"", 401}, {"", 401}, {"", 429}, {"ada", 200}, {"ada", 429}, {"", 429}, {"bob", 200},
		} {
			if answer := ask(t, engine, "/reads", c.name); answer.Code != c.want {
				t.Errorf("%q: %d, want %d", c.name, answer.Code, c.want)
			}
		}
	})
	t.Run("what has no budget may fail without end", func(t *testing.T) {
		t.Parallel()
		l, _ := limiter(t, Rates{Reads: perMinute(1)})
		engine := router(l, new(time.Duration))
		for range 5 {
			for _, path := range []string{"/none", "/writes"} {
				if answer := ask(t, engine, path, ""); answer.Code != http.StatusUnauthorized {
					t.Errorf("%s: %d", path, answer.Code)
				}
			}
		}
	})
}

func TestLimiter_Rest(t *testing.T) {
	t.Parallel()
	l, clock := limiter(t, Rates{Bulk: perMinute(10)})
	charge := func(units int) (time.Duration, bool, string) {
		c, recorder := visit{from: "192.0.2.1:1"}.context(t)
		if wait, ok := l.charge(c.Request.Context(), c, middleware.BudgetBulk, 1, 1); !ok {
			return wait, ok, recorder.Header().Get("RateLimit")
		}
		wait, ok := l.Rest(c, middleware.BudgetBulk, units)
		return wait, ok, recorder.Header().Get("RateLimit")
	}
	for _, c := range []struct {
		says  string
		units int
		wait  time.Duration
		ok    bool
		left  string
	}{
		{"one has been charged", 1, 0, true, `"bulk";r=9;t=6`},
		{"as has the first of none", 0, 0, true, `"bulk";r=8;t=6`},
		{"many are charged together", 5, 0, true, `"bulk";r=3;t=6`},
		{"or all but the first not at all, and the wait is for all", 4, 12 * time.Second, false, `"bulk";r=2;t=6`},
		{"so that fewer may still be there", 2, 0, true, `"bulk";r=0;t=6`},
		{"without the first nothing is", 10, 6 * time.Second, false, `"bulk";r=0;t=6`},
	} {
		if wait, ok, left := charge(c.units); wait != c.wait || ok != c.ok || left != c.left {
			t.Errorf("%s: %v, %v, %s", c.says, wait, ok, left)
		}
	}
	clock.advance(time.Minute)
	if _, ok, _ := charge(10); !ok {
		t.Error("not all of it is there after the window")
	}
	if most, limited := l.Most(middleware.BudgetBulk); most != 10 || !limited {
		t.Errorf("%d, %v", most, limited)
	}
	if most, limited := l.Most(middleware.BudgetReads); limited {
		t.Errorf("%d", most)
	}
	if most, limited := l.Most(middleware.BudgetNone); limited {
		t.Errorf("%d", most)
	}
}

func TestLimiter_Configure(t *testing.T) {
	t.Parallel()
	l, clock := limiter(t, Rates{Reads: perMinute(10)})
	who := visit{from: "192.0.2.1:1"}
	for range 10 {
		who.charge(t, l)
	}
	if who.charge(t, l) {
		t.Fatal("an eleventh is let through")
	}
	l.Configure(Rates{Reads: perMinute(20)})
	if who.charge(t, l) {
		t.Error("another rate gives back what was used")
	}
	clock.advance(3 * time.Second)
	if !who.charge(t, l) {
		t.Error("the new rate does not hold")
	}
	l.Configure(Rates{})
	if !who.charge(t, l) {
		t.Error("it is limited without a rate")
	}
	l.Configure(Rates{Reads: Rate{Count: 1, Per: time.Second}})
	if who.charge(t, l) {
		t.Error("what was used is forgotten")
	}
	clock.advance(time.Second)
	if !who.charge(t, l) {
		t.Error("a shorter window lets nobody in when it is over")
	}
}

func TestOptions_Decided(t *testing.T) {
	t.Parallel()
	heard := map[string]int{}
	c := newClock()
	l, err := New(Options{Rates: Rates{Reads: perMinute(2)}, MaxCallers: 10, Now: c.now, Decided: func(budget, outcome string) { heard[budget+" "+outcome]++ }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		visit{from: "192.0.2.1:1"}.charge(t, l)
	}
	if len(heard) != 2 || heard["reads allowed"] != 2 || heard["reads limited"] != 3 {
		t.Errorf("%v", heard)
	}
}
