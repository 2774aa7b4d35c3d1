package models

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTrim(t *testing.T) {
	t.Run("removes exactly the White_Space of Unicode, at both ends only", func(t *testing.T) {
		for r := range unicode.MaxRune + 1 {
			if !utf8.ValidRune(r) {
				continue
			}
			want := string(r) + "a" + string(r) + "b" + string(r)
			if unicode.Is(unicode.White_Space, r) {
				want = "a" + string(r) + "b"
			}
			if got := Trim(string(r) + "a" + string(r) + "b" + string(r)); got != want {
				t.Errorf("%U: got %q, want %q", r, got, want)
			}
		}
	})

	t.Run("leaves nothing of white space alone", func(t *testing.T) {
		if got := Trim(" \t\r\n\u00a0\u2003\u3000"); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCheckText(t *testing.T) {
	t.Run("takes what people write, as they write it", func(t *testing.T) {
		for _, s := range []string{
			"", "Ada Lovelace", "O'Brien-Smith", "José", "Jose\u0301", "Łukasz", "李小龍", "עדה", "عادة", "Ωmega",
			"👩\u200d💻 dev", "🏳️\u200d🌈", "می\u200cخواهم", "Ada \u200f(עדה)\u200e", "a\u00a0b", "x\u2028y", "\u061c\u0627",
			"<b>not HTML</b>", `"quoted" \ and %00`, "\ufffd", "\ue000", "\U0010fffd", "\U000e0041", "\ufeff",
		} {
			if err := CheckText(s); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
	})

	t.Run("names the rule that a text breaks", func(t *testing.T) {
		for s, want := range map[string]error{
			"a\x00b": errControl, "\n": errControl, "a\tb": errControl, "\x1f": errControl, "\x7f": errControl,
			"\u0080": errControl, "a\u0085": errControl, "\u009f": errControl,
			"\u202a": errDirection, "a\u202eb": errDirection, "\u2066": errDirection, "x\u2069": errDirection,
			"\ufdd0": errNoncharacter, "\ufdef": errNoncharacter, "\ufffe": errNoncharacter, "a\uffff": errNoncharacter,
			"\U0001fffe": errNoncharacter, "\U0010ffff": errNoncharacter,
			"\xff": errNotUTF8, "a\xc3": errNotUTF8, "\xed\xa0\x80": errNotUTF8, "\xed\xbf\xbf": errNotUTF8,
			"\xc0\x80": errNotUTF8, "\xf4\x90\x80\x80": errNotUTF8, "ok\x80": errNotUTF8,
		} {
			if got := CheckText(s); got != want { //nolint:errorlint // the very rule is meant
				t.Errorf("%+q: got %v, want %v", s, got, want)
			}
		}
	})

	t.Run("judges every code point as the properties of Unicode do", func(t *testing.T) {
		for r := range unicode.MaxRune + 1 {
			if !utf8.ValidRune(r) {
				continue
			}
			mark := r == '\u061c' || r == '\u200e' || r == '\u200f'
			refused := unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Noncharacter_Code_Point, r) ||
				unicode.Is(unicode.Bidi_Control, r) && !mark
			if err := CheckText("a" + string(r) + "b"); (err != nil) != refused {
				t.Errorf("%U: got %v", r, err)
			}
		}
	})

	t.Run("costs no allocation", func(t *testing.T) {
		if n := testing.AllocsPerRun(100, func() { _ = CheckText("Ada Lovelace é") }); n != 0 {
			t.Errorf("it costs %v", n)
		}
	})
}

func TestFoldName(t *testing.T) {
	t.Run("is the full case folding of Unicode", func(t *testing.T) {
		for s, want := range map[string]string{
			"":                "",
			"Ada LOVELACE-42": "ada lovelace-42",
			"Straße":          "strasse",
			"STRAẞE":          "strasse",
			"ΣΊΣΥΦΟΣ":         "σίσυφοσ",
			"σίσυφος":         "σίσυφοσ",
			"\u212aelvin":     "kelvin",
			"İI":              "i\u0307i",
			"ı":               "ı",
			"ﬃ":               "ffi",
			"ŉ":               "ʼn",
			"ǅ":               "ǆ",
			"ᾼ":               "αι",
			"ЮЗЕР":            "юзер",
			"Ꭰꭰ":              "ᎠᎠ",
			"ᏸ":               "Ᏸ",
			"李小龍":             "李小龍",
			"É":               "é",
			"E\u0301":         "e\u0301",
		} {
			if got := FoldName(s); got != want {
				t.Errorf("%q: got %+q, want %+q", s, got, want)
			}
		}
	})

	t.Run("is the same for every case of every letter, and folds to itself", func(t *testing.T) {
		for r := range unicode.MaxRune + 1 {
			if !utf8.ValidRune(r) {
				continue
			}
			folded := FoldName(string(r))
			if again := FoldName(folded); again != folded {
				t.Errorf("%U: folds to %+q, which folds to %+q", r, folded, again)
			}
			if other := unicode.SimpleFold(r); FoldName(string(other)) != folded {
				t.Errorf("%U: folds to %+q, but %U to %+q", r, folded, other, FoldName(string(other)))
			}
		}
	})

	t.Run("returns what is folded already itself", func(t *testing.T) {
		if n := testing.AllocsPerRun(100, func() { _ = FoldName("ada lovelace") }); n != 0 {
			t.Errorf("it costs %v allocations", n)
		}
	})

	t.Run("folds every text to one that folds to itself", rapid.MakeCheck(func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if folded := FoldName(s); FoldName(folded) != folded {
			t.Fatalf("%q folds to %q, which folds to %q", s, folded, FoldName(folded))
		}
		if FoldName(strings.ToUpper("a"+s)) == FoldName("b"+s) {
			t.Fatalf("%q: a and b fold to the same", s)
		}
	}))
}

func BenchmarkCheckText(b *testing.B) {
	for name, s := range map[string]string{"ascii": "Ada Lovelace Byron", "unicode": "Łukasz Żółć-Ładny"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = CheckText(s)
			}
		})
	}
}

func BenchmarkFoldName(b *testing.B) {
	for name, s := range map[string]string{
		"lower": "ada lovelace byron", "capital": "Ada Lovelace Byron", "unicode": "Łukasz Żółć-Ładny",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = FoldName(s)
			}
		})
	}
}
