package handlers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"userapi/models"
)

func TestPathID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"1": 1, "+1": 1, "0042": 42, "9223372036854775807": math.MaxInt64} {
		if id, err := pathID(text); id != want || err != nil {
			t.Errorf("%q: %d, %v", text, id, err)
		}
	}
	for text, want := range map[string]error{
		"": models.ErrInvalid, "0": models.ErrUserNotFound, "-1": models.ErrUserNotFound, "-99999999999999999999": models.ErrUserNotFound,
		"99999999999999999999": models.ErrInvalid, "x": models.ErrInvalid, "1.0": models.ErrInvalid, " 1": models.ErrInvalid, "1_0": models.ErrInvalid, "٥": models.ErrInvalid,
	} {
		if _, err := pathID(text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// asked reads a raw query that may have the parameters named.
func asked(raw string, known ...string) *parameters {
	p := new(parameters)
	p.read(raw, known)
	return p
}

func TestParameters_read(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		"": {}, "&&": {}, "n=1": {}, "m=1&n=2": {}, "%6E=1": {}, "n=a+b%2B": {},
		"x=1": {"x unknown_parameter"}, "N=1": {"N unknown_parameter"}, "=1": {"= unknown_parameter"}, "=": {"= unknown_parameter"},
		"x=1&x=2&y": {"x unknown_parameter", "y unknown_parameter"}, "%zz=1": {"%zz unknown_parameter"}, "x=%zz": {"x unknown_parameter"},
		"n=1&n=1": {"n repeated_parameter"}, "n=1&%6e=2": {"n repeated_parameter"}, "n=&n=%": {"n empty_parameter"},
		"n": {"n empty_parameter"}, "n=": {"n empty_parameter"}, "n=%": {"n malformed_parameter"}, "m=%2&n=": {"m malformed_parameter", "n empty_parameter"},
	} {
		if got := faultsOf(asked(raw, "n", "m").err()); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	t.Run("a value is what stands decoded in the query", func(t *testing.T) {
		t.Parallel()
		if value, ok := asked("m=1&n=a+b%2Bc=d%20e", "n", "m").sound(0); value != "a b+c=d e" || !ok {
			t.Errorf("%q, %v", value, ok)
		}
	})
	t.Run("what is absent or faulty is no value", func(t *testing.T) {
		t.Parallel()
		for _, raw := range []string{"", "m=1", "n=", "n=1&n=2", "n=%"} {
			if value, ok := asked(raw, "n", "m").sound(0); value != "" || ok {
				t.Errorf("%q: %q, %v", raw, value, ok)
			}
		}
	})
	t.Run("faults are bounded", func(t *testing.T) {
		t.Parallel()
		var raw strings.Builder
		for n := range 2 * maxFaults {
			fmt.Fprintf(&raw, "x%d&", n)
		}
		if got := len(asked(raw.String()+"n=", "n").faults); got != maxFaults {
			t.Errorf("%d faults", got)
		}
	})
}

func TestParameters_integer(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"": 7, "n=1": 1, "n=9": 9, "n=%39": 9, "n=009": 9, "n=%2B3": 3} {
		p := asked(raw, "n")
		if got := p.integer(0, 7, 1, 9); got != want || p.err() != nil {
			t.Errorf("%q: %d, %v", raw, got, p.err())
		}
	}
	for raw, fault := range map[string]string{
		"n=0": "n out_of_range", "n=10": "n out_of_range", "n=99999999999999999999": "n out_of_range", "n=x": "n wrong_type", "n=+3": "n wrong_type",
		"n=": "n empty_parameter", "n=1&n=1": "n repeated_parameter", "n=%": "n malformed_parameter",
	} {
		p := asked(raw, "n")
		if got := p.integer(0, 7, 1, 9); got != 7 {
			t.Errorf("%q: %d instead of the fallback", raw, got)
		}
		if got := faultsOf(p.err()); !slices.Equal(got, []string{fault}) {
			t.Errorf("%q: %q, want %q", raw, got, fault)
		}
	}
}

func TestParameters_boolean(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{"": false, "n=true": true, "n=ON": true, "n=1": true, "n=Yes": true, "n=false": false, "n=0": false, "n=Off": false} {
		p := asked(raw, "n")
		if got := p.boolean(0); got != want || p.err() != nil {
			t.Errorf("%q: %v, %v", raw, got, p.err())
		}
	}
	for _, raw := range []string{"n=2", "n=tru", "n=+true", "n=null"} {
		p := asked(raw, "n")
		if got := p.boolean(0); got || !slices.Equal(faultsOf(p.err()), []string{"n wrong_type"}) {
			t.Errorf("%q: %v, %v", raw, got, p.err())
		}
	}
}

func TestParameters_folded(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"": "", "n=ADA": "ada", "n=Stra%C3%9F": "strass", "n=%C4%B0": "i\u0307", "n=+a+": " a ", "n=%F0%9F%91%A9%E2%80%8D%F0%9F%94%AC": "\U0001f469\u200d\U0001f52c",
		"n=abcde": "abcde", "n=%C3%9F%C3%9F%C3%9F%C3%9F%C3%9F": "ssssssssss",
	} {
		p := asked(raw, "n")
		if got := p.folded(0, 5); got != want || p.err() != nil {
			t.Errorf("%q: %q, %v", raw, got, p.err())
		}
	}
	for raw, fault := range map[string]string{
		"n=abcdef": "n too_long", "n=a%00": "n forbidden_character", "n=%0A": "n forbidden_character", "n=%FF": "n forbidden_character",
		"n=%E2%80%AE": "n forbidden_character", "n=%EF%BF%BE": "n forbidden_character", "n=": "n empty_parameter",
	} {
		p := asked(raw, "n")
		if got := p.folded(0, 5); got != "" || !slices.Equal(faultsOf(p.err()), []string{fault}) {
			t.Errorf("%q: %q, %v, want %s", raw, got, p.err(), fault)
		}
	}
}

func TestMeant(t *testing.T) {
	t.Parallel()
	known := listParameters[:]
	for name, want := range map[string]string{
		"Limit": "limit", "lmit": "limit", "limti": "limit", "skpi": "skip", "includetotal": "include_total", "Q": "q", "qq": "q", "kip": "skip", "ages": "age", "agemin": "age_min",
		"min_age": "", "emial": "email", "e-mail": "email", "sorted": "sort", "creted_after": "created_after", "createdBefore": "created_before", "id": "ids", "IDs": "ids",
		"x": "", "": "", "foo": "", "page": "", "zzz": "", "with_total": "", "\xff\xff\xff": "", strings.Repeat("limit", 20): "",
	} {
		if got := meant(name, known); strings.Contains(got, "did you mean") != (want != "") || want != "" && !strings.Contains(got, " "+want+"?") {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
