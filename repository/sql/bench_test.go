package sql_test

import (
	stdsql "database/sql"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"userapi/models"
	"userapi/repository"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

// measured skips what measures times, unless TEST_MEASURE asks for them; its value q leaves out the pages
// by one key.
func measured(t *testing.T) {
	t.Helper()
	if os.Getenv("TEST_MEASURE") == "" {
		t.Skip("TEST_MEASURE is not set")
	}
}

// medians runs each of the functions in turn, some rounds long, and returns the median of what each took.
func medians(t *testing.T, rounds int, each ...func() error) []time.Duration {
	t.Helper()
	took := make([][]time.Duration, len(each))
	for round := range rounds + 5 {
		for i, run := range each {
			start := time.Now()
			if err := run(); err != nil {
				t.Fatal(err)
			}
			if round >= 5 { // those before warm up
				took[i] = append(took[i], time.Since(start))
			}
		}
	}
	middle := make([]time.Duration, len(each))
	for i := range took {
		slices.Sort(took[i])
		middle[i] = took[i][rounds/2]
	}
	return middle
}

// TestStore_List_times shows what a page costs in a hundred times as many users.
func TestStore_List_times(t *testing.T) {
	measured(t)
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			const few, many = 10_000, 1_000_000
			stores := []*sql.Store{crowd(t, engine, few), crowd(t, engine, many)}
			asks := func(store *sql.Store, query models.Query) func() error {
				query.Limit = 50
				return func() error {
					_, err := store.List(t.Context(), query)
					return err
				}
			}
			compare := func(name string, small, large models.Query) {
				took := medians(t, 101, asks(stores[0], small), asks(stores[1], large))
				fmt.Printf("%-9s %-34s %8v %8v  %.2f\n", engine, name, took[0].Round(time.Microsecond), took[1].Round(time.Microsecond), float64(took[1])/float64(took[0]))
			}
			for key := range models.SortKeys() {
				if os.Getenv("TEST_MEASURE") == "q" {
					break
				}
				for _, order := range bothWays(models.Key(key)) {
					first := models.Query{Order: order}
					last := [2]models.Query{first, first}
					for i, store := range stores {
						page, err := store.List(t.Context(), models.Query{Order: order, Limit: 51, Position: models.Position{Backward: true}})
						if err != nil {
							t.Fatal(err)
						}
						last[i].Position.At = page.Users[0]
					}
					compare(order.String()+" first", first, first)
					compare(order.String()+" last by cursor", last[0], last[1])
				}
			}
			for name, query := range map[string]models.Query{
				"total":              {WithTotal: true},
				"q=quixotic by name": {Filter: models.Filter{Search: "quixotic"}, Order: by(models.Sort{Key: models.KeyName})},
				"q=wolfgang by name": {Filter: models.Filter{Search: "wolfgang"}, Order: by(models.Sort{Key: models.KeyName})},
				"q=wolfgang by id":   {Filter: models.Filter{Search: "wolfgang"}},
				"q=zz by id":         {Filter: models.Filter{Search: "zz"}},
				"q=zz by name":       {Filter: models.Filter{Search: "zz"}, Order: by(models.Sort{Key: models.KeyName})},
				"q=example total":    {Filter: models.Filter{Search: "example"}, WithTotal: true},
				"-age,name":          {Order: by(models.Sort{Key: models.KeyAge, Descending: true}, models.Sort{Key: models.KeyName})},
				"age=30 by name":     {Filter: models.Filter{MinAge: 30, MaxAge: 30}, Order: by(models.Sort{Key: models.KeyName})},
			} {
				small := medians(t, 5, asks(stores[0], query), asks(stores[1], query))
				fmt.Printf("%-9s %-34s %8v %8v\n", engine, name, small[0].Round(time.Microsecond), small[1].Round(time.Microsecond))
			}
			get := func(store *sql.Store, n int64) func() error {
				id := int64(0)
				return func() error {
					id = (id + 7919) % n
					_, err := store.Get(t.Context(), id+1)
					return err
				}
			}
			took := medians(t, 501, get(stores[0], few), get(stores[1], many))
			fmt.Printf("%-9s get %v %v\n", engine, took[0], took[1])
		})
	}
}

// newcomers are users who are not in a crowd.
func newcomers(n, from int) []models.User {
	users := make([]models.User, n)
	for i := range users {
		at := models.Timestamp(1_770_000_000_000_000 + from + i)
		users[i] = models.User{
			Name: fmt.Sprintf("Ada Lovelace %d", from+i), Email: fmt.Sprintf("ada.%d@example.com", from+i), Age: 36,
			CreatedAt: at, UpdatedAt: at, Version: 1,
		}
	}
	return users
}

// TestStore_Batch_times shows what a thousand new users cost, and for PostgreSQL what its own COPY of the same rows into a
// table of the same shape takes.
func TestStore_Batch_times(t *testing.T) {
	measured(t)
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			store := sqltest.New(t, engine)
			made := 0
			batch := func() error {
				users := newcomers(1000, made)
				made += len(users)
				return store.Batch(t.Context(), func(tx repository.Tx) (repository.Changes, error) {
					if err := tx.Expect(nil, nil, len(users)); err != nil {
						return repository.Changes{}, err
					}
					for i := range users {
						var err error
						if users[i].ID, err = tx.NextID(); err != nil {
							return repository.Changes{}, err
						}
					}
					return repository.Changes{Create: users}, nil
				})
			}
			single := func() error {
				made++
				_, err := store.Create(t.Context(), newcomers(1, made-1)[0])
				return err
			}
			each := []func() error{batch, single}
			if engine == sql.Postgres {
				each = append(each, copying(t, store))
			}
			took := medians(t, 31, each...)
			fmt.Println(engine, "batch of 1000, single, copy of 1000:", took)
		})
	}
}

// copying returns what copies a thousand users into a table like that of the store.
func copying(t *testing.T, store *sql.Store) func() error {
	t.Helper()
	if _, err := store.Writing().ExecContext(t.Context(), "CREATE TABLE copied (LIKE users INCLUDING ALL)"); err != nil {
		t.Fatal(err)
	}
	made := 0
	return func() error {
		users := newcomers(1000, made)
		var rows [][]any
		for i := range users {
			u := &users[i]
			rows = append(rows, []any{
				int64(made + i + 1), u.Name, u.Email, int16(u.Age), int64(u.CreatedAt), int64(u.UpdatedAt), u.Version,
				models.FoldName(u.Name), models.FoldName(u.Email), models.EmailKey(u.Email),
			})
		}
		made += len(users)
		conn, err := store.Writing().Conn(t.Context())
		if err != nil {
			return err
		}
		defer conn.Close()
		return copyRows(t, conn, rows)
	}
}

func copyRows(t *testing.T, conn *stdsql.Conn, rows [][]any) error {
	columns := []string{"id", "name", "email", "age", "created_at", "updated_at", "version", "name_fold", "email_fold", "email_key"}
	return conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(t.Context(), pgx.Identifier{"copied"}, columns, pgx.CopyFromRows(rows))
		return err
	})
}
