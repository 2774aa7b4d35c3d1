package middleware

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	sane    = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,128}\z`)
	grammar = regexp.MustCompile(`\A([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-(?s:.)*)?\z`)
)

// FuzzRequestID compares the rule for request ids with its regular expression.
func FuzzRequestID(f *testing.F) {
	for _, seed := range []string{"", "a", "A.b_c-9", strings.Repeat("x", 128), strings.Repeat("x", 129), "a b", "a\n", "é", "\x00", `"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if got, want := saneRequestID(id), sane.MatchString(id); got != want {
			t.Fatalf("%q: %v, want %v", id, got, want)
		}
	})
}

// FuzzTraceparent compares the reading of traceparent with the grammar of W3C Trace Context.
func FuzzTraceparent(f *testing.F) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for _, seed := range []string{
		"", "00-" + id + "-b7ad6b7169203331-01", "ff-" + id + "-b7ad6b7169203331-01", "cc-" + id + "-b7ad6b7169203331-01-x", "00-" + id + "-b7ad6b7169203331-01-x",
		"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "00-" + id + "-0000000000000000-01", strings.ToUpper("00-" + id + "-b7ad6b7169203331-01"),
		"cc-" + id + "-b7ad6b7169203331-01x", "00-" + id + "-b7ad6b7169203331-0", "00-" + id + "_b7ad6b7169203331-01",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := traceID(http.Header{"Traceparent": {value}})
		want := ""
		if match := grammar.FindStringSubmatch(value); match != nil && match[1] != "ff" && strings.Trim(match[2], "0") != "" &&
			strings.Trim(match[3], "0") != "" && (match[1] != "00" || match[5] == "") {
			want = match[2]
		}
		if got != want || ok != (want != "") {
			t.Fatalf("%q: %q, %v; want %q", value, got, ok, want)
		}
		parent := parentOf(http.Header{"Traceparent": {value}})
		if parent.IsValid() != ok || ok && (parent.TraceID().String() != want || parent.SpanID().String() != value[36:52] || !parent.IsRemote()) {
			t.Fatalf("%q: the parent is %v", value, parent)
		}
	})
}
