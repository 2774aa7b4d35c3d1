package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"unicode/utf8"
)

// sentinels are all the failures of the domain.
func sentinels() []*Error {
	return []*Error{
		ErrUserNotFound, ErrEmailTaken, ErrPreconditionFailed, ErrRequestInProgress, ErrKeyReused, ErrInvalid, ErrUnavailable, ErrInternal,
	}
}

func TestError_Is(t *testing.T) {
	t.Run("tells the failures apart by their code", func(t *testing.T) {
		for _, a := range sentinels() {
			for _, b := range sentinels() {
				if errors.Is(a, b) != (a == b) {
					t.Errorf("errors.Is(%s, %s) is %t", a.Code, b.Code, a != b)
				}
			}
		}
	})
	t.Run("knows a copy with a cause or faults, wrapped or not", func(t *testing.T) {
		cause := errors.New("connection refused")
		for _, sentinel := range sentinels() {
			for _, copied := range []*Error{sentinel.Because(cause), sentinel.With(Fault{Pointer: "/age"})} {
				wrapped := fmt.Errorf("users: %w", copied)
				if !errors.Is(copied, sentinel) || !errors.Is(sentinel, copied) || !errors.Is(wrapped, sentinel) {
					t.Errorf("%v is not %s", wrapped, sentinel.Code)
				}
			}
		}
	})
	t.Run("is no error of another type", func(t *testing.T) {
		if errors.Is(ErrUserNotFound, errors.New(ErrUserNotFound.Error())) {
			t.Error("an error of another package with the same text passes for ErrUserNotFound")
		}
	})
}

func TestError_Because(t *testing.T) {
	t.Run("shows the cause to errors.Is and in the text, and leaves the original alone", func(t *testing.T) {
		cause := errors.New("connection refused")
		err := ErrUnavailable.Because(cause)
		if !errors.Is(err, cause) || ErrUnavailable.Cause != nil || err.RetryAfter != ErrUnavailable.RetryAfter {
			t.Errorf("got %+v, and the original %+v", err, ErrUnavailable)
		}
		const want = "unavailable: The service cannot do this at the moment; try again later. (connection refused)"
		if err.Error() != want {
			t.Errorf("got %q, want %q", err.Error(), want)
		}
	})
}

func TestError_With(t *testing.T) {
	t.Run("lists the faults and leaves the original alone", func(t *testing.T) {
		err := ErrInvalid.With(Fault{Pointer: "/age"}, Fault{Parameter: "limit"})
		if len(err.Faults) != 2 || ErrInvalid.Faults != nil {
			t.Errorf("got %+v, and the original %+v", err, ErrInvalid)
		}
	})
}

func TestAsError(t *testing.T) {
	t.Run("finds the known failure in a chain", func(t *testing.T) {
		known := ErrUnavailable.Because(errors.New("cause"))
		if got := AsError(fmt.Errorf("users: %w", known)); got != known {
			t.Errorf("got %+v, want %+v", got, known)
		}
	})
	t.Run("makes any other an internal one that hides it", func(t *testing.T) {
		secret := errors.New("pq: relation users does not exist")
		got := AsError(secret)
		if got.Kind != KindInternal || got.Detail != ErrInternal.Detail || !errors.Is(got, secret) || ErrInternal.Cause != nil {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("is nil for nil", func(t *testing.T) {
		if got := AsError(nil); got != nil {
			t.Errorf("got %+v", got)
		}
	})
}

func TestFault_MarshalJSON(t *testing.T) {
	t.Run("names the one place", func(t *testing.T) {
		for want, fault := range map[string]Fault{
			`{"pointer":"/age","code":"out_of_range","detail":"must be 1 to 150"}`:  {Pointer: "/age", Code: "out_of_range", Detail: "must be 1 to 150"},
			`{"pointer":"","code":"wrong_type","detail":"must be an object"}`:       {Code: "wrong_type", Detail: "must be an object"},
			`{"parameter":"limit","code":"wrong_type","detail":"must be a number"}`: {Parameter: "limit", Code: "wrong_type", Detail: "must be a number"},
			`{"header":"If-Match","code":"malformed","detail":"must be an ETag"}`:   {Header: "If-Match", Code: "malformed", Detail: "must be an ETag"},
			`{"pointer":"/operations/1/id","code":"user_not_found","detail":"is of no user","status":404}`: {
				Pointer: "/operations/1/id", Code: "user_not_found", Detail: "is of no user", Status: 404,
			},
			`{"pointer":"/a\"\\\n","code":"unknown_member","detail":"<is> unknown"}`: {Pointer: "/a\"\\\n", Code: "unknown_member", Detail: "<is> unknown"},
		} {
			got, err := fault.MarshalJSON()
			if err != nil || string(got) != want {
				t.Errorf("got %s, error %v, want %s", got, err, want)
			}
		}
	})
	t.Run("is JSON in UTF-8 whatever name a client sent", func(t *testing.T) {
		for _, name := range []string{"\xff", "limit\xc3", "\xed\xa0\x80", "a\x00b", `"`, "\u2028"} {
			for _, fault := range []Fault{{Parameter: name}, {Pointer: "/" + name}, {Header: name}} {
				got, err := fault.MarshalJSON()
				if err != nil || !utf8.Valid(got) || !json.Valid(got) {
					t.Errorf("%#v became %q, error %v", fault, got, err)
				}
			}
		}
	})
}
