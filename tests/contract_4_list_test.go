package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

// span returns the numbers from first to last.
func span(first, last int64) []int64 {
	numbers := []int64{}
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// listed starts a service that holds users with the ids 1 to n.
func listed(t *testing.T, n int) *testkit.Service {
	t.Helper()
	svc := testkit.New(t, testkit.Options{})
	for i := range n {
		svc.Create(t, named(i, `"Ada"`))
	}
	return svc
}

func TestContract_4_Page(t *testing.T) {
	t.Parallel()
	svc := listed(t, 60)
	cases := []struct {
		query      string
		ids        []int64
		next, prev bool
	}{
		{"", span(1, 50), true, false},
		{"?limit=1", span(1, 1), true, false},
		{"?limit=59", span(1, 59), true, false},
		{"?limit=60", span(1, 60), false, false},
		{"?limit=1000", span(1, 60), false, false},
		{"?skip=0", span(1, 50), true, false},
		{"?skip=1&limit=2", span(2, 3), true, true},
		{"?skip=10", span(11, 60), false, true},
		{"?skip=58&limit=2", span(59, 60), false, true},
		{"?skip=59&limit=2", span(60, 60), false, true},
		{"?skip=60", span(1, 0), false, true},
		{"?skip=61", span(1, 0), false, true},
		{"?skip=9223372036854775807", span(1, 0), false, true},
		{"?skip=9223372036854775807&limit=1000&include_total=true", span(1, 0), false, true},
		{"?limit=07&skip=%2B3", span(4, 10), true, true},
		{"?&limit=3&&", span(1, 3), true, false},
		{"?", span(1, 50), true, false},
	}
	for _, c := range cases {
		for _, path := range []string{"/users/", "/v1/users"} {
			t.Run(path+c.query, func(t *testing.T) {
				answer := svc.Get(t, path+c.query).Want(http.StatusOK)
				page := answer.Page()
				if !slices.Equal(page.IDs(), c.ids) {
					t.Errorf("ids %v, want %v", page.IDs(), c.ids)
				}
				if (page.NextCursor != nil) != c.next || (page.PrevCursor != nil) != c.prev {
					t.Errorf("cursors: next %v, prev %v; want %v, %v", page.NextCursor != nil, page.PrevCursor != nil, c.next, c.prev)
				}
				if members := answer.Members(); members["next_cursor"] == nil || members["prev_cursor"] == nil {
					t.Errorf("a cursor is absent instead of null: %v", members)
				}
				if (page.Total != nil) != strings.Contains(c.query, "include_total") {
					t.Errorf("total is there: %v", page.Total != nil)
				}
				judgeLinks(t, svc, answer, path)
			})
		}
	}
}

// judgeLinks holds the Link header against the cursors of a page: the same relations, and each target
// under the path that was asked and answering what its relation says.
func judgeLinks(t *testing.T, svc *testkit.Service, answer *testkit.Response, path string) {
	t.Helper()
	page, links := answer.Page(), answer.Links()
	for rel, target := range links {
		if !strings.HasPrefix(target, path+"?") {
			t.Errorf("rel=%s leads to %q", rel, target)
		}
		svc.Get(t, target).Want(http.StatusOK)
	}
	if links["first"] == "" || links["next"] != "" != (page.NextCursor != nil) || links["prev"] != "" != (page.PrevCursor != nil) {
		t.Errorf("links %v beside the cursors %v and %v", links, page.NextCursor, page.PrevCursor)
	}
	if first := svc.Get(t, links["first"]).Page(); len(first.Items) > 0 && first.Items[0].ID != 1 {
		t.Errorf("rel=first begins with %d", first.Items[0].ID)
	}
	if page.NextCursor != nil && len(page.Items) > 0 {
		next := svc.Get(t, links["next"]).Page().IDs()
		if last := page.Items[len(page.Items)-1].ID; next[0] != last+1 || len(next) > len(page.Items) {
			t.Errorf("rel=next of the page up to %d is %v", last, next)
		}
	}
	if page.PrevCursor != nil && len(page.Items) > 0 {
		prev := svc.Get(t, links["prev"]).Page().IDs()
		if prev[len(prev)-1] != page.Items[0].ID-1 {
			t.Errorf("rel=prev of the page from %d on is %v", page.Items[0].ID, prev)
		}
	}
}

func TestContract_4_EmptyStore(t *testing.T) {
	t.Parallel()
	svc := listed(t, 0)
	for _, query := range []string{"", "?skip=5", "?limit=1", "?skip=9223372036854775807"} {
		answer := svc.Get(t, "/users/"+query).Want(http.StatusOK)
		if body := string(answer.Body); body != `{"items":[],"next_cursor":null,"prev_cursor":null}` {
			t.Errorf("%s: %s", query, body)
		}
	}
	if body := string(svc.Get(t, "/users/?include_total=1").Body); body != `{"items":[],"total":0,"next_cursor":null,"prev_cursor":null}` {
		t.Errorf("with the total: %s", body)
	}
}

func TestContract_4_Total(t *testing.T) {
	t.Parallel()
	svc := listed(t, 3)
	for _, yes := range []string{"true", "True", "TRUE", "1", "on", "yes", "y", "t"} {
		page := svc.Get(t, "/users/?limit=1&include_total="+yes).Want(http.StatusOK).Page()
		if page.Total == nil || *page.Total != 3 {
			t.Errorf("include_total=%s: total %v", yes, page.Total)
		}
	}
	for _, no := range []string{"false", "False", "0", "off", "no", "n", "f"} {
		if page := svc.Get(t, "/users/?include_total="+no).Want(http.StatusOK).Page(); page.Total != nil {
			t.Errorf("include_total=%s: total %d", no, *page.Total)
		}
	}
	svc.Delete(t, "/users/2").Want(http.StatusNoContent)
	page := svc.Get(t, "/users/?include_total=true&skip=1").Page()
	if *page.Total != 2 || !slices.Equal(page.IDs(), []int64{3}) {
		t.Errorf("after a delete: %d, %v", *page.Total, page.IDs())
	}
	t.Run("a cursor may go on with or without it and with another limit", func(t *testing.T) {
		next := *svc.Get(t, "/users/?limit=1").Page().NextCursor
		page := svc.Get(t, "/users/?limit=7&include_total=true&cursor="+next).Want(http.StatusOK).Page()
		if *page.Total != 2 || !slices.Equal(page.IDs(), []int64{3}) {
			t.Errorf("%d, %v", *page.Total, page.IDs())
		}
	})
}

func TestContract_4_Parameters(t *testing.T) {
	t.Parallel()
	svc := listed(t, 2)
	cursor := *svc.Get(t, "/users/?limit=1").Page().NextCursor
	cases := map[string][]string{
		"limit=0": {"?limit out_of_range"}, "limit=-1": {"?limit out_of_range"}, "limit=1001": {"?limit out_of_range"},
		"limit=99999999999999999999999999": {"?limit out_of_range"}, "skip=-1": {"?skip out_of_range"},
		"skip=9223372036854775808": {"?skip out_of_range"}, "skip=-99999999999999999999999": {"?skip out_of_range"},
		"limit=": {"?limit empty_parameter"}, "limit": {"?limit empty_parameter"}, "skip=": {"?skip empty_parameter"},
		"cursor=": {"?cursor empty_parameter"}, "include_total=": {"?include_total empty_parameter"}, "include_total": {"?include_total empty_parameter"},
		"limit=ten": {"?limit wrong_type"}, "limit=1.5": {"?limit wrong_type"}, "limit=1.0": {"?limit wrong_type"}, "limit=1e1": {"?limit wrong_type"},
		"limit=%201": {"?limit wrong_type"}, "limit=1+": {"?limit wrong_type"}, "limit=1_0": {"?limit wrong_type"}, "limit=0x1": {"?limit wrong_type"},
		"limit=%D9%A5": {"?limit wrong_type"}, "limit=true": {"?limit wrong_type"}, "limit=1,2": {"?limit wrong_type"}, "limit=1;skip=0": {"?limit wrong_type"},
		"limit=1%00": {"?limit wrong_type"}, "include_total=2": {"?include_total wrong_type"}, "include_total=maybe": {"?include_total wrong_type"},
		"limit=1&limit=1": {"?limit repeated_parameter"}, "limit=1&limit=2": {"?limit repeated_parameter"}, "limit=1&%6Cimit=2": {"?limit repeated_parameter"},
		"foo=1": {"?foo unknown_parameter"}, "Limit=1": {"?Limit unknown_parameter"}, "limit%20=1": {"?limit  unknown_parameter"}, "limit[]=1": {"?limit[] unknown_parameter"},
		"=1": {"?= unknown_parameter"}, "foo": {"?foo unknown_parameter"}, "foo=1&foo=2": {"?foo unknown_parameter"},
		"limit=%zz": {"?limit malformed_parameter"}, "limit=%": {"?limit malformed_parameter"}, "limit=5%2": {"?limit malformed_parameter"},
		"skip=1&cursor=" + cursor: {"?skip conflicting_parameters"}, "skip=0&cursor=" + cursor: {"?skip conflicting_parameters"},
		"limit=0&skip=-1&include_total=x&cursor=y&foo=1": {"?limit out_of_range", "?skip out_of_range", "?include_total wrong_type", "?cursor invalid_cursor", "?foo unknown_parameter"},
	}
	for query, faults := range cases {
		t.Run(query, func(t *testing.T) {
			svc.Exchange(t, "GET /users/?"+query+" HTTP/1.1").WantInvalid(faults...)
		})
	}
	for near, meant := range map[string]string{
		"Limit": "limit", "limits": "limit", "lmit": "limit", "LIMIT": "limit", "sikp": "skip", "curser": "cursor",
		"include-total": "include_total", "includeTotal": "include_total", "with_total": "", "page": "", "foo": "", "zzz": "", "search": "", "query": "", "offset": "",
	} {
		t.Run("a near miss names the parameter meant: "+near, func(t *testing.T) {
			detail := svc.Get(t, "/users/?"+near+"=1").WantInvalid("?" + near + " unknown_parameter").Errors[0].Detail
			if suggestion := "did you mean " + meant + "?"; strings.Contains(detail, "did you mean") != (meant != "") || meant != "" && !strings.Contains(detail, suggestion) {
				t.Errorf("the detail is %q", detail)
			}
		})
	}
	t.Run("a query of nothing but faults makes an answer of bounded size", func(t *testing.T) {
		answer := svc.Get(t, "/users/?"+strings.Repeat("a&", 5000)).Want(http.StatusUnprocessableEntity)
		if len(answer.Body) > 64<<10 {
			t.Errorf("%d octets", len(answer.Body))
		}
	})
}

func TestContract_4_Walk(t *testing.T) {
	t.Parallel()
	const users = 47
	for _, limit := range []int{1, 2, 7, 46, 47, 48, 1000} {
		t.Run(fmt.Sprintf("by %d: forward and back again, each user once", limit), func(t *testing.T) {
			svc := listed(t, users)
			path := fmt.Sprintf("/users/?limit=%d", limit)
			pages := walked(t, svc.Client, path, users+1)
			forward := []int64{}
			for _, page := range pages {
				forward = append(forward, page.IDs()...)
			}
			if !slices.Equal(forward, span(1, users)) {
				t.Errorf("forward: %v", forward)
			}
			last := pages[len(pages)-1]
			back := last.IDs()
			for range pages[1:] {
				if last.PrevCursor == nil {
					t.Fatalf("nothing precedes %v", last.IDs())
				}
				last = svc.Get(t, follow(path, *last.PrevCursor)).Want(http.StatusOK).Page()
				if last.NextCursor == nil {
					t.Error("on the way back nothing seems to follow")
				}
				back = append(last.IDs(), back...)
			}
			if !slices.Equal(back, span(1, users)) || last.PrevCursor != nil {
				t.Errorf("back: %v, and more: %v", back, last.PrevCursor != nil)
			}
		})
	}
}

// walked returns the pages from the first to the last. The test ends when there are more than most,
// which can be a walk in a circle.
func walked(t testkit.TB, client *testkit.Client, path string, most int) []testkit.Page {
	t.Helper()
	var pages []testkit.Page
	for cursor := ""; ; {
		page := client.Get(t, follow(path, cursor)).Want(http.StatusOK).Page()
		pages = append(pages, page)
		if page.NextCursor == nil {
			return pages
		}
		if len(pages) == most {
			t.Fatalf("%s: after %d pages the walk goes on", path, most)
		}
		cursor = *page.NextCursor
	}
}

func follow(path, cursor string) string {
	if cursor == "" {
		return path
	}
	return path + "&cursor=" + cursor
}

func TestContract_4_WalkUnderWrites(t *testing.T) {
	t.Parallel()
	svc := listed(t, 30)
	seen := map[int64]int{}
	path := "/users/?limit=4"
	created := 0
	for cursor := new(string); cursor != nil; {
		page := svc.Get(t, follow(path, *cursor)).Want(http.StatusOK).Page()
		for _, user := range page.Items {
			if seen[user.ID]++; seen[user.ID] > 1 {
				t.Fatalf("user %d was seen again", user.ID)
			}
		}
		if created < 5 {
			created++
			svc.Create(t, named(100+created, `"New"`))
		}
		if n := len(page.Items); n > 0 { // the very users that the cursors stand beside go away
			for _, id := range []int64{page.Items[n-1].ID, page.Items[0].ID} {
				svc.Delete(t, fmt.Sprintf("/users/%d", id)).Want(http.StatusNoContent)
			}
		}
		cursor = page.NextCursor
	}
	for id := range int64(35) {
		if seen[id+1] != 1 {
			t.Errorf("user %d was seen %d times", id+1, seen[id+1])
		}
	}
	t.Run("a cursor outlives every user", func(t *testing.T) {
		cursors := []string{}
		page := svc.Get(t, "/users/?skip=2&limit=1").Page()
		cursors = append(cursors, *page.NextCursor, *page.PrevCursor)
		for _, user := range svc.Get(t, "/users/?limit=1000").Page().Items {
			svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
		}
		for _, cursor := range cursors {
			if page := svc.Get(t, "/users/?cursor="+cursor).Want(http.StatusOK).Page(); len(page.Items) > 0 || page.NextCursor != nil || page.PrevCursor != nil {
				t.Errorf("of no user there is %+v", page)
			}
		}
	})
}

func TestContract_4_PastTheEnd(t *testing.T) {
	t.Parallel()
	svc := listed(t, 5)
	t.Run("prev_cursor of a page past the end leads to the last users", func(t *testing.T) {
		page := svc.Get(t, "/users/?skip=100&limit=2").Page()
		back := svc.Get(t, "/users/?limit=2&cursor="+*page.PrevCursor).Want(http.StatusOK).Page()
		if !slices.Equal(back.IDs(), []int64{4, 5}) || back.NextCursor != nil || back.PrevCursor == nil {
			t.Errorf("leads to %+v", back)
		}
	})
	t.Run("a walk goes on behind its end when users have come", func(t *testing.T) {
		cursor := *svc.Get(t, "/users/?limit=4").Page().NextCursor
		svc.Delete(t, "/users/5").Want(http.StatusNoContent)
		end := svc.Get(t, "/users/?cursor="+cursor).Want(http.StatusOK).Page()
		if len(end.Items) != 0 || end.NextCursor != nil || end.PrevCursor == nil {
			t.Errorf("the end is %+v", end)
		}
		back := svc.Get(t, "/users/?cursor="+*end.PrevCursor).Want(http.StatusOK).Page()
		if !slices.Equal(back.IDs(), []int64{1, 2, 3, 4}) {
			t.Errorf("back from the end: %v", back.IDs())
		}
		user := svc.Create(t, `{"name":"Late","email":"late@example.com"}`)
		if late := svc.Get(t, "/users/?cursor="+cursor).Page(); !slices.Equal(late.IDs(), []int64{user.ID}) {
			t.Errorf("then came %v", late.IDs())
		}
	})
	t.Run("a page before the first user is empty and something follows it", func(t *testing.T) {
		cursor := *svc.Get(t, "/users/?skip=1&limit=1").Page().PrevCursor
		svc.Delete(t, "/users/1").Want(http.StatusNoContent)
		page := svc.Get(t, "/users/?cursor="+cursor).Want(http.StatusOK).Page()
		if len(page.Items) != 0 || page.PrevCursor != nil || page.NextCursor == nil {
			t.Fatalf("before the first: %+v", page)
		}
		if next := svc.Get(t, "/users/?limit=1&cursor="+*page.NextCursor).Page(); !slices.Equal(next.IDs(), []int64{2}) {
			t.Errorf("then follows %v", next.IDs())
		}
	})
}
