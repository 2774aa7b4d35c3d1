// Package tests asks the service over HTTP what the contract promises and what a process must bear.
// Tests of the contract quote its sections in their names; those named TestProcess run the built
// binary. The kit beside this package judges every answer and every log line on the way.
package tests

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

func TestMain(m *testing.M) {
	end := sqltest.Reuse()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.CleanUp()
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}
