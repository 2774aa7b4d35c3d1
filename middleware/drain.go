package middleware

import (
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Lifecycle says whether the process takes requests. It is safe for concurrent use; the zero value
// is starting.
type Lifecycle struct{ state atomic.Int32 }

const (
	starting int32 = iota
	serving
	draining
)

// Serve marks the process, which is starting, as ready for requests.
func (l *Lifecycle) Serve() { l.state.CompareAndSwap(starting, serving) }

// Drain marks the process as about to stop: it still answers, but wants no more.
func (l *Lifecycle) Drain() { l.state.Store(draining) }

// Serving says whether requests are wanted.
func (l *Lifecycle) Serving() bool { return l.state.Load() == serving }

// Drain makes every answer close its connection while the process drains, so that each client opens
// its next one elsewhere. Without it, a Shutdown closes idle connections in the very moment in which
// their next request arrives, and that request is lost.
func Drain(lifecycle *Lifecycle) gin.HandlerFunc {
	return func(c *gin.Context) {
		if lifecycle.state.Load() == draining {
			c.Header("Connection", "close")
		}
		c.Next()
	}
}
