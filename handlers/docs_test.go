package handlers

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"userapi/docs"
	"userapi/middleware"
)

// documentServer serves the router without a service for users.
func documentServer(t *testing.T, documents bool) *httptest.Server {
	t.Helper()
	handler, err := New(Deps{
		Lifecycle: new(middleware.Lifecycle), Log: zap.NewNop(),
		Now: time.Now, CursorKey: make([]byte, 32), Documents: documents, Compression: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// askDocument sends a request, follows no redirect, and returns the answer with its body read.
func askDocument(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

// uiPaths are all the files of which the UI consists.
func uiPaths(t *testing.T) []string {
	t.Helper()
	paths := []string{"/swagger/index.html", "/swagger/index.css", "/swagger/swagger-initializer.js"}
	files, err := fs.Glob(docs.UI(), "ui/*")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		paths = append(paths, "/swagger/"+path.Base(name))
	}
	return paths
}

func TestDocuments_UI(t *testing.T) {
	server := documentServer(t, true)

	t.Run("every file is there, for GET and HEAD, and no other page may use it", func(t *testing.T) {
		for _, file := range uiPaths(t) {
			got, body := askDocument(t, http.MethodGet, server.URL+file)
			if got.StatusCode != http.StatusOK || len(body) == 0 {
				t.Errorf("GET %s: status %d, %d octets", file, got.StatusCode, len(body))
			}
			head, nothing := askDocument(t, http.MethodHead, server.URL+file)
			if head.StatusCode != http.StatusOK || len(nothing) > 0 {
				t.Errorf("HEAD %s: status %d, %d octets", file, head.StatusCode, len(nothing))
			}
			for _, name := range []string{"Content-Type", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"} {
				if got.Header.Get(name) == "" || head.Header.Get(name) != got.Header.Get(name) {
					t.Errorf("%s: %s is %q for GET and %q for HEAD", file, name, got.Header.Get(name), head.Header.Get(name))
				}
			}
		}
	})

	t.Run("the doors lead to the page by a relative path", func(t *testing.T) {
		for door, want := range map[string]string{"/swagger": "swagger/index.html", "/swagger/": "index.html"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got, _ := askDocument(t, method, server.URL+door)
				if got.StatusCode != http.StatusFound || got.Header.Get("Location") != want {
					t.Errorf("%s %s: status %d to %q, want 302 to %q", method, door, got.StatusCode, got.Header.Get("Location"), want)
				}
			}
		}
	})

	t.Run("the page asks for the OpenAPI document beside it", func(t *testing.T) {
		_, script := askDocument(t, http.MethodGet, server.URL+"/swagger/swagger-initializer.js")
		if !bytes.Contains(script, []byte(`url: "../openapi.json"`)) {
			t.Errorf("the initializer is %s", script)
		}
	})

	t.Run("no request can disable it for the next", func(t *testing.T) {
		server := documentServer(t, true) // one that has not been asked before
		for _, poison := range []string{
			"/swagger/x/index.html", "/swagger/nothing?/swagger/index.html", "/swagger/index.html?/x/index.css",
			"/swagger/swagger-ui.css?x=/index.html", "/x/swagger/index.html", "/swagger/x%2Findex.html",
		} {
			askDocument(t, http.MethodGet, server.URL+poison)
		}
		for _, file := range uiPaths(t) {
			if got, _ := askDocument(t, http.MethodGet, server.URL+file); got.StatusCode != http.StatusOK {
				t.Errorf("GET %s: status %d", file, got.StatusCode)
			}
		}
	})

	t.Run("anything else is a problem", func(t *testing.T) {
		for _, file := range []string{
			"/swagger/nothing", "/swagger/x/index.html", "/swagger/swagger-ui-bundle.js.map", "/swagger/swagger-ui.js",
			"/swagger/Index.html", "/swagger/index.html/", "/swagger/oauth2-redirect.html", "/swagger/..%2Fdocs.go", "/openapi.json/",
		} {
			got, body := askDocument(t, http.MethodGet, server.URL+file)
			if got.StatusCode != http.StatusNotFound || !bytes.Contains(body, []byte(`"code":"route_not_found"`)) {
				t.Errorf("GET %s: status %d, %.100s", file, got.StatusCode, body)
			}
		}
	})
}

func TestDocuments_Caching(t *testing.T) {
	server := documentServer(t, true)
	for _, file := range []string{"/openapi.json", "/swagger/doc.json", "/swagger/swagger-ui.css", "/swagger/favicon-32x32.png"} {
		first, body := askDocument(t, http.MethodGet, server.URL+file, "Accept-Encoding: identity")
		etag := first.Header.Get("ETag")
		if etag == "" || first.ContentLength != int64(len(body)) {
			t.Errorf("%s: ETag %q, %d octets of %d", file, etag, len(body), first.ContentLength)
		}

		t.Run("the current tag of "+path.Base(file)+" is answered by 304", func(t *testing.T) {
			for _, tags := range []string{etag, `"x", ` + etag, "W/" + etag, "*"} {
				again, nothing := askDocument(t, http.MethodGet, server.URL+file, "If-None-Match: "+tags)
				if again.StatusCode != http.StatusNotModified || len(nothing) > 0 || again.Header.Get("ETag") != etag {
					t.Errorf("If-None-Match %s: status %d, %d octets, ETag %s", tags, again.StatusCode, len(nothing), again.Header.Get("ETag"))
				}
			}
		})

		t.Run("another tag of "+path.Base(file)+" is answered by the whole", func(t *testing.T) {
			for _, tags := range []string{`"x"`, strings.Trim(etag, `"`), etag[:5] + `"`} {
				again, whole := askDocument(t, http.MethodGet, server.URL+file, "If-None-Match: "+tags)
				if again.StatusCode != http.StatusOK || !bytes.Equal(whole, body) {
					t.Errorf("If-None-Match %s: status %d, %d octets", tags, again.StatusCode, len(whole))
				}
			}
		})
	}
}

func TestDocuments_Off(t *testing.T) {
	server := documentServer(t, false)

	t.Run("nothing of the documents is there", func(t *testing.T) {
		for _, file := range append(uiPaths(t), "/openapi.json", "/swagger", "/swagger/", "/swagger/doc.json") {
			got, body := askDocument(t, http.MethodGet, server.URL+file)
			if got.StatusCode != http.StatusNotFound || !bytes.Contains(body, []byte(`"code":"route_not_found"`)) {
				t.Errorf("GET %s: status %d, %.100s", file, got.StatusCode, body)
			}
		}
	})

	t.Run("the index does not link to them", func(t *testing.T) {
		if _, body := askDocument(t, http.MethodGet, server.URL+"/"); bytes.Contains(body, []byte("openapi")) || bytes.Contains(body, []byte("swagger")) {
			t.Errorf("the index is %s", body)
		}
	})
}
