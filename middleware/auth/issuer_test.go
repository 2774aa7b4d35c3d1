package auth

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestIssuer(t *testing.T) {
	firstPublic, first := edKey(t)
	secondPublic, second := edKey(t)
	tokenBy := func(t *testing.T, at *clock, id string, key ed25519.PrivateKey) string {
		t.Helper()
		return sign(t, key, fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, id), said(t, at.now(), nil))
	}
	start := func(t *testing.T, set string) (*clock, *publisher, *Authenticator) {
		t.Helper()
		at, issuer := newClock(), newPublisher(t, set)
		return at, issuer, newAuthenticator(t, newState(t, at), Options{Tokens: tokensAt(issuer.URL)})
	}
	reason := func(t *testing.T, a *Authenticator, token string) string {
		t.Helper()
		return reasonOf(t, a, request(t, "Authorization: Bearer "+token))
	}

	t.Run("kids that are made up have the issuer asked once in ten seconds, and a new key is found within them", func(t *testing.T) {
		at, issuer, a := start(t, keySet(edJWK("one", firstPublic)))
		if got := reason(t, a, tokenBy(t, at, "one", first)); got != ReasonOK {
			t.Fatal(got)
		}
		at.move(asksEvery)
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				if got := reason(t, a, tokenBy(t, at, fmt.Sprintf("../%d'\n", i), second)); got != ReasonUnknown {
					t.Errorf("%s", got)
				}
			})
		}
		group.Wait()
		if n := issuer.asked.Load(); n != 2 {
			t.Errorf("the issuer was asked %d times", n)
		}
		issuer.publish(keySet(edJWK("two", secondPublic)))
		if got := reason(t, a, tokenBy(t, at, "two", second)); got != ReasonUnknown {
			t.Errorf("right after a flood: %s", got)
		}
		at.move(asksEvery)
		if got := reason(t, a, tokenBy(t, at, "two", second)); got != ReasonOK {
			t.Errorf("a new key: %s", got)
		}
		if got := reason(t, a, tokenBy(t, at, "one", first)); got == ReasonOK {
			t.Error("a key that is published no more is still good, by memory of its token")
		}
	})
	t.Run("keys that are known are good while the issuer is away, whatever it answers", func(t *testing.T) {
		at, issuer, a := start(t, keySet(edJWK("one", firstPublic)))
		if got := reason(t, a, tokenBy(t, at, "one", first)); got != ReasonOK {
			t.Fatal(got)
		}
		for name, answer := range map[string]http.HandlerFunc{
			"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
			"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(keySet())) },
			"a book":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxKeySet+1)) },
			"a way elsewhere": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
			},
			"a way for ever":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
			"an end too early": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		} {
			issuer.respond(answer)
			at.move(asksEvery)
			asked := issuer.asked.Load()
			if got := reason(t, a, tokenBy(t, at, "two", second)); got != ReasonUnknown || issuer.asked.Load() == asked {
				t.Errorf("%s: an unknown key is %s", name, got)
			}
			if got := reason(t, a, tokenBy(t, at, "one", first)); got != ReasonOK || a.Ready() != nil {
				t.Errorf("%s: a known key is %s, %v", name, got, a.Ready())
			}
		}
	})
	t.Run("without a key so far it is not ready, and tokens are not refused but have to wait", func(t *testing.T) {
		at, issuer := newClock(), newPublisher(t, "")
		issuer.respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		a := newAuthenticator(t, newState(t, at), Options{Tokens: tokensAt(issuer.URL)})
		token := tokenBy(t, at, "one", first)
		_, err := a.authenticate(request(t, "Authorization: Bearer "+token))
		if refusal, ok := err.(*Refusal); !ok || refusal.Reason != ReasonNoKeys || refusal.RetryAfter == 0 { //nolint:errorlint // it is one
			t.Fatalf("%v", err)
		}
		if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "502") {
			t.Errorf("%v", err)
		}
		issuer.publish(keySet(edJWK("one", firstPublic)))
		eventually(t, "the keys", func() bool { return a.Ready() == nil })
		if got := reason(t, a, token); got != ReasonOK {
			t.Error(got)
		}
	})
	t.Run("an issuer that is slow holds nobody up for longer than a moment", func(t *testing.T) {
		at, issuer, a := start(t, keySet(edJWK("one", firstPublic)))
		if got := reason(t, a, tokenBy(t, at, "one", first)); got != ReasonOK {
			t.Fatal(got)
		}
		issuer.respond(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		at.move(asksEvery)
		began := time.Now()
		if got := reason(t, a, tokenBy(t, at, "two", second)); got != ReasonUnknown {
			t.Error(got)
		}
		if waited := time.Since(began); waited < waitsForKeys || waited > fetchBudget {
			t.Errorf("it waited %v", waited)
		}
		if got := reason(t, a, tokenBy(t, at, "one", first)); got != ReasonOK {
			t.Error(got)
		}
	})
	t.Run("somebody is told of what it fails with, once a minute, and when that is over", func(t *testing.T) {
		at, issuer := newClock(), newPublisher(t, keySet(edJWK("one", firstPublic)))
		state := newState(t, at)
		told := make(chan error, 100)
		state.Issuer = func(err error) { told <- err }
		a := newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL)})
		eventually(t, "the keys", func() bool { return a.Ready() == nil })
		first := at.now()
		if got := state.KeysRead(); !got.Equal(first) {
			t.Errorf("the keys were read at %v", got)
		}
		issuer.publish(`{"keys":[],"note":"s3cr3t"}`)
		for range 8 { // 80 seconds
			at.move(asksEvery)
			reason(t, a, tokenBy(t, at, "two", second))
		}
		if got := state.KeysRead(); !got.Equal(first) {
			t.Errorf("no key counts as keys, read at %v", got)
		}
		issuer.publish(keySet(edJWK("one", firstPublic)))
		at.move(asksEvery)
		eventually(t, "good keys", func() bool {
			reason(t, a, tokenBy(t, at, "two", second))
			return state.KeysRead().Equal(at.now())
		})
		at.move(asksEvery)
		reason(t, a, tokenBy(t, at, "two", second))
		state.Close()
		close(told)
		said := []string{}
		for err := range told {
			said = append(said, fmt.Sprint(err))
		}
		const none = "it has no public key for signatures that can be used"
		if want := []string{none, none, "<nil>"}; !slices.Equal(said, want) {
			t.Errorf("%q", said)
		}
	})
	t.Run("a failure is told without the URL", func(t *testing.T) {
		at, issuer := newClock(), newPublisher(t, "")
		state, told := newState(t, at), make(chan error, 100)
		state.Issuer = func(err error) { told <- err }
		issuer.Close()
		newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL + "/s3cr3t")})
		if err := <-told; err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		}
	})
	t.Run("new settings have it asked again, at once or as soon as it may be", func(t *testing.T) {
		at, issuer := newClock(), newPublisher(t, keySet(edJWK("one", firstPublic)))
		state := newState(t, at)
		state.Renew() // of nothing
		a := newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL)})
		eventually(t, "the keys", func() bool { return a.Ready() == nil })
		at.move(asksEvery)
		eventually(t, "it to be asked at once", func() bool { state.Renew(); return issuer.asked.Load() == 2 })
		eventually(t, "the end of that", func() bool { return state.KeysRead().Equal(at.now()) })
		at.move(asksEvery - time.Millisecond)
		state.Renew()
		if n := issuer.asked.Load(); n != 2 {
			t.Errorf("it was asked %d times", n)
		}
		at.move(time.Millisecond)
		eventually(t, "it to be asked when it may be", func() bool { return issuer.asked.Load() == 3 })
	})
	t.Run("a state hands it on, and ends it when another one takes its place", func(t *testing.T) {
		at, issuer := newClock(), newPublisher(t, keySet(edJWK("one", firstPublic)))
		other := newPublisher(t, keySet(edJWK("two", secondPublic)))
		state := newState(t, at)
		before := newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL)})
		same := newAuthenticator(t, state, Options{Tokens: tokensAt(issuer.URL)})
		if same.tokens.issuer != before.tokens.issuer {
			t.Error("it is asked by two")
		}
		after := newAuthenticator(t, state, Options{Tokens: tokensAt(other.URL)})
		select {
		case <-before.tokens.issuer.ended:
		default:
			t.Error("the one before goes on")
		}
		if got := reason(t, after, tokenBy(t, at, "two", second)); got != ReasonOK {
			t.Error(got)
		}
		state.Close()
		if _, err := New(state, Options{Tokens: tokensAt(issuer.URL)}); err == nil {
			t.Error("a state that is closed begins anew")
		}
	})
}

func TestIssuer_await(t *testing.T) {
	public, _ := edKey(t)
	_, other := edKey(t)
	for _, c := range []struct {
		name, want string
		known      bool
	}{{"make kids up", ReasonUnknown, true}, {"come before there is a key", ReasonNoKeys, false}} {
		t.Run("an issuer that hangs holds up a few only, however many "+c.name, func(t *testing.T) {
			t.Parallel()
			at, issuer := newClock(), newPublisher(t, keySet(edJWK("one", public)))
			hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			if !c.known {
				issuer.respond(hang)
			}
			a := newAuthenticator(t, newState(t, at), Options{Tokens: tokensAt(issuer.URL)})
			if c.known {
				eventually(t, "the keys", func() bool { return a.Ready() == nil })
				issuer.respond(hang)
				at.move(asksEvery)
			}
			token, began := "Authorization: Bearer "+sign(t, other, `{"alg":"EdDSA","kid":"made up"}`, said(t, at.now(), nil)), make(chan struct{})
			var held atomic.Int64
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					<-began
					since := time.Now()
					if got := reasonOf(t, a, request(t, token)); got != c.want {
						t.Error(got)
					}
					if time.Since(since) >= waitsForKeys {
						held.Add(1)
					}
				})
			}
			close(began)
			group.Wait()
			// A machine with too much to do may hold others up as well.
			if n := held.Load(); n < 1 || n > 4*mostWaiters {
				t.Errorf("%d were held up", n)
			}
		})
	}
}
