package sql_test

import (
	"fmt"
	"testing"

	"userapi/models"
	"userapi/repository/sql"
	"userapi/repository/sql/sqltest"
)

const crowdSize = 200_000

// pageBound is what a page of 50 may read at any number of users. In PostgreSQL and MySQL two ranges
// may each give the page and one more: the users who are equal to the last one in the key, and those
// behind; MySQL counts a row again when it passes from a range into the answer. SQLite counts pages of the
// file, three or so for a row that is reached by an index.
func pageBound(engine string) int {
	return map[string]int{sql.SQLite: 400, sql.Postgres: 230, sql.MySQL: 300}[engine]
}

// by is the order by keys.
func by(keys ...models.Sort) models.Order { return models.Order(keys).Normal() }

// bothWays are the orders by one key.
func bothWays(key models.Key) []models.Order {
	return []models.Order{by(models.Sort{Key: key}), by(models.Sort{Key: key, Descending: true})}
}

// pagesOf returns questions for a page of a list: its first, its last, one by skip, and those behind and
// before places in the middle and near the ends.
func pagesOf(t *testing.T, store *sql.Store, list models.Query) []models.Query {
	t.Helper()
	somebody, err := store.Get(t.Context(), crowdSize/2)
	if err != nil {
		t.Fatal(err)
	}
	list.Limit = 50
	last, middle, skipped := list, list, list
	last.Position.Backward, middle.Position.At, skipped.Skip = true, somebody, 10
	pages := []models.Query{list, last, skipped}
	for _, query := range []models.Query{list, middle, last} {
		query.WithTotal = false
		page, err := store.List(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Users) == 0 {
			continue
		}
		for _, backward := range []bool{false, true} {
			from := list
			from.Position = models.Position{At: page.Users[len(page.Users)/2], Backward: backward}
			pages = append(pages, from)
		}
	}
	return pages
}

// readsAtMost complains about pages of a list for which the engine reads more.
func readsAtMost(t *testing.T, store *sql.Store, engine string, most int, list models.Query) {
	t.Helper()
	for _, query := range pagesOf(t, store, list) {
		if done := readsOf(t, store, engine, query); done.rows > most {
			text, args, _ := store.Listing(t.Context(), query)
			t.Errorf("a page by %v of %+v reads %d, want at most %d:\n%s\n%s\n%v", query.Order, query.Filter, done.rows, most, done.plan, text, args)
		}
	}
}

func TestStore_List_reads(t *testing.T) {
	if testing.Short() || sqltest.Raced() {
		t.Skip("it takes some seconds to make so many users")
	}
	for _, engine := range sqltest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			store := crowd(t, engine, crowdSize)
			readsLittle(t, store, engine)
			if engine == sql.SQLite { // of which an operator may have it make statistics
				if _, err := store.Writing().ExecContext(t.Context(), "ANALYZE"); err != nil {
					t.Fatal(err)
				}
				t.Run("with statistics", func(t *testing.T) { readsLittle(t, store, engine) })
			}
		})
	}
}

func readsLittle(t *testing.T, store *sql.Store, engine string) {
	page := pageBound(engine)
	t.Run("a page by one key reads little more than the page", func(t *testing.T) {
		for key := range models.SortKeys() {
			for _, order := range bothWays(models.Key(key)) {
				readsAtMost(t, store, engine, page, models.Query{Order: order})
			}
		}
	})
	t.Run("so does a page with a filter that is a range of the order", func(t *testing.T) {
		someone, err := store.Get(t.Context(), crowdSize/2)
		if err != nil {
			t.Fatal(err)
		}
		inRange := func(filter models.Filter, keys ...models.Key) {
			t.Helper()
			for _, key := range keys {
				for _, order := range bothWays(key) {
					readsAtMost(t, store, engine, page, models.Query{Filter: filter, Order: order})
				}
			}
		}
		inRange(models.Filter{EmailKey: models.EmailKey(someone.Email)}, models.KeyID, models.KeyName)
		inRange(models.Filter{Name: models.FoldName(someone.Name)}, models.KeyID, models.KeyName)
		inRange(models.Filter{MinAge: 30, MaxAge: 30}, models.KeyID, models.KeyAge)
		inRange(models.Filter{MinAge: 30, MaxAge: 60}, models.KeyAge)
		inRange(models.Filter{MaxAge: 60}, models.KeyAge)
		inRange(models.Filter{CreatedAfter: &someone.CreatedAt}, models.KeyCreatedAt)
		inRange(models.Filter{CreatedBefore: &someone.CreatedAt}, models.KeyCreatedAt)
		inRange(models.Filter{UpdatedAfter: &someone.UpdatedAt}, models.KeyUpdatedAt)
	})
	t.Run("ids are looked up, by each range of the order at most", func(t *testing.T) {
		var filter models.Filter
		for i := range int64(models.MaxIDs) {
			filter.IDs = append(filter.IDs, 1+i*397)
		}
		for _, key := range []models.Key{models.KeyID, models.KeyName} {
			for _, order := range bothWays(key) {
				readsAtMost(t, store, engine, 4*2*models.MaxIDs+page, models.Query{Filter: filter, Order: order})
			}
		}
	})
	t.Run("of several keys, those are read and sorted who are equal in the first", func(t *testing.T) {
		if engine == sql.MySQL {
			return // it sorts everybody
		}
		const equal, ranges = crowdSize / 97, 6
		readsAtMost(t, store, engine, equal*ranges*page/102, models.Query{Order: by(models.Sort{Key: models.KeyAge, Descending: true}, models.Sort{Key: models.KeyName})})
		readsAtMost(t, store, engine, page, models.Query{Order: by(models.Sort{Key: models.KeyName}, models.Sort{Key: models.KeyAge})})
		readsAtMost(t, store, engine, page, models.Query{Order: by(
			models.Sort{Key: models.KeyCreatedAt, Descending: true}, models.Sort{Key: models.KeyName}, models.Sort{Key: models.KeyAge})})
	})
	if engine != sql.MySQL { // which has no index for it
		t.Run("a text is found by its index, or on the way along that of the order", func(t *testing.T) { findsTexts(t, store, engine) })
	}
}

func findsTexts(t *testing.T, store *sql.Store, engine string) {
	if engine == sql.Postgres {
		var there bool
		if err := store.Reading().QueryRowContext(t.Context(), "SELECT to_regclass('users_email_grams') IS NOT NULL").Scan(&there); err != nil || !there {
			sqltest.Missing(t, "the server has no pg_trgm")
		}
	}
	for text, having := range map[string]int{"quixotic": 1, "vyvyan": 10, "wolfgang": 300, "zzyzx": 0, "hoppers": 0} {
		for _, key := range []models.Key{models.KeyID, models.KeyName} {
			for _, order := range bothWays(key) {
				query := models.Query{Filter: models.Filter{Search: text}, Order: order, WithTotal: true}
				query.Limit = 1
				if page, err := store.List(t.Context(), query); err != nil || page.Total != int64(having) {
					t.Errorf("%d users have %q, %v; want %d", page.Total, text, err, having)
				}
				readsAtMost(t, store, engine, 2*pageBound(engine)+12*having, query) // the index of texts has pages, too
			}
		}
	}
	common := models.Query{Filter: models.Filter{Search: "example"}, Order: by(models.Sort{Key: models.KeyName})}
	readsAtMost(t, store, engine, pageBound(engine), common)
}

func TestStore_List_plans(t *testing.T) {
	t.Run("a filter is planned with its values, not once for all", func(t *testing.T) {
		store := sqltest.New(t, sql.Postgres)
		for i := range 10 {
			for _, filter := range []models.Filter{{}, {Search: fmt.Sprint("text ", i)}, {MinAge: models.Age(i + 1)}} {
				if _, err := store.List(t.Context(), models.Query{Filter: filter, Limit: 50}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var walks, filtered int
		err := store.Reading().QueryRowContext(t.Context(), "SELECT COUNT(*) FILTER (WHERE statement NOT LIKE '%age_last >%'), "+
			"COUNT(*) FILTER (WHERE statement LIKE '%age_last >%' OR statement LIKE '%name_fold LIKE%') "+
			"FROM pg_prepared_statements WHERE statement LIKE 'SELECT 0 AS part%'").Scan(&walks, &filtered)
		if err != nil || walks == 0 || filtered != 0 {
			t.Errorf("%d prepared lists without a filter and %d with one, %v; want some and none", walks, filtered, err)
		}
	})
}
