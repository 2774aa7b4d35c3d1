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

func TestParameters_Integer(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"": 7, "n=1": 1, "n=9": 9, "n=%39": 9, "n=009": 9} {
		p := readParameters(raw, "n")
		if got := p.integer("n", 7, 1, 9); got != want || p.err() != nil {
			t.Errorf("%q: %d, %v", raw, got, p.err())
		}
	}
	for raw, fault := range map[string]string{
		"n=0": "n out_of_range", "n=10": "n out_of_range", "n=x": "n wrong_type", "n=": "n empty_parameter",
		"n=1&n=1": "n repeated_parameter", "n=%": "n malformed_parameter", "m=1": "m unknown_parameter",
	} {
		p := readParameters(raw, "n")
		if got := p.integer("n", 7, 1, 9); got != 7 && fault != "n repeated_parameter" {
			t.Errorf("%q: %d instead of the fallback", raw, got)
		}
		if got := faultsOf(p.err()); !slices.Equal(got, []string{fault}) {
			t.Errorf("%q: %q, want %q", raw, got, fault)
		}
	}
}

func TestMeant(t *testing.T) {
	t.Parallel()
	known := []string{"limit", "skip", "cursor", "include_total"}
	for name, want := range map[string]string{
		"Limit": "limit", "lmit": "limit", "limti": "limit", "skpi": "skip", "includetotal": "include_total", "x": "", "": "", "email": "", "foo": "",
	} {
		if got := meant(name, known); strings.Contains(got, "did you mean") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	sealer, err := newCursors([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{0, 1, 127, 128, models.MaxID, models.MaxID + 1, math.MaxInt64, -1} {
		for _, backward := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, backward %v, is what it was", id, backward), func(t *testing.T) {
				t.Parallel()
				at := models.Position{ID: id, Backward: backward}
				if got, ours := sealer.open(sealer.seal(at)); got != at || !ours {
					t.Errorf("%+v, %v", got, ours)
				}
			})
		}
	}
	t.Run("the same position is never sealed the same way twice", func(t *testing.T) {
		t.Parallel()
		if one, other := sealer.seal(models.Position{ID: 7}), sealer.seal(models.Position{ID: 7}); one == other {
			t.Error("a nonce was used twice")
		}
	})
	t.Run("a key of the wrong length is an error", func(t *testing.T) {
		t.Parallel()
		if _, err := newCursors(make([]byte, 31)); err == nil {
			t.Error("31 octets were taken")
		}
	})
}
