package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"userapi/tests/testkit"
)

func TestContract_4_ByEmail(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	for _, email := range []string{
		"Ada.King@example.com", "al+tag@example.com", "JÜRGEN@example.com", "gross@bücher.example", "a/b@example.com", "50%25@example.com",
		"o'brien@example.com", "a!#$&*=?^_`{|}~b@example.com", "straße@example.com", "kay@example.com", "x@xn--bcher-kva.example.org",
	} {
		svc.Create(t, fmt.Sprintf(`{"name":"Somebody","email":%s}`, quoted(email)))
	}
	for says, c := range map[string]struct {
		path string
		id   int64
	}{
		"as it is":                             {"Ada.King@example.com", 1},
		"in another case":                      {"ADA.king@EXAMPLE.Com", 1},
		"with the @ encoded":                   {"ada.king%40example.com", 1},
		"with every character encoded":         {"%61%64%61%2E%6b%69%6E%67%40%65xample.com", 1},
		"with white space around it":           {"%20ada.king@example.com%09", 1},
		"a plus sign stands for itself":        {"al+tag@example.com", 2},
		"a plus sign that is encoded":          {"al%2Btag@example.com", 2},
		"past ASCII in another case":           {"j%C3%BCrgen@example.com", 3},
		"past ASCII, not encoded":              {"jürgen@example.com", 3},
		"in NFD":                               {"ju%CC%88rgen@example.com", 3},
		"an international domain":              {"gross@b%C3%BCcher.example", 4},
		"its domain in A-labels":               {"gross@xn--bcher-kva.example", 4},
		"its domain in another case":           {"GROSS@B%C3%9CCHER.example", 4},
		"a slash that is encoded":              {"a%2Fb@example.com", 5},
		"a percent sign that is encoded":       {"50%2525@example.com", 6},
		"an apostrophe":                        {"o'brien@example.com", 7},
		"all odd characters, encoded":          {"a%21%23%24%26%2A%3D%3F%5E%5F%60%7B%7C%7D%7Eb@example.com", 8},
		"case-folded in full":                  {"STRASSE@example.com", 9},
		"the Kelvin sign":                      {"%E2%84%AAay@example.com", 10},
		"stored in A-labels, asked in U-label": {"x@b%C3%BCcher.example.org", 11},
	} {
		for _, shape := range []string{"/users/by-email/%s", "/users/by-email/%s/", "/v1/users/by-email/%s", "/v1/users/by-email/%s/"} {
			path := fmt.Sprintf(shape, c.path)
			t.Run(says+": "+path, func(t *testing.T) {
				t.Parallel()
				want := svc.Get(t, fmt.Sprintf("/users/%d", c.id)).Want(http.StatusOK)
				got := svc.Get(t, path).Want(http.StatusOK).WantHeader("ETag", want.Header.Get("ETag")).WantHeader("Content-Type", want.Header.Get("Content-Type"))
				if string(got.Body) != string(want.Body) {
					t.Errorf("leads to %s, want %s", got.Body, want.Body)
				}
				svc.Head(t, path).Want(http.StatusOK).WantHeader("ETag", want.Header.Get("ETag")).WantHeader("Content-Length", got.Header.Get("Content-Length"))
				svc.Get(t, path, "If-None-Match: "+want.Header.Get("ETag")).Want(http.StatusNotModified)
			})
		}
	}
	for _, nobody := range []string{
		"nobody@example.com", "king@example.com", "ada.king@example.org", "al%20tag@example.com", "ada", "1", "@", "ada@", "@example.com", "a%20b@example.com",
		"Ada%20%3Cada.king@example.com%3E", "ada.king@example.com,al+tag@example.com", "ada.king@x.test", "%00", "%FF", "ada.king@example.com%00", "%E2%80%AE", "*", "%25", "_@example.com",
		strings.Repeat("x", 500) + "@example.com", "ada.king@example.com%0A%0A.x", "kаy@example.com", "..%2F1", "null",
	} {
		t.Run(fmt.Sprintf("404: %.40s", nobody), func(t *testing.T) {
			t.Parallel()
			for _, prefix := range []string{"/users/by-email/", "/v1/users/by-email/"} {
				problem := svc.Get(t, prefix+nobody).WantProblem(http.StatusNotFound, "user_not_found")
				if strings.Contains(problem.Detail+problem.Title, "@") || !strings.Contains(problem.Detail, "address") {
					t.Errorf("the problem repeats the address, or does not speak of one: %+v", problem)
				}
				svc.Head(t, prefix+nobody).Want(http.StatusNotFound)
			}
		})
	}
	t.Run("without an address it is an id, and no good one", func(t *testing.T) {
		for _, path := range []string{"/users/by-email", "/users/by-email/", "/v1/users/by-email", "/v1/users/by-email/"} {
			svc.Get(t, path).WantInvalid("?id wrong_type")
		}
	})
	t.Run("a query is none of an address", func(t *testing.T) {
		svc.Get(t, "/users/by-email/kay@example.com?x=1&email=y").Want(http.StatusOK)
	})
	t.Run("it can be read and nothing else", func(t *testing.T) {
		const path = "/users/by-email/kay@example.com"
		allow := strings.Split(svc.Do(t, http.MethodOptions, path, "").Want(http.StatusNoContent).Header.Get("Allow"), ", ")
		slices.Sort(allow)
		if !slices.Equal(allow, []string{"GET", "HEAD", "OPTIONS"}) {
			t.Errorf("Allow is %q", allow)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			svc.Do(t, method, path, ada).WantProblem(http.StatusMethodNotAllowed, "method_not_allowed")
		}
	})
}

func TestContract_4_ByEmailFollows(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	user := svc.Create(t, ada)
	const old, other = "/users/by-email/ada@example.com", "/users/by-email/countess@example.com"
	leads := func(t *testing.T, path string, version int64) {
		t.Helper()
		if got := svc.Get(t, path).Want(http.StatusOK).User(); got.ID != user.ID || got.Version != version {
			t.Errorf("%s leads to %+v", path, got)
		}
	}
	leads(t, old, 1)
	svc.Patch(t, "/users/1", `{"age":37}`).Want(http.StatusOK)
	leads(t, old, 2)
	svc.Patch(t, "/users/1", `{"email":"Countess@example.com"}`).Want(http.StatusOK)
	leads(t, other, 3)
	svc.Get(t, old).WantProblem(http.StatusNotFound, "user_not_found")
	heir := svc.Create(t, ada)
	if got := svc.Get(t, old).Want(http.StatusOK).User(); got.ID != heir.ID {
		t.Errorf("leads to %+v, want %+v", got, heir)
	}
	svc.Delete(t, "/users/1").Want(http.StatusNoContent)
	svc.Get(t, other).WantProblem(http.StatusNotFound, "user_not_found")
}
