package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/models"
)

// shown is a page as a client reads it.
type shown struct {
	Items      []struct{ ID int64 } `json:"items"`
	Total      *int64               `json:"total"`
	NextCursor *string              `json:"next_cursor"`
	PrevCursor *string              `json:"prev_cursor"`
	links      map[string]string
	totalCount string
}

func (s *shown) ids() []int64 {
	ids := []int64{}
	for _, item := range s.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

var linkEntry = regexp.MustCompile(`<([^<>"]*)>; rel="([a-z]+)"(?:, |$)`)

// show asks for a page, whose links must be of its cursors.
func show(t rapid.TB, handler http.Handler, target string) *shown {
	t.Helper()
	answer := ask(t, handler, "GET "+target, "")
	page := &shown{links: map[string]string{}, totalCount: answer.Header().Get("X-Total-Count")}
	if err := json.Unmarshal(answer.Body.Bytes(), page); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%s: %d, %s, %v", target, answer.Code, answer.Body, err)
	}
	value := answer.Header().Get("Link")
	if rest := linkEntry.ReplaceAllString(value, ""); rest != "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Fatalf("%s: the Link %q is not made of links", target, value)
	}
	for _, entry := range linkEntry.FindAllStringSubmatch(value, -1) {
		page.links[entry[2]] = entry[1]
	}
	for relation, cursor := range map[string]*string{"next": page.NextCursor, "prev": page.PrevCursor} {
		link, there := page.links[relation]
		if there != (cursor != nil) || there && !strings.HasSuffix(link, "&cursor="+*cursor) {
			t.Fatalf("%s: the cursor to %s is %v, its link %q", target, relation, cursor, link)
		}
	}
	return page
}

func TestUsers_list_walks(t *testing.T) {
	t.Parallel()
	t.Run("by links, forwards and backwards, meet every user once and in order", rapid.MakeCheck(func(t *rapid.T) {
		service, order := drawShelf(t), orders().Draw(t, "order")
		handler := router(t, service)
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		filter := rapid.SampledFrom([]string{"", "&age_min=2", "&q=a", "&ids=1,2,3,5,8,13"}).Draw(t, "filter")
		list := "/users/?sort=" + url.QueryEscape(order.String()) + filter
		want := show(t, handler, list+"&limit=1000").ids()

		page := show(t, handler, fmt.Sprintf("%s&limit=%d&include_total=true", list, limit))
		forwards, steps := page.ids(), 0
		for ; page.NextCursor != nil; steps++ {
			page = show(t, handler, page.links["next"])
			forwards = append(forwards, page.ids()...)
			if len(page.Items) == 0 || page.PrevCursor == nil || *page.Total != int64(len(want)) || page.totalCount != fmt.Sprint(len(want)) {
				t.Fatalf("page %d is %+v", steps, page)
			}
		}
		if !slices.Equal(forwards, want) || steps != max(0, len(want)-1)/limit {
			t.Fatalf("%v in %d steps, want %v", forwards, steps, want)
		}
		backwards := page.ids()
		for page.PrevCursor != nil {
			page = show(t, handler, page.links["prev"])
			backwards = append(page.ids(), backwards...)
			if page.NextCursor == nil {
				t.Fatalf("nothing follows %+v", page)
			}
		}
		if !slices.Equal(backwards, want) {
			t.Fatalf("%v backwards, want %v", backwards, want)
		}
	}))
	t.Run("go on beside whoever left", rapid.MakeCheck(func(t *rapid.T) {
		service, order := drawShelf(t), orders().Draw(t, "order")
		handler := router(t, service)
		list := "/users/?limit=1&sort=" + url.QueryEscape(order.String())
		want := show(t, handler, strings.Replace(list, "limit=1", "limit=1000", 1)).ids()
		at := rapid.IntRange(0, len(want)-1).Draw(t, "at")
		page := show(t, handler, fmt.Sprintf("%s&skip=%d", list, at))
		left := map[int64]bool{}
		for _, id := range want {
			left[id] = rapid.Bool().Draw(t, "leaves")
		}
		service.users = slices.DeleteFunc(service.users, func(u models.User) bool { return left[u.ID] })
		stays := func(ids []int64) []int64 {
			return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return left[id] })
		}
		if page.NextCursor != nil {
			judgeBeside(t, handler, page.links["next"], true, stays(want[at+1:]), stays(want[:at+1]))
		}
		if page.PrevCursor != nil {
			judgeBeside(t, handler, page.links["prev"], false, stays(want[:at]), stays(want[at:]))
		}
	}))
}

// judgeBeside holds the page behind a link, and the one that it has at its back, against the users on
// both sides of its place. The link looks forwards or not.
func judgeBeside(t rapid.TB, handler http.Handler, link string, forwards bool, ahead, back []int64) {
	t.Helper()
	page := show(t, handler, strings.Replace(link, "limit=1&", "limit=1000&", 1))
	beyond, atBack, relation := page.NextCursor, page.PrevCursor, "prev"
	if !forwards {
		beyond, atBack, relation = atBack, beyond, "next"
	}
	if !slices.Equal(page.ids(), ahead) || beyond != nil || (atBack != nil) != (len(back) > 0) {
		t.Fatalf("%s: %+v, want %v with %v at its back", link, page, ahead, back)
	}
	if atBack != nil {
		if got := show(t, handler, page.links[relation]).ids(); !slices.Equal(got, back) {
			t.Fatalf("at the back of %s is %v, want %v", link, got, back)
		}
	}
}

// drawShelf returns a shelf of users who often share what they are sorted by.
func drawShelf(t *rapid.T) *shelf {
	service := new(shelf)
	for id := range rapid.Int64Range(1, 15).Draw(t, "users") {
		service.users = append(service.users, models.User{
			ID: id + 1, Name: rapid.SampledFrom([]string{"Ada", "ada", "Bob", "ß", "SS", "Ä"}).Draw(t, "name"), Email: fmt.Sprintf("A%d@example.com", id),
			Age: models.Age(rapid.IntRange(0, 3).Draw(t, "age")), CreatedAt: models.Timestamp(rapid.Int64Range(-1, 1).Draw(t, "created")),
			UpdatedAt: models.Timestamp(rapid.Int64Range(-1, 1).Draw(t, "updated")), Version: 1,
		})
	}
	return service
}

func TestUsers_list_empty(t *testing.T) {
	t.Parallel()
	t.Run("past the end, what precedes is the last page", func(t *testing.T) {
		t.Parallel()
		handler := router(t, newShelf("A", "B", "C", "D", "E"))
		for _, list := range []string{"/users/?limit=2&skip=5", "/users/?limit=2&skip=9223372036854775807", "/v1/users?limit=2&skip=6&include_total=true"} {
			page := show(t, handler, list)
			if len(page.Items) > 0 || page.NextCursor != nil || page.PrevCursor == nil {
				t.Fatalf("%s: %+v", list, page)
			}
			if last := show(t, handler, page.links["prev"]); !slices.Equal(last.ids(), []int64{4, 5}) || last.NextCursor != nil || last.PrevCursor == nil {
				t.Errorf("%s is preceded by %+v", list, last)
			}
		}
	})
	t.Run("of a list of nobody has no neighbours", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{"/users/", "/users/?skip=3", "/users/?q=nobody&sort=-name", "/users/?ids=77&limit=1"} {
			service := newShelf()
			if strings.Contains(list, "=") && !strings.Contains(list, "skip") {
				service = newShelf("Ada")
			}
			if page := show(t, router(t, service), list); len(page.Items) > 0 || page.NextCursor != nil || page.PrevCursor != nil || len(page.links) != 1 {
				t.Errorf("%s: %+v", list, page)
			}
		}
	})
	t.Run("is an array", func(t *testing.T) {
		t.Parallel()
		if got := ask(t, router(t, newShelf()), "GET /users/", "").Body.String(); got != `{"items":[],"next_cursor":null,"prev_cursor":null}` {
			t.Error(got)
		}
	})
}

func TestUsers_list_links(t *testing.T) {
	t.Parallel()
	service := newShelf("Ada", "Adam", "Adele", "Adrian")
	handler := router(t, service)
	for list, first := range map[string]string{
		"/users/":                    "/users/?limit=50",
		"/v1/users":                  "/v1/users?limit=50",
		"/users?limit=%2B2":          "/users?limit=2",
		"/users/?skip=1&limit=1":     "/users/?limit=1",
		"/users/?include_total=Yes":  "/users/?limit=50&include_total=Yes",
		"/users/?q=AD&sort=-name,id": "/users/?limit=50&sort=-name%2Cid&q=AD",
		"/users/?limit=1&ids=1,2,3":  "/users/?limit=1&ids=1%2C2%2C3",
		"/users/?name=+Ada+":         "/users/?limit=50&name=Ada",
		"/users/?email=ada+x@a.io":   "/users/?limit=50&email=ada+x%40a.io",
		"/users/?age=3&age_min=2&age_max=4&created_after=2026-01-01T00:00:00+01:00&created_before=2027-01-01T00:00:00Z&updated_after=2026-01-01T00:00:00Z": "/users/?limit=50&age=3&age_min=2&age_max=4&created_after=2026-01-01T00%3A00%3A00+01%3A00&created_before=2027-01-01T00%3A00%3A00Z&updated_after=2026-01-01T00%3A00%3A00Z",
		"/users/?q=%3E%3B+rel%3D%22x%22%2C%3C%2Fevil%3E%5C%27%26%23%25":                                                                                    "/users/?limit=50&q=%3E%3B+rel%3D%22x%22%2C%3C%2Fevil%3E%5C%27%26%23%25",
		"/users/?q=%C3%84%F0%9F%98%80": "/users/?limit=50&q=%C3%84%F0%9F%98%80",
	} {
		if got := show(t, handler, list).links["first"]; got != first {
			t.Errorf("%s: %q, want %q", list, got, first)
		}
	}
	t.Run("are the same in the number of their parameters, but for the cursor", func(t *testing.T) {
		t.Parallel()
		page := show(t, handler, "/users/?q=ad&limit=1&skip=1&sort=-name")
		for relation, link := range page.links {
			query := strings.TrimPrefix(link, "/users/?limit=1&sort=-name&q=ad")
			if cursor := strings.HasPrefix(query, "&cursor="); cursor == (relation == "first") || !cursor && query != "" {
				t.Errorf("%s is %q", relation, link)
			}
		}
		if len(page.links) != 3 {
			t.Errorf("%v", page.links)
		}
	})
}

func TestUsers_list_total(t *testing.T) {
	t.Parallel()
	handler := router(t, newShelf("Ada", "Bob", "Adele"))
	for _, method := range []string{"GET", "HEAD"} {
		for target, want := range map[string]string{
			"/users/?include_total=true": "3", "/users/?include_total=true&q=ad&limit=1": "2", "/users/?include_total=1&skip=9": "3", "/users/?q=zz&include_total=true": "0",
			"/users/": "", "/users/?include_total=false": "",
		} {
			answer := ask(t, handler, method+" "+target, "")
			if got := answer.Header().Get("X-Total-Count"); got != want || answer.Code != http.StatusOK {
				t.Errorf("%s %s: %d, %q, want %q", method, target, answer.Code, got, want)
			}
			private(t, answer)
		}
	}
}

func TestUsers_list_refusals(t *testing.T) {
	t.Parallel()
	t.Run("cost no look at the store", func(t *testing.T) {
		t.Parallel()
		service := newShelf("Ada", "Bob")
		handler := router(t, service)
		cursor := *show(t, handler, "/users/?limit=1&sort=name").NextCursor
		forged := "A" + cursor[1:]
		if forged == cursor {
			forged = "B" + cursor[1:]
		}
		service.called = ""
		for _, query := range []string{"cursor=" + cursor, "sort=-name&cursor=" + cursor, "sort=name&q=a&cursor=" + cursor, "sort=name&cursor=" + forged, "cursor=x", "limit=0", "foo=1", "sort=foo"} {
			if answer := ask(t, handler, "GET /users/?"+query, ""); answer.Code != http.StatusUnprocessableEntity || service.called != "" {
				t.Errorf("%s: %d, called %q", query, answer.Code, service.called)
			}
		}
	})
	t.Run("another key than that of this start does not open", func(t *testing.T) {
		t.Parallel()
		service := newShelf("Ada", "Bob")
		cursor := *show(t, router(t, service), "/users/?limit=1").NextCursor
		other := router(t, service, func(d *Deps) { d.CursorKey = []byte("0123456789abcdef") })
		if _, faults := told(t, ask(t, other, "GET /users/?cursor="+cursor, "")); !slices.Equal(faults, []string{"cursor invalid_cursor"}) {
			t.Errorf("%q", faults)
		}
	})
}

func BenchmarkUsers_listQuery(b *testing.B) {
	handler := &users{cursors: newSealer(b)}
	for _, raw := range []string{"", "limit=50", "limit=50&sort=name&q=ada&age_min=20"} {
		b.Run("query="+raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var asked parameters
				asked.read(raw, listParameters[:])
				if _, err := handler.listQuery(&asked); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
