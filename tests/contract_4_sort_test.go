package tests

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/cases"

	"userapi/tests/testkit"
)

// folded returns the text by which names and addresses are sorted and searched (contract 4).
func folded(text string) string { return cases.Fold().String(text) }

// inOrder sorts users as the parameter sort asks: it is contract 4 once more, in as few words as
// possible.
func inOrder(users []testkit.User, sort string) []testkit.User {
	users = slices.Clone(users)
	slices.SortFunc(users, func(a, b testkit.User) int {
		for key := range strings.SplitSeq(sort, ",") {
			name, descending := strings.CutPrefix(key, "-")
			c := compareBy(name, a, b)
			if known := a.Age != nil && b.Age != nil || name != "age"; descending && known {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return users
}

func compareBy(name string, a, b testkit.User) int {
	switch name {
	case "name":
		return strings.Compare(folded(a.Name), folded(b.Name)) // UTF-8 sorts as its code points do
	case "email":
		return strings.Compare(folded(a.Email), folded(b.Email))
	case "age":
		switch {
		case a.Age == nil && b.Age == nil:
			return 0
		case a.Age == nil: // unknown ages come last in either direction
			return 1
		case b.Age == nil:
			return -1
		}
		return cmp.Compare(*a.Age, *b.Age)
	case "created_at":
		return strings.Compare(a.CreatedAt, b.CreatedAt)
	case "updated_at":
		return strings.Compare(a.UpdatedAt, b.UpdatedAt)
	}
	return cmp.Compare(a.ID, b.ID)
}

// everySort returns every order by one key and by two, and some by three.
func everySort() []string {
	keys := []string{}
	for _, key := range []string{"id", "name", "email", "age", "created_at", "updated_at"} {
		keys = append(keys, key, "-"+key)
	}
	sorts := slices.Clone(keys)
	same := func(a, b string) bool { return strings.TrimPrefix(a, "-") == strings.TrimPrefix(b, "-") }
	random := rand.New(rand.NewPCG(1, 2))
	for _, first := range keys {
		for _, second := range keys {
			if same(first, second) {
				continue
			}
			sorts = append(sorts, first+","+second)
			if third := keys[random.IntN(len(keys))]; !same(third, first) && !same(third, second) {
				sorts = append(sorts, first+","+second+","+third)
			}
		}
	}
	return sorts
}

func ids(users []testkit.User) []int64 {
	return testkit.Page{Items: users}.IDs()
}

func TestContract_4_Sorts(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	for n, age := range []string{"36", "null", "36", "null", "22"} { // more ties, of name, age and time
		svc.Create(t, fmt.Sprintf(`{"name":%s,"email":"Tie%d@example.com","age":%s}`, quoted([]string{"ada LOVELACE", "abc", "ABC"}[n%3]), n, age))
	}
	all := everybody(t, svc)
	for _, sort := range everySort() {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			want := ids(inOrder(all, sort))
			path := "/users/?sort=" + sort
			if page := svc.Get(t, path+"&limit=1000").Want(http.StatusOK).Page(); !slices.Equal(page.IDs(), want) || page.NextCursor != nil || page.PrevCursor != nil {
				t.Fatalf("ids %v, want %v", page.IDs(), want)
			}
			thereAndBack(t, svc, path+"&limit=4", want)
			if strings.Contains(sort, ",") {
				return // the rest is the same for every order
			}
			thereAndBack(t, svc, path+"&limit=1", want)
			for skip := range len(want) + 2 {
				page := svc.Get(t, fmt.Sprintf("%s&limit=3&skip=%d", path, skip)).Want(http.StatusOK).Page()
				first, end := min(skip, len(want)), min(skip+3, len(want))
				if !slices.Equal(page.IDs(), want[first:end]) || (page.NextCursor != nil) != (end < len(want)) || (page.PrevCursor != nil) != (skip > 0) {
					t.Errorf("skip %d: %v, next %v, prev %v", skip, page.IDs(), page.NextCursor != nil, page.PrevCursor != nil)
				}
			}
		})
	}
	t.Run("the spelling of the order is free where it makes no difference", func(t *testing.T) {
		for spelling, same := range map[string]string{"id": "", "name,id": "name", "-age,id": "-age", "id,name": "", "-id,name,age": "-id", "name%2C-age": "name,-age"} {
			path := "/users/?limit=3&sort=" + spelling
			if same != "" {
				same = "&sort=" + same
			}
			cursor := *svc.Get(t, path).Want(http.StatusOK).Page().NextCursor
			got, want := svc.Get(t, path+"&cursor="+cursor).Page().IDs(), svc.Get(t, "/users/?limit=3"+same+"&cursor="+cursor).Page().IDs()
			if !slices.Equal(got, want) || len(got) != 3 {
				t.Errorf("%s goes on with %v, %s with %v", spelling, got, same, want)
			}
		}
	})
}

// thereAndBack walks over a list by cursor and back again; both times the pages together must be the ids.
func thereAndBack(t testkit.TB, svc *testkit.Service, path string, want []int64) {
	t.Helper()
	pages, seen := walked(t, svc.Client, path, len(want)+1), []int64{}
	for n, page := range pages {
		if (page.PrevCursor != nil) != (n > 0) || n > 0 && len(page.Items) == 0 {
			t.Fatalf("%s: page %d has %v, and something before it: %v", path, n, page.IDs(), page.PrevCursor != nil)
		}
		seen = append(seen, page.IDs()...)
	}
	if !slices.Equal(seen, want) {
		t.Fatalf("%s: walked over %v, want %v", path, seen, want)
	}
	page := pages[len(pages)-1]
	seen = page.IDs()
	for page.PrevCursor != nil {
		page = svc.Get(t, follow(path, *page.PrevCursor)).Want(http.StatusOK).Page()
		if page.NextCursor == nil || len(page.Items) == 0 || len(seen) > len(want) {
			t.Fatalf("%s: on the way back there is %+v before %v", path, page, seen)
		}
		seen = append(page.IDs(), seen...)
	}
	if !slices.Equal(seen, want) {
		t.Fatalf("%s: walked back over %v, want %v", path, seen, want)
	}
}

func TestContract_4_Links(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	e := url.QueryEscape
	queries := []string{
		"limit=2", "limit=2&sort=-name,age", "limit=1&q=" + e("LOVE") + "&include_total=true", "sort=name&limit=1&name=" + e("ADA lovelace"), "limit=1&q=" + e("n & s"),
		"limit=1&q=" + e("%"), "limit=1&q=" + e(`"c"`), "limit=3&q=+", "limit=1&email=al+tag@example.com", "limit=1&email=al%2Btag@example.com", "limit=1&q=" + e("<script>\"'>;,rel=next"),
		"limit=2&age_min=20&age_max=40&sort=-age", "limit=2&created_after=2026-03-04T07:06:10+02:00", "limit=2&updated_after=2026-03-04T05:06:10.5Z&created_before=2027-01-01T00:00:00Z",
		"limit=2&ids=1,2,3,4,5", "limit=1&q=" + e("🔬") + "&sort=-updated_at", "include_total=1&limit=5", "limit=02&q=e", "&&limit=2&&q=e&", "limit=1&name=" + e(`O'Brien & Söhne`), "q=e",
	}
	for _, query := range queries {
		for _, path := range []string{"/users/", "/v1/users"} {
			t.Run(path+"?"+query, func(t *testing.T) {
				t.Parallel()
				asked := svc.Get(t, path+"?"+query).Want(http.StatusOK)
				seen, answer := asked.Page().IDs(), asked
				for n := 0; answer.Links()["next"] != ""; n++ {
					if n > 20 {
						t.Fatal("the walk does not end")
					}
					judgeTarget(t, path, query, answer.Links()["next"])
					answer = svc.Get(t, answer.Links()["next"]).Want(http.StatusOK)
					seen = append(seen, answer.Page().IDs()...)
				}
				back := answer.Page().IDs()
				for answer.Links()["prev"] != "" {
					judgeTarget(t, path, query, answer.Links()["prev"])
					answer = svc.Get(t, answer.Links()["prev"]).Want(http.StatusOK)
					back = append(answer.Page().IDs(), back...)
				}
				want := svc.Get(t, path+"?"+unlimited(query)).Want(http.StatusOK).Page().IDs()
				if !slices.Equal(seen, want) || !slices.Equal(back, want) {
					t.Errorf("the links lead over %v and back over %v, want %v", seen, back, want)
				}
				if again := svc.Get(t, answer.Links()["first"]).Want(http.StatusOK); !slices.Equal(again.Page().IDs(), asked.Page().IDs()) {
					t.Errorf("rel=first leads to %v", again.Page().IDs())
				}
			})
		}
	}
	t.Run("a link has neither the skip nor the cursor of the page that it stands on", func(t *testing.T) {
		first := svc.Get(t, "/users/?skip=3&limit=2&sort=name").Want(http.StatusOK)
		second := svc.Get(t, first.Links()["next"]).Want(http.StatusOK)
		for rel, target := range first.Links() {
			if strings.Contains(target, "skip") || rel == "first" && strings.Contains(target, "cursor") {
				t.Errorf("rel=%s is %s", rel, target)
			}
		}
		for rel, target := range second.Links() {
			if strings.Count(target, "cursor=") > 1 || rel == "first" && strings.Contains(target, "cursor") {
				t.Errorf("rel=%s is %s", rel, target)
			}
		}
	})
}

// unlimited returns a query with a limit that all users of a small list are within.
func unlimited(query string) string {
	parts := []string{"limit=1000"}
	for part := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(part, "limit=") {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "&")
}

// judgeTarget holds the target of a link against the query of the page: the same path and parameters, in
// whatever spelling means the same, and a cursor.
func judgeTarget(t *testing.T, path, query, target string) {
	t.Helper()
	link, err := url.Parse(target)
	if err != nil || link.Path != path || link.Host != "" {
		t.Fatalf("the target %q: %v", target, err)
	}
	asked, _ := url.ParseQuery(query)
	given, err := url.ParseQuery(link.RawQuery)
	if err != nil || given.Get("cursor") == "" {
		t.Fatalf("the target %q: %v", target, err)
	}
	given.Del("cursor")
	if asked.Get("limit") == "" || asked.Get("limit") == "02" {
		asked.Set("limit", map[string]string{"": "50", "02": "2"}[asked.Get("limit")])
	}
	for name, values := range asked {
		if !slices.Equal(values, given[name]) {
			t.Errorf("the target %q has %s=%q, asked was %q", target, name, given[name], values)
		}
		given.Del(name)
	}
	if len(given) > 0 {
		t.Errorf("the target %q has %v, which nobody asked for", target, given)
	}
}

func TestContract_4_HeadAndTotal(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	for query, total := range map[string]string{
		"": "", "?include_total=false": "", "?include_total=true": "12", "?include_total=true&limit=1": "12", "?include_total=1&q=lovelace": "2", "?include_total=true&age=99": "0",
		"?include_total=true&skip=100": "12", "?include_total=true&age_min=30&sort=-age": "5", "?q=lovelace": "", "?include_total=true&ids=1,99": "1",
		"?include_total=true&created_after=2026-03-04T05:06:16Z": "2",
	} {
		t.Run("users"+query, func(t *testing.T) {
			get := svc.Get(t, "/users/"+query).Want(http.StatusOK).WantHeader("X-Total-Count", total)
			svc.Head(t, "/users/"+query).Want(http.StatusOK).WantHeader("X-Total-Count", total).WantHeader("Content-Type", get.Header.Get("Content-Type"))
			if got := get.Page().Total; (got != nil) != (total != "") || got != nil && fmt.Sprint(*got) != total {
				t.Errorf("the total is %v", got)
			}
		})
	}
	t.Run("the total is that of the filter on every page of a walk", func(t *testing.T) {
		answer := svc.Get(t, "/users/?limit=2&q=e&include_total=true&sort=-email").Want(http.StatusOK)
		total, seen := *answer.Page().Total, int64(len(answer.Page().Items))
		for answer.Links()["next"] != "" {
			answer = svc.Get(t, answer.Links()["next"]).Want(http.StatusOK)
			seen += int64(len(answer.Page().Items))
			if *answer.Page().Total != total {
				t.Errorf("the total became %d, was %d", *answer.Page().Total, total)
			}
		}
		if seen != total {
			t.Errorf("the total is %d, and %d users were seen", total, seen)
		}
	})
	t.Run("an empty page has neither next nor prev when nobody meets the conditions", func(t *testing.T) {
		for _, query := range []string{"?age=99", "?q=nobody&sort=name", "?age_min=9&age_max=8", "?ids=99&limit=1", "?age=99&skip=5", "?q=zzz&skip=9223372036854775807"} {
			answer := svc.Get(t, "/users/"+query).Want(http.StatusOK)
			if body := string(answer.Body); body != `{"items":[],"next_cursor":null,"prev_cursor":null}` || len(answer.Links()) != 1 {
				t.Errorf("%s: %s and %v", query, body, answer.Links())
			}
		}
	})
	t.Run("an empty page past the end of a filtered list leads back to its end", func(t *testing.T) {
		for _, sort := range []string{"id", "-id", "name", "-age", "-updated_at,name"} {
			path := "/users/?age_min=1&limit=3&sort=" + sort
			want := svc.Get(t, "/users/?age_min=1&limit=1000&sort="+sort).Page().IDs()
			page := svc.Get(t, path+"&skip=50").Want(http.StatusOK).Page()
			if len(page.Items) > 0 || page.NextCursor != nil || page.PrevCursor == nil {
				t.Fatalf("%s: past the end is %+v", sort, page)
			}
			if back := svc.Get(t, path+"&cursor="+*page.PrevCursor).Page(); !slices.Equal(back.IDs(), want[len(want)-3:]) || back.NextCursor != nil {
				t.Errorf("%s: the end is %v, want the last of %v", sort, back.IDs(), want)
			}
		}
	})
}
