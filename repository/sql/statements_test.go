package sql_test

import (
	"slices"
	"testing"

	"userapi/repository"
	"userapi/repository/repotest"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

// How statements reach a server must not change any answer. Rules about one client at a time show it.
func TestStore_statements(t *testing.T) {
	slow := []string{"List answers exactly over thousands of users"}
	for engine, ways := range map[string][]string{sql.Postgres: {sql.Describe, sql.Simple}, sql.MySQL: {sql.Simple}} {
		for _, way := range ways {
			t.Run(engine+" "+way, func(t *testing.T) {
				t.Parallel()
				open := func(tb testing.TB) *sql.Store {
					options := sqltest.Options(tb, engine)
					options.Statements = way
					return sqltest.Open(tb, options)
				}
				for _, rule := range repotest.Rules() {
					if slices.Contains(slow, rule.Name) || testing.Short() {
						continue
					}
					t.Run(rule.Name, func(t *testing.T) { rule.Check(t, open(t)) })
				}
				repotest.RunKeys(t, func(tb testing.TB) repository.Store { return open(tb) })
			})
		}
	}
}
