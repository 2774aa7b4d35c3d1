package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// TestEngines runs the tests of what a client sees once more on each store but memory, in a process of its
// own that is told the engine, so that no test knows of any. What fails is found again by
// `TEST_ENGINE=postgres go test ./tests -run …`.
//
// Tests of the process, the documents and the log say nothing of a store and stay out. Under the race
// detector, with which SQLite in Go takes ten times as long, so do all but those in which clients meet.
func TestEngines(t *testing.T) {
	t.Parallel()
	tests := "^Test(Contract|Users|FastAPI)_"
	if sqltest.Raced() {
		tests = "^Test(Users_(One|Linearizable)|Contract_3_(Retry|KeyIsFree|Request|ClientGoesAway))"
	}
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			sqltest.Require(t, engine)
			args := []string{"-test.run=" + tests, "-test.skip=^TestUsers_EnginesAlike", fmt.Sprintf("-test.v=%v", testing.Verbose()), fmt.Sprintf("-test.short=%v", testing.Short())}
			if end, ok := t.Deadline(); ok { // sooner than here, so that it can say where it stands
				args = append(args, fmt.Sprintf("-test.timeout=%v", time.Until(end)*9/10))
			}
			again := exec.CommandContext(t.Context(), os.Args[0], args...)
			again.Env = append(os.Environ(), testkit.EngineVariable+"="+engine)
			output, err := again.CombinedOutput()
			t.Logf("%s\n%s", strings.Join(again.Args[1:], " "), output)
			if err != nil || strings.Contains(string(output), "no tests to run") {
				t.Errorf("the tests on %s: %v", engine, err)
			}
		})
	}
}
