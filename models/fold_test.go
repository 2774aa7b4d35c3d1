package models

import (
	"cmp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// foldable draws texts in which folding has something to do: letters whose folded form is longer,
// shorter or ASCII, marks, what lies outside the basic plane, and octets that are no text at all.
func foldable() *rapid.Generator[string] {
	pieces := rapid.SampledFrom([]string{
		"a", "A", "b", "B", "k", "K", "\u212a", "s", "S", "ss", "\u00df", "\u1e9e", "\u017f", "f", "fi", "\ufb03", "\ufb01",
		"i", "I", "\u0130", "\u0131", "\u0307", "\u00e9", "\u00c9", "E\u0301", "\u03c3", "\u03a3", "\u03c2", "\u13a0", "\uab70",
		"\u13f8", "\u01c5", "\u1fbc", "\u0149", "\u042e", "\u044e", "\u674e", "\U00010400", "\U00010428", "\U0001f469\u200d\U0001f52c",
		" ", "@", ".", "[", "{", "Z", "z", "\x7f", "\u0080", "\ufffd", "\xff", "\xc3",
	})
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(pieces, 0, 6), func(p []string) string { return strings.Join(p, "") }),
		rapid.StringMatching(`[A-Ca-c@\[]{0,6}`),
		rapid.String(),
	)
}

// pairs draws two texts, which often begin alike or differ in letter case alone.
func pairs(t *rapid.T) (a, b string) {
	start := foldable().Draw(t, "start")
	a, b = start+foldable().Draw(t, "a"), start+foldable().Draw(t, "b")
	switch rapid.IntRange(0, 3).Draw(t, "how alike") {
	case 0:
		b = strings.ToUpper(a)
	case 1:
		b = FoldName(a)
	}
	return a, b
}

func TestCompareFolded(t *testing.T) {
	t.Run("compares the folded forms, octet by octet", rapid.MakeCheck(func(t *rapid.T) {
		a, b := pairs(t)
		checkFolded(t, a, b)
	}))
	t.Run("puts the letters where folding puts them", func(t *testing.T) {
		for _, row := range []struct {
			a, b string
			want int
		}{
			{"", "", 0},
			{"", "a", -1},
			{"a", "A", 0},
			{"Z", "a", 1},
			{"Z", "[", 1}, // folded, the letters stand behind what lies between the cases
			{"stra\u00dfe", "STRASSE", 0},
			{"stra\u00dfe", "strassf", -1},
			{"\u212aelvin", "kelvin", 0},
			{"k", "\u212a\u212a", -1},
			{"z", "\u00e9", -1},
			{"\uffe6", "\U00010400", -1}, // UTF-16 would have them the other way round
			{"abc\u00c9", "ABC\u00e9", 0},
		} {
			if got, back := CompareFolded(row.a, row.b), CompareFolded(row.b, row.a); sign(got) != row.want || sign(back) != -row.want {
				t.Errorf("%q and %q: got %d, and %d the other way round, want %d", row.a, row.b, got, back, row.want)
			}
		}
	})
	t.Run("copies nothing of ASCII", func(t *testing.T) {
		if n := testing.AllocsPerRun(100, func() { _ = CompareFolded("Ada Lovelace", "ADA LOVELACE b") }); n != 0 {
			t.Errorf("it costs %v allocations", n)
		}
	})
}

// checkFolded holds CompareFolded and containsFolded against their definitions.
func checkFolded(t rapid.TB, a, b string) {
	t.Helper()
	if got, want := CompareFolded(a, b), strings.Compare(FoldName(a), FoldName(b)); sign(got) != want {
		t.Fatalf("%+q and %+q: got %d, want %d", a, b, got, want)
	}
	part := FoldName(b)
	if got, want := containsFolded(a, part), strings.Contains(FoldName(a), part); got != want {
		t.Fatalf("%+q in %+q: got %t, want %t", part, a, got, want)
	}
}

func sign(n int) int { return cmp.Compare(n, 0) }

func TestContainsFolded(t *testing.T) {
	t.Run("finds what is part of the folded form", rapid.MakeCheck(func(t *rapid.T) {
		s := foldable().Draw(t, "text")
		folded := FoldName(s)
		from := rapid.IntRange(0, len(folded)).Draw(t, "from")
		part := folded[from:rapid.IntRange(from, len(folded)).Draw(t, "to")]
		if !containsFolded(s, part) {
			t.Fatalf("%+q is not found in %+q", part, s)
		}
	}))
	t.Run("finds nothing else", rapid.MakeCheck(func(t *rapid.T) {
		a, b := pairs(t)
		checkFolded(t, a, b)
		checkFolded(t, b, a)
	}))
	t.Run("finds the empty text everywhere", func(t *testing.T) {
		for _, s := range []string{"", "Ada", "\u00c9va"} {
			if !containsFolded(s, "") {
				t.Errorf("not in %q", s)
			}
		}
	})
	t.Run("copies nothing of ASCII", func(t *testing.T) {
		if n := testing.AllocsPerRun(100, func() { _ = containsFolded("Ada Lovelace", "lace b") }); n != 0 {
			t.Errorf("it costs %v allocations", n)
		}
	})
}
