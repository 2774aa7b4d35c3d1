package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// whole returns what a client may set of a user, as a JSON object.
func whole(user testkit.User) string {
	age := "null"
	if user.Age != nil {
		age = fmt.Sprint(*user.Age)
	}
	return fmt.Sprintf(`{"name":%s,"email":%s,"age":%s}`, quoted(user.Name), quoted(user.Email), age)
}

func TestContract_3_PatchPresence(t *testing.T) {
	t.Parallel()
	const before = `{"name":"Ada","email":"ada@example.com","age":36}`
	cases := []struct{ says, patch, after string }{
		{"absent leaves every member", `{}`, before},
		{"a name alone", `{"name":"Eve"}`, `{"name":"Eve","email":"ada@example.com","age":36}`},
		{"an address alone", `{"email":"Eve@EXAMPLE.org"}`, `{"name":"Ada","email":"Eve@example.org","age":36}`},
		{"an age alone", `{"age":37}`, `{"name":"Ada","email":"ada@example.com","age":37}`},
		{"null clears the age", `{"age":null}`, `{"name":"Ada","email":"ada@example.com","age":null}`},
		{"a name and null for the age", `{"name":"Eve","age":null}`, `{"name":"Eve","email":"ada@example.com","age":null}`},
		{"name and address", `{"email":"eve@example.com","name":"Eve"}`, `{"name":"Eve","email":"eve@example.com","age":36}`},
		{"all of them", `{"name":"Eve","email":"eve@example.com","age":1}`, `{"name":"Eve","email":"eve@example.com","age":1}`},
		{"white space around goes", `{"name":" \u00a0Eve\t","email":"\n eve@example.com "}`, `{"name":"Eve","email":"eve@example.com","age":36}`},
		{"30.0 and 3e1 are whole numbers", `{"age":3e1}`, `{"name":"Ada","email":"ada@example.com","age":30}`},
		{"the bounds of an age", `{"age":150.0}`, `{"name":"Ada","email":"ada@example.com","age":150}`},
		{"100 characters of name", `{"name":` + quoted(strings.Repeat("😀", 100)) + `}`, `{"name":` + quoted(strings.Repeat("😀", 100)) + `,"email":"ada@example.com","age":36}`},
		{"one's own address in another case", `{"email":"ADA@example.com"}`, `{"name":"Ada","email":"ADA@example.com","age":36}`},
		{"read-only members are ignored", `{"id":9,"version":7,"created_at":"x","updated_at":[],"age":37}`, `{"name":"Ada","email":"ada@example.com","age":37}`},
		{"null for read-only members is ignored", `{"id":null,"version":null,"created_at":null,"updated_at":null}`, before},
		{"a member name in escapes", `{"\u006eame":"Eve"}`, `{"name":"Eve","email":"ada@example.com","age":36}`},
	}
	for _, c := range cases {
		for _, path := range []string{"/users/1", "/users/1/", "/v1/users/1", "/v1/users/1/"} {
			t.Run(path+" "+c.says, func(t *testing.T) {
				t.Parallel()
				svc := testkit.New(t, testkit.Options{})
				old := svc.Create(t, before)
				version := int64(2)
				if c.after == before {
					version = 1
				}
				answer := svc.Patch(t, path, c.patch).Want(http.StatusOK).
					WantHeader("ETag", fmt.Sprintf(`"%d"`, version)).
					WantHeader("Content-Type", "application/json; charset=utf-8")
				user := answer.User()
				if whole(user) != c.after || user.ID != 1 || user.Version != version || user.CreatedAt != old.CreatedAt {
					t.Errorf("%s made %+v, want %s at version %d", c.patch, user, c.after, version)
				}
				if (user.UpdatedAt > old.UpdatedAt) != (version == 2) {
					t.Errorf("updated at %s after %s", user.UpdatedAt, old.UpdatedAt)
				}
				if again := svc.Get(t, "/users/1"); string(again.Body) != string(answer.Body) {
					t.Errorf("read %s after %s", again.Body, answer.Body)
				}
			})
		}
	}
}

func TestContract_3_PatchRefused(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	cases := map[string][]string{
		`{"name":null}`:                         {"/name wrong_type"},
		`{"email":null}`:                        {"/email wrong_type"},
		`{"name":null,"email":null,"age":null}`: {"/name wrong_type", "/email wrong_type"},
		`{"name":""}`:                           {"/name too_short"},
		`{"name":" \t\u3000"}`:                  {"/name too_short"},
		`{"name":"a\u0007b"}`:                   {"/name forbidden_character"},
		`{"name":"a\u202eb"}`:                   {"/name forbidden_character"},
		`{"name":` + quoted(strings.Repeat("x", 101)) + `}`: {"/name too_long"},
		`{"email":""}`:                           {"/email too_short"},
		`{"email":"nobody"}`:                     {"/email invalid_email"},
		`{"email":"ada@x.test"}`:                 {"/email invalid_email"},
		`{"age":0}`:                              {"/age out_of_range"},
		`{"age":-1}`:                             {"/age out_of_range"},
		`{"age":151}`:                            {"/age out_of_range"},
		`{"age":1e400}`:                          {"/age out_of_range"},
		`{"age":30.5}`:                           {"/age wrong_type"},
		`{"age":"30"}`:                           {"/age wrong_type"},
		`{"age":""}`:                             {"/age wrong_type"},
		`{"nick":null}`:                          {"/nick unknown_member"},
		`{"Name":"Eve"}`:                         {"/Name unknown_member"},
		`{"AGE":null}`:                           {"/AGE unknown_member"},
		`{"name":7,"email":[],"age":{},"a/b":1}`: {"/name wrong_type", "/email wrong_type", "/age wrong_type", "/a~1b unknown_member"},
		`{"name":"","email":"x","age":151,"op":"replace"}`: {"/name too_short", "/email invalid_email", "/age out_of_range", "/op unknown_member"},
		`null`: {". wrong_type"}, `[]`: {". wrong_type"}, `"Eve"`: {". wrong_type"}, `7`: {". wrong_type"}, `true`: {". wrong_type"},
		`[{"op":"replace","path":"/name","value":"Eve"}]`: {". wrong_type"},
	}
	for _, value := range []string{`7`, `true`, `[]`, `["Eve"]`, `{}`, `{"first":"Eve"}`} {
		cases[`{"name":`+value+`}`] = []string{"/name wrong_type"}
		cases[`{"email":`+value+`}`] = []string{"/email wrong_type"}
		if value != `7` {
			cases[`{"age":`+value+`}`] = []string{"/age wrong_type"}
		}
	}
	for patch, faults := range cases {
		t.Run(fmt.Sprintf("%.60s", patch), func(t *testing.T) {
			svc.Patch(t, "/users/1", patch).WantInvalid(faults...)
			svc.Patch(t, "/users/9", patch).WantInvalid(faults...)
			svc.Patch(t, "/v1/users/x/", patch, "If-Match: 1").WantInvalid(append(faults, "?id wrong_type", "If-Match: malformed_header")...)
		})
	}
	t.Run("what is no JSON is 400", func(t *testing.T) {
		for _, patch := range []string{`{`, ` `, `{"name":"Eve"`, `{"name":"Eve",}`, `{"name":"Eve","name":"Ada"}`, `{"age":nul}`, `{}x`, "\ufeff{}", `{"name":"\ud800"}`, `{"id":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`} {
			svc.Patch(t, "/users/1", patch).WantProblem(http.StatusBadRequest, "malformed_json")
		}
		svc.Patch(t, "/users/1", "").WantProblem(http.StatusBadRequest, "malformed_json")
	})
	t.Run("nobody changed", func(t *testing.T) {
		if user := svc.Get(t, "/users/1").User(); user.Version != 1 || whole(user) != ada {
			t.Errorf("the refused patches left %+v", user)
		}
	})
	t.Run("nobody is 404, and another user's address 409", func(t *testing.T) {
		svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
		svc.Patch(t, "/users/9", `{"email":"ada@example.com"}`).WantProblem(http.StatusNotFound, "user_not_found")
		svc.Patch(t, "/users/0", `{}`).WantProblem(http.StatusNotFound, "user_not_found")
		svc.Patch(t, "/users/1", `{"email":"GRACE@example.com","age":40}`).WantProblem(http.StatusConflict, "email_taken")
		if user := svc.Get(t, "/users/1").User(); user.Version != 1 || *user.Age != 36 {
			t.Errorf("the clash left %+v", user)
		}
	})
	t.Run("the setting ignore accepts unknown members here too", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{IgnoreUnknownMembers: true})
		svc.Create(t, ada)
		user := svc.Patch(t, "/users/1", `{"nick":{"a":[null]},"Name":null,"age":null}`).Want(http.StatusOK).User()
		if whole(user) != `{"name":"Ada Lovelace","email":"ada@example.com","age":null}` {
			t.Errorf("became %+v", user)
		}
	})
}

func TestContract_3_PatchMediaType(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, ada)
	accepted := []string{
		"application/merge-patch+json", "Application/Merge-Patch+JSON", "application/merge-patch+json; charset=utf-8", `application/merge-patch+json;charset="UTF-8"`,
		"application/json", "application/json; charset=UTF-8", "APPLICATION/json", "application/merge-patch+json; v=1",
	}
	for n, media := range accepted {
		t.Run("takes "+media, func(t *testing.T) {
			answer := svc.Do(t, http.MethodPatch, "/users/1", fmt.Sprintf(`{"age":%d}`, n+1), "Content-Type: "+media).Want(http.StatusOK)
			if *answer.User().Age != int64(n+1) {
				t.Errorf("became %s", answer.Body)
			}
		})
	}
	refused := []string{
		"", "text/plain", "application/json-patch+json", "application/x-www-form-urlencoded", "application/problem+json", "application/vnd.api+json",
		"application/merge-patch", "merge-patch+json", "application/merge-patch+json; charset=latin1", "application/merge-patch+json, application/json",
		"application/json; charset=utf-16", "*/*", "application/*", "application/merge-patch+xml", "text/plain; application/merge-patch+json", ";",
	}
	for _, media := range refused {
		t.Run("refuses "+media, func(t *testing.T) {
			answer := svc.Do(t, http.MethodPatch, "/users/1", `{"age":150}`, "Content-Type: "+media)
			answer.WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			accept := answer.Header.Get("Accept-Patch")
			for _, named := range []string{"application/merge-patch+json", "application/json"} {
				if !strings.Contains(accept, named) {
					t.Errorf("Accept-Patch is %q", accept)
				}
			}
		})
	}
	t.Run("refuses two media types and content codings", func(t *testing.T) {
		for _, headers := range [][]string{
			{"Content-Type: application/merge-patch+json", "Content-Type: application/json"},
			{"Content-Type: application/merge-patch+json", "Content-Encoding: gzip"},
		} {
			answer := svc.Do(t, http.MethodPatch, "/users/1", `{"age":150}`, headers...)
			answer.WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			if answer.Header.Get("Accept-Patch") == "" {
				t.Errorf("%v: there is no Accept-Patch", headers)
			}
		}
	})
	t.Run("other methods take no merge patch and speak of none", func(t *testing.T) {
		for _, answer := range []*testkit.Response{
			svc.Put(t, "/users/1", ada, "Content-Type: application/merge-patch+json"),
			svc.Post(t, "/users/", ada, "Content-Type: application/merge-patch+json"),
			svc.Post(t, "/users/batch", ada, "Content-Type: application/merge-patch+json"),
		} {
			answer.WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			answer.WantHeader("Accept-Patch", "")
		}
	})
	t.Run("a body past the limit is 413", func(t *testing.T) {
		svc.Patch(t, "/users/1", `{"age":150`+strings.Repeat(" ", 1<<20)+`}`).WantProblem(http.StatusRequestEntityTooLarge, "body_too_large")
	})
	if user := svc.Get(t, "/users/1").User(); *user.Age == 150 {
		t.Errorf("a refused patch left %+v", user)
	}
}

func TestContract_3_PatchOfNothing(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	svc := testkit.New(t, testkit.Options{Now: clock.Now})
	aged, ageless := svc.Create(t, ada), svc.Create(t, `{"name":"Ageless","email":"ageless@example.com"}`)
	same := map[int64][]string{
		aged.ID: {
			`{}`, `{"age":36}`, `{"age":36.0}`, `{"name":"Ada Lovelace"}`, `{"name":" Ada Lovelace "}`, `{"email":"ada@EXAMPLE.com"}`,
			`{"version":9,"id":9}`, ada, string(svc.Get(t, "/users/1").Body),
		},
		ageless.ID: {`{}`, `{"age":null}`, `{"age":null,"name":"Ageless"}`},
	}
	for id, patches := range same {
		path := fmt.Sprintf("/users/%d", id)
		before := svc.Get(t, path)
		for _, patch := range patches {
			t.Run(fmt.Sprintf("%d keeps version and time after %s", id, patch), func(t *testing.T) {
				clock.Add(time.Hour)
				for _, condition := range []string{"If-Match:", "If-Match: *", `If-Match: "1"`} {
					answer := svc.Patch(t, path, patch, condition).Want(http.StatusOK).WantHeader("ETag", `"1"`)
					if string(answer.Body) != string(before.Body) {
						t.Errorf("became %s, was %s", answer.Body, before.Body)
					}
				}
			})
		}
	}
	t.Run("a real change moves both, and forward although the clock went back", func(t *testing.T) {
		changed := svc.Patch(t, "/users/1", `{"age":null}`).Want(http.StatusOK).WantHeader("ETag", `"2"`).User()
		if changed.UpdatedAt <= aged.UpdatedAt || changed.CreatedAt != aged.CreatedAt || changed.Version != 2 {
			t.Errorf("changed: %+v", changed)
		}
		clock.Add(-1000 * time.Hour)
		later := svc.Patch(t, "/users/1", `{"age":36}`).Want(http.StatusOK).User()
		if later.UpdatedAt <= changed.UpdatedAt || later.Version != 3 {
			t.Errorf("after %+v came %+v", changed, later)
		}
	})
}
