package models

import (
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

func TestUserInput_Normalise(t *testing.T) {
	t.Run("removes white space around name and address, and no other", func(t *testing.T) {
		in := UserInput{Name: "\u2003\tAda  Lovelace\u00a0\n", Email: " \r\nAda.Lovelace@Example.COM\u3000"}
		in.Normalise()
		if in.Name != "Ada  Lovelace" || in.Email != "Ada.Lovelace@example.com" {
			t.Errorf("got %q and %q", in.Name, in.Email)
		}
	})
	t.Run("leaves an address that is none for the validation to refuse", func(t *testing.T) {
		in := UserInput{Email: " No Address@ "}
		in.Normalise()
		if in.Email != "No Address@" {
			t.Errorf("got %q", in.Email)
		}
	})
	t.Run("keeps no reference into the longer text that it cut", func(t *testing.T) {
		padding := strings.Repeat(" ", 1<<16)
		for _, email := range []string{"ada@example.com", "ada@EXAMPLE.com", "ada@b\u00fccher.example", "not an address"} {
			in := UserInput{Name: padding + "Ada" + padding, Email: padding + email + padding}
			name, address := in.Name, in.Email
			in.Normalise()
			if in.Name != "Ada" || pointsInto(in.Name, name) {
				t.Errorf("the name %q holds %d bytes alive", in.Name, len(name))
			}
			if pointsInto(in.Email, address) {
				t.Errorf("the address %q holds %d bytes alive", in.Email, len(address))
			}
		}
	})
	t.Run("does not copy what is normal", func(t *testing.T) {
		in := UserInput{Name: strings.Clone("Ada"), Email: strings.Clone("ada@example.com")}
		normal := in
		in.Normalise()
		if unsafe.StringData(in.Name) != unsafe.StringData(normal.Name) || unsafe.StringData(in.Email) != unsafe.StringData(normal.Email) {
			t.Error("a normal text was copied")
		}
	})
	t.Run("done twice is done once", rapid.MakeCheck(func(t *rapid.T) {
		once := UserInput{
			Name:  rapid.String().Draw(t, "name"),
			Email: rapid.OneOf(rapid.String(), rapid.StringMatching(`\s?[A-Za-z0-9.\x{e9}]{1,9}@[A-Za-z\x{fc}]{1,9}\.[A-Za-z]{2,3}\s?`)).Draw(t, "email"),
		}
		once.Normalise()
		twice := once
		twice.Normalise()
		if twice != once {
			t.Fatalf("got %+v, then %+v", once, twice)
		}
	}))
}

// pointsInto says whether part lies in the memory of whole.
func pointsInto(part, whole string) bool {
	at, start := uintptr(unsafe.Pointer(unsafe.StringData(part))), uintptr(unsafe.Pointer(unsafe.StringData(whole)))
	return start <= at && at < start+uintptr(len(whole))
}

func TestUserInput_Apply(t *testing.T) {
	age := int64(150)
	old := User{ID: 7, Name: "Old", Email: "old@example.com", Age: 36, CreatedAt: 1, UpdatedAt: 2, Version: 3}
	t.Run("replaces what a client may set and nothing else", func(t *testing.T) {
		in := UserInput{Name: "New", Email: "new@example.com", Age: &age}
		want := old
		want.Name, want.Email, want.Age = "New", "new@example.com", 150
		if got := in.Apply(old); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("makes an absent age unknown", func(t *testing.T) {
		in := UserInput{Name: old.Name, Email: old.Email}
		want := old
		want.Age = 0
		if got := in.Apply(old); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
