package handlers

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// hashedNames are the names by which the page asks for its files.
var hashedNames = regexp.MustCompile(`(?:src|href)="\./([\w-]+\.[0-9a-f]{16}\.(?:css|js|png))"`)

func TestUI(t *testing.T) {
	server := documentServer(t, true)
	_, page := askDocument(t, http.MethodGet, server.URL+"/swagger/index.html")
	found := hashedNames.FindAllSubmatch(page, -1)

	t.Run("the page asks for every file by a name that changes with its content, relative to itself", func(t *testing.T) {
		if references := regexp.MustCompile(`(?:src|href)="`).FindAll(page, -1); len(found) != 7 || len(references) != len(found) {
			t.Fatalf("%d of %d references have a hash: %s", len(found), len(references), page)
		}
	})
	t.Run("what has such a name may be kept for ever, and is the file of the plain name", func(t *testing.T) {
		for _, match := range found {
			hashed := string(match[1])
			plain := regexp.MustCompile(`\.[0-9a-f]{16}\.`).ReplaceAllString(hashed, ".")
			kept, content := askDocument(t, http.MethodGet, server.URL+"/swagger/"+hashed)
			brief, same := askDocument(t, http.MethodGet, server.URL+"/swagger/"+plain)
			if kept.StatusCode != http.StatusOK || kept.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || kept.Header.Get("ETag") == "" {
				t.Errorf("%s: %d, %v", hashed, kept.StatusCode, kept.Header)
			}
			if brief.Header.Get("Cache-Control") != "public, max-age=3600" || !bytes.Equal(content, same) || brief.Header.Get("ETag") != kept.Header.Get("ETag") {
				t.Errorf("%s: %v", plain, brief.Header)
			}
		}
	})
	t.Run("the page itself is asked for anew, and answered by 304", func(t *testing.T) {
		first, _ := askDocument(t, http.MethodGet, server.URL+"/swagger/index.html")
		again, _ := askDocument(t, http.MethodGet, server.URL+"/swagger/index.html", "If-None-Match: "+first.Header.Get("ETag"))
		if first.Header.Get("Cache-Control") != "no-cache" || again.StatusCode != http.StatusNotModified {
			t.Errorf("%v, then %d", first.Header, again.StatusCode)
		}
	})
	t.Run("a hash of another release gets what there is, and nobody keeps it under that name", func(t *testing.T) {
		got, content := askDocument(t, http.MethodGet, server.URL+"/swagger/swagger-ui.0123456789abcdef.css")
		if got.StatusCode != http.StatusOK || got.Header.Get("Cache-Control") != "no-cache" || len(content) == 0 {
			t.Errorf("%d, %v", got.StatusCode, got.Header)
		}
	})
	t.Run("what only looks like a hash is no name", func(t *testing.T) {
		for _, name := range []string{
			"swagger-ui.0123456789abcde.css", "swagger-ui.0123456789ABCDEF.css", "swagger-ui.0123456789abcdef.js", "index.0123456789abcdef.html",
			"0123456789abcdef.css", ".0123456789abcdef.css", "swagger-ui.0123456789abcdef", "swagger-ui.0123456789abcdef.0123456789abcdef.css",
		} {
			if got, _ := askDocument(t, http.MethodGet, server.URL+"/swagger/"+name); got.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", name, got.StatusCode)
			}
		}
	})
	t.Run("a new content has a new name", func(t *testing.T) {
		names := map[string]bool{}
		for _, content := range []string{"a", "b", "a"} {
			file := newAsset("x.css", true, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
			names[file.hash()] = true
		}
		if len(names) != 2 {
			t.Errorf("%v", names)
		}
	})
}

func TestAsset_coding(t *testing.T) {
	t.Parallel()
	server := documentServer(t, true)
	for _, file := range []string{"/openapi.json", "/swagger/doc.json", "/swagger/swagger-ui.css", "/swagger/index.html", "/swagger/favicon-32x32.png"} {
		plain, content := askDocument(t, http.MethodGet, server.URL+file, "Accept-Encoding: identity")
		for _, coding := range []string{"gzip", "zstd"} {
			got, coded := askDocument(t, http.MethodGet, server.URL+file, "Accept-Encoding: "+coding)
			want := coding
			if path.Ext(file) == ".png" {
				want = ""
			}
			if got.Header.Get("Content-Encoding") != want || got.Header.Get("ETag") != plain.Header.Get("ETag") || got.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%s: %v", file, got.Header)
			}
			if got.ContentLength != int64(len(coded)) || want != "" && len(coded) > len(content)*2/3 {
				t.Errorf("%s: %d octets, %d of %d", file, got.ContentLength, len(coded), len(content))
			}
			var reader io.Reader = bytes.NewReader(coded)
			var err error
			switch want {
			case "gzip":
				reader, err = gzip.NewReader(reader)
			case "zstd":
				reader, err = zstd.NewReader(reader)
			}
			if err != nil {
				t.Fatal(err)
			}
			if back, err := io.ReadAll(reader); err != nil || !bytes.Equal(back, content) {
				t.Errorf("%s in %s: %d octets are not the %d, %v", file, coding, len(back), len(content), err)
			}
			head, _ := askDocument(t, http.MethodHead, server.URL+file, "Accept-Encoding: "+coding)
			if head.Header.Get("Content-Encoding") != want || head.ContentLength != got.ContentLength {
				t.Errorf("HEAD %s: %v", file, head.Header)
			}
			again, nothing := askDocument(t, http.MethodGet, server.URL+file, "Accept-Encoding: "+coding, "If-None-Match: "+got.Header.Get("ETag"))
			if again.StatusCode != http.StatusNotModified || len(nothing) > 0 || again.Header.Get("Content-Encoding") != "" {
				t.Errorf("304 of %s: %d, %v", file, again.StatusCode, again.Header)
			}
		}
	}
}
