package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
)

// PanicError is a panic made an error. Its text and stack are for the log only.
type PanicError struct {
	Value any
	Stack string
}

// Error returns the text of the panic.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Recover turns a panic into a *PanicError and hands it to answer, which writes the one fixed 500.
// http.ErrAbortHandler, by which a handler cuts its connection, is left to net/http.
func Recover(answer func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(value)
			}
			answer(c, &PanicError{Value: value, Stack: string(debug.Stack())})
		}()
		c.Next()
	}
}
