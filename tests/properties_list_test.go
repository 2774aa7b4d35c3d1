package tests

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"userapi/tests/testkit"
)

// TestUsers_Lists makes random users with many ties, asks for random lists of them, and holds every
// walk, forwards and backwards, against a filter and a sort of the users as GET /users/{id} shows them.
func TestUsers_Lists(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(morning)
	svc := testkit.New(t, testkit.Options{Now: clock.Now})
	found, paged := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		defer empty(t, svc)
		users := drawUsers(t, svc, clock)
		for range rapid.IntRange(4, 10).Draw(t, "lists") {
			asked := drawList(t, users)
			want := []testkit.User{}
			for _, user := range users {
				if asked.admits(user) {
					want = append(want, user)
				}
			}
			want = inOrder(want, asked.sort)
			if len(want) > 0 && len(want) < len(users) {
				found++
			}
			if len(want) > asked.limit {
				paged++
			}
			judgeList(t, svc, asked, want)
		}
	})
	if found < 20 || paged < 20 {
		t.Errorf("only %d lists were of some users and not of others, and %d of several pages", found, paged)
	}
}

var (
	names   = []string{"Ada", "ada", "ADA B", "Ädä", "ädä", "Straße", "STRASSE", "strasz", "Ада", "ада", "李", "👩‍🔬", "a", "B", "zz", "Z", "_", "\u212a", "ﬁ"}
	locals  = []string{"a", "A", "b", "ä", "Ä", "ss", "ß", "z", "_", "~", "é", "e\u0301", "日"}
	domains = []string{"example.com", "EXAMPLE.org", "bücher.example"}
)

// drawUsers makes up to 16 users, changes some, and returns them as they are then, by id.
func drawUsers(t *rapid.T, svc *testkit.Service, clock *testkit.Clock) []testkit.User {
	tick := func() {
		clock.Add(rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond, time.Second}).Draw(t, "pause"))
	}
	made := []int64{}
	for n := range rapid.SampledFrom([]int{0, 1, 7, 10, 13, 16}).Draw(t, "users") {
		tick()
		email := fmt.Sprintf("%s%d@%s", rapid.SampledFrom(locals).Draw(t, "local"), n, rapid.SampledFrom(domains).Draw(t, "domain"))
		body := fmt.Sprintf(`{"name":%s,"email":%s,"age":%s}`, quoted(rapid.SampledFrom(names).Draw(t, "name")), quoted(email), drawAge(t))
		made = append(made, svc.Create(t, body).ID)
	}
	for _, id := range made {
		if rapid.IntRange(0, 3).Draw(t, "is changed") == 0 {
			tick()
			svc.Patch(t, fmt.Sprintf("/users/%d", id), fmt.Sprintf(`{"name":%s,"age":%s}`, quoted(rapid.SampledFrom(names).Draw(t, "name")), drawAge(t))).Want(http.StatusOK)
		}
	}
	users := []testkit.User{}
	for _, id := range made {
		users = append(users, svc.Get(t, fmt.Sprintf("/users/%d", id)).Want(http.StatusOK).User())
	}
	return users
}

func drawAge(t *rapid.T) string {
	return rapid.SampledFrom([]string{"null", "null", "1", "30", "31", "150"}).Draw(t, "age")
}

// list is what a list is asked for, as the parameters of a query and as conditions.
type list struct {
	query      url.Values
	sort       string
	limit      int
	conditions []func(testkit.User) bool
}

func (l *list) admits(user testkit.User) bool {
	return !slices.ContainsFunc(l.conditions, func(holds func(testkit.User) bool) bool { return !holds(user) })
}

// path returns the path of the list with one more parameter, if that is not empty.
func (l *list) path(parameter string) string {
	path := "/users/?" + l.query.Encode()
	if parameter != "" {
		path += "&" + parameter
	}
	return path
}

func (l *list) where(name, value string, holds func(testkit.User) bool) {
	l.query.Set(name, value)
	l.conditions = append(l.conditions, holds)
}

func drawList(t *rapid.T, users []testkit.User) *list {
	l := &list{query: url.Values{}, sort: "id", limit: rapid.SampledFrom([]int{1, 2, 2, 3, 5}).Draw(t, "limit")}
	l.query.Set("limit", fmt.Sprint(l.limit))
	if keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"id", "name", "email", "age", "created_at", "updated_at"}), 0, 3, rapid.ID).Draw(t, "sort"); len(keys) > 0 {
		for n := range keys {
			keys[n] = rapid.SampledFrom([]string{"", "-"}).Draw(t, "direction") + keys[n]
		}
		l.sort = strings.Join(keys, ",")
		l.query.Set("sort", l.sort)
	}
	for _, name := range []string{"q", "email", "name", "age", "age_min", "age_max", "created_after", "created_before", "updated_after", "ids"} {
		if rapid.IntRange(0, 5).Draw(t, "with "+name) == 0 {
			drawCondition(t, l, name, users)
		}
	}
	return l
}

// drawCondition adds a condition that mostly is about one of the users.
func drawCondition(t *rapid.T, l *list, name string, users []testkit.User) {
	about := testkit.User{ID: 1, Name: "Nobody", Email: "nobody@example.com", CreatedAt: stamp(morning), UpdatedAt: stamp(morning)}
	if len(users) > 0 {
		about = rapid.SampledFrom(users).Draw(t, name+" of")
	}
	age := rapid.SampledFrom([]int64{1, 2, 30, 31, 149, 150}).Draw(t, "bound")
	aged := func(holds func(int64) bool) func(testkit.User) bool {
		return func(u testkit.User) bool { return u.Age != nil && holds(*u.Age) }
	}
	switch name {
	case "q":
		text := []rune(rapid.SampledFrom([]string{about.Name, about.Email, "ss", "a", "@", "example", "0", "ädä"}).Draw(t, "text"))
		first := rapid.IntRange(0, len(text)-1).Draw(t, "first")
		part := string(text[first : first+rapid.IntRange(1, len(text)-first).Draw(t, "length")])
		l.where(name, anyCase(t, part), func(u testkit.User) bool {
			return strings.Contains(folded(u.Name), folded(part)) || strings.Contains(folded(u.Email), folded(part))
		})
	case "email":
		l.where(name, anyCase(t, about.Email), func(u testkit.User) bool { return u.ID == about.ID })
	case "name":
		l.where(name, anyCase(t, about.Name), func(u testkit.User) bool { return folded(u.Name) == folded(about.Name) })
	case "age":
		l.where(name, fmt.Sprint(age), aged(func(a int64) bool { return a == age }))
	case "age_min":
		l.where(name, fmt.Sprint(age), aged(func(a int64) bool { return a >= age }))
	case "age_max":
		l.where(name, fmt.Sprint(age), aged(func(a int64) bool { return a <= age }))
	case "created_after":
		l.where(name, about.CreatedAt, func(u testkit.User) bool { return u.CreatedAt > about.CreatedAt })
	case "created_before":
		l.where(name, about.CreatedAt, func(u testkit.User) bool { return u.CreatedAt < about.CreatedAt })
	case "updated_after":
		l.where(name, about.UpdatedAt, func(u testkit.User) bool { return u.UpdatedAt > about.UpdatedAt })
	case "ids":
		some := rapid.SliceOfN(rapid.Int64Range(max(1, about.ID-5), about.ID+5), 1, 6).Draw(t, "ids")
		l.where(name, strings.Trim(strings.ReplaceAll(fmt.Sprint(some), " ", ","), "[]"), func(u testkit.User) bool { return slices.Contains(some, u.ID) })
	}
}

// anyCase returns a text in one of its cases that fold to the same. Upper case of one letter need not fold
// back to it, in which case the text stays.
func anyCase(t *rapid.T, text string) string {
	other := rapid.SampledFrom([]func(string) string{strings.ToUpper, strings.ToLower, folded, strings.Clone}).Draw(t, "case")(text)
	if folded(other) != folded(text) {
		return text
	}
	return other
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }

// judgeList asks for a list in every way that there is.
func judgeList(t *rapid.T, svc *testkit.Service, asked *list, want []testkit.User) {
	answer := svc.Get(t, asked.path("include_total=true")).Want(http.StatusOK)
	page := answer.Page()
	if *page.Total != int64(len(want)) || answer.Header.Get("X-Total-Count") != fmt.Sprint(len(want)) {
		t.Fatalf("%s: total %d, want %d", asked.path(""), *page.Total, len(want))
	}
	if first := want[:min(asked.limit, len(want))]; !slices.EqualFunc(page.Items, first, testkit.User.Equal) {
		t.Fatalf("%s: %+v, want %+v", asked.path(""), page.Items, first)
	}
	thereAndBack(t, svc, asked.path(""), ids(want))
	skip := rapid.IntRange(0, len(want)+2).Draw(t, "skip")
	page = svc.Get(t, asked.path(fmt.Sprintf("skip=%d", skip))).Want(http.StatusOK).Page()
	first, end := min(skip, len(want)), min(skip+asked.limit, len(want))
	if !slices.Equal(page.IDs(), ids(want[first:end])) || (page.NextCursor != nil) != (end < len(want)) || (page.PrevCursor != nil) != (first > 0) {
		t.Fatalf("%s: skip %d: %v of %v, next %v, prev %v", asked.path(""), skip, page.IDs(), ids(want), page.NextCursor != nil, page.PrevCursor != nil)
	}
	if page.NextCursor != nil { // a page reached by skip has cursors as if it had been walked to
		next := svc.Get(t, asked.path("cursor="+*page.NextCursor)).Want(http.StatusOK).Page()
		if !slices.Equal(next.IDs(), ids(want[end:min(end+asked.limit, len(want))])) {
			t.Fatalf("%s: behind skip %d come %v of %v", asked.path(""), skip, next.IDs(), ids(want))
		}
	}
	if page.PrevCursor != nil {
		prev := svc.Get(t, asked.path("cursor="+*page.PrevCursor)).Want(http.StatusOK).Page()
		if !slices.Equal(prev.IDs(), ids(want[max(0, first-asked.limit):first])) {
			t.Fatalf("%s: before skip %d come %v of %v", asked.path(""), skip, prev.IDs(), ids(want))
		}
	}
}

// TestUsers_ListsOfMany does with many users what TestUsers_Lists does with few: there are more of them
// than any store looks at in one go, in more orders than it can have ready, and many are alike.
func TestUsers_ListsOfMany(t *testing.T) {
	t.Parallel()
	const many, lists = 2000, 18
	clock := testkit.NewClock(morning)
	svc := testkit.New(t, testkit.Options{Now: clock.Now})
	random := rand.New(rand.NewPCG(3, 5))
	pick := func(words []string) string { return words[random.IntN(len(words))] }
	for first := 0; first < many; first += 1000 {
		operations := []string{}
		for n := range 1000 {
			operations = append(operations, opCreate(fmt.Sprintf(`{"name":%s,"email":"%s%d@example.com","age":%s}`,
				quoted(pick(names)+" "+pick(names)), pick(locals), first+n, pick([]string{"null", "1", "30", "31", "77", "150"}))))
		}
		svc.Batch(t, "", operations...).Want(http.StatusOK)
		clock.Add(time.Second)
	}
	all := slices.Concat(everybody(t, svc), svc.Get(t, "/users/?limit=1000&skip=1000").Page().Items)
	for n, user := range all {
		if n%5 == 0 {
			all[n] = svc.Patch(t, fmt.Sprintf("/users/%d", user.ID), fmt.Sprintf(`{"age":%d}`, 40+n%3)).Want(http.StatusOK).User()
		}
	}
	sorts := everySort()
	for n := range lists {
		asked := &list{query: url.Values{"limit": {"333"}}, sort: sorts[random.IntN(len(sorts))], limit: 333}
		asked.query.Set("sort", asked.sort)
		switch n % 6 {
		case 0:
			part := pick([]string{"ss", "@ex", "дa", "1@", "99", "ä", "b s", "🔬 а"})
			asked.where("q", part, func(u testkit.User) bool {
				return strings.Contains(folded(u.Name), folded(part)) || strings.Contains(folded(u.Email), folded(part))
			})
		case 1:
			asked.where("age_min", "31", func(u testkit.User) bool { return u.Age != nil && *u.Age >= 31 })
			asked.where("age_max", "77", func(u testkit.User) bool { return *u.Age <= 77 })
		case 2:
			name := pick(names) + " " + pick(names)
			asked.where("name", name, func(u testkit.User) bool { return folded(u.Name) == folded(name) })
		case 3:
			after := stamp(morning)
			asked.where("created_after", after, func(u testkit.User) bool { return u.CreatedAt > after })
			asked.where("q", "a", func(u testkit.User) bool { return strings.Contains(folded(u.Name+" "+u.Email), "a") })
		case 4:
			after := stamp(morning.Add(time.Second))
			asked.where("updated_after", after, func(u testkit.User) bool { return u.UpdatedAt > after })
		}
		want := []testkit.User{}
		for _, user := range all {
			if asked.admits(user) {
				want = append(want, user)
			}
		}
		want = inOrder(want, asked.sort)
		page := svc.Get(t, asked.path("include_total=true")).Want(http.StatusOK).Page()
		if *page.Total != int64(len(want)) || !slices.EqualFunc(page.Items, want[:min(333, len(want))], testkit.User.Equal) {
			t.Fatalf("%s: %d users, want %d; or not those", asked.path(""), *page.Total, len(want))
		}
		thereAndBack(t, svc, asked.path(""), ids(want))
	}
}
