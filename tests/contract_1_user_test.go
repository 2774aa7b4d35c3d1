package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// quoted returns text as a JSON string.
func quoted(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}

// named returns the body of a user with a name and an address that differs from case to case.
func named(n int, name string) string {
	return fmt.Sprintf(`{"name":%s,"email":"case%d@example.com"}`, name, n)
}

func TestContract_1_Name(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	accepted := []struct{ says, sent, stored string }{
		{"one character is enough", `"A"`, "A"},
		{"100 characters pass", quoted(strings.Repeat("x", 100)), strings.Repeat("x", 100)},
		{"100 emoji pass: characters are code points, not bytes", quoted(strings.Repeat("😀", 100)), strings.Repeat("😀", 100)},
		{"the length counts after trimming", quoted("  " + strings.Repeat("x", 100) + "\t\n"), strings.Repeat("x", 100)},
		{"ASCII white space around it goes", `" \t\r\n\u000b\u000cAda \t"`, "Ada"},
		{"Unicode white space around it goes", `"\u00a0\u1680\u2003\u2028\u202f\u3000\u0085Ada\u2029\u205f"`, "Ada"},
		{"white space inside it stays", `"Ada  King\u00a0Lovelace"`, "Ada  King\u00a0Lovelace"},
		{"HTML is not escaped", `"<b>\"Ada\" & 'Co'</b>"`, `<b>"Ada" & 'Co'</b>`},
		{"a backslash passes", `"a\\b"`, `a\b`},
		{"emoji joined by ZWJ pass as typed", `"👩‍👩‍👧‍👦"`, "👩‍👩‍👧‍👦"},
		{"an escaped pair of surrogates is one character", `"\ud83d\ude00"`, "😀"},
		{"right-to-left text passes as typed", `"שלום עולם"`, "שלום עולם"},
		{"directional marks of right-to-left text pass", `"a\u200eb\u200fc"`, "a\u200eb\u200fc"},
		{"a zero-width joiner passes", `"\u0915\u094d\u200d\u0937"`, "\u0915\u094d\u200d\u0937"},
		{"combining marks are not composed", `"e\u0301"`, "e\u0301"},
		{"letter case stays", `"McDONALD"`, "McDONALD"},
		{"the replacement character passes when it was sent", `"\ufffd"`, "\ufffd"},
		{"private use passes", `"\ue000"`, "\ue000"},
	}
	for n, c := range accepted {
		t.Run(c.says, func(t *testing.T) {
			answer := svc.Post(t, "/users/", named(n, c.sent)).Want(http.StatusCreated)
			if got := answer.User().Name; got != c.stored {
				t.Errorf("stored %q, want %q", got, c.stored)
			}
			again := svc.Get(t, answer.Header.Get("Location")).Want(http.StatusOK)
			if string(again.Body) != string(answer.Body) {
				t.Errorf("read %s after %s", again.Body, answer.Body)
			}
			if strings.Contains(string(answer.Body), `\u003`) {
				t.Errorf("escaped for HTML: %s", answer.Body)
			}
		})
	}

	refused := []struct{ says, sent, code string }{
		{"the empty name", `""`, "too_short"},
		{"white space alone", `" \t\u3000"`, "too_short"},
		{"101 characters", quoted(strings.Repeat("x", 101)), "too_long"},
		{"101 characters of several octets", quoted(strings.Repeat("é", 101)), "too_long"},
		{"a number", `30`, "wrong_type"},
		{"a truth value", `true`, "wrong_type"},
		{"null", `null`, "wrong_type"},
		{"an array", `["Ada"]`, "wrong_type"},
		{"an object", `{"first":"Ada"}`, "wrong_type"},
		{"NUL", `"a\u0000b"`, "forbidden_character"},
		{"a line break", `"a\nb"`, "forbidden_character"},
		{"a tab inside", `"a\tb"`, "forbidden_character"},
		{"ESC", `"\u001b[31mred"`, "forbidden_character"},
		{"DEL", `"a\u007f"`, "forbidden_character"},
		{"a C1 control", `"a\u009bb"`, "forbidden_character"},
		{"NEL inside", `"a\u0085b"`, "forbidden_character"},
	}
	for _, r := range []rune{0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069, 0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF} {
		refused = append(refused, struct{ says, sent, code string }{fmt.Sprintf("U+%04X", r), `"a` + string(r) + `b"`, "forbidden_character"})
	}
	for n, c := range refused {
		t.Run("refuses "+c.says, func(t *testing.T) {
			svc.Post(t, "/users/", named(1000+n, c.sent)).WantInvalid("/name " + c.code)
		})
	}
	t.Run("refuses its absence", func(t *testing.T) {
		svc.Post(t, "/users/", `{"email":"absent@example.com"}`).WantInvalid("/name required")
	})
}

func TestContract_1_Email(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	long := strings.Repeat("l", 64) + "@" + strings.Repeat(strings.Repeat("d", 62)+".", 3) // 254 with the ending
	accepted := []struct{ says, sent, stored string }{
		{"an ordinary address", "ada@example.com", "ada@example.com"},
		{"the local part keeps its case and the domain loses it", "Ada.King@EXAMPLE.Org", "Ada.King@example.org"},
		{"white space around it goes", " \u00a0\tspace@example.com\n", "space@example.com"},
		{"every character of a dot-atom", "a!#$%&'*+-/=?^_`{|}~b@example.com", "a!#$%&'*+-/=?^_`{|}~b@example.com"},
		{"a tag behind a plus", "ada+tag@example.com", "ada+tag@example.com"},
		{"Unicode letters before the @", "jürgen@example.com", "jürgen@example.com"},
		{"an international domain", "ada@BÜCHER.example.com", "ada@bücher.example.com"},
		{"64 characters before the @", strings.Repeat("l", 64) + "@example.com", strings.Repeat("l", 64) + "@example.com"},
		{"254 octets", long, long},
	}
	accepted[len(accepted)-1].sent = long[:254-4] + ".com"
	accepted[len(accepted)-1].stored = accepted[len(accepted)-1].sent
	for _, c := range accepted {
		t.Run("takes "+c.says, func(t *testing.T) {
			user := svc.Create(t, fmt.Sprintf(`{"name":"Ada","email":%s}`, quoted(c.sent)))
			if user.Email != c.stored {
				t.Errorf("stored %q, want %q", user.Email, c.stored)
			}
		})
	}

	refused := []struct{ says, sent, code string }{
		{"the empty address", `""`, "too_short"},
		{"white space alone", `"  "`, "too_short"},
		{"a number", `7`, "wrong_type"},
		{"null", `null`, "wrong_type"},
		{"an array", `["a@example.com"]`, "wrong_type"},
		{"no @", `"ada.example.com"`, "invalid_email"},
		{"two @", `"a@b@example.com"`, "invalid_email"},
		{"a domain of one label", `"ada@example"`, "invalid_email"},
		{"an underscore in the domain", `"ada@ex_ample.com"`, "invalid_email"},
		{"a domain that ends in a digit", `"ada@example.c0m1"`, "invalid_email"},
		{"a display name", `"Ada <ada@example.com>"`, "invalid_email"},
		{"a quoted local part", `"\"ada\"@example.com"`, "invalid_email"},
		{"a comment", `"ada(x)@example.com"`, "invalid_email"},
		{"an IP literal", `"ada@[127.0.0.1]"`, "invalid_email"},
		{"two dots in a row", `"a..b@example.com"`, "invalid_email"},
		{"65 characters before the @", quoted(strings.Repeat("l", 65) + "@example.com"), "invalid_email"},
		{"255 octets", quoted(long[:255-4] + ".com"), "invalid_email"},
		{"a space inside", `"a da@example.com"`, "invalid_email"},
		{"a line break inside", `"ada@example.com\nbcc: x"`, "invalid_email"},
		{"NUL", `"ada\u0000@example.com"`, "invalid_email"},
		{"a zero-width space", `"ada@exam\u200bple.com"`, "invalid_email"},
		{"a bidi override", `"ada\u202e@example.com"`, "invalid_email"},
	}
	for _, domain := range []string{"x.test", "x.invalid", "x.local", "x.localhost", "x.onion", "x.arpa", "X.TEST"} {
		refused = append(refused, struct{ says, sent, code string }{"the special-use domain " + domain, quoted("ada@" + domain), "invalid_email"})
	}
	for _, c := range refused {
		t.Run("refuses "+c.says, func(t *testing.T) {
			svc.Post(t, "/users/", fmt.Sprintf(`{"name":"Ada","email":%s}`, c.sent)).WantInvalid("/email " + c.code)
		})
	}
	t.Run("refuses its absence", func(t *testing.T) {
		svc.Post(t, "/users/", `{"name":"Ada"}`).WantInvalid("/email required")
	})
}

func TestContract_1_EmailIsUnique(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	first := svc.Create(t, `{"name":"Jürgen","email":"Jürgen.Straße@Bücher.example.com"}`)
	second := svc.Create(t, `{"name":"Kay","email":"kay@example.com"}`)
	same := map[string]string{
		"as it is":                        "Jürgen.Straße@Bücher.example.com",
		"in another case":                 "JÜRGEN.straße@bücher.EXAMPLE.com",
		"case-folded in full":             "jürgen.strasse@bücher.example.com",
		"in NFD":                          "Ju\u0308rgen.Straße@Bu\u0308cher.example.com",
		"with its domain in A-label form": "jürgen.straße@xn--bcher-kva.example.com",
		"with white space around it":      " jürgen.straße@bücher.example.com ",
	}
	for says, email := range same {
		t.Run("a clash: the same "+says, func(t *testing.T) {
			body := fmt.Sprintf(`{"name":"Other","email":%s}`, quoted(email))
			svc.Post(t, "/users/", body).WantProblem(http.StatusConflict, "email_taken")
			svc.Put(t, fmt.Sprintf("/users/%d", second.ID), body).WantProblem(http.StatusConflict, "email_taken")
		})
	}
	t.Run("the Kelvin sign folds to k", func(t *testing.T) {
		svc.Post(t, "/users/", `{"name":"Kelvin","email":"\u212aay@example.com"}`).WantProblem(http.StatusConflict, "email_taken")
	})
	t.Run("letters that only look alike are different", func(t *testing.T) {
		for _, email := range []string{"kаy@example.com", "kay.@example.com", "k.ay@example.com", "kay+1@example.com", "ḱay@example.com"} {
			answer := svc.Post(t, "/users/", fmt.Sprintf(`{"name":"Other","email":%s}`, quoted(email)))
			if answer.Status == http.StatusConflict {
				t.Errorf("%q clashes with kay@example.com", email)
			}
		}
	})
	t.Run("one's own address in another case is a change, not a clash", func(t *testing.T) {
		path := fmt.Sprintf("/users/%d", second.ID)
		changed := svc.Put(t, path, `{"name":"Kay","email":"KAY@example.com"}`).Want(http.StatusOK).User()
		if changed.Email != "KAY@example.com" || changed.Version != second.Version+1 {
			t.Errorf("became %+v", changed)
		}
		svc.Post(t, "/users/", `{"name":"Other","email":"kay@example.com"}`).WantProblem(http.StatusConflict, "email_taken")
	})
	t.Run("a refused change leaves everything as it was", func(t *testing.T) {
		path := fmt.Sprintf("/users/%d", first.ID)
		svc.Put(t, path, `{"name":"Changed","email":"kay@example.com"}`).WantProblem(http.StatusConflict, "email_taken")
		if now := svc.Get(t, path).User(); !now.Equal(first) {
			t.Errorf("became %+v, was %+v", now, first)
		}
	})
	t.Run("a deleted user's address is free, and so is one that was given up", func(t *testing.T) {
		svc.Put(t, fmt.Sprintf("/users/%d", second.ID), `{"name":"Kay","email":"new@example.com"}`).Want(http.StatusOK)
		svc.Create(t, `{"name":"Heir","email":"kay@example.com"}`)
		svc.Delete(t, fmt.Sprintf("/users/%d", first.ID)).Want(http.StatusNoContent)
		svc.Create(t, `{"name":"Heir","email":"jürgen.straße@bücher.example.com"}`)
	})
}

func TestContract_1_Age(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	aged := func(n int, age string) string {
		return fmt.Sprintf(`{"name":"Ada","email":"age%d@example.com","age":%s}`, n, age)
	}
	accepted := map[string]string{
		"1": "1", "150": "150", "null": "null", "30.0": "30", "3e1": "30", "3E+1": "30", "300e-1": "30",
		"1.5e2": "150", "0.15e3": "150", "150.000000000000000000000": "150", "0.00000000000000000001e20": "1",
	}
	n := 0
	for sent, stored := range accepted {
		n++
		t.Run("takes "+sent+" as "+stored, func(t *testing.T) {
			members := svc.Post(t, "/users/", aged(n, sent)).Want(http.StatusCreated).Members()
			if got := string(members["age"]); got != stored {
				t.Errorf("stored %s", got)
			}
		})
	}
	t.Run("absent is null, and always present in answers", func(t *testing.T) {
		members := svc.Post(t, "/users/", `{"name":"Ada","email":"ageless@example.com"}`).Want(http.StatusCreated).Members()
		if got := string(members["age"]); got != "null" {
			t.Errorf("age is %q", got)
		}
	})
	digits := strings.Repeat("9", 100_000)
	refused := map[string]string{
		"0": "out_of_range", "-0": "out_of_range", "-1": "out_of_range", "151": "out_of_range", "0.0": "out_of_range",
		"150.5": "wrong_type", "30.5": "wrong_type", "1e-1": "wrong_type", "149.99999999999999999999999": "wrong_type",
		"9223372036854775807": "out_of_range", "9223372036854775808": "out_of_range", "-9223372036854775809": "out_of_range",
		"18446744073709551646": "out_of_range", "1e400": "out_of_range", "-1e400": "out_of_range",
		"1e999999999999999999999": "out_of_range", "1e-999999999999999999999": "wrong_type", "0e999999999": "out_of_range",
		digits: "out_of_range", "0." + digits: "wrong_type", "1e" + digits: "out_of_range",
		`"30"`: "wrong_type", `""`: "wrong_type", "true": "wrong_type", "false": "wrong_type", "[]": "wrong_type", "[30]": "wrong_type", "{}": "wrong_type",
	}
	for sent, code := range refused {
		t.Run(fmt.Sprintf("refuses %.30s", sent), func(t *testing.T) {
			start := time.Now()
			svc.Post(t, "/users/", aged(0, sent)).WantInvalid("/age " + code)
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	for _, sent := range []string{"01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", "-", "1_0", "'1'", "undefined"} {
		t.Run("400: "+sent+" is no JSON", func(t *testing.T) {
			svc.Post(t, "/users/", aged(0, sent)).WantProblem(http.StatusBadRequest, "malformed_json")
		})
	}
}

var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

func TestContract_1_TimesAndVersion(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	clock := testkit.NewClock(start)
	svc := testkit.New(t, testkit.Options{Now: clock.Now})
	user := svc.Create(t, `{"name":"Ada","email":"ada@example.com","age":36}`)
	path := fmt.Sprintf("/users/%d", user.ID)

	t.Run("times are RFC 3339 in UTC with microseconds, also when these are zero", func(t *testing.T) {
		if user.CreatedAt != "2026-03-04T05:06:07.000000Z" || !timestamp.MatchString(user.CreatedAt) {
			t.Errorf("created_at is %q", user.CreatedAt)
		}
	})
	t.Run("a new user has version 1 and was updated when it was created", func(t *testing.T) {
		if user.Version != 1 || user.UpdatedAt != user.CreatedAt {
			t.Errorf("new: %+v", user)
		}
	})
	t.Run("a change that changes nothing keeps version and time", func(t *testing.T) {
		clock.Add(time.Hour)
		for _, body := range []string{
			`{"name":"Ada","email":"ada@example.com","age":36}`,
			`{"age":36.0,"email":" ada@EXAMPLE.com ","name":"Ada  "}`,
			string(svc.Get(t, path).Body),
		} {
			answer := svc.Put(t, path, body).Want(http.StatusOK).WantHeader("ETag", `"1"`)
			if !answer.User().Equal(user) {
				t.Errorf("%s made %s", body, answer.Body)
			}
		}
	})
	t.Run("a real change moves both", func(t *testing.T) {
		changed := svc.Put(t, path, `{"name":"Ada","email":"ada@example.com","age":37}`).Want(http.StatusOK).WantHeader("ETag", `"2"`).User()
		if changed.Version != 2 || changed.UpdatedAt != "2026-03-04T06:06:07.000000Z" || changed.CreatedAt != user.CreatedAt {
			t.Errorf("changed: %+v", changed)
		}
		user = changed
	})
	t.Run("updated_at moves forward although the clock went back", func(t *testing.T) {
		clock.Set(start.Add(-24 * time.Hour))
		changed := svc.Put(t, path, `{"name":"Ada","email":"ada@example.com"}`).Want(http.StatusOK).User()
		if changed.UpdatedAt <= user.UpdatedAt || changed.Version != 3 {
			t.Errorf("after %+v came %+v", user, changed)
		}
	})
}

func TestContract_1_ID(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	last := int64(0)
	for n := range 20 {
		user := svc.Create(t, named(n, `"Ada"`))
		if user.ID <= last {
			t.Fatalf("id %d after %d", user.ID, last)
		}
		last = user.ID
		svc.Post(t, "/users/", named(n, `"Twin"`)).Want(http.StatusConflict)
		if n%3 > 0 { // the last one too, which is the one that a careless store gives again
			svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).Want(http.StatusNoContent)
			svc.Get(t, fmt.Sprintf("/users/%d", user.ID)).WantProblem(http.StatusNotFound, "user_not_found")
			svc.Delete(t, fmt.Sprintf("/users/%d", user.ID)).WantProblem(http.StatusNotFound, "user_not_found")
		}
	}
}
