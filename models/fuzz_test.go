package models

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParseEmail(f *testing.F) {
	for _, row := range readEmails(f) {
		f.Add(row.input)
	}
	f.Add(strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + ".com")
	f.Add("a\xff@example.com")
	f.Fuzz(func(t *testing.T, s string) { checkParsed(t, s) })
}

func FuzzCheckText(f *testing.F) {
	for _, s := range []string{
		"", "Ada Lovelace", "👩\u200d💻", "עדה\u200f", "a\x00", "\u0085", "\u202e", "\ufdd0", "\U0010ffff", "\xed\xa0\x80", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := CheckText(s)
		if err == nil && !utf8.ValidString(s) {
			t.Fatalf("%q is taken and no UTF-8", s)
		}
		// A text is as good as its worst character.
		var worst error
		for rest := s; rest != "" && worst == nil; {
			_, size := utf8.DecodeRuneInString(rest)
			worst, rest = CheckText(rest[:size]), rest[size:]
		}
		if err != worst { //nolint:errorlint // the very rule is meant
			t.Fatalf("%q: %v, but by characters %v", s, err, worst)
		}
		if folded := FoldName(s); utf8.ValidString(s) && FoldName(folded) != folded {
			t.Fatalf("%q folds to %q, which folds to %q", s, folded, FoldName(folded))
		}
	})
}

func FuzzParseMatch(f *testing.F) {
	for _, row := range entityTags() {
		f.Add(strings.Join(row.values, "\n"))
	}
	f.Fuzz(func(t *testing.T, lines string) { checkMatch(t, strings.Split(lines, "\n")) })
}

func FuzzCompareFolded(f *testing.F) {
	for _, pair := range [][2]string{
		{"", ""},
		{"Ada Lovelace", "LACE"},
		{"stra\u00dfe", "STRASSE"},
		{"\u212aelvin", "k"},
		{"\u0130", "i\u0307"},
		{"a\xff", "a\xc3"},
		{"\uab70", "\u13a0"},
		{"ab\U00010400", "AB\uffe6"},
		{"\x80", "\xff"},
		{"\u00e9\u00e9\u00e9\u00e9a", "\u00e9\u00e9\u00e9\u00e9\u00c9"},
		{"abcdefg\u00e9", "abcdefg\u00e8"},
		{"abcdefg\xc3a", "abcdefg\u00c9"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		checkFolded(t, a, b)
		checkFolded(t, b, a)
	})
}
