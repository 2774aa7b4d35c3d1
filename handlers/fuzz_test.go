package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"userapi/handlers/problem"
	"userapi/models"
)

// FuzzStrictJSON compares the decoder with encoding/json, which is laxer in four known ways.
func FuzzStrictJSON(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Ada","email":"ada@example.com","age":36}`, `{"name":" Ada ","email":"A@B.io","age":3.0e1,"id":[{}]}`, `{}`, `[]`, `null`, ``, `{"a":1,"a":2}`,
		`{"name":"\ud83d\ude00","email":"\u0061@b.io"}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}", `{"id":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		`{"id":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, `{"age":1e999}`, `{"age":-0}`, `{} {}`, "\ufeff{}", `{"id":{"x":1,"x":2}}`, `{"":0,"~/":1}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, ignore bool) {
		strict := newStrictJSON(1<<20, ignore)
		input, err := bind(string(body), strict)
		switch {
		case errors.Is(err, problem.ErrMalformedJSON):
			if json.Valid(body) && !laxity(body) {
				t.Fatalf("%q is refused: %v", body, err)
			}
			return
		case !json.Valid(body) || laxity(body):
			t.Fatalf("%q is not I-JSON, but %v", body, err)
		case errors.Is(err, models.ErrInvalid):
			if len(faultsOf(err)) == 0 {
				t.Fatalf("%q: invalid without a fault", body)
			}
			return
		case err != nil:
			t.Fatalf("%q: %v", body, err)
		}
		stored, parseErr := models.ParseEmail(input.Email)
		if n := utf8.RuneCountInString(input.Name); n < 1 || n > 100 || models.CheckText(input.Name) != nil || parseErr != nil || stored != input.Email {
			t.Fatalf("%q became %+v", body, input)
		}
		if input.Age != nil && (*input.Age < 1 || *input.Age > 150) {
			t.Fatalf("%q became the age %d", body, *input.Age)
		}
		again, err := bind(encoded(t, input), strict)
		if err != nil || again.Name != input.Name || again.Email != input.Email || (again.Age == nil) != (input.Age == nil) || again.Age != nil && *again.Age != *input.Age {
			t.Fatalf("%+v became %+v, %v", input, again, err)
		}
	})
}

func encoded(t *testing.T, input models.UserInput) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"name": input.Name, "email": input.Email, "age": input.Age})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)
	pair      = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
)

// laxity says whether a document that encoding/json takes breaks one of the rules that it does not
// know: UTF-8, paired surrogates, names once, 32 levels.
func laxity(body []byte) bool {
	// An escaped backslash before a u is no escape of a code unit.
	bare := bytes.ReplaceAll(body, []byte(`\\`), []byte(`..`))
	if !utf8.Valid(body) || surrogate.Match(pair.ReplaceAll(bare, nil)) {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	type level struct {
		names map[string]bool // nil in an array
		value bool            // the next token is a value
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if n := len(levels); n > 0 && levels[n-1].names != nil {
			top := &levels[n-1]
			if name, ok := token.(string); ok && !top.value {
				if top.names[name] {
					return true
				}
				top.names[name], top.value = true, true
				continue
			}
			top.value = false
		}
		if delim, ok := token.(json.Delim); ok {
			next := level{}
			if delim == '{' {
				next.names = map[string]bool{}
			}
			if levels = append(levels, next); len(levels) > maxDepth {
				return true
			}
		}
	}
}

var decimal = regexp.MustCompile(`^[+-]?[0-9]+$`)

// FuzzPath compares the reading of ids with exact arithmetic.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"1", "0", "-1", "+5", "05", "9223372036854775807", "9223372036854775808", "1.5", "abc", "", "١", "-9223372036854775809", "1e3", "--1", "+", " 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := pathID(text)
		if !decimal.MatchString(text) {
			if !errors.Is(err, models.ErrInvalid) {
				t.Fatalf("%q: %d, %v", text, id, err)
			}
			return
		}
		exact, _ := new(big.Int).SetString(text, 10)
		switch {
		case exact.Sign() <= 0:
			if !errors.Is(err, models.ErrUserNotFound) {
				t.Fatalf("%q: %d, %v", text, id, err)
			}
		case !exact.IsInt64():
			if !errors.Is(err, models.ErrInvalid) {
				t.Fatalf("%q: %d, %v", text, id, err)
			}
		case err != nil || id != exact.Int64():
			t.Fatalf("%q: %d, %v", text, id, err)
		}
	})
}

// FuzzQuery holds what is read of a query against net/url, and a query that is taken against the links
// that lead to the same list.
func FuzzQuery(f *testing.F) {
	sealer, err := newCursors(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	handler := &users{cursors: sealer}
	for _, seed := range []string{
		"", "limit=5", "limit=5&skip=7&include_total=yes", "limit=0", "limit=5&limit=6", "limit=%35", "limit=%zz", "a=b&&&", "=", "limit", "skip=9223372036854775807",
		"cursor=" + sealer.seal(&models.Position{At: models.User{ID: 7}}, nil, nil), "cursor=x&skip=1", "limit=+5", "limit=5;skip=1", "%6cimit=5", "include_total=\x00",
		"sort=-age,name", "sort=id", "sort=name,-id,age", "sort=name,name", "q=Ada", "q=%3E%22%0A", "q=a%3Eb%22%C3%9F", "email=ada+x@example.com", "email=x", "name=+Ada+",
		"age=30&age_min=40", "age_min=1&age_max=150", "created_after=2026-01-01T00:00:00.0000001+01:00", "created_before=2026-01-01t00:00:00z", "updated_after=x",
		"ids=1,2,2", "ids=0", "ids=1,", "ids=9223372036854775808",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var read parameters
		read.read(raw, listParameters[:])
		query, err := handler.listQuery(&read)
		if err != nil {
			if !errors.Is(err, models.ErrInvalid) || len(faultsOf(err)) == 0 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if query.Limit < 1 || query.Limit > models.MaxLimit || query.Skip < 0 || query.Position != (models.Position{}) && query.Skip != 0 || len(query.Order) > models.MaxSorts {
			t.Fatalf("%q: %+v", raw, query)
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is read, but %v", raw, err)
		}
		for name, given := range values {
			if len(given) != 1 || given[0] == "" || !slices.Contains(listParameters[:], name) {
				t.Fatalf("%q: %s is %q", raw, name, given)
			}
		}
		if text := values.Get("limit"); text != "" {
			same(t, text, int64(query.Limit))
		}
		if text := values.Get("skip"); text != "" {
			same(t, text, query.Skip)
		}
		again, err := linked(handler, &read, query.Limit)
		query.Skip, query.Position = 0, models.Position{}
		if err != nil || !reflect.DeepEqual(again, query) {
			t.Fatalf("%q is %+v, its link %+v, %v", raw, query, again, err)
		}
	})
}

var firstLink = regexp.MustCompile(`^</users/\?([!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)>; rel="first"$`)

// linked reads the only link of a list as the list that it leads to.
func linked(handler *users, asked *parameters, limit int) (models.Query, error) {
	value := links("/users/", asked, limit, "", "")
	match := firstLink.FindStringSubmatch(value)
	if match == nil {
		return models.Query{}, fmt.Errorf("%q is no link", value)
	}
	var read parameters
	read.read(match[1], listParameters[:])
	return handler.listQuery(&read)
}

func same(t *testing.T, text string, value int64) {
	t.Helper()
	if exact, ok := new(big.Int).SetString(text, 10); !ok || !exact.IsInt64() || exact.Int64() != value {
		t.Fatalf("%q was read as %d", text, value)
	}
}

// FuzzCursor looks for text that passes for a cursor and is none. The genuine one is the same in every
// process, because the fuzzer has several; that it opens at all holds the layout of cursors still.
func FuzzCursor(f *testing.F) {
	const genuine = "DkMMVLiEWINT1VQpZEXcDZAQ6hblcrZyHIPtrWbCF8mJmLk"
	sealer, err := newCursors(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	order := models.Order{{Key: models.KeyName}}
	want := models.Position{At: models.User{ID: 7, Name: "Ada"}}
	for _, seed := range []string{"", "x", genuine, genuine[:10], genuine + "=", genuine + "\n", strings.ToUpper(genuine), strings.Repeat("A", 38)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ours := sealer.open(text, order, nil)
		if ours != (text == genuine) || ours && at != want {
			t.Fatalf("%q passes: %v, for %+v", text, ours, at)
		}
	})
}

// FuzzCursorLayout reads any octets as what is in a cursor: whoever has the key may seal what he
// likes, and a version to come will.
func FuzzCursorLayout(f *testing.F) {
	order := models.Order{{Key: models.KeyEmail}, {Key: models.KeyAge}, {Key: models.KeyUpdatedAt}}
	f.Add(appendPosition(nil, &models.Position{At: models.User{ID: 7, Email: "a@b.io", Age: 9, UpdatedAt: -5}, Backward: true, Inclusive: true}, order))
	f.Add([]byte{cursorVersion, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{cursorVersion + 1, 0, 2})
	f.Fuzz(func(t *testing.T, plain []byte) {
		at, ok := readPosition(plain, order)
		if !ok {
			return
		}
		if again, ok := readPosition(appendPosition(nil, &at, order), order); !ok || again != at {
			t.Fatalf("%x is %+v, which becomes %+v", plain, at, again)
		}
	})
}

var rfc3339 = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([-+ ])([01][0-9]|2[0-3]):([0-5][0-9]))$`)

// FuzzInstant compares the reading of times with the grammar and exact arithmetic.
func FuzzInstant(f *testing.F) {
	for _, seed := range []string{
		"2026-01-02T15:04:05Z", "2026-01-02t15:04:05.123456789z", "2026-01-02T15:04:05 05:30", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9999999-23:59",
		"2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T23:59:60Z", "2026-01-02T1:04:05.5Z", "2026-01-02T15:04:05,5Z",
		"2026-01-02T15:04:05.Z", "2026-01-02T15:04:05", "2026-01-02", "", "2026-01-02 15:04:05Z", "2026-01-02T15:04:05+24:00", "1969-12-31T23:59:59.0000001Z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		instant, finer, ok := parseInstant(text)
		parts := rfc3339.FindStringSubmatch(text)
		var whole time.Time
		if parts != nil {
			var err error
			clock, isLeap := strings.CutSuffix(parts[2], ":60")
			if isLeap {
				clock += ":59"
			}
			if whole, err = time.Parse(time.DateTime, parts[1]+" "+clock); err != nil {
				parts = nil // of no calendar
			}
			if isLeap {
				whole = whole.Add(time.Second)
			}
		}
		if ok != (parts != nil) {
			t.Fatalf("%q is taken: %v", text, ok)
		}
		if !ok {
			return
		}
		exact := new(big.Rat).SetInt64(whole.Unix())
		if parts[3] != "" {
			fraction, _ := new(big.Rat).SetString("0." + parts[3])
			exact.Add(exact, fraction)
		}
		if parts[4] != "" {
			hours, _ := strconv.ParseInt(parts[5], 10, 64)
			minutes, _ := strconv.ParseInt(parts[6], 10, 64)
			offset := (hours*60 + minutes) * 60
			if parts[4] == "-" {
				offset = -offset
			}
			exact.Sub(exact, new(big.Rat).SetInt64(offset))
		}
		exact.Mul(exact, new(big.Rat).SetInt64(1_000_000))
		below := new(big.Rat).SetInt64(int64(instant))
		above := new(big.Rat).SetInt64(int64(instant) + 1)
		if finer == exact.IsInt() || below.Cmp(exact) > 0 || above.Cmp(exact) <= 0 {
			t.Fatalf("%q is %s microseconds and was read as %d, finer %v", text, exact, instant, finer)
		}
	})
}
