package limit

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"userapi/middleware"
	"userapi/models"
)

// BenchmarkLimiter_charge charges one of a thousand callers at a time.
func BenchmarkLimiter_charge(b *testing.B) {
	for _, named := range []bool{true, false} {
		b.Run(map[bool]string{true: "principal", false: "address"}[named], func(b *testing.B) {
			l, err := New(Options{Rates: Rates{Reads: Rate{Count: 1000, Per: time.Second}}, MaxCallers: 100_000, Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var workers atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				number := strconv.FormatInt(workers.Add(1), 10)
				v := visit{from: "192.0.2." + number + ":1"}
				if named {
					v.by = &models.Principal{Name: "caller" + number, Method: "api_key", Scopes: models.ScopeRead}
				}
				c, _ := v.context(b)
				for pb.Next() {
					l.charge(c.Request.Context(), c, middleware.BudgetReads, 1, 1)
				}
			})
		})
	}
}

// BenchmarkTable_take has ever new callers, for whom there is no room.
func BenchmarkTable_take(b *testing.B) {
	table, all := newTable(100_000), reads(perMinute(10))
	b.ReportAllocs()
	for n := range b.N {
		table.take(stranger(n), 0, all, 0, 1)
	}
}

// BenchmarkFlight_Step is a whole request of gin's, with and without the step.
func BenchmarkFlight_Step(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(map[bool]string{true: "with", false: "without"}[with], func(b *testing.B) {
			engine := gin.New()
			if with {
				engine.Use(NewFlight(1000, time.Now).Step(errFull, func(*gin.Context, error) {}))
			}
			engine.GET("/", func(c *gin.Context) { c.Status(http.StatusOK) })
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
			recorder := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				engine.ServeHTTP(recorder, request)
			}
		})
	}
}

// BenchmarkLimiter_shared is what a request waits for Redis.
func BenchmarkLimiter_shared(b *testing.B) {
	l := together(b, server(b), secret(), Rates{Reads: Rate{Count: 1_000_000, Per: time.Second}})
	c, _ := visit{from: "192.0.2.1:1"}.context(b)
	b.ReportAllocs()
	for b.Loop() {
		l.charge(c.Request.Context(), c, middleware.BudgetReads, 1, 1)
	}
}
