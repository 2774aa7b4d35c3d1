package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"userapi/handlers/problem"
	"userapi/models"
)

// placed says whether a JSON Pointer names a value of a document, or a member that one of its objects
// does not have.
func placed(document any, pointer string) bool {
	if pointer == "" {
		return true
	}
	tokens := strings.Split(pointer, "/")
	if tokens[0] != "" {
		return false
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, token := range tokens[1:] {
		switch container := document.(type) {
		case map[string]any:
			value, there := container[unescape.Replace(token)]
			if !there {
				return i == len(tokens)-2
			}
			document = value
		case []any:
			index, err := strconv.Atoi(token)
			if err != nil || index < 0 || index >= len(container) {
				return false
			}
			document = container[index]
		default:
			return false
		}
	}
	return true
}

// FuzzBatch looks for a body of a batch that breaks the service, and holds what is told of bad ones
// against the document and against the list of users.
func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		batchOf("atomic", operation("create", 0, person("Alan"), ""), operation("delete", 1, "", "1")),
		batchOf("independent", operation("create", 0, person("Ada"), ""), operation("patch", 2, `{"age":null,"name":""}`, `"1", W/"2"`), operation("update", 1, person("Grace"), "7")),
		batchOf("atomic", operation("patch", 1, `{"email":"grace@example.com"}`, ""), operation("patch", 2, `{"email":"ada@example.com"}`, "*")),
		`{"operations":[{"op":"x","user":{"a/b~c":{}}},7,{"op":"delete","id":-1},{"op":"delete","id":1e99,"if_match":"\""}],"":{},"mode":"Atomic"}`,
		`{"dry_run":true,"operations":[{"id":9007199254740992,"op":"delete"},{"op":"create"}]}`, `{"operations":[]}`, `[]`, `{"operations":[{"op":"delete","id":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		handler := withAdaAndGrace(t, nil)
		before := stored(t, handler)
		recorder := post(handler, "/users/batch", body)
		switch recorder.Code {
		case http.StatusOK, http.StatusMultiStatus:
			var answer BatchResults
			if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || len(answer.Results) == 0 || answer.DryRun && stored(t, handler) != before {
				t.Fatalf("%q: %v: %s", body, err, recorder.Body)
			}
			for _, result := range answer.Results {
				if result.Status >= 500 || (result.Status >= 400) != (result.Problem != nil) || result.Problem != nil && answer.Mode == "atomic" {
					t.Fatalf("%q: %s", body, recorder.Body)
				}
				if result.Problem != nil {
					pointsWell(t, body, result.Problem)
				}
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
			p, _ := rejected(t, recorder.Body.Bytes())
			pointsWell(t, body, &p)
			if after := stored(t, handler); after != before || p.Code == "batch_rejected" && len(p.Errors) == 0 {
				t.Fatalf("%q: %s, %s became %s", body, recorder.Body, before, after)
			}
		default:
			t.Fatalf("%q: %d: %s", body, recorder.Code, recorder.Body)
		}
	})
}

// pointsWell fails the test unless all the faults of a problem point into the document, once each.
func pointsWell(t *testing.T, body string, p *problem.Problem) {
	t.Helper()
	if len(p.Errors) == 0 {
		return
	}
	var document any
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatalf("%q is not JSON and has faults: %v", body, err)
	}
	var places []string
	for _, fault := range p.Errors {
		if !placed(document, fault.Pointer) {
			t.Fatalf("%q has nothing at %q", body, fault.Pointer)
		}
		places = append(places, fault.Pointer)
	}
	slices.Sort(places)
	if len(slices.Compact(slices.Clone(places))) != len(places) {
		t.Fatalf("%q: a place has two faults: %q", body, places)
	}
}

// FuzzMergePatch holds which members a patch gives, and what they do to a user, against encoding/json.
func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"Ada"}`, `{"name":null}`, `{"age":null,"email":"a@b.io"}`, `{"age":36.0,"id":[1]}`, `{"\u0061ge":1}`, `{"age":1,"age":2}`, `{"Name":"Ada"}`, `[]`, `{"email":" A@B.io "}`,
	} {
		f.Add([]byte(seed))
	}
	strict := newMergePatch(1<<20, false)
	f.Fuzz(func(t *testing.T, body []byte) {
		patch, err := bindTo[models.UserPatch](string(body), strict)
		if err != nil {
			if !errors.Is(err, problem.ErrMalformedJSON) && (!errors.Is(err, models.ErrInvalid) || len(faultsOf(err)) == 0) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		var given map[string]any
		if err := json.Unmarshal(body, &given); err != nil {
			t.Fatalf("%q is taken, but %v", body, err)
		}
		for name, taken := range map[string]bool{"name": patch.Name, "email": patch.Email, "age": patch.Age} {
			if _, there := given[name]; there != taken {
				t.Fatalf("%q: %s is given: %v", body, name, taken)
			}
		}
		old := models.User{ID: 1, Name: "Old", Email: "old@example.com", Age: 30}
		merged := patch.Apply(old)
		want := old
		if name, there := given["name"]; there {
			want.Name = models.Trim(name.(string))
		}
		if email, there := given["email"]; there {
			want.Email, _ = models.ParseEmail(models.Trim(email.(string)))
		}
		if age, there := given["age"]; there {
			years, _ := age.(float64)
			want.Age = models.Age(years)
		}
		if merged != want || merged.Name == "" || merged.Email == "" {
			t.Fatalf("%q made %+v, want %+v", body, merged, want)
		}
	})
}

// FuzzParseKey looks for a key that is not itself in quotes, or not as a header field may have it.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"k", `"k"`, `"a\"b\\c"`, `"`, `"k`, `"k"x`, "k\x00", strings.Repeat("k", 256), `\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, ok := parseKey(value)
		if !ok {
			return
		}
		if key == "" || len(key) > maxKeyOctets || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is taken for %q", value, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, ok := parseKey(quoted); again != key || !ok {
			t.Fatalf("%q became %q in quotes, %v", key, again, ok)
		}
	})
}
