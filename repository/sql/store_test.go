package sql_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"userapi/repository"
	"userapi/repository/repotest"
	"userapi/repository/sql/sqltest"
)

func TestMain(m *testing.M) {
	end := sqltest.Reuse()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

func TestStore(t *testing.T) {
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			if sqltest.Raced() {
				for _, rule := range repotest.ConcurrencyRules() {
					t.Run(rule.Name, func(t *testing.T) { rule.Check(t, sqltest.New(t, engine)) })
				}
				return
			}
			repotest.Run(t, func(tb testing.TB) repository.UserRepository { return sqltest.New(tb, engine) })
		})
	}
}

func TestStore_keys(t *testing.T) {
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			repotest.RunKeys(t, func(tb testing.TB) repository.Store { return sqltest.New(tb, engine) })
		})
	}
}
