package repotest_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"userapi/repository"
	"userapi/repository/repotest"
)

func TestMain(m *testing.M) {
	// The flawed stores fail on purpose: nobody wants the shortest way to that, nor a file of it.
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "0s"} {
		if err := flag.Set(name, value); err != nil { // what the command line says comes later, and stands
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	t.Run("a correct store passes every rule", func(t *testing.T) {
		t.Parallel()
		repotest.Run(t, func(testing.TB) repository.UserRepository { return newSketch() })
	})
	t.Run("faults without a plan change nothing, and a store may ask twice", func(t *testing.T) {
		t.Parallel()
		for _, rule := range repotest.Rules() {
			if rule.Name == "List answers exactly over thousands of users" {
				continue // it takes long, and asks for what others ask for
			}
			t.Run(rule.Name, func(t *testing.T) { rule.Check(t, repotest.NewFaults(keyless{UserRepository: askingTwice()})) })
		}
	})
}

// runs is how often a rule may be run to catch a flaw: a race shows in most runs, not in all.
const runs = 40

func TestRules(t *testing.T) {
	flaws := flaws()
	rules := make(map[string]repotest.Rule)
	for _, rule := range repotest.Rules() {
		if _, twice := rules[rule.Name]; twice {
			t.Errorf("two rules have the name %q", rule.Name)
		}
		rules[rule.Name] = rule
	}
	for _, f := range flaws {
		t.Run("a store that "+f.name+" is caught", func(t *testing.T) {
			t.Parallel()
			for _, name := range f.caughtBy {
				rule, ok := rules[name]
				if !ok {
					t.Fatalf("there is no rule %q", name)
				}
				caught(t, name, func(r repotest.T) { rule.Check(r, f.make()) })
			}
		})
	}
	t.Run("every rule catches a flaw and has a reason", func(t *testing.T) {
		for _, rule := range repotest.Rules() {
			if !slices.ContainsFunc(flaws, func(f flaw) bool { return slices.Contains(f.caughtBy, rule.Name) }) {
				t.Errorf("no flaw shows that the rule %q can fail", rule.Name)
			}
			if strings.TrimSpace(rule.Why) == "" {
				t.Errorf("the rule %q does not say why", rule.Name)
			}
		}
	})
}

// caught fails the test unless the rule complains in one of a few runs.
func caught(t *testing.T, rule string, check func(r repotest.T)) {
	t.Helper()
	for i := range runs {
		if complaints := judge(t.Context(), check); len(complaints) > 0 {
			t.Logf("caught by %q in run %d: %.300s", rule, i+1, complaints[0])
			return
		}
	}
	t.Errorf("the rule %q did not catch it", rule)
}

// recorder is a repotest.T that keeps the complaints of a rule instead of failing a test.
type recorder struct {
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// judge runs one rule and returns what it complains of.
func judge(ctx context.Context, check func(t repotest.T)) []string {
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() { // a goroutine of its own, which Fatalf ends
		defer close(done)
		check(r)
	}()
	<-done
	return r.complaints
}

func (r *recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fail() { r.Errorf("failed") }

func (r *recorder) FailNow() { runtime.Goexit() }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.complaints) > 0
}

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Log(...any) {}

// A rule that skips itself would pass unseen.

func (r *recorder) Skipf(format string, args ...any) { panic(fmt.Sprintf("skipped: "+format, args...)) }

func (r *recorder) Skip(args ...any) { panic(fmt.Sprint(args...)) }

func (r *recorder) SkipNow() { panic("skipped") }
