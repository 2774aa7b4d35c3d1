package middleware

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]struct {
		coding string
		only   bool
	}{
		"":                            {"", false},
		"gzip":                        {"gzip", false},
		"GZip":                        {"gzip", false},
		"x-gzip":                      {"gzip", false},
		"zstd":                        {"zstd", false},
		"gzip, deflate, br, zstd":     {"zstd", false},
		"gzip;q=1.0, zstd;q=0.5":      {"gzip", false},
		"gzip;q=0.5,zstd; q=0.5":      {"zstd", false},
		"gzip;q=0":                    {"", false},
		"gzip;q=0.000, zstd;q=0":      {"", false},
		"gzip;q=0, zstd":              {"zstd", false},
		"deflate, br":                 {"", false},
		"identity":                    {"", false},
		"identity;q=0":                {"", true},
		"gzip, identity;q=0":          {"gzip", true},
		"gzip, *;q=0":                 {"gzip", true},
		"zstd;q=0.2, *;q=0":           {"zstd", true},
		"gzip, identity;q=0.5, *;q=0": {"gzip", false},
		"*":                           {"", false},
		"*;q=0":                       {"", true},
		"*, identity;q=0":             {"gzip", true},
		"gzip;q=0, *, identity;q=0":   {"", true},
		"gzip;q=0.5, identity":        {"", false},
		"gzip;q=nan":                  {"", false},
		"gzip;q=2":                    {"", false},
		"gzip;q=":                     {"", false},
		"gzip;level=9":                {"", false},
		"gzip;;q=1":                   {"", false},
		",,gzip,,":                    {"gzip", false},
		"gzippy, not-zstd":            {"", false},
		strings.Repeat("a,", 8000):    {"", false},
	} {
		coding, only := accepted(http.Header{"Accept-Encoding": {field}})
		if want.coding == "" {
			only = want.only // who gets it as it is anyway need not be asked
		}
		if coding != want.coding || only != want.only {
			t.Errorf("%.40q: %q, %v", field, coding, only)
		}
	}
	if coding := Coding(http.Header{"Accept-Encoding": {"br", "gzip"}}); coding != CodingGzip {
		t.Errorf("of two fields the second is %q", coding)
	}
	if coding := Coding(http.Header{}); coding != "" {
		t.Errorf("without a field it is %q", coding)
	}
}

// page is JSON that compresses well.
func page(size int) []byte {
	return append(bytes.Repeat([]byte(`{"name":"Ada"},`), size/15), bytes.Repeat([]byte("x"), size%15)...)
}

// compressing serves by a handler behind Compress.
func compressing(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	around, err := Compress(handler)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(around)
	t.Cleanup(server.Close)
	return server
}

// fetched returns an answer with its content as it was sent.
func fetched(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, content
}

// decoded returns a content without its coding.
func decoded(t *testing.T, coding string, content []byte) []byte {
	t.Helper()
	var reader io.Reader = bytes.NewReader(content)
	var err error
	switch coding {
	case CodingGzip:
		reader, err = gzip.NewReader(reader)
	case CodingZstd:
		reader, err = zstd.NewReader(reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestCompress(t *testing.T) {
	t.Parallel()
	server := compressing(t, func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		size, _ := strconv.Atoi(query.Get("size"))
		header := w.Header()
		header["Vary"] = []string{"Authorization, Accept-Encoding"}
		header.Set("Etag", `"7"`)
		header.Set("Content-Type", query.Get("type"))
		if size > 2048 {
			header.Set("Content-Length", strconv.Itoa(size))
		}
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(page(size))
	})
	for _, c := range []struct {
		name, mediaType, accept string
		size                    int
		want                    string
	}{
		{"a page", "application/json; charset=utf-8", "gzip", 5000, "gzip"},
		{"a large page", "application/json", "gzip, zstd", 300_000, "zstd"},
		{"a problem", "application/problem+json", "zstd", 1500, "zstd"},
		{"text", "text/html; charset=utf-8", "gzip", 1024, "gzip"},
		{"what is smaller than a packet", "application/json", "gzip", 1023, ""},
		{"what is smaller, for who takes nothing else", "application/json", "gzip, identity;q=0", 20, "gzip"},
		{"what is smaller, with credentials", "application/json", "gzip", 300, ""},
		{"a picture", "image/png", "gzip", 5000, ""},
		{"what is no known type", "application/octet-stream", "gzip", 5000, ""},
		{"what nobody asked to be compressed", "application/json", "", 5000, ""},
		{"what must not be compressed", "application/json", "gzip;q=0", 5000, ""},
		{"nothing", "application/json", "gzip", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := fmt.Sprintf("%s/?size=%d&type=%s", server.URL, c.size, url.QueryEscape(c.mediaType))
			for _, credentials := range []string{"X-None: x", "Authorization: Bearer x", "X-Api-Key: x"} {
				got, content := fetched(t, http.MethodGet, target, "Accept-Encoding: "+c.accept, credentials)
				if coding := got.Header.Get("Content-Encoding"); coding != c.want {
					t.Fatalf("Content-Encoding is %q, want %q", coding, c.want)
				}
				if !bytes.Equal(decoded(t, c.want, content), page(c.size)) {
					t.Errorf("%d octets come back as %d", c.size, len(decoded(t, c.want, content)))
				}
				if c.want != "" && c.size > 1000 && len(content) > c.size/2 {
					t.Errorf("%d octets are %d", c.size, len(content))
				}
				if got.Header.Get("ETag") != `"7"` || strings.Join(got.Header.Values("Vary"), "|") != "Authorization, Accept-Encoding" {
					t.Errorf("ETag %q, Vary %q", got.Header.Get("ETag"), got.Header.Values("Vary"))
				}
				if got.ContentLength >= 0 && got.ContentLength != int64(len(content)) {
					t.Errorf("Content-Length %d of %d octets", got.ContentLength, len(content))
				}
				head, nothing := fetched(t, http.MethodHead, target, "Accept-Encoding: "+c.accept, credentials)
				if len(nothing) > 0 || head.Header.Get("Content-Encoding") != c.want || head.ContentLength >= 0 && head.ContentLength != int64(len(content)) {
					t.Errorf("HEAD has %d octets, Content-Encoding %q, Content-Length %d of %d", len(nothing), head.Header.Get("Content-Encoding"), head.ContentLength, len(content))
				}
			}
		})
	}
}

func TestCompress_withoutContent(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
		server := compressing(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		for _, accept := range []string{"gzip", "gzip, identity;q=0"} {
			got, content := fetched(t, http.MethodGet, server.URL, "Accept-Encoding: "+accept)
			if got.StatusCode != status || len(content) > 0 || got.Header.Get("Content-Encoding") != "" || got.Header.Get("Content-Type") != "" {
				t.Errorf("%d: %v", status, got.Header)
			}
		}
	}
}

// TestCompress_jitter: the size of an answer to somebody who is known depends on the content in a way that
// nobody can compute who does not know it, and to others on nothing else.
func TestCompress_jitter(t *testing.T) {
	t.Parallel()
	server := compressing(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(page(3000), r.URL.RawQuery...))
	})
	sizes := func(coding, credentials string) map[int]bool {
		found := map[int]bool{}
		for n := range 30 {
			target := fmt.Sprintf("%s/?%02d", server.URL, n)
			_, first := fetched(t, http.MethodGet, target, "Accept-Encoding: "+coding, credentials)
			if _, second := fetched(t, http.MethodGet, target, "Accept-Encoding: "+coding, credentials); len(first) != len(second) {
				t.Errorf("%s: the same content has %d and %d octets, whose mean tells its size", coding, len(first), len(second))
			}
			found[len(first)] = true
		}
		return found
	}
	for _, coding := range []string{CodingGzip, CodingZstd} {
		if known := sizes(coding, "Authorization: Bearer x"); len(known) < 10 {
			t.Errorf("%s: with credentials 30 answers have the sizes %v", coding, known)
		}
		if usual := sizes(coding, "X-None: x"); len(usual) > 4 {
			t.Errorf("%s: without credentials 30 answers have the sizes %v", coding, usual)
		}
	}
}

// TestCompress_cutOff: an answer that its handler gives up must look like one, in any version of HTTP.
func TestCompress_cutOff(t *testing.T) {
	t.Parallel()
	server := compressing(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if users, _ := strconv.Atoi(r.URL.RawQuery); users > 0 {
			_, _ = w.Write(people(users))
		}
		panic(http.ErrAbortHandler)
	})
	for _, size := range []int{0, 3, 20, 500, 3000} {
		for _, coding := range []string{"identity", CodingGzip, CodingZstd} {
			for _, version := range []string{"1.0", "1.1"} {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				_, _ = fmt.Fprintf(conn, "GET /?%d HTTP/%s\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", size, version, coding)
				sent, _ := io.ReadAll(conn)
				_ = conn.Close()
				head, content, _ := bytes.Cut(sent, []byte("\r\n\r\n"))
				if version == "1.1" && bytes.HasSuffix(sent, []byte("\r\n0\r\n\r\n")) {
					t.Errorf("%s of %d users: the chunks have an end", coding, size)
				}
				if version == "1.0" && coding != "identity" && len(content) > 0 && whole(coding, content) {
					t.Errorf("%s of %d users: what comes is a whole stream behind %s", coding, size, head)
				}
			}
		}
	}
}

// TestCompress_cutOffStream: nor does what is written have an end, which would be left to a buffer of
// net/http to keep back.
func TestCompress_cutOffStream(t *testing.T) {
	t.Parallel()
	around, err := Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(people(500))
		panic(http.ErrAbortHandler)
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, coding := range []string{CodingGzip, CodingZstd} {
		recorder, req := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("Accept-Encoding", coding)
		func() {
			defer func() {
				if value := recover(); value != http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
					t.Errorf("%s: it panics with %v", coding, value)
				}
			}()
			around.ServeHTTP(recorder, req)
		}()
		if recorder.Body.Len() > 0 && whole(coding, recorder.Body.Bytes()) {
			t.Errorf("%s: %d octets are a whole stream", coding, recorder.Body.Len())
		}
	}
}

// whole says whether a content in a coding has its end.
func whole(coding string, content []byte) bool {
	var reader io.Reader
	var err error
	if coding == CodingGzip {
		reader, err = gzip.NewReader(bytes.NewReader(content))
	} else {
		reader, err = zstd.NewReader(bytes.NewReader(content))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, reader)
	}
	return err == nil
}

func TestCompress_notAsked(t *testing.T) {
	around, err := Compress(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if err != nil {
		t.Fatal(err)
	}
	w, req := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for _, accept := range []string{"", "identity", "gzip;q=0"} {
		req.Header.Set("Accept-Encoding", accept)
		if got := testing.AllocsPerRun(100, func() { around.ServeHTTP(w, req) }); got > 0 {
			t.Errorf("%q: %v allocations", accept, got)
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, users := range []int{1, 50, 1000} {
		content := people(users)
		around, err := Compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(content)
		}))
		if err != nil {
			b.Fatal(err)
		}
		for _, accept := range []string{"", "gzip", "zstd"} {
			b.Run(fmt.Sprintf("%d users for %q", users, accept), func(b *testing.B) {
				req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
				if accept != "" {
					req.Header.Set("Accept-Encoding", accept)
				}
				b.ReportAllocs()
				for b.Loop() {
					w := &discarded{header: http.Header{}}
					around.ServeHTTP(w, req)
				}
			})
		}
	}
}

// people is a list of users, no two of whom are alike.
func people(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	list := []byte(`{"items":[`)
	for id := range n {
		at := fmt.Sprintf("2026-11-%02dT%02d:%02d:%02d.%06dZ", 1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1_000_000))
		list = fmt.Appendf(list, `{"id":%d,"name":"N%x V%x","email":"n%x@example.com","age":%d,"created_at":%q,"updated_at":%q,"version":%d},`,
			id, random.Uint32(), random.Uint32(), random.Uint32(), random.IntN(100), at, at, 1+random.IntN(9))
	}
	return append(list[:len(list)-1], "]}"...)
}

// discarded is an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}
