package handlers

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"userapi/models"
)

// queried reads a raw query as a list does.
func queried(t testing.TB, raw string) (models.Query, error) {
	t.Helper()
	var asked parameters
	asked.read(raw, listParameters[:])
	return (&users{cursors: newSealer(t)}).listQuery(&asked)
}

func TestUsers_listQuery(t *testing.T) {
	t.Parallel()
	at := func(text string) *models.Timestamp {
		var stamp models.Timestamp
		if err := stamp.UnmarshalJSON([]byte(`"` + text + `"`)); err != nil {
			t.Fatal(err)
		}
		return &stamp
	}
	key := func(keys ...models.Sort) models.Order { return keys }
	up, down := models.Sort{Key: models.KeyName}, models.Sort{Key: models.KeyAge, Descending: true}
	many := strings.Repeat("7,", models.MaxIDs-1) + "7"
	for raw, want := range map[string]models.Query{
		"":                                      {},
		"limit=1000&skip=7":                     {Limit: 1000, Skip: 7},
		"include_total=yes":                     {WithTotal: true},
		"skip=9223372036854775807":              {Skip: math.MaxInt64},
		"sort=id":                               {},
		"sort=-id":                              {Order: key(models.Sort{Key: models.KeyID, Descending: true})},
		"sort=name":                             {Order: key(up)},
		"sort=name,-age":                        {Order: key(up, down)},
		"sort=-age,id,name":                     {Order: key(down)},
		"sort=-age%2Cname%2C-id":                {Order: key(down, up, models.Sort{Key: models.KeyID, Descending: true})},
		"sort=created_at":                       {Order: key(models.Sort{Key: models.KeyCreatedAt})},
		"sort=-updated_at,email":                {Order: key(models.Sort{Key: models.KeyUpdatedAt, Descending: true}, models.Sort{Key: models.KeyEmail})},
		"q=+ADA+":                               {Filter: models.Filter{Search: " ada "}},
		"q=%C3%9F":                              {Filter: models.Filter{Search: "ss"}},
		"q=a%26b%3Dc":                           {Filter: models.Filter{Search: "a&b=c"}},
		"q=" + strings.Repeat("a", 254):         {Filter: models.Filter{Search: strings.Repeat("a", 254)}},
		"name=+Ada%09":                          {Filter: models.Filter{Name: "ada"}},
		"name=" + strings.Repeat("%C3%9F", 100): {Filter: models.Filter{Name: strings.Repeat("s", 200)}},
		"email=Ada@Example.COM":                 {Filter: models.Filter{EmailKey: "ada@example.com"}},
		"email=ada+x@example.com":               {Filter: models.Filter{EmailKey: "ada+x@example.com"}},
		"email=ada%2Bx%40example.com":           {Filter: models.Filter{EmailKey: "ada+x@example.com"}},
		"email=ada%20x@example.com":             {Filter: models.Filter{EmailKey: "ada+x@example.com"}},
		"email=ada@M%C3%BCnchen.example":        {Filter: models.Filter{EmailKey: "ada@xn--mnchen-3ya.example"}},
		"age=30":                                {Filter: models.Filter{MinAge: 30, MaxAge: 30}},
		"age_min=1":                             {Filter: models.Filter{MinAge: 1}},
		"age_max=150":                           {Filter: models.Filter{MaxAge: 150}},
		"age_min=20&age_max=40":                 {Filter: models.Filter{MinAge: 20, MaxAge: 40}},
		"age_min=40&age_max=20":                 {Filter: models.Filter{MinAge: 40, MaxAge: 20}},
		"age=30&age_min=20&age_max=40":          {Filter: models.Filter{MinAge: 30, MaxAge: 30}},
		"age=30&age_min=40":                     {Filter: models.Filter{MinAge: 40, MaxAge: 30}},
		"age=30&age_max=20":                     {Filter: models.Filter{MinAge: 30, MaxAge: 20}},
		"created_after=2026-01-02T15:04:05.678901Z":             {Filter: models.Filter{CreatedAfter: at("2026-01-02T15:04:05.678901Z")}},
		"created_after=2026-01-02T15:04:05.6789019Z":            {Filter: models.Filter{CreatedAfter: at("2026-01-02T15:04:05.678901Z")}},
		"updated_after=1969-12-31T23:59:59.99999999999Z":        {Filter: models.Filter{UpdatedAfter: at("1969-12-31T23:59:59.999999Z")}},
		"created_before=2026-01-02T15:04:05.6789010000000000Z":  {Filter: models.Filter{CreatedBefore: at("2026-01-02T15:04:05.678901Z")}},
		"created_before=2026-01-02T15:04:05.67890100000000001Z": {Filter: models.Filter{CreatedBefore: at("2026-01-02T15:04:05.678902Z")}},
		"created_before=2026-01-02t15:04:05z":                   {Filter: models.Filter{CreatedBefore: at("2026-01-02T15:04:05Z")}},
		"created_before=2026-01-02T15:04:05+01:30":              {Filter: models.Filter{CreatedBefore: at("2026-01-02T13:34:05Z")}},
		"created_before=2026-01-02T15:04:05%2B01:30":            {Filter: models.Filter{CreatedBefore: at("2026-01-02T13:34:05Z")}},
		"created_before=2026-01-02T15:04:05-01:30":              {Filter: models.Filter{CreatedBefore: at("2026-01-02T16:34:05Z")}},
		"ids=3":                   {Filter: models.Filter{IDs: []int64{3}}},
		"ids=9,3,9,%2B1,007":      {Filter: models.Filter{IDs: []int64{1, 3, 7, 9}}},
		"ids=9223372036854775807": {Filter: models.Filter{IDs: []int64{math.MaxInt64}}},
		"ids=" + many:             {Filter: models.Filter{IDs: []int64{7}}},
		"q=a&name=b&age_min=3&ids=1&sort=name&limit=2&skip=4&include_total=1": {
			Limit: 2, Skip: 4, WithTotal: true, Order: key(up), Filter: models.Filter{Search: "a", Name: "b", MinAge: 3, IDs: []int64{1}},
		},
	} {
		if want.Limit == 0 {
			want.Limit = models.DefaultLimit
		}
		got, err := queried(t, raw)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.60q: %+v, want %+v, error %v", raw, got, want, err)
		}
	}
}

func TestUsers_listQuery_faults(t *testing.T) {
	t.Parallel()
	long := func(n int, text string) string { return strings.Repeat(text, n) }
	for raw, want := range map[string]string{
		"sort=foo": "sort unknown_sort_key", "sort=Name": "sort unknown_sort_key", "sort=+name": "sort unknown_sort_key", "sort=--name": "sort unknown_sort_key",
		"sort=name,": "sort unknown_sort_key", "sort=,": "sort unknown_sort_key", "sort=-": "sort unknown_sort_key", "sort=version": "sort unknown_sort_key",
		"sort=name;age": "sort unknown_sort_key", "sort=name,name": "sort repeated_sort_key", "sort=name,-name": "sort repeated_sort_key", "sort=id,-id": "sort repeated_sort_key",
		"sort=name,email,age,id": "sort too_many", "sort=,,,": "sort too_many", "sort=": "sort empty_parameter", "sort=name&sort=age": "sort repeated_parameter",
		"q=": "q empty_parameter", "q=%00": "q forbidden_character", "q=%ED%A0%80": "q forbidden_character", "q=" + long(255, "a"): "q too_long",
		"q=" + long(255, "%C3%A4"): "q too_long",
		"name=":                    "name empty_parameter", "name=+%09%E2%80%83": "name empty_parameter", "name=a%00b": "name forbidden_character", "name=" + long(101, "a"): "name too_long",
		"email=": "email empty_parameter", "email=ada": "email invalid_email", "email=ada@localhost": "email invalid_email", "email=+ada@example.com%0A": "email invalid_email",
		"email=%3Cada@example.com%3E": "email invalid_email", "email=" + long(250, "a") + "@example.com": "email invalid_email",
		"age=0": "age out_of_range", "age=151": "age out_of_range", "age=-1": "age out_of_range", "age=x": "age wrong_type", "age=30.5": "age wrong_type", "age=null": "age wrong_type",
		"age_min=0": "age_min out_of_range", "age_max=151": "age_max out_of_range", "age_min=": "age_min empty_parameter", "age_max=+1": "age_max wrong_type",
		"created_after=2026-01-02": "created_after invalid_time", "created_before=1767366245": "created_before invalid_time", "updated_after=now": "updated_after invalid_time",
		"updated_after=2026-01-02T15:04:05": "updated_after invalid_time", "updated_after=2026-02-30T00:00:00Z": "updated_after invalid_time",
		"updated_after=2026-01-02T15:04:05.Z": "updated_after invalid_time", "updated_after=2026-01-02T15:04:05,5Z": "updated_after invalid_time",
		"updated_after=2026-01-02T15:04:05Z%20": "updated_after invalid_time", "updated_after=2026-01-02T15:04:05%2B0100": "updated_after invalid_time",
		"updated_after=2026-01-02T15:04:05+24:00": "updated_after invalid_time", "updated_after=2026-01-02+15:04:05Z": "updated_after invalid_time",
		"updated_after=2026-01-02T15:04:05%2B1:0x": "updated_after invalid_time", "updated_after=2026-01-02T15:04:05*01:00": "updated_after invalid_time",
		"created_after=": "created_after empty_parameter",
		"ids=0":          "ids out_of_range", "ids=-1": "ids out_of_range", "ids=1,0": "ids out_of_range", "ids=9223372036854775808": "ids out_of_range", "ids=x": "ids wrong_type",
		"ids=1,,2": "ids wrong_type", "ids=1,": "ids wrong_type", "ids=,": "ids wrong_type", "ids=1,+2": "ids wrong_type", "ids=1.0": "ids wrong_type", "ids=[1]": "ids wrong_type",
		"ids=": "ids empty_parameter", "ids=1&ids=2": "ids repeated_parameter", "ids=" + long(500, "1,") + "1": "ids too_many",
		"Sort=name": "Sort unknown_parameter", "agemin=3": "agemin unknown_parameter", "q[]=a": "q[] unknown_parameter", "filter=a": "filter unknown_parameter",
	} {
		if _, err := queried(t, raw); !slices.Equal(faultsOf(err), []string{want}) {
			t.Errorf("%.60q: %q, want %q", raw, faultsOf(err), want)
		}
	}
	t.Run("all of them are told at once", func(t *testing.T) {
		t.Parallel()
		_, err := queried(t, "limit=0&skip=-1&include_total=x&cursor=y&foo=1&sort=x&q=%00&email=x&name=+&age=0&age_min=x&age_max=200&created_after=x&created_before=x&updated_after=x&ids=x")
		if got := len(faultsOf(err)); got != len(listParameters)+1 {
			t.Errorf("%d faults: %q", got, faultsOf(err))
		}
	})
	t.Run("a detail names the word that was meant, and not the one that was sent", func(t *testing.T) {
		t.Parallel()
		for raw, want := range map[string]string{
			"sort=naame": "did you mean name?", "sort=-createdat": "did you mean created_at?", "sort=secret": "", "agemin=3": "did you mean age_min?", "emial=x": "did you mean email?",
		} {
			_, err := queried(t, raw)
			known := models.AsError(err)
			if detail := known.Faults[0].Detail; strings.Contains(detail, "did you mean") != (want != "") || !strings.HasSuffix(detail, want) || strings.Contains(detail, "secret") {
				t.Errorf("%q: %q", raw, detail)
			}
		}
	})
}

func TestUsers_listQuery_cursor(t *testing.T) {
	t.Parallel()
	sealer := newSealer(t)
	byAge := models.Query{Order: models.Order{{Key: models.KeyAge}}, Filter: models.Filter{Name: "ada"}}
	at := models.Position{At: models.User{ID: 7, Age: 36}, Backward: true}
	cursor := sealer.seal(&at, byAge.Order, listing(&byAge))
	t.Run("opens under its own sort and filters, however they are written", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{"sort=age&name=Ada", "name=ADA&sort=age,id,email", "limit=3&include_total=1&name=+ada+&sort=age"} {
			got, err := queried(t, list+"&cursor="+cursor)
			if err != nil || got.Position != at {
				t.Errorf("%s: %+v, %v", list, got.Position, err)
			}
		}
	})
	t.Run("of another list is refused", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{"", "sort=age", "name=ada", "sort=-age&name=ada", "sort=age,name&name=ada", "sort=age&name=adb", "sort=age&q=ada", "sort=age&name=ada&age_min=1"} {
			if _, err := queried(t, list+"&cursor="+cursor); !slices.Equal(faultsOf(err), []string{"cursor invalid_cursor"}) {
				t.Errorf("%s: %v", list, err)
			}
		}
	})
	t.Run("is not blamed for what another parameter is at fault for", func(t *testing.T) {
		t.Parallel()
		for list, want := range map[string][]string{
			"sort=agee&name=ada":         {"sort unknown_sort_key"},
			"sort=age&naem=ada":          {"naem unknown_parameter"},
			"sort=age&name=":             {"name empty_parameter"},
			"sort=age&name=ada&limit=0":  {"limit out_of_range"},
			"sort=age&name=adb&limit=0":  {"limit out_of_range", "cursor invalid_cursor"},
			"sort=age&name=ada&skip=0":   {"skip conflicting_parameters"},
			"sort=age&name=ada&skip=-1":  {"skip out_of_range"},
			"sort=age&name=ada&cursor=x": {"cursor repeated_parameter"},
		} {
			slices.Sort(want)
			if _, err := queried(t, list+"&cursor="+cursor); !slices.Equal(faultsOf(err), want) {
				t.Errorf("%s: %q, want %q", list, faultsOf(err), want)
			}
		}
	})
	t.Run("that has not the form of one is refused whatever else is wrong", func(t *testing.T) {
		t.Parallel()
		for _, bad := range []string{"x", cursor[:30], cursor + "%3D", strings.Repeat("A", 1025), "%00"} {
			_, err := queried(t, "sort=agee&cursor="+bad)
			if want := []string{"cursor invalid_cursor", "sort unknown_sort_key"}; !slices.Equal(faultsOf(err), want) {
				t.Errorf("%.40s: %q", bad, faultsOf(err))
			}
		}
	})
}

func TestParseInstant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-02T15:04:05Z": "2026-01-02T15:04:05.000000Z false", "2026-01-02T15:04:05.5Z": "2026-01-02T15:04:05.500000Z false",
		"2026-01-02T15:04:05.0000001Z": "2026-01-02T15:04:05.000000Z true", "2024-02-29T23:59:59.999999+23:59": "2024-02-29T00:00:59.999999Z false",
		"0001-01-01T00:00:00-00:00": "0001-01-01T00:00:00.000000Z false", "9999-12-31T23:59:59Z": "9999-12-31T23:59:59.000000Z false",
	} {
		instant, finer, ok := parseInstant(text)
		if got := fmt.Sprint(instant, " ", finer); got != want || !ok {
			t.Errorf("%s: %s, %v; want %s", text, got, ok, want)
		}
	}
}
