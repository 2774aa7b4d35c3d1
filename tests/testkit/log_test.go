package testkit

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestLog_leaked(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	request := func(method, target, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		l.forbid(req)
	}
	request(http.MethodGet, "/users/?q=lovelace", "")
	request(http.MethodGet, "/users/by-email/grace%40example.com", "")
	request(http.MethodPost, "/users/", `{"name":"Ada Lovelace","nick":"short","at":"2026-01-02T15:04:05.000000Z"}`)
	for text, want := range map[string][]string{
		"": nil, "nothing of that": nil, "shor": nil, "short": nil, "2026-01-02T15:04:05.000000Z": nil, "Ada Lovelac": nil,
		"at the end: q=lovelace":       {"q=lovelace"},
		"q=lovelace at the start":      {"q=lovelace"},
		"q=loveq=lovelaceq=lovelace":   {"q=lovelace"},
		"Ada Ada Lovelace":             {"Ada Lovelace"},
		"grace%40example.com":          {"grace%40example.com"},
		"grace@example.com q=lovelace": {"grace@example.com", "q=lovelace"},
	} {
		if found := l.leaked(text); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
			t.Errorf("in %q are %q, want %q", text, found, want)
		}
	}
}
