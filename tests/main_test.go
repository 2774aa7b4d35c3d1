// Package tests asks the service over HTTP what the contract promises and what a process must bear.
// Tests of the contract quote its sections in their names; those named TestProcess run the built
// binary. The kit beside this package judges every answer and every log line on the way.
package tests

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"userapi/tests/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.CleanUp()
		os.Exit(code)
	}))
}
