package handlers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"userapi/models"
	"userapi/repository/repotest"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", maxKeyOctets)
	for value, want := range map[string]string{
		"k": "k", `"k"`: "k", "8e03978e-40d5-43e8-bc93-6894a57f9324": "8e03978e-40d5-43e8-bc93-6894a57f9324",
		"a b": "a b", `a"b\`: `a"b\`, `"a\"b\\"`: `a"b\`, `" "`: " ", "~!": "~!", "k,l;m=n": "k,l;m=n",
		long: long, `"` + long + `"`: long, `"` + strings.Repeat(`\"`, maxKeyOctets) + `"`: strings.Repeat(`"`, maxKeyOctets),
	} {
		if got, ok := parseKey(value); got != want || !ok {
			t.Errorf("%q: %q, %v", value, got, ok)
		}
	}
	for _, value := range []string{
		"", `"`, `""`, `"k`, `"k" `, `"k";a=1`, `"k", "l"`, `"\k"`, `"k\`, `"k\"`, "k\x7f", "k\tl", "k\xc3\xa5", "\u00e5", "\"\x01\"", long + "k", `"` + long + `k"`,
	} {
		if got, ok := parseKey(value); ok {
			t.Errorf("%q is taken for %q", value, got)
		}
	}
}

// replays fails the test unless an answer is that of an earlier request.
func replays(t *testing.T, first, again *httptest.ResponseRecorder) {
	t.Helper()
	if first.Header().Get("Idempotency-Replayed") != "" || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("Idempotency-Replayed is %q, then %q", first.Header().Get("Idempotency-Replayed"), again.Header().Get("Idempotency-Replayed"))
	}
	if again.Code != first.Code || again.Body.String() != first.Body.String() || first.Body.Len() == 0 {
		t.Errorf("%d: %s\nbecame %d: %s", first.Code, first.Body, again.Code, again.Body)
	}
	for _, name := range []string{"Location", "Etag", "Content-Type", "Cache-Control"} {
		if again.Header().Get(name) != first.Header().Get(name) {
			t.Errorf("%s was %q and is %q", name, first.Header().Get(name), again.Header().Get(name))
		}
	}
}

func TestIdempotencyKey_replay(t *testing.T) {
	t.Parallel()
	t.Run("a creation is answered again, under either prefix, with the key in quotes or bare", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		first := post(handler, "/users/", person("Ada"), "Idempotency-Key: k 1")
		if first.Code != http.StatusCreated || first.Header().Get("Location") != "/users/1" || first.Header().Get("Etag") != `"1"` {
			t.Fatalf("%d: %v %s", first.Code, first.Header(), first.Body)
		}
		for _, path := range []string{"/users/", "/users", "/v1/users/", "/v1/users"} {
			replays(t, first, post(handler, path, person("Ada"), `Idempotency-Key: "k 1"`))
		}
		unhurried := struct{ io.Reader }{strings.NewReader(person("Ada"))} // has no length, so it comes in chunks
		replays(t, first, postFrom(handler, "/users/", unhurried, "Idempotency-Key: k 1"))
		if list := stored(t, handler); strings.Count(list, `"id"`) != 1 {
			t.Errorf("%s", list)
		}
	})
	t.Run("it answers as it does without a key", func(t *testing.T) {
		t.Parallel()
		with, without := post(inMemory(t, nil), "/v1/users", person("Ada"), "Idempotency-Key: k"), post(inMemory(t, nil), "/v1/users", person("Ada"))
		with.Header().Del("X-Request-ID")
		without.Header().Del("X-Request-ID")
		if with.Code != without.Code || with.Body.String() != without.Body.String() || fmt.Sprint(with.Header()) != fmt.Sprint(without.Header()) {
			t.Errorf("%d %v %s, without a key %d %v %s", with.Code, with.Header(), with.Body, without.Code, without.Header(), without.Body)
		}
	})
	t.Run("a batch is answered again", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []string{"atomic", "independent"} {
			handler := inMemory(t, nil)
			body := batchOf(mode, operation("create", 0, person("Ada"), ""))
			first := post(handler, "/users/batch", body, "Idempotency-Key: k")
			replays(t, first, post(handler, "/v1/users/batch/", body, "Idempotency-Key: k"))
		}
	})
	t.Run("a batch of which anything was done is answered again, failures and all", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		body := batchOf("independent", operation("delete", 9, "", ""), operation("create", 0, person("Ada"), ""))
		first := post(handler, "/users/batch", body, "Idempotency-Key: k")
		replays(t, first, post(handler, "/users/batch", body, "Idempotency-Key: k"))
	})
	t.Run("a key belongs to its route", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		one := post(handler, "/users/", person("Ada"), "Idempotency-Key: k")
		other := post(handler, "/users/batch", batchOf("atomic", operation("create", 0, person("Grace"), "")), "Idempotency-Key: k")
		if one.Code != http.StatusCreated || other.Code != http.StatusOK {
			t.Errorf("%d, %d: %s", one.Code, other.Code, other.Body)
		}
	})
	t.Run("what one request was answered is not changed by the next", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		first := post(handler, "/users/", person("Ada"), "Idempotency-Key: ada")
		for n := range 50 {
			post(handler, "/users/", person(fmt.Sprint("Grace", n)), fmt.Sprint("Idempotency-Key: ", n))
			post(handler, "/users/", person(fmt.Sprint("Alan", n)))
		}
		replays(t, first, post(handler, "/users/", person("Ada"), "Idempotency-Key: ada"))
	})
}

func TestIdempotencyKey_refusal(t *testing.T) {
	t.Parallel()
	t.Run("another body is 422, also when it differs in white space alone", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		post(handler, "/users/", person("Ada"), "Idempotency-Key: k")
		for _, body := range []string{person("Grace"), person("Ada") + " "} {
			recorder := post(handler, "/users/", body, "Idempotency-Key: k")
			p, faults := rejected(t, recorder.Body.Bytes())
			if recorder.Code != http.StatusUnprocessableEntity || p.Code != "idempotency_key_reused" || !slices.Equal(faults, []string{"Idempotency-Key idempotency_key_reused 0"}) {
				t.Errorf("%d: %s %q", recorder.Code, p.Code, faults)
			}
		}
	})
	t.Run("a malformed key is told with the faults of the body", func(t *testing.T) {
		t.Parallel()
		for _, lines := range [][]string{{"Idempotency-Key: "}, {`Idempotency-Key: "k`}, {"Idempotency-Key: k", "Idempotency-Key: k"}} {
			recorder := post(inMemory(t, nil), "/users/", `{"name":"Ada"}`, lines...)
			p, faults := rejected(t, recorder.Body.Bytes())
			if recorder.Code != http.StatusUnprocessableEntity || p.Code != "invalid_input" || !slices.Equal(faults, []string{"/email required 0", "Idempotency-Key malformed_header 0"}) {
				t.Errorf("%q: %d: %s %q", lines, recorder.Code, p.Code, faults)
			}
		}
	})
	t.Run("the same request while the first still runs is 409 with Retry-After", func(t *testing.T) {
		t.Parallel()
		handler, faults := meddledWith(t, nil)
		gate := repotest.NewGate()
		faults.At(repotest.Before, repotest.Batch, 1, gate.Hold)
		var first *httptest.ResponseRecorder
		var all sync.WaitGroup
		all.Go(func() { first = post(handler, "/users/", person("Ada"), "Idempotency-Key: k") })
		if err := gate.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{person("Ada"), person("Grace")} {
			recorder := post(handler, "/users/", body, "Idempotency-Key: k")
			if p, _ := rejected(t, recorder.Body.Bytes()); recorder.Code != http.StatusConflict || p.Code != "request_in_progress" || recorder.Header().Get("Retry-After") != "1" {
				t.Errorf("%d: %v %s", recorder.Code, recorder.Header(), recorder.Body)
			}
		}
		gate.Open()
		all.Wait()
		replays(t, first, post(handler, "/users/", person("Ada"), "Idempotency-Key: k"))
	})
}

func TestIdempotencyKey_free(t *testing.T) {
	t.Parallel()
	// Each first request leaves the key free, so that another body may have it.
	independent := batchOf("independent", operation("delete", 9, "", ""))
	for says, first := range map[string]struct {
		path, body string
		status     int
	}{
		"after a body that is not valid":                 {"/users/", `{}`, 422},
		"after a body that cannot be read":               {"/users/", `{`, 400},
		"after an address that is taken":                 {"/users/", person("Ada"), 409},
		"after a dry run":                                {"/users/batch", strings.Replace(creates(1), "{", `{"dry_run":true,`, 1), 200},
		"after a dry run of single operations":           {"/users/batch", strings.Replace(strings.Replace(creates(1), "{", `{"dry_run":true,`, 1), "atomic", "independent", 1), 207},
		"after a batch that was rejected":                {"/users/batch", batchOf("atomic", operation("delete", 9, "", "")), 404},
		"after single operations of which none was done": {"/users/batch", independent, 207},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			handler := withAdaAndGrace(t, nil)
			if recorder := post(handler, first.path, first.body, "Idempotency-Key: k"); recorder.Code != first.status || recorder.Header().Get("Idempotency-Replayed") != "" {
				t.Fatalf("%d: %s", recorder.Code, recorder.Body)
			}
			body, want := person("Alan"), http.StatusCreated
			if first.path != "/users/" {
				body, want = creates(2), http.StatusOK
			}
			again := post(handler, first.path, body, "Idempotency-Key: k")
			if again.Code != want || again.Header().Get("Idempotency-Replayed") != "" {
				t.Errorf("%d: %s", again.Code, again.Body)
			}
		})
	}
	for says, fail := range map[string]repotest.Action{
		"after the store was away":  repotest.Fail(models.ErrUnavailable),
		"after an unforeseen error": repotest.Fail(io.ErrUnexpectedEOF),
		"after a panic":             func(context.Context, context.CancelFunc) error { panic("a bug") },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			for _, moment := range []repotest.Moment{repotest.Before, repotest.Amid} {
				handler, faults := meddledWith(t, nil)
				faults.At(moment, repotest.Batch, 1, fail)
				if recorder := post(handler, "/users/", person("Ada"), "Idempotency-Key: k"); recorder.Code < http.StatusInternalServerError {
					t.Fatalf("%d: %s", recorder.Code, recorder.Body)
				}
				first := post(handler, "/users/", person("Ada"), "Idempotency-Key: k")
				if first.Code != http.StatusCreated {
					t.Fatalf("%d: %s", first.Code, first.Body)
				}
				replays(t, first, post(handler, "/users/", person("Ada"), "Idempotency-Key: k"))
			}
		})
	}
}

// TestIdempotencyKey_step has the store fail on either side of the one step in which it writes the answer
// and what the request changes.
func TestIdempotencyKey_step(t *testing.T) {
	t.Parallel()
	mixed := batchOf("independent", operation("delete", 9, "", ""), operation("create", 0, person("Ada"), ""))
	for says, request := range map[string]struct {
		path, body string
		status     int
	}{
		"a creation": {"/users/", person("Ada"), http.StatusCreated},
		"a batch":    {"/users/batch", creates(1), http.StatusOK},
		"an independent batch in which something succeeded": {"/users/batch", mixed, http.StatusMultiStatus},
	} {
		t.Run(says+" is kept with its changes, also when nobody hears of it", func(t *testing.T) {
			t.Parallel()
			handler, faults := meddledWith(t, nil)
			faults.At(repotest.After, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
			if lost := post(handler, request.path, request.body, "Idempotency-Key: k"); lost.Code != http.StatusServiceUnavailable {
				t.Fatalf("%d: %s", lost.Code, lost.Body)
			}
			again := post(handler, request.path, request.body, "Idempotency-Key: k")
			if again.Code != request.status || again.Header().Get("Idempotency-Replayed") != "true" || !strings.Contains(again.Body.String(), `"id":1,`) {
				t.Errorf("%d: %v %s", again.Code, again.Header(), again.Body)
			}
			if list := stored(t, handler); strings.Count(list, `"id"`) != 1 || faults.Calls(repotest.Batch) != 1 {
				t.Errorf("%d batches left %s", faults.Calls(repotest.Batch), list)
			}
		})
		t.Run(says+" that the store did not write is not kept either", func(t *testing.T) {
			t.Parallel()
			handler, faults := meddledWith(t, nil)
			faults.At(repotest.Amid, repotest.Batch, 1, repotest.Fail(models.ErrUnavailable))
			if failed := post(handler, request.path, request.body, "Idempotency-Key: k"); failed.Code != http.StatusServiceUnavailable {
				t.Fatalf("%d: %s", failed.Code, failed.Body)
			}
			if list := stored(t, handler); strings.Contains(list, `"id"`) {
				t.Errorf("it left %s", list)
			}
			first := post(handler, request.path, request.body, "Idempotency-Key: k")
			if first.Code != request.status {
				t.Errorf("%d: %s", first.Code, first.Body)
			}
			replays(t, first, post(handler, request.path, request.body, "Idempotency-Key: k"))
		})
	}
}

func TestIdempotencyKey_concurrent(t *testing.T) {
	t.Parallel()
	t.Run("of many requests with one key one makes a user and all end with its answer", func(t *testing.T) {
		t.Parallel()
		handler := inMemory(t, nil)
		var all sync.WaitGroup
		var fresh atomic.Int32
		bodies := make([]string, 50)
		for i := range bodies {
			all.Go(func() {
				recorder := post(handler, "/users/", person("Ada"), "Idempotency-Key: k")
				for recorder.Code == http.StatusConflict {
					recorder = post(handler, "/users/", person("Ada"), "Idempotency-Key: k")
				}
				if recorder.Code != http.StatusCreated {
					t.Errorf("%d: %s", recorder.Code, recorder.Body)
				}
				if recorder.Header().Get("Idempotency-Replayed") == "" {
					fresh.Add(1)
				}
				bodies[i] = recorder.Body.String()
			})
		}
		all.Wait()
		if slices.Sort(bodies); bodies[0] != bodies[len(bodies)-1] || fresh.Load() != 1 || strings.Count(stored(t, handler), `"id"`) != 1 {
			t.Errorf("%d fresh, %s", fresh.Load(), stored(t, handler))
		}
	})
	t.Run("what has begun is done and kept though its client leaves", func(t *testing.T) {
		t.Parallel()
		ctx, leave := context.WithCancel(t.Context())
		handler, faults := meddledWith(t, nil)
		faults.At(repotest.Before, repotest.Batch, 1, func(context.Context, context.CancelFunc) error {
			leave()
			return nil
		})
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/users/", strings.NewReader(person("Ada")))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "k")
		first := httptest.NewRecorder()
		handler.ServeHTTP(first, req)
		replays(t, first, post(handler, "/users/", person("Ada"), "Idempotency-Key: k"))
	})
}
