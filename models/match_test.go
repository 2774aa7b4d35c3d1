package models

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// entityTags is what field values may say, and what they mean. The table serves both conditions.
func entityTags() []struct {
	values []string
	// ok is false for what is malformed.
	ok, anyVersion bool
	// strong and weak are the versions that are named.
	strong, weak []int64
} {
	return []struct {
		values         []string
		ok, anyVersion bool
		strong, weak   []int64
	}{
		{values: []string{`"3"`}, ok: true, strong: []int64{3}},
		{values: []string{`  "3"	`}, ok: true, strong: []int64{3}},
		{values: []string{`"3", "4" ,	"5"`}, ok: true, strong: []int64{3, 4, 5}},
		{values: []string{`"3","4"`}, ok: true, strong: []int64{3, 4}},
		{values: []string{`"3"`, `"4"`}, ok: true, strong: []int64{3, 4}},
		{values: []string{`"9007199254740991"`}, ok: true, strong: []int64{MaxID}},
		{values: []string{`"9223372036854775807"`}, ok: true, strong: []int64{math.MaxInt64}},

		// Empty elements are passed over, but not alone.
		{values: []string{`,"3",,"4", ,`}, ok: true, strong: []int64{3, 4}},
		{values: []string{``, `"3"`, ` `}, ok: true, strong: []int64{3}},
		{values: []string{``}},
		{values: []string{` 	`}},
		{values: []string{`,`}},
		{values: []string{``, ``}},

		// Weak tags.
		{values: []string{`W/"3"`}, ok: true, weak: []int64{3}},
		{values: []string{`W/"3", "4", W/"5"`}, ok: true, strong: []int64{4}, weak: []int64{3, 5}},
		{values: []string{`w/"3"`}},
		{values: []string{`W / "3"`}},
		{values: []string{`W/ "3"`}},
		{values: []string{`W/3`}},
		{values: []string{`W/`}},
		{values: []string{`W/*`}},

		// The asterisk stands alone.
		{values: []string{`*`}, ok: true, anyVersion: true},
		{values: []string{`	* `}, ok: true, anyVersion: true},
		{values: []string{`"*"`}, ok: true}, // a tag that no user has
		{values: []string{`*, "3"`}},
		{values: []string{`"3", *`}},
		{values: []string{`"3"`, `*`}},
		{values: []string{`*`, `*`}},
		{values: []string{`*,`}},
		{values: []string{`,*`}},
		{values: []string{`**`}},

		// Tags of others, and numbers that are written in another way: tags are compared as texts.
		{values: []string{`""`}, ok: true},
		{values: []string{`"03"`}, ok: true},
		{values: []string{`"+3"`}, ok: true},
		{values: []string{`"-0"`}, ok: true},
		{values: []string{`"00"`}, ok: true},
		{values: []string{`"3.0"`}, ok: true},
		{values: []string{`"0x3"`}, ok: true},
		{values: []string{`"1_000"`}, ok: true},
		{values: []string{`"3e0"`}, ok: true},
		{values: []string{`"9223372036854775808"`}, ok: true},
		{values: []string{`"18446744073709551619"`}, ok: true}, // 2^64 + 3
		{values: []string{`"` + strings.Repeat("3", 4096) + `"`, `"3"`}, ok: true, strong: []int64{3}},
		{values: []string{`"3,4"`}, ok: true},
		{values: []string{`"a,b", "3", ",", "W/", "*"`}, ok: true, strong: []int64{3}},
		{values: []string{`"!#~"`, `"\"`, `"3"`}, ok: true, strong: []int64{3}}, // a backslash escapes nothing
		{values: []string{"\"\x80\xff\u00e9\u0085\u2028\"", `"3"`}, ok: true, strong: []int64{3}},
		{values: []string{"\"\u0663\""}, ok: true}, // an Arabic three

		// What is no tag.
		{values: []string{`3`}},
		{values: []string{`"3`}},
		{values: []string{`3"`}},
		{values: []string{`'3'`}},
		{values: []string{`"3" "4"`}},
		{values: []string{`"3""4"`}},
		{values: []string{`"3";"4"`}},
		{values: []string{`"3", 4`}},
		{values: []string{`"3 "`}},
		{values: []string{`"3	"`}},
		{values: []string{"\"3\x00\""}},
		{values: []string{"\"3\x7f\""}},
		{values: []string{"\"3\"\n"}},
		{values: []string{"\"3\"\u00a0"}},
		{values: []string{"\u201c3\u201d"}},
		{values: []string{`"`}},
		{values: []string{`"3", "`}},
		{values: []string{`"\""`}},
	}
}

func TestParseMatch(t *testing.T) {
	t.Run("no field is no condition", func(t *testing.T) {
		if m, ok := ParseMatch(nil); !ok || !reflect.DeepEqual(m, Match{}) {
			t.Errorf("got %+v, %t", m, ok)
		}
	})
	t.Run("reads the lists of RFC 9110, and no others", func(t *testing.T) {
		for _, row := range entityTags() {
			m, ok := ParseMatch(row.values)
			if !row.ok {
				if ok {
					t.Errorf("%q: taken, as %+v", row.values, m)
				}
				continue
			}
			if want := (Match{Given: true, Any: row.anyVersion, Versions: row.strong}); !ok || !reflect.DeepEqual(m, want) {
				t.Errorf("%q: got %+v, %t, want %+v", row.values, m, ok, want)
			}
		}
	})
	t.Run("reads what its author meant", rapid.MakeCheck(func(t *rapid.T) {
		var values []string
		var versions []int64
		for range rapid.IntRange(1, 3).Draw(t, "lines") {
			space := rapid.SampledFrom([]string{"", " ", "\t", ",", " , ", ",,\t"})
			line := space.Draw(t, "space")
			for i := range rapid.IntRange(1, 3).Draw(t, "tags") {
				if i > 0 {
					line += "," + space.Draw(t, "space")
				}
				version := rapid.Int64Min(1).Draw(t, "version")
				if weak := rapid.Bool().Draw(t, "weak"); weak {
					line += "W/"
				} else {
					versions = append(versions, version)
				}
				line += fmt.Sprintf("%q", fmt.Sprint(version)) + space.Draw(t, "space")
			}
			values = append(values, line)
		}
		if m, ok := ParseMatch(values); !ok || m.Any || !m.Given || !slices.Equal(m.Versions, versions) {
			t.Fatalf("%q: got %+v, %t, want the versions %v", values, m, ok, versions)
		}
	}))
}

func TestMatch_Check(t *testing.T) {
	t.Run("holds for the versions that it names", func(t *testing.T) {
		for _, row := range []struct {
			match   Match
			version int64
			want    bool
		}{
			{Match{}, 3, true},
			{Match{Given: true, Any: true}, 3, true},
			{Match{Given: true}, 3, false},
			{Match{Given: true, Versions: []int64{3}}, 3, true},
			{Match{Given: true, Versions: []int64{1, 2, 3}}, 3, true},
			{Match{Given: true, Versions: []int64{1, 2, 4}}, 3, false},
		} {
			if err := row.match.Check(row.version); (err == nil) != row.want {
				t.Errorf("%+v of version %d: error %v", row.match, row.version, err)
			}
		}
	})
	t.Run("fails with the version as it is", func(t *testing.T) {
		err := Match{Given: true, Versions: []int64{2}}.Check(3)
		if known := AsError(err); !errors.Is(err, ErrPreconditionFailed) || known.Kind != KindStale || known.Version != 3 {
			t.Errorf("got %+v", err)
		}
		if ErrPreconditionFailed.Version != 0 {
			t.Errorf("all errors of this kind have the version %d now", ErrPreconditionFailed.Version)
		}
	})
	t.Run("holds for no version when all tags are weak or of others", func(t *testing.T) {
		for _, value := range []string{`W/"3"`, `"03"`, `"x"`, `""`} {
			m, ok := ParseMatch([]string{value})
			if err := m.Check(3); !ok || err == nil {
				t.Errorf("%s passes", value)
			}
		}
	})
}

func TestNoneMatches(t *testing.T) {
	t.Run("no field matches nothing", func(t *testing.T) {
		if NoneMatches(nil, 3) {
			t.Error("a client without a tag has the user already")
		}
	})
	t.Run("compares weakly, and takes what is malformed for absent", func(t *testing.T) {
		for _, row := range entityTags() {
			named := append(slices.Clone(row.strong), row.weak...)
			for _, version := range []int64{1, 3, 4, 5, MaxID, math.MaxInt64} {
				want := row.ok && (row.anyVersion || slices.Contains(named, version))
				if got := NoneMatches(row.values, version); got != want {
					t.Errorf("%q of version %d: got %t", row.values, version, got)
				}
			}
		}
	})
}

// tagList is a list of entity tags by the grammar of RFC 9110, sections 5.6.1.2 and 8.8.3, over the
// octets of a field as if they were Latin-1, and tagText is one of its tags.
var (
	tagText = regexp.MustCompile(`(W/)?"([\x21\x23-\x7e\x80-\xff]*)"`)
	tagList = regexp.MustCompile(`^[ \t,]*` + tagText.String() + `([ \t]*,[ \t,]*` + tagText.String() + `)*[ \t,]*$`)
)

// checkMatch holds ParseMatch and NoneMatches against the grammar.
func checkMatch(t rapid.TB, values []string) {
	t.Helper()
	var latin []rune
	for _, octet := range []byte(strings.Join(values, ",")) {
		latin = append(latin, rune(octet))
	}
	field := string(latin)
	anyVersion := strings.Trim(field, " \t") == "*"
	m, ok := ParseMatch(values)
	if want := anyVersion || tagList.MatchString(field); ok != want || !m.Given || ok && m.Any != anyVersion {
		t.Fatalf("%q: got %+v, %t, want %t", values, m, ok, want)
	}
	if !ok || anyVersion {
		return
	}
	named := func(version int64, weakly bool) bool {
		return slices.ContainsFunc(tagText.FindAllStringSubmatch(field, -1), func(tag []string) bool {
			return tag[2] == fmt.Sprint(version) && (weakly || tag[1] == "")
		})
	}
	for _, version := range append(m.Versions, 1, 3, 4, math.MaxInt64) {
		if (m.Check(version) == nil) != named(version, false) {
			t.Fatalf("%q: got %+v, which is wrong about version %d", values, m, version)
		}
		if NoneMatches(values, version) != named(version, true) {
			t.Fatalf("%q: NoneMatches is wrong about version %d", values, version)
		}
	}
}

func TestParseMatch_property(t *testing.T) {
	t.Run("takes what the grammar takes", rapid.MakeCheck(func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{`"`, `"`, `"3"`, `W/"3"`, `W/`, "*", ",", " ", "\t", "3", "03", "a", "\xff", "\u00e9", "\x00", "\x7f", `\`})
		piled := rapid.Map(rapid.SliceOfN(pieces, 0, 8), func(p []string) string { return strings.Join(p, "") })
		checkMatch(t, rapid.SliceOfN(piled, 1, 3).Draw(t, "values"))
	}))
}

func TestMatch_Check_unless(t *testing.T) {
	t.Run("forbids a change of a version that If-None-Match names, whatever If-Match says", func(t *testing.T) {
		for _, c := range []struct {
			match, unless []string
			forbidden     bool
		}{
			{nil, []string{"*"}, true},
			{nil, []string{`"3"`}, true},
			{nil, []string{`W/"3"`}, true},
			{nil, []string{`"2"`}, false},
			{nil, []string{`"3`}, false}, // malformed, so as if it were not there
			{[]string{`"3"`}, []string{`"3"`}, true},
			{[]string{`"3"`}, []string{`"2"`}, false},
			{[]string{`"2"`}, []string{`"1"`}, true},
		} {
			match, ok := ParseMatch(c.match)
			if !ok {
				t.Fatalf("%q is malformed", c.match)
			}
			match.Unless = c.unless
			err := match.Check(3)
			if (err != nil) != c.forbidden {
				t.Errorf("If-Match %q, If-None-Match %q: error %v", c.match, c.unless, err)
			}
			if err != nil && AsError(err).Version != 3 {
				t.Errorf("the error does not have the version: %v", err)
			}
		}
	})
}
