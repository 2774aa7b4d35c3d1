// Package repotest is the conformance suite: the promises of repository.UserRepository and
// repository.IdempotencyRepository as rules that every engine must pass, and a store that fails on
// demand.
//
// It owns the rules, the plainest form of what a page is (PageOf), sample users, and Faults. It
// refuses to know any engine: a rule sees the interface and nothing else, and takes for granted
// neither how often a store asks the functions of its caller nor how it locks. The tests of engines,
// services and handlers use it; no program does, since it imports testing.
//
// To add a rule, write one function that takes a *subject, or a *keyring, name it with its reason in
// a list at the top of a file, and add a store that breaks it to the flaws in the tests: the suite is
// itself tested, and a rule that catches nothing is refused.
package repotest

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"userapi/repository"
)

// T is what a rule needs of a test. It is met by *testing.T, by *rapid.T in which a rule goes on with
// what was drawn, and by the recorder with which the tests of the suite see a rule complain. Errorf is
// safe for concurrent use; Fatalf ends the goroutine that it is called on, which is the one that
// Check was called on.
type T interface {
	rapid.TB
	Context() context.Context
}

// Rule is one promise of the repository, and the test of it.
type Rule struct {
	// Name states what holds.
	Name string
	// Why says what goes wrong for a client when it does not.
	Why string

	check func(s *subject)
}

// Check holds a store, which must be new and empty, against the rule and complains to t. It may
// leave users in the store, and may leave it closed.
func (r Rule) Check(t T, store repository.UserRepository) {
	t.Helper()
	r.check(&subject{T: t, UserRepository: store})
}

// Rules returns every rule, in the order in which an engine is best made to pass them.
func Rules() []Rule {
	return slices.Concat(
		createRules(),
		updateRules(),
		deleteRules(),
		batchRules(),
		listRules(),
		sortRules(),
		filterRules(),
		lifetimeRules(),
		propertyRules(),
		concurrencyRules(),
	)
}

// ConcurrencyRules returns those of the rules in which many callers meet.
func ConcurrencyRules() []Rule { return concurrencyRules() }

// Run holds an engine against every rule, each as a sub-test with a store of its own. The factory
// returns a new, empty store; Run closes it, and whatever else has to go the factory leaves to
// t.Cleanup.
func Run(t *testing.T, factory func(t testing.TB) repository.UserRepository) {
	t.Helper()
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			store := factory(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("why this is a rule: %s", rule.Why)
				}
				if err := store.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			rule.Check(t, store)
		})
	}
}
