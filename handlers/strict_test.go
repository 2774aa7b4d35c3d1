package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"userapi/handlers/problem"
	"userapi/models"
)

// bind reads a body as the handlers do.
func bind(body string, strict *strictJSON) (models.UserInput, error) {
	req := &http.Request{
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	if err := registerRules(); err != nil {
		return models.UserInput{}, err
	}
	var input models.UserInput
	err := strict.Bind(req, &input)
	return input, err
}

// faultsOf returns the faults of an error as `/pointer code`, sorted.
func faultsOf(err error) []string {
	var known *models.Error
	if !errors.As(err, &known) {
		return nil
	}
	places := []string{}
	for _, fault := range known.Faults {
		places = append(places, fault.Pointer+fault.Parameter+" "+fault.Code)
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
			value, whole := integer([]byte(text))
			if whole != exact.IsInt() {
				t.Fatalf("%s: whole is %v", text, whole)
			}
			if !whole {
				return
			}
			want := exact.Num()
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
			if value, whole := integer([]byte(text)); !whole || value != want {
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
