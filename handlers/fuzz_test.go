package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"testing"
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

// FuzzQuery holds what is read of a query against net/url.
func FuzzQuery(f *testing.F) {
	sealer, err := newCursors(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	handler := &users{cursors: sealer}
	for _, seed := range []string{
		"", "limit=5", "limit=5&skip=7&include_total=yes", "limit=0", "limit=5&limit=6", "limit=%35", "limit=%zz", "a=b&&&", "=", "limit", "skip=9223372036854775807",
		"cursor=" + sealer.seal(models.Position{ID: 7}), "cursor=x&skip=1", "limit=+5", "limit=5;skip=1", "%6cimit=5", "include_total=\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := handler.listQuery(raw)
		if err != nil {
			if !errors.Is(err, models.ErrInvalid) || len(faultsOf(err)) == 0 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if query.Limit < 1 || query.Limit > models.MaxLimit || query.Skip < 0 || query.Position != nil && query.Skip != 0 {
			t.Fatalf("%q: %+v", raw, query)
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is read, but %v", raw, err)
		}
		for name, given := range values {
			if len(given) != 1 || given[0] == "" {
				t.Fatalf("%q: %s is %q", raw, name, given)
			}
			switch name {
			case "limit":
				same(t, given[0], int64(query.Limit))
			case "skip":
				same(t, given[0], query.Skip)
			case "cursor", "include_total":
			default:
				t.Fatalf("%q: %s is read", raw, name)
			}
		}
	})
}

func same(t *testing.T, text string, value int64) {
	t.Helper()
	if exact, ok := new(big.Int).SetString(text, 10); !ok || !exact.IsInt64() || exact.Int64() != value {
		t.Fatalf("%q was read as %d", text, value)
	}
}

// FuzzCursor looks for text that passes for a cursor and is none.
func FuzzCursor(f *testing.F) {
	sealer, err := newCursors(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	genuine := sealer.seal(models.Position{ID: 7})
	for _, seed := range []string{"", "x", genuine[:10], genuine + "=", genuine + "\n", strings.ToUpper(genuine), strings.Repeat("A", 38)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, ours := sealer.open(text); ours && text != genuine {
			t.Fatalf("%q passes for %+v", text, at)
		}
	})
}
