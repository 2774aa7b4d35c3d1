package tests

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/klauspost/compress/zstd"

	"userapi/middleware/auth"
	"userapi/middleware/limit"
	"userapi/models"
	"userapi/repository/repotest"
	"userapi/tests/testkit"
)

func TestEdges_CrossOrigin(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	service := testkit.New(t, testkit.Options{Origins: []string{app}})
	service.Create(t, ada)
	t.Run("a page of a listed origin may read whatever is answered, also no", func(t *testing.T) {
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "/users/1", "", 200},
			{"GET", "/users/9", "", 404},
			{"GET", "/nothing", "", 404},
			{"GET", "/users/?limit=0", "", 422},
			{"POST", "/users/", "{", 400},
			{"POST", "/users/", ada, 409},
			{"PATCH", "/users/", "{}", 405},
			{"GET", "/users//1", "", 404},
			{"GET", "/health", "", 200},
			{"GET", "/openapi.json", "", 200},
		} {
			answer := service.Do(t, c.method, c.path, c.body, "Origin: "+app).Want(c.status).WantHeader("Access-Control-Allow-Origin", app)
			exposed := strings.ToLower(answer.Header.Get("Access-Control-Expose-Headers"))
			for _, name := range []string{
				"etag", "location", "link", "retry-after", "x-request-id", "x-total-count", "idempotency-replayed", "ratelimit", "ratelimit-policy", "www-authenticate",
			} {
				if !strings.Contains(","+exposed+",", ","+name+",") {
					t.Errorf("%s %s: %s is not among %q", c.method, c.path, name, exposed)
				}
			}
			if strings.HasPrefix(c.path, "/users") && !strings.HasPrefix(c.path, "/users//") {
				answer.WantHeader("Vary", "Authorization, Accept-Encoding, Origin")
			} else {
				answer.WantHeader("Vary", "Accept-Encoding, Origin")
			}
		}
	})
	t.Run("one of another origin may not, and caches know the difference", func(t *testing.T) {
		service.Get(t, "/users/1", "Origin: https://evil.example").Want(200).WantHeader("Access-Control-Allow-Origin", "").WantHeader("Vary", "Authorization, Accept-Encoding, Origin")
	})
	t.Run("a preflight has its request id and its line in the log", func(t *testing.T) {
		req := service.Request(t, http.MethodOptions, "/users/1", "", "Origin: "+app, "Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: content-type,if-match")
		answer, err := http.DefaultTransport.RoundTrip(req) // it names no methods of the path, which openapi.json wants
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Methods") != "PATCH" || answer.Header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("%d, %v", answer.StatusCode, answer.Header)
		}
		if line := service.Log.Request(t, answer.Header.Get("X-Request-ID")); line.Text("method") != "OPTIONS" || line.Number("status") != 204 {
			t.Errorf("%v", line)
		}
	})
	t.Run("a refused one, and OPTIONS without any of it, is answered with the methods of the path", func(t *testing.T) {
		for _, headers := range [][]string{nil, {"Origin: https://evil.example", "Access-Control-Request-Method: PATCH"}, {"Origin: " + app, "Access-Control-Request-Method: TRACE"}} {
			service.Do(t, http.MethodOptions, "/users/1", "", headers...).Want(204).
				WantHeader("Allow", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS").WantHeader("Access-Control-Allow-Origin", "")
		}
	})
	t.Run("a failure of ours can be read, too", func(t *testing.T) {
		panics := testkit.New(t, testkit.Options{Users: panicking{"x"}, Origins: []string{app}})
		panics.Get(t, "/users/1", "Origin: "+app).Want(500).WantHeader("Access-Control-Allow-Origin", app)
		faults := repotest.NewFaults(testkit.NewStore(t, testkit.Options{}))
		faults.At(repotest.Before, repotest.Any, 0, repotest.Fail(models.ErrUnavailable))
		away := testkit.New(t, testkit.Options{Repository: faults, Origins: []string{app}})
		away.Get(t, "/users/1", "Origin: "+app).Want(503).WantHeader("Access-Control-Allow-Origin", app)
	})
	t.Run("who is not let in can read why, and a preflight needs no credentials", func(t *testing.T) {
		d := newDoor(t)
		reader := d.key(t, "reader", models.ScopeRead)
		guarded := d.open(t, auth.Options{}, testkit.Options{Origins: []string{app}})
		guarded.Get(t, "/users/1", "Origin: "+app).Want(401).WantHeader("Access-Control-Allow-Origin", app)
		guarded.Delete(t, "/users/1", "Origin: "+app, reader).Want(403).WantHeader("Access-Control-Allow-Origin", app)
		asks := guarded.Request(t, http.MethodOptions, "/users/1", "", "Origin: "+app, "Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: authorization,x-api-key")
		answer, err := http.DefaultTransport.RoundTrip(asks)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("%d, %v", answer.StatusCode, answer.Header)
		}
		vary := strings.Join(guarded.Get(t, "/users/1", "Origin: "+app, reader).Want(404).Header.Values("Vary"), ", ")
		for _, name := range []string{"Authorization", "X-API-Key", "Accept-Encoding", "Origin"} {
			if strings.Count(vary, name) != 1 {
				t.Errorf("Vary is %q", vary)
			}
		}
	})
	t.Run("so can who asks too often", func(t *testing.T) {
		limited, _ := limited(t, testkit.Options{Rates: limit.Rates{Reads: perHour(1)}, Origins: []string{app}})
		limited.Get(t, "/users/9", "Origin: "+app).Want(404)
		answer := limited.Get(t, "/users/9", "Origin: "+app).Want(429).WantHeader("Access-Control-Allow-Origin", app)
		if answer.Header.Get("Retry-After") == "" {
			t.Errorf("%v", answer.Header)
		}
	})
	t.Run("without a list nothing of it is said", func(t *testing.T) {
		answer := testkit.New(t, testkit.Options{}).Get(t, "/users/1", "Origin: "+app).Want(404).WantHeader("Vary", "Authorization, Accept-Encoding")
		answer.WantHeader("Access-Control-Allow-Origin", "").WantHeader("Access-Control-Expose-Headers", "")
	})
}

// TestEdges_CrossOrigin_browser asks a browser, which knows the rules best.
func TestEdges_CrossOrigin_browser(t *testing.T) {
	ctx, _ := browser(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>a page</title>")
	})
	listed, other := httptest.NewServer(page), httptest.NewServer(page)
	defer listed.Close()
	defer other.Close()
	service := testkit.New(t, testkit.Options{Origins: []string{listed.URL}})
	service.Create(t, ada)
	script := `(async () => {
		const url = ` + quoted(service.URL+"/users/1") + `;
		try {
			const read = await fetch(url, {headers: {"X-API-Key": "x"}});
			const user = await read.json();
			const changed = await fetch(url, {method: "PATCH", body: JSON.stringify({age: user.version + 40}),
				headers: {"Content-Type": "application/merge-patch+json", "If-Match": read.headers.get("ETag"), "Authorization": "Bearer x"}});
			const stale = await fetch(url, {method: "DELETE", headers: {"If-Match": '"77"', "Idempotency-Key": "k"}});
			return [read.status, changed.status, changed.headers.get("ETag"), stale.status, (await stale.json()).code, !!stale.headers.get("X-Request-ID")].join(" ");
		} catch (fault) { return "refused: " + fault.name; }
	})()`
	visit := func(origin string) (said string) {
		t.Helper()
		wait := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
		if err := chromedp.Run(ctx, chromedp.Navigate(origin), chromedp.Evaluate(script, &said, wait)); err != nil {
			t.Fatal(err)
		}
		return said
	}
	if got, want := visit(listed.URL), `200 200 "2" 412 precondition_failed true`; got != want {
		t.Errorf("the page of the listed origin got %q, want %q", got, want)
	}
	if got := visit(other.URL); got != "refused: TypeError" {
		t.Errorf("the page of another origin got %q", got)
	}
	if user := service.Get(t, "/users/1").Want(200).User(); user.Version != 2 || user.Age == nil || *user.Age != 41 {
		t.Errorf("the user is %+v", user)
	}
}

func TestEdges_Compression(t *testing.T) {
	t.Parallel()
	service := testkit.New(t, testkit.Options{})
	for n := range 50 {
		service.Create(t, named(n, quoted("Ada Lovelace")))
	}
	const list = "/users/?limit=50"
	plain := service.Get(t, list).Want(200).WantHeader("Content-Encoding", "")
	for _, coding := range []string{"gzip", "zstd"} {
		t.Run("a page in "+coding+" is the page", func(t *testing.T) {
			answer := raw(t, service, http.MethodGet, list, "", "Accept-Encoding: "+coding)
			if answer.header.Get("Content-Encoding") != coding || !bytes.Equal(unpacked(t, coding, answer.body), plain.Body) || len(answer.body) > len(plain.Body)/3 {
				t.Errorf("%d octets of %d, %v", len(answer.body), len(plain.Body), answer.header)
			}
			if line := service.Log.Request(t, answer.header.Get("X-Request-ID")); line.Number("bytes") != float64(len(plain.Body)) {
				t.Errorf("the log says %v of %d octets", line.Number("bytes"), len(plain.Body))
			}
		})
		t.Run("a long problem in "+coding+" is the problem", func(t *testing.T) {
			long := `{"operations":[` + strings.TrimSuffix(strings.Repeat(`{"op":"delete","id":-1},`, 40), ",") + `]}`
			answer := raw(t, service, http.MethodPost, "/users/batch", long, "Accept-Encoding: "+coding)
			var problem testkit.Problem
			if err := json.Unmarshal(unpacked(t, coding, answer.body), &problem); err != nil || problem.Code != "batch_rejected" || len(problem.Errors) != 40 {
				t.Errorf("%d, %v, %+v", answer.status, err, problem)
			}
			if answer.header.Get("Content-Encoding") != coding || answer.header.Get("Content-Type") != "application/problem+json" || answer.header.Get("Vary") != "Authorization, Accept-Encoding" {
				t.Errorf("%v", answer.header)
			}
		})
	}
	t.Run("one user is as it was", func(t *testing.T) {
		service.Get(t, "/users/1", "Accept-Encoding: gzip, zstd").Want(200).WantHeader("Content-Encoding", "").WantHeader("ETag", `"1"`)
		service.Get(t, "/users/1", "Accept-Encoding: gzip", `If-None-Match: "1"`).Want(304).WantHeader("Content-Encoding", "")
		service.Delete(t, "/users/50", "Accept-Encoding: gzip, identity;q=0").Want(204).WantHeader("Content-Encoding", "")
	})
	t.Run("the tag of a version is good for If-Match, in whatever coding it was read", func(t *testing.T) {
		answer := raw(t, service, http.MethodGet, "/users/2", "", "Accept-Encoding: gzip, identity;q=0")
		if answer.header.Get("Content-Encoding") != "gzip" || !strings.Contains(string(unpacked(t, "gzip", answer.body)), `"id":2`) {
			t.Errorf("%v", answer.header)
		}
		service.Patch(t, "/users/2", `{"age":7}`, "If-Match: "+answer.header.Get("ETag")).Want(200)
	})
	t.Run("a body in a coding is refused as ever", func(t *testing.T) {
		service.Post(t, "/users/", ada, "Content-Encoding: gzip").WantProblem(415, "unsupported_media_type")
	})
	t.Run("a setting turns it off", func(t *testing.T) {
		off := testkit.New(t, testkit.Options{WithoutCompression: true})
		off.Get(t, "/openapi.json", "Accept-Encoding: gzip").Want(200).WantHeader("Content-Encoding", "")
	})
}

// rawAnswer is an answer as it was sent, in its coding.
type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

func raw(t *testing.T, service *testkit.Service, method, path, body string, headers ...string) rawAnswer {
	t.Helper()
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(service.Request(t, method, path, body, headers...))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rawAnswer{answer.StatusCode, answer.Header, content}
}

func unpacked(t *testing.T, coding string, content []byte) []byte {
	t.Helper()
	var reader io.Reader
	var err error
	if coding == "gzip" {
		reader, err = gzip.NewReader(bytes.NewReader(content))
	} else {
		reader, err = zstd.NewReader(bytes.NewReader(content))
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

func TestEdges_Protection(t *testing.T) {
	t.Parallel()
	service := testkit.New(t, testkit.Options{})
	service.Create(t, ada)
	for path, status := range map[string]int{"/users/1": 200, "/users/9": 404, "/nothing": 404, "/users/?limit=0": 422, "/": 200, "/health": 200, "/problems/user-not-found": 200, "/users//": 404} {
		service.Get(t, path).Want(status).WantHeader("X-Content-Type-Options", "nosniff").WantHeader("Content-Security-Policy", "")
		answer := service.Get(t, path, "Accept: text/html").Want(status).WantHeader("X-Content-Type-Options", "nosniff").
			WantHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		for _, name := range []string{"Server", "X-Powered-By", "Strict-Transport-Security"} {
			answer.WantHeader(name, "")
		}
	}
	for _, path := range []string{"/problems/user-not-found", "/swagger/index.html"} {
		answer := raw(t, service, http.MethodGet, path, "", "Accept: text/html")
		if answer.header.Get("Referrer-Policy") != "same-origin" || len(answer.header.Values("Content-Security-Policy")) != 1 {
			t.Errorf("%s: %v", path, answer.header)
		}
	}
}
