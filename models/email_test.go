package models

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// emailRow is one line of testdata/emails.tsv.
type emailRow struct {
	line               int
	input, stored, key string
	refused            bool
}

// readEmails returns the rows of testdata/emails.tsv.
func readEmails(tb testing.TB) []emailRow {
	tb.Helper()
	content, err := os.ReadFile("testdata/emails.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var rows []emailRow
	for i, line := range strings.Split(string(content), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := append(strings.Split(line, "\t"), "", "")
		unquote := func(field, same string) string {
			if field == "=" {
				return same
			}
			s, err := strconv.Unquote(field)
			if err != nil {
				tb.Fatalf("testdata/emails.tsv:%d: %s is no Go string: %v", i+1, field, err)
			}
			return s
		}
		row := emailRow{line: i + 1, input: unquote(fields[0], ""), refused: fields[1] == "-"}
		if !row.refused {
			row.stored = unquote(fields[1], row.input)
			row.key = unquote(fields[2], row.stored)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestParseEmail(t *testing.T) {
	t.Run("stores and refuses what the table says", func(t *testing.T) {
		rows := readEmails(t)
		if len(rows) < 400 {
			t.Fatalf("the table has %d rows only", len(rows))
		}
		for _, row := range rows {
			got, err := ParseEmail(row.input)
			switch {
			case row.refused && err == nil:
				t.Errorf("testdata/emails.tsv:%d: %q is accepted as %q", row.line, row.input, got)
			case !row.refused && err != nil:
				t.Errorf("testdata/emails.tsv:%d: %q is refused: %v", row.line, row.input, err)
			case got != row.stored:
				t.Errorf("testdata/emails.tsv:%d: %q is stored as %q, not %q", row.line, row.input, got, row.stored)
			}
		}
	})

	t.Run("says in an EmailError what is wrong, without the address", func(t *testing.T) {
		for _, row := range readEmails(t) {
			if !row.refused {
				continue
			}
			_, err := ParseEmail(row.input)
			var refusal *EmailError
			if !errors.As(err, &refusal) || refusal.Error() == "" {
				t.Errorf("testdata/emails.tsv:%d: the refusal of %q is %#v", row.line, row.input, err)
			} else if len(row.input) > 2 && strings.Contains(refusal.Error(), row.input) {
				t.Errorf("testdata/emails.tsv:%d: %q is in its own refusal", row.line, row.input)
			}
		}
	})

	t.Run("draws the line at each length", func(t *testing.T) {
		label63 := strings.Repeat("b", 63)
		domain := func(octets int) string { // four labels and .com
			return label63 + "." + label63 + "." + label63 + "." + strings.Repeat("c", octets-3*64-4) + ".com"
		}
		unicodeLabel, asciiLabel := strings.Repeat("例", 17), "xn--fsqaaaaaaaaaaaaaaaa" // 51 and 23 octets
		for _, tt := range []struct {
			what     string
			fits     string
			overlong string
		}{
			{"64 characters before the @", strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 65) + "@example.com"},
			{"64 characters of two octets", strings.Repeat("é", 64) + "@example.com", strings.Repeat("é", 65) + "@example.com"},
			{"64 characters before composition", strings.Repeat("e\u0301", 32) + "@example.com", strings.Repeat("e\u0301", 33) + "@example.com"},
			{"63 octets in a label", "ada@" + label63 + ".com", "ada@" + label63 + "b.com"},
			{"63 octets in the last label", "ada@example." + label63, "ada@example." + label63 + "b"},
			// The A-label of ü and n times b is xn--, the b, a hyphen and three letters: n + 8 octets.
			{"63 octets in an A-label", "ada@ü" + label63[:55] + ".com", "ada@ü" + label63[:56] + ".com"},
			{"254 octets in all", "a@" + domain(252), "a@" + domain(253)},
			{"254 octets of which few before the @", "abcdefgh@" + domain(245), "abcdefghi@" + domain(245)},
			{"254 octets with a local part of Unicode", "é@" + domain(251), "é@" + domain(252)},
			{"254 octets with the domain in A-labels", "a@ü." + domain(244), "a@ü." + domain(245)},
			{"254 octets with the domain in Unicode", "a@" + unicodeLabel + "." + domain(200), "a@" + unicodeLabel + "." + domain(201)},
			{"254 octets in Unicode of a domain in A-labels", "a@" + asciiLabel + "." + domain(200), "a@" + asciiLabel + "." + domain(201)},
		} {
			if _, err := ParseEmail(tt.fits); err != nil {
				t.Errorf("%s: the longest one is refused: %v", tt.what, err)
			}
			if got, err := ParseEmail(tt.overlong); err == nil {
				t.Errorf("%s: one more is accepted: %q", tt.what, got)
			}
		}
	})

	t.Run("refuses invalid UTF-8 and surrogates anywhere", func(t *testing.T) {
		for _, s := range []string{
			"a\xff@example.com", "a@ex\xffample.com", "\x80@example.com", "ada@example.com\xc3",
			"a\xed\xa0\x80@example.com", "a@\xed\xb0\x80.com", "\xc0\x80@example.com",
		} {
			if got, err := ParseEmail(s); err == nil || err.Error() != errNotUTF8.Error() {
				t.Errorf("%q: got %q and %v", s, got, err)
			}
		}
	})

	t.Run("tells people what they probably meant", func(t *testing.T) {
		for s, want := range map[string]string{
			"ada":                                     "must have an @ ",
			"ada＠example.com":                         "full-width",
			"Ada <ada@example.com>":                   "display name",
			`"ada"@example.com`:                       "quotes",
			"ada(work)@example.com":                   "comment",
			"ada@[127.0.0.1]":                         "IP address",
			"ada@127.0.0.1":                           "ends with a letter",
			"ada@localhost":                           "must have a dot",
			"ada@printer.local":                       "reserved",
			"ada@exa_mple.com":                        "hyphens and dots",
			"ada@example-.com":                        "hyphen",
			"ada@example..com":                        "dots",
			"ada..l@example.com":                      "two dots in a row",
			"ada@😀.com":                               "IDNA 2008",
			"ada@אa.com":                              "directions",
			"a\u200bda@example.com":                   "invisible",
			"ada@exam\u00adple.com":                   "invisible",
			"\u0301ada@example.com":                   "combining mark",
			"ada@b@example.com":                       "after the @",
			strings.Repeat("a", 300):                  "254 octets",
			"ada@" + strings.Repeat("b", 64) + ".com": "63 octets",
		} {
			if _, err := ParseEmail(s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: the refusal is %v, without %q", s, err, want)
			}
		}
	})

	t.Run("returns an address in its stored form itself", func(t *testing.T) {
		for _, s := range []string{"ada.lovelace@example.com", "Ada+tag@mail.example.co.uk"} {
			if n := testing.AllocsPerRun(100, func() { _, _ = ParseEmail(s) }); n != 0 {
				t.Errorf("%q costs %v allocations", s, n)
			}
		}
	})
}

func TestParseEmail_properties(t *testing.T) {
	t.Run("takes every address that is made by the rules, and keeps the local part", rapid.MakeCheck(func(t *rapid.T) {
		local := rapid.StringMatching("[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,31}([.][a-zA-Z0-9_+-]{1,31})?").Draw(t, "local")
		domain := rapid.StringMatching(`([a-zA-Z0-9]([a-zA-Z0-9-][a-zA-Z0-9]){0,9}[.]){1,5}[a-wA-W]{2,3}`).Draw(t, "domain")
		if strings.Contains(domain, "--") {
			t.Skip("might be an A-label")
		}
		got, err := ParseEmail(local + "@" + domain)
		if err != nil {
			t.Fatal(err)
		}
		if want := local + "@" + strings.ToLower(domain); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}))

	t.Run("holds what it promises of whatever it takes", rapid.MakeCheck(func(t *rapid.T) {
		checkParsed(t, drawEmail(t))
	}))

	t.Run("gives one key to an address in any ASCII case", rapid.MakeCheck(func(t *rapid.T) {
		s := drawEmail(t)
		recased := []byte(s)
		for i, c := range recased {
			if unicode.IsLetter(rune(c)) && c < utf8.RuneSelf && rapid.Bool().Draw(t, "other case") {
				recased[i] = c ^ 0x20
			}
		}
		one, err1 := ParseEmail(s)
		other, err2 := ParseEmail(string(recased))
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q: %v, but %q: %v", s, err1, recased, err2)
		}
		if err1 == nil && EmailKey(one) != EmailKey(other) {
			t.Fatalf("the keys of %q and %q are %q and %q", one, other, EmailKey(one), EmailKey(other))
		}
	}))
}

// drawEmail draws what looks like an address and often is one.
func drawEmail(t *rapid.T) string {
	letters := rapid.RuneFrom([]rune("abcxyzABCXYZ0123456789"), unicode.Latin, unicode.Greek, unicode.Cyrillic,
		unicode.Han, unicode.Arabic, unicode.Devanagari, unicode.Cherokee)
	odd := rapid.RuneFrom([]rune("..--+_ıİßK\u0301\u0345\u200c\u200d\u00ad。．＠"), unicode.Mn, unicode.Nd, unicode.So)
	part := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9]{1,12}`),
		rapid.StringOfN(letters, 1, 8, -1),
		rapid.StringOfN(rapid.OneOf(letters, odd), 1, 6, -1),
	)
	domain := rapid.SliceOfN(part, 1, 3).Draw(t, "labels")
	domain = append(domain, rapid.SampledFrom([]string{"com", "IO", "рф", "xn--p1ai", "中国", "test"}).Draw(t, "top"))
	return part.Draw(t, "local") + "@" + strings.Join(domain, ".")
}

// failer is what testing and rapid have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkParsed fails unless ParseEmail refuses s, or keeps the promises of its comment and of
// EmailKey's.
func checkParsed(t failer, s string) {
	t.Helper()
	email, err := ParseEmail(s)
	if err != nil {
		var refusal *EmailError
		if !errors.As(err, &refusal) || email != "" {
			t.Fatalf("%q: got %q and %#v", s, email, err)
		}
		return
	}
	if again, err := ParseEmail(email); err != nil || again != email {
		t.Fatalf("%q is stored as %q, which parses to %q: %v", s, email, again, err)
	}
	if len(email) > 254 || !utf8.ValidString(email) || strings.Count(email, "@") != 1 {
		t.Fatalf("%q is stored as %q", s, email)
	}
	for _, r := range email {
		if r == ' ' || !unicode.IsPrint(r) {
			t.Fatalf("%q is stored as %q, which has %U", s, email, r)
		}
	}
	if err := CheckText(email); err != nil {
		t.Fatalf("%q is stored as %q, which %v", s, email, err)
	}
	key := EmailKey(email)
	if EmailKey(key) != key {
		t.Fatalf("the key of %q is %q, whose key is %q", email, key, EmailKey(key))
	}
	if !isASCII(key[strings.IndexByte(key, '@'):]) {
		t.Fatalf("the key of %q is %q, with a domain that is not ASCII", email, key)
	}
}

func TestEmailKey(t *testing.T) {
	t.Run("is what the table says, and its own key", func(t *testing.T) {
		for _, row := range readEmails(t) {
			if row.refused {
				continue
			}
			if got := EmailKey(row.stored); got != row.key {
				t.Errorf("testdata/emails.tsv:%d: the key of %q is %q, not %q", row.line, row.stored, got, row.key)
			}
			checkParsed(t, row.input)
		}
	})

	t.Run("is one for what people take for one address", func(t *testing.T) {
		for _, same := range [][]string{
			{"ada@example.com", "ADA@example.com", "Ada@EXAMPLE.com"},
			{"kim@example.com", "\u212aim@example.com", "kim@example.com", "KIM@example.com"},
			{"straße@example.com", "STRASSE@example.com", "STRAẞE@example.com"},
			{"josé@example.com", "jose\u0301@example.com", "JOSE\u0301@example.com"},
			{"ᾴ@example.com", "\u03b1\u0345\u0301@example.com", "\u03b1\u0301\u0345@example.com", "Άι@example.com"},
			{"ada@bücher.de", "ada@xn--bcher-kva.de", "Ada@BÜCHER.DE", "ada@bu\u0308cher。de"},
			{"Ꭰ@example.com", "ꭰ@example.com"},
		} {
			for _, s := range same {
				if got, want := keyOf(t, s), keyOf(t, same[0]); got != want {
					t.Errorf("the key of %q is %q, that of %q is %q", s, got, same[0], want)
				}
			}
		}
	})

	t.Run("tells apart what is not the same", func(t *testing.T) {
		seen := map[string]string{}
		for _, s := range []string{
			"i@example.com", "ı@example.com", "İ@example.com", "ada@straße.de", "ada@strasse.de",
			"jose@example.com", "josé@example.com", "a.da@example.com", "ada@example.com", "ada+@example.com",
			"ada@example.org", "＋ada@example.com", "ada@i.com", "ada@ı.com",
		} {
			key := keyOf(t, s)
			if other, taken := seen[key]; taken {
				t.Errorf("%q and %q share the key %q", other, s, key)
			}
			seen[key] = s
		}
	})

	t.Run("is the address itself when that is its own key", func(t *testing.T) {
		const s = "ada.lovelace@example.com"
		if n := testing.AllocsPerRun(100, func() { _ = EmailKey(s) }); n != 0 {
			t.Errorf("it costs %v allocations", n)
		}
	})
}

func keyOf(t *testing.T, s string) string {
	t.Helper()
	email, err := ParseEmail(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return EmailKey(email)
}

func BenchmarkParseEmail(b *testing.B) {
	for name, s := range map[string]string{
		"ascii":         "ada.lovelace@example.com",
		"capital":       "ada.lovelace@Example.com",
		"unicode":       "josé@example.com",
		"international": "ada@bücher.example",
		"refused":       "ada.lovelace@localhost",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseEmail(s)
			}
		})
	}
}

func BenchmarkEmailKey(b *testing.B) {
	for name, s := range map[string]string{
		"ascii":         "ada.lovelace@example.com",
		"capital":       "Ada.Lovelace@example.com",
		"unicode":       "josé@example.com",
		"international": "ada@bücher.example",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = EmailKey(s)
			}
		})
	}
}
