package config

import (
	"strings"
	"testing"
)

func TestCheckDSN(t *testing.T) {
	for engine, texts := range map[string][]string{
		EngineSQLite: {
			"users.db", "./users.db", "/var/lib/userapi/users.db", `C:\data\users.db`, "a b@c/users=1.db", "file:users.db",
			"file:///var/lib/users.db?mode=rwc", "memory", "mode=memory", "tcp(host)", "host/dbname", "localhost.db",
		},
		EnginePostgres: {
			"postgres://", "postgres://db", "postgresql://ada:pa55@db:5432/users?sslmode=disable", "postgres://a,b:5433/users",
			"postgres:///users?host=/var/run/postgresql", "postgres://ada:p%40%2F@[::1]:5432/users", "host=db", "user=ada dbname=users",
			"password='a b' host = db", "dbname='my users'", "service=users", "database=users", "user=ada\nhost=db\n",
		},
		EngineMySQL: {
			"/", "/users", "ada@/users", "ada:pa55@/users", "ada:p@/:(5)@tcp(db:3306)/users", "tcp/users", "unix/users", "(db)/users",
			"ada@unix(/var/run/mysqld/mysqld.sock)/users", "ada:pa55@tcp([::1]:3306)/users?parseTime=true&loc=Europe%2FVienna",
			"ada@cloudsql(project:region:name)/users", "ada@tcp(db)/", "postgres://ada@tcp(db)/users",
		},
	} {
		for _, text := range texts {
			t.Run(engine+" takes "+text, func(t *testing.T) {
				if wrong := checkDSN(engine, text); wrong != nil {
					t.Errorf("got %v", *wrong)
				}
			})
		}
	}
	for engine, texts := range map[string][]string{
		EngineSQLite: {
			"postgres://ada:pa55@db/users", "mysql://db/users", "sqlite://users.db", "ada:pa55@tcp(db)/users", "ada@unix(/a)/users",
			"host=db dbname=users", "user=ada password=pa55",
		},
		EnginePostgres: {
			"users.db", "db", "db:5432", "mysql://ada:pa55@db/users", "Postgres://db", "ada:pa55@tcp(db:3306)/users", "user=ada password=pa55",
			"localhost=1", "host", " postgres://db",
		},
		EngineMySQL: {
			"users.db", "./users.db", "data/users.db", "db:3306", "ada:pa55@db:3306/users", "mysql://ada:pa55@db:3306/users",
			"postgres://ada:pa55@db/users", "ada:pa55@tcp(db:3306)", "ada:pa55@tcp(db:3306/users", "host=db dbname=users",
		},
	} {
		for _, text := range texts {
			t.Run(engine+" refuses "+text, func(t *testing.T) {
				wrong := checkDSN(engine, text)
				want := complaint{"the value does not have the form that " + engine + " takes", dsnExample(engine)}
				if wrong == nil || *wrong != want {
					t.Errorf("got %v", wrong)
				}
			})
		}
	}
	for _, text := range []string{":memory:", "file::memory:", "file::memory:?cache=shared", "file:users?mode=memory", "file:users?cache=shared&mode=memory"} {
		t.Run("sqlite refuses "+text+" for the memory engine", func(t *testing.T) {
			if wrong := checkDSN(EngineSQLite, text); wrong == nil || wrong.mend != "use storage.engine: memory" {
				t.Errorf("got %v", wrong)
			}
		})
	}
	for _, engine := range []string{EngineSQLite, EnginePostgres, EngineMySQL} {
		t.Run("the example of "+engine+" is one that it takes", func(t *testing.T) {
			words := strings.Fields(dsnExample(engine))
			found := false
			for _, word := range words {
				found = found || strings.ContainsAny(word, "./") && checkDSN(engine, word) == nil
			}
			if !found {
				t.Errorf("none in %q", words)
			}
		})
	}
}

func TestHoldsPassword(t *testing.T) {
	for _, text := range []string{
		"postgres://ada:pa55@db", "ada:pa55@tcp(db)/users", "ada@unix(/a)/b", "user=ada password=pa55", "password = pa55",
		"redis://:pa55@db", "postgres://db/users?user=ada&password=pa55",
	} {
		t.Run("sees one in "+text, func(t *testing.T) {
			if !holdsPassword(text) {
				t.Error("it does not")
			}
		})
	}
	for _, text := range []string{"", "users.dsn", "/run/secrets/dsn", "storage.dns", "a@b", "my password", "a:b", "http://db", "nopassword=1"} {
		t.Run("sees none in "+text, func(t *testing.T) {
			if holdsPassword(text) {
				t.Error("it does")
			}
		})
	}
}
