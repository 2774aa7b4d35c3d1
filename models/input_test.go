package models

import (
	"encoding/json"
	"reflect"
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

// mergePatch is RFC 7396, section 2, word for word.
func mergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	for name, value := range members {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = mergePatch(object[name], value)
		}
	}
	return object
}

// patches draws a valid patch, and the document that it is made of.
func patches() *rapid.Generator[patchText] {
	return rapid.Custom(func(t *rapid.T) patchText {
		p := patchText{document: make(map[string]any)}
		// What a patch does not give may hold anything.
		p.Input.Name = rapid.SampledFrom([]string{"", "Ada", "ada", "\u00c9va \u2603"}).Draw(t, "name")
		p.Input.Email = rapid.SampledFrom([]string{"", "ada@example.com", "\u00e9va@example.com"}).Draw(t, "email")
		p.Input.Age = rapid.Ptr(rapid.Int64Range(1, 150), true).Draw(t, "age")
		if p.Name = p.Input.Name != "" && rapid.Bool().Draw(t, "gives a name"); p.Name {
			p.document["name"] = p.Input.Name
		}
		if p.Email = p.Input.Email != "" && rapid.Bool().Draw(t, "gives an address"); p.Email {
			p.document["email"] = p.Input.Email
		}
		if p.Age = rapid.Bool().Draw(t, "gives an age"); p.Age {
			p.document["age"] = nil
			if p.Input.Age != nil {
				p.document["age"] = float64(*p.Input.Age)
			}
		}
		return p
	})
}

type patchText struct {
	UserPatch
	document map[string]any
}

func TestUserPatch_Apply(t *testing.T) {
	old := User{ID: 7, Name: "Old", Email: "old@example.com", Age: 36, CreatedAt: 1, UpdatedAt: 2, Version: 3}
	age := int64(150)
	t.Run("tells an absent member, a null and a value apart", func(t *testing.T) {
		given := UserInput{Name: "New", Email: "new@example.com", Age: &age}
		for _, row := range []struct {
			patch UserPatch
			want  func(*User)
		}{
			{UserPatch{}, func(*User) {}},
			{UserPatch{Input: given}, func(*User) {}},
			{UserPatch{Input: given, Name: true}, func(u *User) { u.Name = "New" }},
			{UserPatch{Input: given, Email: true}, func(u *User) { u.Email = "new@example.com" }},
			{UserPatch{Input: given, Age: true}, func(u *User) { u.Age = 150 }},
			{UserPatch{Age: true}, func(u *User) { u.Age = 0 }},
			{UserPatch{Input: given, Name: true, Email: true, Age: true}, func(u *User) { u.Name, u.Email, u.Age = "New", "new@example.com", 150 }},
		} {
			want := old
			row.want(&want)
			if got := row.patch.Apply(old); got != want {
				t.Errorf("%+v: got %+v, want %+v", row.patch, got, want)
			}
		}
	})
	t.Run("is RFC 7396 on the JSON of the user, patch after patch", rapid.MakeCheck(func(t *rapid.T) {
		user := old
		user.Age = Age(rapid.IntRange(0, 150).Draw(t, "age at first"))
		object := decoded(t, user)
		for range rapid.IntRange(1, 5).Draw(t, "patches") {
			patch := patches().Draw(t, "patch")
			before := user
			user = patch.Apply(user)
			object = mergePatch(object, patch.document)
			if _, ok := object.(map[string]any)["age"]; !ok {
				object.(map[string]any)["age"] = nil // absent and null mean the same
			}
			if got := decoded(t, user); !reflect.DeepEqual(got, object) {
				t.Fatalf("%+v with %v became %v, want %v", before, patch.document, got, object)
			}
		}
	}))
	t.Run("of every member is what the input of a PUT does", rapid.MakeCheck(func(t *rapid.T) {
		patch := patches().Draw(t, "patch")
		patch.Name, patch.Email, patch.Age = true, true, true
		if got, want := patch.Apply(old), patch.Input.Apply(old); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}))
}

// decoded returns the JSON of a user as its members.
func decoded(t rapid.TB, user User) any {
	t.Helper()
	var object any
	if err := json.Unmarshal(user.AppendJSON(nil), &object); err != nil {
		t.Fatal(err)
	}
	return object
}
