package testkit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// Samples are the values of a page of metrics by their series as they are written there:
// name{label="value",…}, labels in the order of their names.
type Samples map[string]float64

// ParseSamples reads a page in Prometheus' text; the test ends when it is none.
func ParseSamples(tb testing.TB, page string) Samples {
	tb.Helper()
	samples := Samples{}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if space < 0 || err != nil {
			tb.Fatalf("%q is no sample", line)
		}
		if _, twice := samples[line[:space]]; twice {
			tb.Fatalf("%s is there twice", line[:space])
		}
		samples[line[:space]] = value
	}
	return samples
}

// Page returns what the service answers to a scrape, as Prometheus' text.
func (s *Service) Page(tb testing.TB) string {
	tb.Helper()
	recorder := httptest.NewRecorder()
	s.Metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		tb.Fatalf("a scrape is answered %d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

// Samples returns what the service answers to a scrape.
func (s *Service) Samples(tb testing.TB) Samples {
	tb.Helper()
	return ParseSamples(tb, s.Page(tb))
}

// Fetch asks a URL that is not one of the service's described ones, and returns the whole answer.
func Fetch(tb testing.TB, method, url string, headers ...string) (status int, header http.Header, body string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}
