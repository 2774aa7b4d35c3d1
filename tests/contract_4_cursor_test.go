package tests

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

func TestContract_4_Cursors(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	svc := testkit.New(t, testkit.Options{CursorKey: key})
	twin := testkit.New(t, testkit.Options{CursorKey: key})
	stranger := testkit.New(t, testkit.Options{})
	for _, service := range []*testkit.Service{svc, twin, stranger} {
		for n := range 3 {
			service.Create(t, named(n, `"Ada"`))
		}
	}
	cursor := *svc.Get(t, "/users/?limit=1").Page().NextCursor
	refuse := func(t *testing.T, cursor string) {
		t.Helper()
		svc.Get(t, "/users/?cursor="+cursor).WantInvalid("?cursor invalid_cursor")
	}
	t.Run("a cursor is safe in a URI as it is", func(t *testing.T) {
		if strings.Trim(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("the cursor is %q", cursor)
		}
	})
	t.Run("a service with the same key takes it", func(t *testing.T) {
		if page := twin.Get(t, "/v1/users/?cursor="+cursor).Want(http.StatusOK).Page(); !slices.Equal(page.IDs(), []int64{2, 3}) {
			t.Errorf("it leads to %v", page.IDs())
		}
	})
	t.Run("one of another service is invalid", func(t *testing.T) {
		refuse(t, *stranger.Get(t, "/users/?limit=1").Page().NextCursor)
	})
	t.Run("every change of one octet makes it invalid", func(t *testing.T) {
		sealed, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			t.Fatal(err)
		}
		for i := range sealed {
			forged := slices.Clone(sealed)
			forged[i] ^= 1
			refuse(t, base64.RawURLEncoding.EncodeToString(forged))
		}
	})
	t.Run("mangled ones are invalid", func(t *testing.T) {
		for _, mangled := range []string{
			cursor[1:], cursor[:len(cursor)-1], cursor[:20], cursor[4:], cursor + "A", cursor + "=", cursor + cursor, strings.ToLower(cursor), "x" + cursor, cursor + "%0A",
			"%20" + cursor, "1", "0", "null", "e30", "eyJpZCI6MX0", strings.Repeat("A", 38), strings.Repeat("A", 1024), strings.Repeat("A", 5000), "%00", "%FF",
		} {
			if mangled != cursor {
				refuse(t, mangled)
			}
		}
	})
}

// TestContract_4_CursorOfAnotherList takes a cursor of each of many lists to all the others.
func TestContract_4_CursorOfAnotherList(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	lists := []string{
		"", "sort=-id", "sort=name", "sort=-name", "sort=name,age", "sort=name,-age", "sort=age,name", "sort=age", "sort=-age", "sort=email", "sort=created_at", "sort=updated_at",
		"q=e", "q=e&sort=name", "q=ex", "q=a", "name=ada+lovelace", "q=ada+lovelace", "age=36", "age_min=36", "age_max=36", "age_min=1&age_max=36", "age_min=1&age_max=150", "age_min=20",
		"ids=1,2,3", "ids=1,2", "ids=1,2,3,4", "created_after=2026-03-04T05:06:07Z", "created_before=2027-03-04T05:06:07Z", "updated_after=2026-03-04T05:06:07Z",
		"created_after=2026-03-04T05:06:07.000001Z", "created_after=2026-03-04T05:06:07Z&created_before=2027-03-04T05:06:07Z", "q=e&age_min=20", "q=e&ids=1,2,3",
	}
	cursors := map[string]string{}
	for _, list := range lists {
		page := svc.Get(t, "/users/?limit=1&"+list).Want(http.StatusOK).Page()
		if page.NextCursor == nil {
			t.Fatalf("the list %q has one page", list)
		}
		cursors[list] = *page.NextCursor
	}
	for _, list := range lists {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			for other, cursor := range cursors {
				answer := svc.Get(t, "/users/?"+list+"&cursor="+cursor)
				if list == other {
					answer.Want(http.StatusOK)
					continue
				}
				answer.WantInvalid("?cursor invalid_cursor")
			}
		})
	}
	t.Run("limit, include_total and the prefix may change on the way", func(t *testing.T) {
		whole := svc.Get(t, "/users/?q=e&sort=-name&limit=1000").Page().IDs()
		first := svc.Get(t, "/users/?q=e&sort=-name&limit=1&include_total=true").Page()
		second := svc.Get(t, "/v1/users?q=e&limit=3&sort=-name&cursor="+*first.NextCursor).Want(http.StatusOK).Page()
		third := svc.Get(t, "/users?include_total=1&sort=-name&q=e&cursor="+*second.NextCursor).Want(http.StatusOK).Page()
		if got := slices.Concat(first.IDs(), second.IDs(), third.IDs()); !slices.Equal(got, whole) || *third.Total != int64(len(whole)) || second.Total != nil {
			t.Errorf("the walk is %v with the total %v, want %v", got, third.Total, whole)
		}
		back := svc.Get(t, "/users/?q=e&sort=-name&limit=2&cursor="+*third.PrevCursor).Want(http.StatusOK).Page()
		if !slices.Equal(back.IDs(), whole[2:4]) {
			t.Errorf("back is %v of %v", back.IDs(), whole)
		}
	})
	t.Run("the same list in another spelling is no other list", func(t *testing.T) {
		e := url.QueryEscape
		for spelling, same := range map[string]string{
			"q=ADA": "q=ada", "q=" + e("groß"): "q=GROSS", "name=ADA%20LOVELACE": "name=+ada+lovelace+", "ids=3,1,2": "ids=1,2,3,3", "age=36": "age_min=36&age_max=36",
			"created_after=2026-03-04T07:06:07%2B02:00": "created_after=2026-03-04T05:06:07.000000Z", "q=ada&age=36&sort=id": "age=036&q=ada", "q=a&": "&&q=a", "sort=id": "",
		} {
			cursor := *svc.Get(t, "/users/?limit=1&"+spelling).Want(http.StatusOK).Page().NextCursor
			svc.Get(t, "/users/?limit=1&"+same+"&cursor="+cursor).Want(http.StatusOK)
		}
	})
	t.Run("a cursor is no other parameter's fault: what is wrong besides is told with it", func(t *testing.T) {
		cursor := cursors["sort=name"]
		svc.Get(t, "/users/?sort=name&skip=1&cursor="+cursor).WantInvalid("?skip conflicting_parameters")
		svc.Get(t, "/users/?sort=-name&skip=0&cursor="+cursor).WantInvalid("?cursor invalid_cursor", "?skip conflicting_parameters")
		svc.Get(t, "/users/?sort=name&limit=0&cursor="+cursor).WantInvalid("?limit out_of_range")
		svc.Get(t, "/users/?sort=name&cursor="+cursor+"&cursor="+cursor).WantInvalid("?cursor repeated_parameter")
		svc.Get(t, "/users/?sort=name&age=0&cursor="+cursor).WantInvalid("?age out_of_range")
		svc.Get(t, "/users/?age=0&cursor=x").WantInvalid("?age out_of_range", "?cursor invalid_cursor")
	})
}

// TestContract_4_CursorsHideAndHold looks at cursors of every sort: what they hold cannot be read or
// changed, and two of one place are not even alike.
func TestContract_4_CursorsHideAndHold(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	stranger := catalogued(t)
	for _, sort := range []string{"id", "name", "-email", "age", "created_at,name", "-updated_at,email,name"} {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			path := "/users/?limit=3&sort=" + sort
			cursor := *svc.Get(t, path).Page().NextCursor
			sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
			if err != nil {
				t.Fatalf("%q is not base64url: %v", cursor, err)
			}
			for _, plain := range []string{"ada", "Ada", "example", "2026", "name", "lovelace", "\x00\x00\x00"} {
				if strings.Contains(string(sealed), plain) || strings.Contains(cursor, plain+plain) {
					t.Errorf("the cursor shows %q: %q", plain, sealed)
				}
			}
			if again := *svc.Get(t, path).Page().NextCursor; again == cursor {
				t.Errorf("twice the same cursor %s", cursor)
			}
			for i := range sealed {
				flipped := slices.Clone(sealed)
				flipped[i] ^= 1 << (i % 8)
				svc.Get(t, path+"&cursor="+base64.RawURLEncoding.EncodeToString(flipped)).WantInvalid("?cursor invalid_cursor")
			}
			for n := range sealed {
				svc.Get(t, path+"&cursor="+base64.RawURLEncoding.EncodeToString(sealed[:n+1])+"A").WantInvalid("?cursor invalid_cursor")
			}
			foreign := *stranger.Get(t, path).Page().NextCursor
			svc.Get(t, path+"&cursor="+foreign).WantInvalid("?cursor invalid_cursor")
		})
	}
	t.Run("the longest values make a cursor that is taken back", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{})
		local := strings.Repeat("é", 32)
		for n := range 3 {
			name := strings.Repeat("👩", 99) + string(rune('a'+n))
			email := fmt.Sprintf("%s@%s%d.com", local, strings.Repeat(strings.Repeat("d", 60)+".", 2), n)
			svc.Create(t, fmt.Sprintf(`{"name":%s,"email":%s,"age":150}`, quoted(name), quoted(email)))
		}
		for _, sort := range []string{"name,email,updated_at", "-name,-email,-created_at", "email,name,age"} {
			path := "/users/?limit=1&sort=" + sort + "&q=" + url.QueryEscape(strings.Repeat("👩", 99))
			thereAndBack(t, svc, path, ids(inOrder(everybody(t, svc), sort)))
		}
	})
	t.Run("a forged cursor costs nothing", func(t *testing.T) {
		start := time.Now()
		for range 200 {
			svc.Get(t, "/users/?cursor="+strings.Repeat("A", 10_000)).WantInvalid("?cursor invalid_cursor")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("200 of them took %v", took)
		}
	})
}
