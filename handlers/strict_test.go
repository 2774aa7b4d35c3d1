package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/gin-gonic/gin/binding"
	"pgregory.net/rapid"

	"userapi/handlers/problem"
	"userapi/models"
)

// bind reads a body as the handlers do.
func bind(body string, strict *strictJSON) (models.UserInput, error) {
	return bindTo[models.UserInput](body, strict)
}

// bindTo reads a body into what the binding is for.
func bindTo[T any](body string, by binding.Binding) (target T, err error) {
	req := &http.Request{
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	if err := registerRules(); err != nil {
		return target, err
	}
	err = by.Bind(req, &target)
	return target, err
}

// faultsOf returns the faults of an error as `/pointer code`, sorted.
func faultsOf(err error) []string {
	var known *models.Error
	if !errors.As(err, &known) {
		return nil
	}
	places := []string{}
	for _, fault := range known.Faults {
		places = append(places, fault.Pointer+fault.Parameter+fault.Header+" "+fault.Code)
	}
	slices.Sort(places)
	return places
}

func TestStrictJSON_Bind(t *testing.T) {
	t.Parallel()
	strict := newStrictJSON(1<<20, false)
	t.Run("a valid body becomes a normalised input", func(t *testing.T) {
		t.Parallel()
		input, err := bind(`{"name":" Ada ","email":" Ada@EXAMPLE.com","age":36,"id":{"any":["thing"]}}`, strict)
		if err != nil || input.Name != "Ada" || input.Email != "Ada@example.com" || *input.Age != 36 {
			t.Errorf("%+v, %v", input, err)
		}
	})
	t.Run("a member that has a fault of type is not judged again", func(t *testing.T) {
		t.Parallel()
		_, err := bind(`{"name":7,"email":[],"age":"x"}`, strict)
		if got := faultsOf(err); !slices.Equal(got, []string{"/age wrong_type", "/email wrong_type", "/name wrong_type"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("what one request sent is never seen by the next", func(t *testing.T) {
		t.Parallel()
		var all sync.WaitGroup
		for n := range 64 {
			all.Go(func() {
				for range 20 {
					if n%2 == 0 {
						_, err := bind(fmt.Sprintf(`{"name":"","email":"x","member%d":1}`, n), strict)
						want := []string{"/email invalid_email", fmt.Sprintf("/member%d unknown_member", n), "/name too_short"}
						if got := faultsOf(err); !slices.Equal(got, want) {
							t.Errorf("%q, want %q", got, want)
						}
					} else if input, err := bind(fmt.Sprintf(`{"name":"Ada %d","email":"a%d@example.com"}`, n, n), strict); err != nil || input.Name != fmt.Sprintf("Ada %d", n) || input.Age != nil {
						t.Errorf("%+v, %v", input, err)
					}
				}
			})
		}
		all.Wait()
	})
	t.Run("faults are bounded", func(t *testing.T) {
		t.Parallel()
		var body strings.Builder
		for n := range 3 * maxFaults {
			fmt.Fprintf(&body, `"%d":0,`, n)
		}
		_, err := bind(`{`+body.String()+`"z":0}`, strict)
		if got := len(faultsOf(err)); got != maxFaults {
			t.Errorf("%d faults", got)
		}
	})
	t.Run("a target of an unforeseen type is a bug and panics", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Error("a float was bound")
			}
		}()
		var target struct {
			Height float64 `json:"height"`
		}
		req := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"height":1}`)), ContentLength: 12}
		_ = strict.Bind(req, &target)
	})
}

func TestStrictJSON_Bind_broken(t *testing.T) {
	t.Parallel()
	if err := registerRules(); err != nil {
		t.Fatal(err)
	}
	strict := newStrictJSON(100, false)
	request := func(body io.Reader, length int64) *http.Request {
		return &http.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), ContentLength: length}
	}
	valid := `{"name":"Ada","email":"a@example.com"}`
	cases := []struct {
		says string
		req  *http.Request
		want error
	}{
		{"a body that comes in single octets is read", request(iotest.OneByteReader(strings.NewReader(valid)), -1), nil},
		{"a body that comes with its end is read", request(iotest.DataErrReader(strings.NewReader(valid)), int64(len(valid))), nil},
		{"a deadline that passes while reading is 408", request(iotest.ErrReader(deadline{}), 40), problem.ErrRequestTimeout},
		{"a broken connection is 400", request(iotest.ErrReader(io.ErrUnexpectedEOF), 40), problem.ErrMalformedJSON},
		{"an announced size past the limit is 413 unread", request(iotest.ErrReader(errors.New("was read")), 101), problem.ErrBodyTooLarge},
		{"a size past the limit that nobody announced is 413", request(strings.NewReader(strings.Repeat(" ", 101)), -1), problem.ErrBodyTooLarge},
		{"no body at all is 400", &http.Request{Header: http.Header{"Content-Type": {"application/json"}}}, problem.ErrMalformedJSON},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var input models.UserInput
			err := strict.Bind(c.req, &input)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// deadline is the net.Error of a connection whose deadline passed.
type deadline struct{}

func (deadline) Error() string   { return "i/o timeout" }
func (deadline) Timeout() bool   { return true }
func (deadline) Temporary() bool { return true }

func TestDeclared(t *testing.T) {
	t.Parallel()
	plain := []string{"application/json"}
	patches := []string{"application/json", "application/merge-patch+json"}
	for _, header := range []http.Header{
		{"Content-Type": {"application/json"}},
		{"Content-Type": {"Application/JSON; Charset=\"UTF-8\""}, "Content-Encoding": {"Identity"}},
	} {
		if !declared(header, plain) || !declared(header, patches) {
			t.Errorf("%v is refused", header)
		}
	}
	for _, header := range []http.Header{
		{"Content-Type": {"application/merge-patch+json"}},
		{"Content-Type": {"application/Merge-Patch+json;charset=utf-8"}},
	} {
		if declared(header, plain) || !declared(header, patches) {
			t.Errorf("%v is taken for JSON, or refused as a patch", header)
		}
	}
	for _, header := range []http.Header{
		{},
		{"Content-Type": {}},
		{"Content-Type": {""}},
		{"Content-Type": {"application/json", "application/json"}},
		{"Content-Type": {"application/json; charset=utf8"}},
		{"Content-Type": {"application/merge-patch+json; charset=latin1"}},
		{"Content-Type": {"application/json-patch+json"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
		{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "gzip"}},
	} {
		if declared(header, plain) || declared(header, patches) {
			t.Errorf("%v is taken", header)
		}
	}
}

func TestMergePatch_Bind(t *testing.T) {
	t.Parallel()
	strict := newMergePatch(1<<20, false)
	age := func(years int64) *int64 { return &years }
	t.Run("it tells an absent member from null and from a value", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]models.UserPatch{
			`{}`:                       {},
			`{"name":" Ada "}`:         {Name: true, Input: models.UserInput{Name: "Ada"}},
			`{"email":"A@EXAMPLE.io"}`: {Email: true, Input: models.UserInput{Email: "A@example.io"}},
			`{"age":null}`:             {Age: true},
			`{"age":3.6e1}`:            {Age: true, Input: models.UserInput{Age: age(36)}},
			`{"id":[null],"created_at":1,"updated_at":{},"version":"7","\u0061ge":1}`: {Age: true, Input: models.UserInput{Age: age(1)}},
			`{"version":3,"email":"a@b.io","age":150,"name":"\u00c5","id":9}`:         {Name: true, Email: true, Age: true, Input: models.UserInput{Name: "\u00c5", Email: "a@b.io", Age: age(150)}},
		} {
			if got, err := bindTo[models.UserPatch](body, strict); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s became %+v, %v; want %+v", body, got, err, want)
			}
		}
	})
	t.Run("only what is given is judged, by the rules of a whole user", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string][]string{
			`{"name":null}`:             {"/name wrong_type"},
			`{"email":null,"age":null}`: {"/email wrong_type"},
			`{"name":" "}`:              {"/name too_short"},
			`{"name":"` + strings.Repeat("a", 101) + `"}`: {"/name too_long"},
			`{"name":"a\u0000b"}`:                         {"/name forbidden_character"},
			`{"email":""}`:                                {"/email too_short"},
			`{"email":"a@b"}`:                             {"/email invalid_email"},
			`{"age":0}`:                                   {"/age out_of_range"},
			`{"age":151,"name":7,"email":"x"}`:            {"/age out_of_range", "/email invalid_email", "/name wrong_type"},
			`{"age":1.5}`:                                 {"/age wrong_type"},
			`{"age":"1"}`:                                 {"/age wrong_type"},
			`{"Name":"Ada","a/~":1}`:                      {"/Name unknown_member", "/a~1~0 unknown_member"},
			`[]`:                                          {" wrong_type"},
			`null`:                                        {" wrong_type"},
		} {
			if _, err := bindTo[models.UserPatch](body, strict); !errors.Is(err, models.ErrInvalid) || !slices.Equal(faultsOf(err), want) {
				t.Errorf("%s: %q, %v; want %q", body, faultsOf(err), err, want)
			}
		}
	})
	t.Run("a misspelt member is told what was meant", func(t *testing.T) {
		t.Parallel()
		_, err := bindTo[models.UserPatch](`{"emial":"a@b.io"}`, strict)
		if known := models.AsError(err); !strings.Contains(known.Faults[0].Detail, "did you mean email?") {
			t.Errorf("%+v", known.Faults)
		}
	})
	t.Run("unknown members can be ignored", func(t *testing.T) {
		t.Parallel()
		got, err := bindTo[models.UserPatch](`{"nick":[{}],"name":"Ada"}`, newMergePatch(1<<20, true))
		if err != nil || !got.Name || got.Input.Name != "Ada" || got.Email || got.Age {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("what is not I-JSON, too large or of another type is refused", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]error{
			`{"age":1,"age":2}`: problem.ErrMalformedJSON,
			`{"name":"a"`:       problem.ErrMalformedJSON,
			`{} {}`:             problem.ErrMalformedJSON,
			`{"id":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`: problem.ErrMalformedJSON,
			`{"name":"` + strings.Repeat("a", 100) + `"}`:                      problem.ErrBodyTooLarge,
		} {
			if _, err := bindTo[models.UserPatch](body, newMergePatch(100, false)); !errors.Is(err, want) {
				t.Errorf("%.20s: %v, want %v", body, err, want)
			}
		}
		req := &http.Request{Header: http.Header{"Content-Type": {"application/json-patch+json"}}, Body: http.NoBody}
		err := strict.Bind(req, new(models.UserPatch))
		if known := models.AsError(err); known.Kind != models.KindUnsupportedMedia || !strings.Contains(known.Detail, "merge-patch") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a patch that is applied is what RFC 7396 makes of the user", rapid.MakeCheck(func(t *rapid.T) {
		document, merged := rapidPatch(t)
		patch, err := bindTo[models.UserPatch](document, strict)
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if got := patch.Apply(models.User{ID: 1, Name: "Old", Email: "old@example.com", Age: 30}); got != merged {
			t.Fatalf("%s made %+v, want %+v", document, got, merged)
		}
	}))
}

// rapidPatch draws a valid merge patch and what it makes of a user.
func rapidPatch(t *rapid.T) (document string, merged models.User) {
	merged = models.User{ID: 1, Name: "Old", Email: "old@example.com", Age: 30}
	var members []string
	if rapid.Bool().Draw(t, "name") {
		merged.Name = rapid.StringMatching(`[A-Za-z]{1,20}`).Draw(t, "its value")
		members = append(members, fmt.Sprintf(`"name":%q`, merged.Name))
	}
	if rapid.Bool().Draw(t, "email") {
		merged.Email = rapid.StringMatching(`[a-z]{1,20}@[a-z]{1,10}\.com`).Draw(t, "its value")
		members = append(members, fmt.Sprintf(`"email":%q`, merged.Email))
	}
	switch rapid.IntRange(0, 2).Draw(t, "age") {
	case 1:
		merged.Age = 0
		members = append(members, `"age":null`)
	case 2:
		merged.Age = models.Age(rapid.IntRange(1, 150).Draw(t, "its value"))
		members = append(members, fmt.Sprintf(`"age":%d`, merged.Age))
	}
	if rapid.Bool().Draw(t, "read-only") {
		members = append(members, `"id":99`)
	}
	return "{" + strings.Join(rapid.Permutation(members).Draw(t, "order"), ",") + "}", merged
}

func TestInteger(t *testing.T) {
	t.Parallel()
	t.Run("it agrees with exact arithmetic", func(t *testing.T) {
		t.Parallel()
		digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?`)
		rapid.Check(t, func(t *rapid.T) {
			text := digits.Draw(t, "number")
			exact, ok := new(big.Rat).SetString(text)
			if !ok {
				t.Fatalf("%q is no number", text)
			}
			value, whole, held := integer([]byte(text))
			if whole != exact.IsInt() || held && !exact.Num().IsInt64() {
				t.Fatalf("%s: whole is %v, exact %v", text, whole, held)
			}
			if !whole {
				return
			}
			want := exact.Num()
			if !held && new(big.Int).Abs(want).Cmp(big.NewInt(math.MaxInt64)) <= 0 {
				t.Fatalf("%s is said not to be exact", text)
			}
			switch limit := big.NewInt(math.MaxInt64); {
			case want.Cmp(limit) > 0:
				want = limit
			case want.Cmp(new(big.Int).Neg(limit)) < 0:
				want = new(big.Int).Neg(limit)
			}
			if want.Int64() != value {
				t.Fatalf("%s: %d, want %v", text, value, want)
			}
		})
	})
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0e999999999999": 0, "1e0": 1, "10e-1": 1, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64,
		"1e999999999999999999999999": math.MaxInt64, "-1e999999999999999999999999": -math.MaxInt64, "1" + strings.Repeat("0", 500) + "e-500": 1,
	} {
		t.Run(fmt.Sprintf("%.30s", text), func(t *testing.T) {
			t.Parallel()
			if value, whole, _ := integer([]byte(text)); !whole || value != want {
				t.Errorf("%d, %v", value, whole)
			}
		})
	}
}

func TestStrictJSON_keepsNoLargeBuffer(t *testing.T) {
	t.Parallel()
	strict := newStrictJSON(1<<20, false)
	large := bytes.NewBuffer(make([]byte, 0, 1<<20))
	strict.release(large)
	for range 100 {
		if got := strict.bodies.Get().(*bytes.Buffer); got == large {
			t.Fatal("a buffer of a megabyte went into the pool")
		}
	}
}
