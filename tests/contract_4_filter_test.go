package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"userapi/tests/testkit"
)

// morning is when the first user of catalogued is created; the others follow second by second.
var morning = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// catalogued starts a service with these users, whose ids are 1 to 12 and whose times are a second apart:
// user n is created n-1 seconds after morning. Users 2 and 9 were changed a minute and two after it.
func catalogued(t *testing.T) *testkit.Service {
	t.Helper()
	clock := testkit.NewClock(morning)
	svc := testkit.New(t, testkit.Options{Now: clock.Now})
	for _, user := range []string{
		`{"name":"Ada Lovelace","email":"Ada.King@example.com","age":36}`,   // 1
		`{"name":"ada lovelace","email":"al+tag@example.com","age":36}`,     // 2
		`{"name":"Grace Hopper","email":"grace@navy.example.org","age":85}`, // 3
		`{"name":"Jürgen Groß","email":"JÜRGEN@example.com"}`,               // 4
		`{"name":"JÜRGEN GROSS","email":"gross@bücher.example","age":1}`,    // 5
		`{"name":"Ю́лия","email":"yulia@example.com","age":150}`,            // 6
		`{"name":"李雷","email":"li@example.com","age":36}`,                   // 7
		`{"name":"100% _sure_","email":"a_b%c@example.com","age":20}`,       // 8
		`{"name":"O'Brien & Söhne","email":"o'brien@example.com","age":21}`, // 9
		`{"name":"👩‍🔬 Lab","email":"lab@example.com"}`,                      // 10
		`{"name":"A\\B \"C\"","email":"abc@example.com","age":22}`,          // 11
		`{"name":"ﬁx Kelvin \u212a","email":"fix@example.com","age":23}`,    // 12
	} {
		svc.Create(t, user)
		clock.Add(time.Second)
	}
	clock.Set(morning.Add(time.Minute))
	svc.Patch(t, "/users/2", `{"email":"al+tag@EXAMPLE.com","name":"Ada lovelace"}`).Want(http.StatusOK)
	clock.Set(morning.Add(2 * time.Minute))
	svc.Patch(t, "/users/9", `{"age":22}`).Want(http.StatusOK)
	return svc
}

func TestContract_4_Filters(t *testing.T) {
	t.Parallel()
	svc := catalogued(t)
	e := url.QueryEscape
	everyone := span(1, 12)
	cases := []struct {
		says, query string
		ids         []int64
	}{
		{"q in a name", "q=lovelace", []int64{1, 2}},
		{"q in the middle of a name", "q=e+h", []int64{3}},
		{"q in an address", "q=navy.", []int64{3}},
		{"q in name or address", "q=gr", []int64{3, 4, 5}},
		{"q across the @", "q=" + e("ab@EX"), []int64{10}},
		{"q does not reach from the name into the address", "q=" + e("Hoppergrace"), nil},
		{"q in another case", "q=LOVELACE", []int64{1, 2}},
		{"q in another case past ASCII", "q=" + e("jÜRGEN"), []int64{4, 5}},
		{"q folds ß to ss", "q=" + e("GROSS"), []int64{4, 5}},
		{"q folds ss to ß", "q=" + e("groß"), []int64{4, 5}},
		{"q folds a part of ß", "q=" + e("gros"), []int64{4, 5}},
		{"q folds a ligature", "q=" + e("FIX"), []int64{12}},
		{"q folds the Kelvin sign", "q=" + e("n k"), []int64{12}},
		{"q of one character", "q=" + e("雷"), []int64{7}},
		{"q of emoji", "q=" + e("🔬"), []int64{10}},
		{"q of a combining mark", "q=" + e("\u0301л"), []int64{6}},
		{"q does not decompose", "q=" + e("Ju\u0308rgen"), nil},
		{"q has no wildcards: %", "q=" + e("%"), []int64{8}},
		{"q has no wildcards: _", "q=_", []int64{8}},
		{"q has no wildcards: *", "q=*", nil},
		{"q has no patterns: .", "q=A.A", nil},
		{"q has no escapes", "q=" + e(`a\b`), []int64{11}},
		{"q with quotes", "q=" + e(`"c"`), []int64{11}},
		{"q with an apostrophe", "q=" + e("o'b"), []int64{9}},
		{"q with an ampersand", "q=" + e("n & s"), []int64{9}},
		{"q keeps the white space around it", "q=" + e(" l"), []int64{1, 2, 10}},
		{"q of white space alone", "q=+", []int64{1, 2, 3, 4, 5, 8, 9, 10, 11, 12}},
		{"q with a plus sign", "q=" + e("al+"), []int64{2}},
		{"q of what all have", "q=example", everyone},
		{"q of 254 characters", "q=" + strings.Repeat("x", 254), nil},
		{"q of 254 characters of several octets", "q=" + e(strings.Repeat("😀", 254)), nil},
		{"a whole address", "email=grace@navy.example.org", []int64{3}},
		{"an address in another case", "email=ada.king@EXAMPLE.com", []int64{1}},
		{"an address in another case past ASCII", "email=" + e("jürgen@example.com"), []int64{4}},
		{"an address in NFD", "email=" + e("ju\u0308rgen@example.com"), []int64{4}},
		{"an address with a domain in A-labels", "email=gross@xn--bcher-kva.example", []int64{5}},
		{"an address with its plus sign encoded", "email=al%2Btag@example.com", []int64{2}},
		{"an address whose plus sign became a space", "email=al+tag@example.com", []int64{2}},
		{"an address whose plus sign became an encoded space", "email=al%20tag@example.com", []int64{2}},
		{"an address with every odd character", "email=" + e("a_b%c@example.com"), []int64{8}},
		{"an address that nobody has", "email=nobody@example.com", nil},
		{"a part of an address is no address of anybody", "email=king@example.com", nil},
		{"a whole name", "name=" + e("Ada Lovelace"), []int64{1, 2}},
		{"a name in another case", "name=" + e("aDA lOVELACE"), []int64{1, 2}},
		{"a name in another case past ASCII", "name=" + e("jürgen gross"), []int64{4, 5}},
		{"a name with white space around it", "name=" + e("\u00a0Grace Hopper\t"), []int64{3}},
		{"a part of a name is no name", "name=Ada", nil},
		{"a name with everything that queries know", "name=" + e(`100% _sure_`), []int64{8}},
		{"a name with a backslash", "name=" + e(`A\B "C"`), []int64{11}},
		{"a name with an ampersand", "name=" + e(`O'Brien & Söhne`), []int64{9}},
		{"a name of emoji", "name=" + e("👩‍🔬 lab"), []int64{10}},
		{"a name of 100 characters", "name=" + strings.Repeat("x", 100), nil},
		{"an age", "age=36", []int64{1, 2, 7}},
		{"an age that nobody has", "age=37", nil},
		{"ages from", "age_min=36", []int64{1, 2, 3, 6, 7}},
		{"ages to", "age_max=22", []int64{5, 8, 9, 11}},
		{"ages from and to", "age_min=22&age_max=36", []int64{1, 2, 7, 9, 11, 12}},
		{"ages from 1 are those that are known", "age_min=1", []int64{1, 2, 3, 5, 6, 7, 8, 9, 11, 12}},
		{"ages to 150 are those that are known", "age_max=150", []int64{1, 2, 3, 5, 6, 7, 8, 9, 11, 12}},
		{"ages in an inverted range", "age_min=37&age_max=36", nil},
		{"an age within a range", "age=36&age_min=30&age_max=40", []int64{1, 2, 7}},
		{"an age below a range", "age=20&age_min=30", nil},
		{"an age above a range", "age=85&age_max=36", nil},
		{"an age inside an inverted range", "age=36&age_min=40&age_max=30", nil},
		{"an age in other digits", "age=%2B036", []int64{1, 2, 7}},
		{"ids", "ids=3,1,12", []int64{1, 3, 12}},
		{"one id", "ids=7", []int64{7}},
		{"ids twice", "ids=2,2,1,2", []int64{1, 2}},
		{"ids that nobody has", "ids=99,9223372036854775807", nil},
		{"ids, of which some are of nobody", "ids=99,4,9007199254740993", []int64{4}},
		{"ids with the comma encoded", "ids=3%2C4", []int64{3, 4}},
		{"created after, which is exclusive", "created_after=2026-03-04T05:06:16Z", []int64{11, 12}},
		{"created before, which is exclusive", "created_before=2026-03-04T05:06:09Z", []int64{1, 2}},
		{"created between", "created_after=2026-03-04T05:06:07Z&created_before=2026-03-04T05:06:10Z", []int64{2, 3}},
		{"created after a fraction", "created_after=2026-03-04T05:06:15.999999Z", []int64{10, 11, 12}},
		{"created after less than a microsecond before", "created_after=2026-03-04T05:06:15.9999999999Z", []int64{10, 11, 12}},
		{"created after less than a microsecond behind", "created_after=2026-03-04T05:06:16.0000000001Z", []int64{11, 12}},
		{"created before less than a microsecond behind", "created_before=2026-03-04T05:06:09.0000001Z", []int64{1, 2, 3}},
		{"created before less than a microsecond before", "created_before=2026-03-04T05:06:08.9999999Z", []int64{1, 2}},
		{"created in an inverted range", "created_after=2026-03-04T05:06:10Z&created_before=2026-03-04T05:06:08Z", nil},
		{"created between two instants with nothing between them", "created_after=2026-03-04T05:06:07Z&created_before=2026-03-04T05:06:07.000001Z", nil},
		{"a time with an offset", "created_after=2026-03-04T07:06:16%2B02:00", []int64{11, 12}},
		{"a time whose plus sign became a space", "created_after=2026-03-04T07:06:16+02:00", []int64{11, 12}},
		{"a time with an offset to the west", "created_after=2026-03-03T22:36:16-06:30", []int64{11, 12}},
		{"a time in small letters", "created_after=2026-03-04t05:06:16z", []int64{11, 12}},
		{"a time at an unknown offset", "created_after=2026-03-04T05:06:16-00:00", []int64{11, 12}},
		{"a time long ago", "created_after=0001-01-01T00:00:00Z", everyone},
		{"a time far ahead", "created_before=9999-12-31T23:59:59.999999Z", everyone},
		{"a leap day", "created_after=2024-02-29T12:00:00Z", everyone},
		{"updated after", "updated_after=2026-03-04T05:06:17Z", []int64{2, 9, 12}},
		{"updated after, which is exclusive", "updated_after=2026-03-04T05:07:07Z", []int64{9}},
		{"updated after the last change", "updated_after=2026-03-04T05:08:07Z", nil},
		{"q and an age", "q=ada&age=36", []int64{1, 2}},
		{"q, an address and an id", "q=lovelace&email=al%2Btag@example.com&ids=1,2,3", []int64{2}},
		{"a name and a time", "name=ada+lovelace&updated_after=2026-03-04T05:07:00Z", []int64{2}},
		{"an id and a time", "ids=1,2,11,12&created_after=2026-03-04T05:06:08Z", []int64{11, 12}},
		{"conditions that nobody meets together", "email=grace@navy.example.org&age=36", nil},
		{"all of them", "q=a&email=al%2Btag@example.com&name=ada+lovelace&age=36&age_min=1&age_max=150&ids=2&created_after=2026-01-01T00:00:00Z" +
			"&created_before=2027-01-01T00:00:00Z&updated_after=2026-01-01T00:00:00Z", []int64{2}},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			for _, sort := range []string{"", "&sort=-id", "&sort=name,-age"} {
				answer := svc.Get(t, "/users/?include_total=true&"+c.query+sort).Want(http.StatusOK)
				ids := answer.Page().IDs()
				if sort != "" {
					slices.Sort(ids)
				}
				if !slices.Equal(ids, c.ids) {
					t.Errorf("%s: ids %v, want %v", sort, ids, c.ids)
				}
				if total := answer.Page().Total; total == nil || *total != int64(len(c.ids)) || answer.Header.Get("X-Total-Count") != strconv.Itoa(len(c.ids)) {
					t.Errorf("%s: total %v and X-Total-Count %q of %d users", sort, total, answer.Header.Get("X-Total-Count"), len(c.ids))
				}
			}
		})
	}
}

func TestContract_4_FilterFaults(t *testing.T) {
	t.Parallel()
	svc := listed(t, 2)
	ids := func(n int) string { return strings.TrimSuffix(strings.Repeat("1,", n), ",") }
	cases := map[string]string{ // the fault is of the parameter that comes first
		"q=": "empty_parameter", "q": "empty_parameter", "q=%07": "forbidden_character", "q=a%00b": "forbidden_character", "q=%E2%80%AE": "forbidden_character",
		"q=%FF": "forbidden_character", "q=%EF%BF%BF": "forbidden_character", "q=" + strings.Repeat("x", 255): "too_long", "q=%zz": "malformed_parameter",
		"q=a&q=a": "repeated_parameter", "email=": "empty_parameter", "email=nobody": "invalid_email", "email=@": "invalid_email", "email=a@x.test": "invalid_email",
		"email=a@example": "invalid_email", "email=%20": "invalid_email", "email=Ada+%3Cada@example.com%3E": "invalid_email", "email=a@example.com,b@example.com": "invalid_email",
		"email=" + strings.Repeat("x", 255) + "@example.com": "invalid_email", "email=a@example.com&email=b@example.com": "repeated_parameter",
		"name=": "empty_parameter", "name=%20%C2%A0": "empty_parameter", "name=a%1Bb": "forbidden_character", "name=a%E2%81%A6b": "forbidden_character",
		"name=" + strings.Repeat("x", 101): "too_long", "name=%C3%28": "forbidden_character", "name=a&name=b": "repeated_parameter",
		"sort=": "empty_parameter", "sort=foo": "unknown_sort_key", "sort=Name": "unknown_sort_key", "sort=name,": "unknown_sort_key", "sort=,name": "unknown_sort_key",
		"sort=,": "unknown_sort_key", "sort=-": "unknown_sort_key", "sort=--name": "unknown_sort_key", "sort=%2Bname": "unknown_sort_key", "sort=+name": "unknown_sort_key",
		"sort=name+asc": "unknown_sort_key", "sort=name%20desc": "unknown_sort_key", "sort=name;age": "unknown_sort_key", "sort=version": "unknown_sort_key",
		"sort=name,age,foo": "unknown_sort_key", "sort=name,name": "repeated_sort_key", "sort=name,-name": "repeated_sort_key", "sort=-id,age,id": "repeated_sort_key",
		"sort=id,name,email,age": "too_many", "sort=id,id,id,id": "too_many", "sort=name&sort=age": "repeated_parameter",
		"ids=": "empty_parameter", "ids=,": "wrong_type", "ids=1,": "wrong_type", "ids=,1": "wrong_type", "ids=1,,2": "wrong_type", "ids=a": "wrong_type", "ids=1;2": "wrong_type",
		"ids=1.0": "wrong_type", "ids=1e0": "wrong_type", "ids=[1]": "wrong_type", "ids=1,%202": "wrong_type", "ids=0x1": "wrong_type", "ids=%D9%A1": "wrong_type",
		"ids=0": "out_of_range", "ids=-1": "out_of_range", "ids=1,0": "out_of_range", "ids=9223372036854775808": "out_of_range", "ids=-9223372036854775809": "out_of_range",
		"ids=" + ids(501): "too_many", "ids=1&ids=2": "repeated_parameter",
	}
	for _, name := range []string{"age", "age_min", "age_max"} {
		for value, code := range map[string]string{
			"": "empty_parameter", "0": "out_of_range", "-1": "out_of_range", "151": "out_of_range", "99999999999999999999": "out_of_range", "x": "wrong_type",
			"1.5": "wrong_type", "36.0": "wrong_type", "3e1": "wrong_type", "null": "wrong_type", "1,2": "wrong_type", "+5": "wrong_type", "0x1": "wrong_type",
		} {
			cases[name+"="+value] = code
		}
	}
	for _, name := range []string{"created_after", "created_before", "updated_after"} {
		cases[name+"="] = "empty_parameter"
		for _, value := range []string{
			"yesterday", "0", "1767323045", "2026-01-02", "2026-01-02T15:04Z", "2026-01-02T15:04:05", "2026-01-02+15:04:05Z", "2026-13-02T15:04:05Z", "2026-02-29T15:04:05Z",
			"2026-01-32T15:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T15:60:05Z", "2026-01-02T15:04:61Z", "2026-01-02T15:04:05,5Z", "2026-01-02T15:04:05.Z", "2026-1-2T15:04:05Z",
			"2026-01-02T5:04:05Z", "26-01-02T15:04:05Z", "2026-01-02T15:04:05%2B0100", "2026-01-02T15:04:05%2B1:00", "2026-01-02T15:04:05%2B24:00", "2026-01-02T15:04:05%2B01:60",
			"2026-01-02T15:04:05ZZ", "2026-01-02T15:04:05Z%00", "-2026-01-02T15:04:05Z", "12026-01-02T15:04:05Z", "2026-01-02T15:04:05Z+", "+2026-01-02T15:04:05Z", "2026-01-02T15:04:05Europe/Rome",
			"%EF%BC%92026-01-02T15:04:05Z", "2026-01-02T15:04:05.%D9%A5Z",
		} {
			cases[name+"="+value] = "invalid_time"
		}
	}
	for query, code := range cases {
		name, _, _ := strings.Cut(query, "=")
		t.Run(fmt.Sprintf("%.60s", query), func(t *testing.T) {
			svc.Exchange(t, "GET /users/?"+query+" HTTP/1.1").WantInvalid("?" + name + " " + code)
		})
	}
	t.Run("all of them at once, each once", func(t *testing.T) {
		svc.Get(t, "/users/?q=%07&email=x&name=%20&sort=x&ids=x&age=0&age_min=x&age_max=151&created_after=x&created_before=x&updated_after=x&limit=0&skip=-1&include_total=x&foo=1").
			WantInvalid("?q forbidden_character", "?email invalid_email", "?name empty_parameter", "?sort unknown_sort_key", "?ids wrong_type", "?age out_of_range", "?age_min wrong_type",
				"?age_max out_of_range", "?created_after invalid_time", "?created_before invalid_time", "?updated_after invalid_time", "?limit out_of_range", "?skip out_of_range",
				"?include_total wrong_type", "?foo unknown_parameter")
	})
	t.Run("500 ids pass", func(t *testing.T) {
		if page := svc.Get(t, "/users/?ids="+ids(500)).Want(http.StatusOK).Page(); !slices.Equal(page.IDs(), []int64{1}) {
			t.Errorf("ids %v", page.IDs())
		}
	})
	t.Run("a near miss names the parameter or the key meant", func(t *testing.T) {
		for query, meant := range map[string]string{
			"soort=name": "sort", "Sort=name": "sort", "emial=a@example.com": "email", "e-mail=a@example.com": "email", "Name=a": "name", "naem=a": "name", "Q=a": "q", "AGE=1": "age",
			"ageMin=1": "age_min", "age-max=1": "age_max", "min_age=1": "", "createdAfter=x": "created_after", "created-before=x": "created_before", "updated_afer=x": "updated_after",
			"id=1": "ids", "IDs=1": "ids", "sort=naem": "name", "sort=-createdAt": "created_at", "sort=mail": "email", "sort=Age": "age", "sort=zzzzzz": "", "filter=x": "", "order=name": "",
		} {
			detail := svc.Get(t, "/users/?"+query).Want(http.StatusUnprocessableEntity).Problem().Errors[0].Detail
			if asked := "did you mean " + meant + "?"; strings.Contains(detail, "did you mean") != (meant != "") || meant != "" && !strings.Contains(detail, asked) {
				t.Errorf("%s: the detail is %q", query, detail)
			}
		}
	})
	t.Run("the answer repeats no value", func(t *testing.T) {
		const secret = "hunter2secret"
		for _, name := range []string{"q", "email", "name", "age", "age_min", "created_after", "updated_after", "ids", "sort", "cursor"} {
			for _, value := range []string{secret, "%07" + secret, secret + "%zz", strings.Repeat(secret, 30)} {
				if answer := svc.Exchange(t, "GET /users/?"+name+"="+value+" HTTP/1.1"); answer.Status == http.StatusUnprocessableEntity && strings.Contains(string(answer.Body), secret) {
					t.Errorf("%s: %s", name, answer.Body)
				}
			}
		}
	})
}
