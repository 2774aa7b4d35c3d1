package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/tests/testkit"
)

// mergePatch is the function of RFC 7396, section 2, as it stands there.
func mergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := map[string]any{}
	if old, ok := target.(map[string]any); ok {
		maps.Copy(merged, old)
	}
	for name, value := range members {
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = mergePatch(merged[name], value)
	}
	return merged
}

// valid says whether a JSON object is what a client may set of a user, less what only the stored form
// can tell.
func valid(user map[string]any) bool {
	name, named := user["name"].(string)
	email, addressed := user["email"].(string)
	age, aged := user["age"].(float64)
	if _, has := user["age"]; has && (!aged || age != float64(int64(age)) || age < 1 || age > 150) {
		return false
	}
	return named && name != "" && addressed && strings.HasSuffix(email, "@example.com")
}

// drawMember draws a value for a member: mostly one that is right for some member, sometimes another.
func drawMember(t *rapid.T, name string) any {
	right := map[string][]any{
		"name":  {"Ada", "Eve", "Ада", "👩‍🔬"},
		"email": {"ada@example.com", "Ada@example.com", "eve@example.com", "grace@example.com"},
		"age":   {1.0, 36.0, 150.0},
		"id":    {7.0, "x", []any{}},
	}[name]
	wrong := []any{"", 0.0, 151.0, 1.5, true, []any{"Ada"}, map[string]any{"a": nil}, "nobody"}
	switch rapid.SampledFrom([]string{"wrong", "null", "right", "right", "right", "right", "right", "right"}).Draw(t, name+" is") {
	case "wrong":
		return rapid.SampledFrom(wrong).Draw(t, name)
	case "null":
		return nil
	}
	return rapid.SampledFrom(right).Draw(t, name)
}

// TestUsers_MergePatch lets rapid put and patch one user in any order and compares every answer with
// what RFC 7396 makes of JSON objects.
func TestUsers_MergePatch(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, `{"name":"Grace","email":"grace@example.com"}`)
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		model := map[string]any{"name": "Ada", "email": "ada@example.com"}
		text, _ := json.Marshal(model)
		user := svc.Create(t, string(text))
		path := fmt.Sprintf("/users/%d", user.ID)
		defer svc.Delete(t, path)
		for range rapid.IntRange(5, 30).Draw(t, "changes") {
			method := rapid.SampledFrom([]string{http.MethodPut, http.MethodPatch, http.MethodPatch}).Draw(t, "method")
			document := map[string]any{}
			for _, name := range []string{"name", "email", "age", "id"} {
				if rare := rapid.IntRange(0, 5).Draw(t, "without "+name); rare < 3 && method == http.MethodPatch || rare == 0 {
					continue
				}
				document[name] = drawMember(t, name)
			}
			text, _ := json.Marshal(document)
			var next map[string]any
			if method == http.MethodPut {
				next = maps.Clone(document)
				if next["age"] == nil {
					delete(next, "age")
				}
			} else {
				next = mergePatch(model, document).(map[string]any)
			}
			delete(next, "id") // read-only
			answer := svc.Do(t, method, path, string(text))
			outcomes[fmt.Sprint(method, " ", answer.Status)]++
			model, user = judgeChange(t, answer, model, next, user)
		}
	})
	for _, outcome := range []string{"PUT 200", "PUT 409", "PUT 422", "PATCH 200", "PATCH 409", "PATCH 422"} {
		if outcomes[outcome] == 0 {
			t.Errorf("there was no %s, so little is proved: %v", outcome, outcomes)
		}
	}
}

// judgeChange holds the answer to a change of a user against what the model makes of it, and returns
// both as they are then.
func judgeChange(t *rapid.T, answer *testkit.Response, model, next map[string]any, user testkit.User) (map[string]any, testkit.User) {
	switch {
	case !valid(next):
		answer.Want(http.StatusUnprocessableEntity)
		return model, user
	case strings.EqualFold(next["email"].(string), "grace@example.com"):
		answer.WantProblem(http.StatusConflict, "email_taken")
		return model, user
	}
	now := answer.Want(http.StatusOK).User()
	stored := map[string]any{"name": now.Name, "email": now.Email}
	if now.Age != nil {
		stored["age"] = float64(*now.Age)
	}
	if !maps.Equal(stored, next) {
		t.Fatalf("stored %v, want %v", stored, next)
	}
	changed := !maps.Equal(model, next)
	if moved := now.Version == user.Version+1 && now.UpdatedAt > user.UpdatedAt; moved != changed || !changed && !now.Equal(user) {
		t.Fatalf("changed: %v, but after %+v came %+v", changed, user, now)
	}
	return next, now
}

// TestMergePatch holds the model itself to the examples of RFC 7396, appendix A.
func TestMergePatch(t *testing.T) {
	t.Parallel()
	for _, example := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var read [2]any
		for i := range read {
			if err := json.Unmarshal([]byte(example[i]), &read[i]); err != nil {
				t.Fatal(err)
			}
		}
		if merged, _ := json.Marshal(mergePatch(read[0], read[1])); string(merged) != example[2] {
			t.Errorf("%s and %s make %s, want %s", example[0], example[1], merged, example[2])
		}
	}
}
