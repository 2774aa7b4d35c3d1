package limit

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"userapi/middleware"
	"userapi/models"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(m)
}

// clock stands until somebody moves it.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Microseconds()) }

// limiter returns one with a clock, and the rates given.
func limiter(tb testing.TB, rates Rates) (*Limiter, *clock) {
	tb.Helper()
	c := newClock()
	l, err := New(Options{Rates: rates, MaxCallers: 1000, Now: c.now})
	if err != nil {
		tb.Fatal(err)
	}
	return l, c
}

// visit is one request: from where, and by whom.
type visit struct {
	from      string
	forwarded string
	by        *models.Principal
}

// context returns a request as a step meets it, and where its answer goes.
func (v visit) context(tb testing.TB) (*gin.Context, *httptest.ResponseRecorder) {
	tb.Helper()
	recorder := httptest.NewRecorder()
	c, engine := gin.CreateTestContext(recorder)
	if err := engine.SetTrustedProxies([]string{"10.0.0.0/8"}); err != nil {
		tb.Fatal(err)
	}
	c.Request = httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/users/1", nil)
	c.Request.RemoteAddr = v.from
	if v.forwarded != "" {
		c.Request.Header.Set("X-Forwarded-For", v.forwarded)
	}
	if v.by != nil {
		c.Request = c.Request.WithContext(models.WithPrincipal(c.Request.Context(), v.by))
	}
	return c, recorder
}

// charge charges one unit of the budget for reads.
func (v visit) charge(tb testing.TB, l *Limiter) bool {
	tb.Helper()
	c, _ := v.context(tb)
	_, ok := l.charge(c.Request.Context(), c, middleware.BudgetReads, 1, 1)
	return ok
}

func perMinute(count int) Rate { return Rate{Count: count, Per: time.Minute} }
