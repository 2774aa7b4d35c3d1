package tests

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"userapi/repository/sql/sqltest"
	"userapi/tests/testkit"
)

// ensemble are services that differ in the engine alone, beginning with one in memory.
type ensemble struct {
	names    []string
	services []*testkit.Service
}

func assembled(t *testing.T) *ensemble {
	t.Helper()
	clock := testkit.NewClock(morning)
	e := &ensemble{names: append([]string{testkit.Memory}, sqltest.Available(t)...)}
	for _, engine := range e.names {
		e.services = append(e.services, testkit.New(t, testkit.Options{Engine: engine, Now: clock.Now}))
	}
	return e
}

// all sends a request to each service, complains unless the answers are the same, and returns that of
// memory.
func (e *ensemble) all(t testkit.TB, method, path, body string, headers ...string) *testkit.Response {
	t.Helper()
	var first *testkit.Response
	for i, svc := range e.services {
		answer := svc.Do(t, method, path, body, headers...)
		if i == 0 {
			first = answer
		} else if told, want := essence(answer), essence(first); told != want {
			at := 0
			for at < min(len(told), len(want)) && told[at] == want[at] {
				at++
			}
			at = max(0, at-100)
			t.Fatalf("%s with %.200q: on %s\n%.50s … %.400s\non memory\n%.50s … %.400s", answer, body, e.names[i], told, told[at:], want, want[at:])
		}
	}
	return first
}

// essence is all of an answer that must not depend on the engine: not the ids, of which a failed request
// may use up some, nor what is drawn by chance.
func essence(answer *testkit.Response) string {
	body := strings.ReplaceAll(string(answer.Body), answer.Header.Get("X-Request-ID"), "ID")
	body = regexp.MustCompile(`"id":\d+`).ReplaceAllString(body, `"id":0`)
	body = regexp.MustCompile(`_cursor":"[^"]*"`).ReplaceAllString(body, `_cursor":""`)
	return fmt.Sprintf("%d %s %s", answer.Status, answer.Header.Get("ETag"), body)
}

// hostile are texts that some engine, driver or collation could trip over.
func hostile() []string {
	return []string{
		"'", `"`, "`", `\`, `\\`, `\'`, "''", "%", "_", `\%`, "%%", "*", "?", "$1", "$$", ":name", "@p1", "{}", "[a-z]", "^", "--", "-- x", "/* */", "#", ";", "'; DROP TABLE users; --",
		"' OR '1'='1", "\" OR \"\"=\"", "NULL", "null", "0", "1e999", "-1", "NaN", "true", "\\0", `\u0000`, "\\x00", "E'\\n'", "N'x'", "0x41", "x'41'", "{{7*7}}", "${x}", "<b>", "&amp;",
		"\U0001f469\u200d\U0001f52c", "\U00010400", "\U0010fffd", "\ufffd", "\ue000", "\uffff", "\U0001ffff", "\u200b", "\u200d", "\u00ad", "\ufeff", "\u2028", "\u202e", "\u0301", "e\u0301", "\u00e9",
		"ß", "ẞ", "ss", "ﬁ", "fi", "İ", "i\u0307", "ı", "\u212a", "Σ", "ς", "σ", "Ǆ", "ǅ", "ΐ", "ᾳ", "Ꭰ", "ꭰ", "\u1e9e", "\u0345", "\u03b9", "\uff8a\uff9f", "パ", "\u212b", "A\u030a", "𝔄", "①", "٣", "\u202ex", "\t", "\n", "\x01", "\x7f", "\u0085",
		strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("\U0001f600", 100), strings.Repeat("\U0001f600", 101), strings.Repeat("ΐ", 100), strings.Repeat("ﬃ", 100), strings.Repeat("e\u0301", 50),
		" ", "  x  ", "\u00a0x\u00a0", "\u3000", "x y", "x\u2003y", strings.Repeat("x", 70000),
	}
}

// numerals are what stands for a number.
func numerals() []string {
	return []string{
		"0", "-0", "1", "150", "151", "255", "256", "32767", "32768", "-1", "1.0", "3e1", "1.5", "1e-1", "1e400", "2147483648", "9007199254740991", "9007199254740992", "9223372036854775807",
		"9223372036854775808", "18446744073709551616", "1e18", "\"1\"", "true", "null", "[1]", "{}", "01", "+1", ".5", "0x1", "NaN", strings.Repeat("9", 400),
	}
}

// TestUsers_EnginesAlike sends what is meant to break something to a service on each engine, which must all
// answer with the same status, code, faults and user.
func TestUsers_EnginesAlike(t *testing.T) {
	t.Parallel()
	e := assembled(t)
	e.all(t, http.MethodPost, "/users/", ada).Want(http.StatusCreated)
	statuses := map[int]int{}
	sent := func(method, path, body string, headers ...string) {
		statuses[e.all(t, method, path, body, headers...).Status]++
	}
	for n, text := range hostile() {
		name := fmt.Sprintf(`{"name":%s,"email":"name%d@example.com"}`, quoted(text), n)
		sent("POST", "/users/", name)
		sent("POST", "/users/", name, keyed(fmt.Sprint("key ", n)))
		sent("POST", "/users/", fmt.Sprintf(`{"name":"x","email":%s}`, quoted(text+"@example.com")))
		sent("PUT", "/users/1", fmt.Sprintf(`{"name":%s,"email":"ada@example.com"}`, quoted("a"+text)), "If-Match: *")
		sent("PATCH", "/users/1", fmt.Sprintf(`{"name":%s}`, quoted(text)))
		sent("POST", "/users/batch", fmt.Sprintf(`{"mode":"independent","operations":[%s,%s]}`, opPatch(1, `{"name":`+quoted(text+"b")+`}`), opCreate(name)))
		if len(text) > 1000 {
			continue // no URI is as long
		}
		for _, parameter := range []string{"q", "name", "email", "sort", "ids", "created_after", "cursor"} {
			sent("GET", "/users/?include_total=true&"+parameter+"="+url.QueryEscape(text), "")
		}
		sent("GET", "/users/by-email/"+url.PathEscape(text+"@example.com"), "")
		sent("GET", "/users/"+url.PathEscape(text), "")
	}
	for _, number := range numerals() {
		sent("PATCH", "/users/1", `{"age":`+number+`}`)
		sent("POST", "/users/batch", `{"operations":[{"op":"delete","id":`+number+`0000000}]}`)
		sent("GET", "/users/"+url.PathEscape(number)+"999", "")
		sent("DELETE", "/users/1", "", `If-Match: "`+strings.Trim(number, `"`)+`7"`)
		sent("GET", "/users/?ids="+url.QueryEscape(number)+"0000000", "")
		for _, parameter := range []string{"age", "age_min", "age_max", "limit", "skip"} {
			sent("GET", "/users/?"+parameter+"="+url.QueryEscape(number), "")
		}
	}
	for _, at := range []string{"0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", "2026-03-04T05:06:07.0000001Z", "2026-03-04T05:06:07+23:59", "2016-12-31T23:59:60Z"} {
		for _, parameter := range []string{"created_after", "created_before", "updated_after"} {
			sent("GET", "/users/?include_total=true&"+parameter+"="+url.QueryEscape(at), "")
		}
	}
	for _, status := range []int{200, 201, 207, 404, 409, 412, 422} {
		if statuses[status] == 0 {
			t.Errorf("nothing was answered %d, so little is proved: %v", status, slices.Sorted(maps.Keys(statuses)))
		}
	}
}

// TestUsers_EnginesAlikeByChance does the same with texts that rapid draws.
func TestUsers_EnginesAlikeByChance(t *testing.T) {
	t.Parallel()
	e := assembled(t)
	texts := rapid.OneOf(rapid.StringN(0, 110, -1), rapid.StringOfN(rapid.SampledFrom([]rune(`'"\%_;$-ßẞİıΣςﬁ😀 éK`+"\u0301\u200d")), 0, 110, -1), rapid.SampledFrom(hostile()[:80]))
	rapid.Check(t, func(t *rapid.T) {
		defer func() {
			for _, svc := range e.services {
				empty(t, svc)
			}
		}()
		name, local := texts.Draw(t, "name"), texts.Draw(t, "local part")
		body := fmt.Sprintf(`{"name":%s,"email":%s,"age":%d}`, quoted(name), quoted(local+"@example.com"), rapid.IntRange(0, 151).Draw(t, "age"))
		e.all(t, "POST", "/users/", fmt.Sprintf(`{"name":%s,"email":"first@example.com"}`, quoted(name)))
		e.all(t, "POST", "/users/", body)
		e.all(t, "POST", "/users/", strings.ToUpper(body[:1])+strings.Replace(body[1:], local, strings.ToUpper(local), 1))
		e.all(t, "POST", "/users/batch", `{"operations":[`+opCreate(body)+`]}`)
		for _, parameter := range []string{"q", "name", "email"} {
			e.all(t, "GET", "/users/?sort=-name&"+parameter+"="+url.QueryEscape(rapid.SampledFrom([]string{name, local, strings.ToUpper(name)}).Draw(t, parameter)), "")
		}
	})
}
