package repotest_test

import (
	"context"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	t.Run("a correct store passes every rule", func(t *testing.T) {
		repotest.Run(t, func(testing.TB) repository.UserRepository { return newSketch() })
	})
	t.Run("faults without a plan change nothing", func(t *testing.T) {
		repotest.Run(t, func(testing.TB) repository.UserRepository { return repotest.NewFaults(newSketch()) })
	})
}

// runs is how often a rule may be run to catch a flaw: a race shows in almost every run, not in all.
const runs = 20

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
				var complaints []string
				for run := 0; len(complaints) == 0 && run < runs; run++ {
					complaints = judge(t.Context(), rule, f.make())
				}
				if len(complaints) == 0 {
					t.Errorf("the rule %q did not catch it", name)
					continue
				}
				t.Logf("caught by %q: %.300s", name, complaints[0])
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

// recorder is a repotest.T that keeps the complaints of a rule instead of failing a test.
type recorder struct {
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// judge runs one rule against a store and returns what it complains of.
func judge(ctx context.Context, rule repotest.Rule, store repository.UserRepository) []string {
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() { // a goroutine of its own, which Fatalf ends
		defer close(done)
		rule.Check(r, store)
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
	runtime.Goexit()
}
