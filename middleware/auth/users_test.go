package auth

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"userapi/models"
)

// argon returns a line of argon2id with a work that is allowed.
func argon(name, password string) string {
	salt := []byte("sixteen octets ..")
	sum := argon2.IDKey([]byte(password), salt, 1, leastArgonMemory, 1, 32)
	return fmt.Sprintf("%s:$argon2id$v=19$m=%d,t=1,p=1$%s$%s", name, leastArgonMemory,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// cheap returns a user whose password costs next to nothing to check, which no line could ask for.
func cheap(name, password string) []User {
	h := &hash{memory: 8, passes: 1, lanes: 1, salt: []byte(name + " has salt")}
	h.sum = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, 32)
	return []User{{name, models.ScopeRead, h, string(h.sum)}}
}

func TestParseUsers(t *testing.T) {
	const salt, sum = "c2l4dGVlbm9jdGV0cw", "c2l4dGVlbm9jdGV0c3NpeHRlZW5vY3RldHM"
	secret := strings.Repeat("k", 22)
	phc := func(parameters string) string { return "ada:$argon2id$v=19$" + parameters + "$" + salt + "$" + sum }
	const bcrypted = "$2y$10$abcdefghijklmnopqrstuu5Hcr8bV1pxIy7H1lFz6c5Ir2H2wAhW."
	t.Run("a text of comments has no user, which is no error and not the same as no text", func(t *testing.T) {
		for _, text := range []string{"", "# none"} {
			if users, err := ParseUsers(text, models.ScopeRead); users == nil || len(users) > 0 || err != nil {
				t.Errorf("%q: %v, %v", text, users, err)
			}
		}
	})
	for _, c := range []struct{ name, text, want string }{
		{"a name alone", "ada", "line 1: is not name:hash"},
		{"a password in the open", "ada:" + secret, "line 1: the hash is neither bcrypt nor argon2id"},
		{"MD5", "ada:$apr1$" + secret, "line 1: the hash is neither"},
		{"SHA-1", "\n\nada:{SHA}" + secret, "line 3: the hash is neither"},
		{"crypt", "ada:rqXexS6ZhobKA", "line 1: the hash is neither"},
		{"SHA-512", "ada:$6$" + secret, "line 1: the hash is neither"},
		{"argon2i", "ada:$argon2i$v=19$m=65536,t=3,p=4$" + salt + "$" + sum, "line 1: the hash is neither"},
		{"bcrypt of another variant", "ada:$2x$10$" + bcrypted[7:], "line 1: the hash is neither"},
		{"bcrypt that is cut off", "ada:" + bcrypted[:59], "line 1: the hash is damaged"},
		{"bcrypt with an odd digit", "ada:" + bcrypted[:59] + "!", "line 1: the hash is damaged"},
		{"bcrypt that is too cheap", "ada:$2y$04$" + bcrypted[7:], "line 1: the cost of the bcrypt hash must be 10 to 15"},
		{"bcrypt that takes minutes", "ada:$2y$31$" + bcrypted[7:], "line 1: the cost of the bcrypt hash must be 10 to 15"},
		{"argon2id that takes 4 GiB", phc("m=4194304,t=3,p=4"), "line 1: the argon2id hash must ask for"},
		{"argon2id that takes for ever", phc("m=65536,t=4294967295,p=4"), "line 1: the argon2id hash must ask for"},
		{"argon2id without memory", phc("m=8,t=3,p=1"), "line 1: the argon2id hash must ask for"},
		{"argon2id without passes", phc("m=65536,t=0,p=1"), "line 1: the argon2id hash must ask for"},
		{"argon2id without lanes", phc("m=65536,t=1,p=0"), "line 1: the argon2id hash must ask for"},
		{"argon2id past any number", phc("m=99999999999,t=1,p=1"), "line 1: the hash is damaged"},
		{"argon2id with parameters in another order", phc("t=1,m=65536,p=1"), "line 1: the hash is damaged"},
		{"argon2id of another version", strings.Replace(phc("m=65536,t=1,p=1"), "v=19", "v=16", 1), "line 1: the hash is damaged"},
		{"argon2id without a sum", strings.TrimSuffix(phc("m=65536,t=1,p=1"), sum), "line 1: the hash is damaged"},
		{"no scope behind a colon", "ada:" + bcrypted + ":", "line 1: a scope is none of"},
		{"a word that is no scope", "ada:" + bcrypted + ":root", "line 1: a scope is none of"},
		{"a name twice", "ada:" + bcrypted + "\nada:" + bcrypted, "line 2: the name is that of line 1"},
		{"a name with a space", "ada lovelace:" + bcrypted, "line 1: the name"},
	} {
		t.Run(c.name+" is refused by its line, which is not repeated", func(t *testing.T) {
			users, err := ParseUsers(c.text, models.ScopeRead)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, %v", users, err)
			}
			for _, part := range []string{secret, salt, sum, bcrypted[10:], "rqXexS6ZhobKA"} {
				if err != nil && strings.Contains(err.Error(), part) {
					t.Errorf("the error tells: %v", err)
				}
			}
		})
	}
	t.Run("a line may say what its user may do", func(t *testing.T) {
		users, err := ParseUsers("ada:"+bcrypted+":users:write,admin\r\n"+argon("grace", "y"), models.ScopeRead)
		if err != nil || users[0].Scopes != models.ScopeWrite|models.ScopeAdmin || users[1].Scopes != models.ScopeRead {
			t.Errorf("%+v, %v", users, err)
		}
	})
}

func TestDirectory_verify(t *testing.T) {
	at := newClock()
	counted := func(t *testing.T, users []User) (*Authenticator, *State, func() []string) {
		t.Helper()
		var mu sync.Mutex
		var done []string
		state := newState(t, at)
		state.checking = func(work string) {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, work)
		}
		return newAuthenticator(t, state, Options{Users: users}), state, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(done)
		}
	}
	t.Run("a name that nobody has costs what one costs that somebody has", func(t *testing.T) {
		bcrypts, _, done := counted(t, bcrypted(t, "ada", "correct horse"))
		for _, name := range []string{"ada", ""} {
			before := len(done())
			if got := reasonOf(t, bcrypts, request(t, basic(name, "wrong"))); got != ReasonUnknown {
				t.Errorf("%q: %s", name, got)
			}
			if after := done(); len(after) != before+1 || after[before] != "bcrypt 4" {
				t.Errorf("%q: %q", name, after[before:])
			}
		}
		argons, _, done := counted(t, cheap("ada", "correct horse"))
		for _, name := range []string{"ada", "eve", "", strings.Repeat("x", 255), "ädä"} {
			reasonOf(t, argons, request(t, basic(name, "wrong")))
		}
		if all := slices.Compact(done()); len(all) != 1 || !strings.HasPrefix(all[0], "argon2id m=8,") {
			t.Errorf("%q", all)
		}
	})
	t.Run("where works differ, so do those of strangers, always the same for one name", func(t *testing.T) {
		mixed, state, done := counted(t, append(bcrypted(t, "ada", "x"), cheap("grace", "y")...))
		works := map[string]int{}
		for i := range 8 {
			name := fmt.Sprintf("stranger%d", i)
			for range 2 {
				state.failures = newThrottle(maxFailures, state.mark)
				reasonOf(t, mixed, request(t, basic(name, "wrong")))
			}
			last := done()[2*i:]
			if last[0] != last[1] {
				t.Errorf("%s: %q", name, last)
			}
			works[last[0]]++
		}
		if len(works) == 0 || len(works) > 2 {
			t.Errorf("%v", works)
		}
	})
	t.Run("when the last user is taken away nobody is let in, and nothing is checked", func(t *testing.T) {
		with, state, done := counted(t, cheap("ada", "correct horse"))
		if got := reasonOf(t, with, request(t, basic("ada", "correct horse"))); got != ReasonOK {
			t.Fatal(got)
		}
		without := newAuthenticator(t, state, Options{Users: []User{}})
		if got := reasonOf(t, without, request(t, basic("ada", "correct horse"))); got != ReasonUnknown || len(done()) != 1 {
			t.Errorf("%s after %d checks", got, len(done()))
		}
		if got := without.Challenges(&Refusal{Reason: ReasonMissing}); !slices.Equal(got, []string{challengeBasic}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("a password that was right is not checked again for a minute, a wrong one is", func(t *testing.T) {
		a, _, done := counted(t, cheap("ada", "correct horse"))
		for _, step := range []struct {
			password string
			after    time.Duration
			checks   int
		}{{"correct horse", 0, 1}, {"correct horse", 59 * time.Second, 1}, {"wrong", 0, 2}, {"wrong", 0, 3}, {"correct horse", time.Second, 4}} {
			at.move(step.after)
			reasonOf(t, a, request(t, basic("ada", step.password)))
			if got := len(done()); got != step.checks {
				t.Errorf("%+v: %d checks", step, got)
			}
		}
	})
	t.Run("what was right for another hash is checked again", func(t *testing.T) {
		first, state, done := counted(t, cheap("ada", "correct horse"))
		reasonOf(t, first, request(t, basic("ada", "correct horse")))
		second := newAuthenticator(t, state, Options{Users: cheap("ada", "another")})
		if got := reasonOf(t, second, request(t, basic("ada", "correct horse"))); got != ReasonUnknown || len(done()) != 2 {
			t.Errorf("%s after %d checks", got, len(done()))
		}
		third := newAuthenticator(t, state, Options{Users: cheap("ada", "correct horse")})
		if got := reasonOf(t, third, request(t, basic("ada", "correct horse"))); got != ReasonOK || len(done()) != 2 {
			t.Errorf("%s after %d checks, though nothing changed", got, len(done()))
		}
	})
	t.Run("bcrypt does not take a password for another that begins alike", func(t *testing.T) {
		long := strings.Repeat("a", bcryptOctets)
		a, _, _ := counted(t, bcrypted(t, "ada", long))
		for password, want := range map[string]string{long: ReasonOK, long + "b": ReasonUnknown, long[1:]: ReasonUnknown} {
			if got := reasonOf(t, a, request(t, basic("ada", password))); got != want {
				t.Errorf("%d octets: %s", len(password), got)
			}
		}
	})
	t.Run("the same at the same time is one check and one attempt", func(t *testing.T) {
		a, _, done := counted(t, cheap("ada", "correct horse"))
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() {
				if got := reasonOf(t, a, request(t, basic("ada", "correct horse"))); got != ReasonOK {
					t.Errorf("%s", got)
				}
			})
		}
		group.Wait()
		if len(done()) != 1 {
			t.Errorf("%d checks", len(done()))
		}
	})
}

func TestState_compare(t *testing.T) {
	t.Run("beyond a short queue is busy, which counts as no failure", func(t *testing.T) {
		at := newClock()
		state := newState(t, at)
		a := newAuthenticator(t, state, Options{Users: cheap("ada", "correct horse")})
		for range cap(state.queue) {
			state.queue <- struct{}{}
		}
		for range failuresOfName + 1 {
			_, err := a.authenticate(request(t, basic("ada", "correct horse")))
			if refusal, ok := err.(*Refusal); !ok || refusal.Reason != ReasonBusy || refusal.RetryAfter != time.Second { //nolint:errorlint // it is one
				t.Fatalf("%v", err)
			}
		}
		for range cap(state.queue) {
			<-state.queue
		}
		if got := reasonOf(t, a, request(t, basic("ada", "correct horse"))); got != ReasonOK {
			t.Error(got)
		}
	})
	t.Run("no more go on at a time than there is room for", func(t *testing.T) {
		state := newState(t, newClock())
		var mu sync.Mutex
		most := 0
		state.checking = func(string) {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, len(state.slots))
		}
		a := newAuthenticator(t, state, Options{Users: cheap("ada", "x")})
		var group sync.WaitGroup
		for i := range cap(state.queue) {
			group.Go(func() {
				if got := reasonOf(t, a, from(t, fmt.Sprintf("192.0.2.%d", i), basic("ada", fmt.Sprint(i)))); got != ReasonUnknown {
					t.Errorf("%s", got)
				}
			})
		}
		group.Wait()
		if most == 0 || most > cap(state.slots) {
			t.Errorf("%d at a time, room is for %d", most, cap(state.slots))
		}
	})
}

func TestThrottle(t *testing.T) {
	fail := func(t *testing.T, a *Authenticator, address, name string, times int) {
		t.Helper()
		for i := range times {
			if got := reasonOf(t, a, from(t, address, basic(name, fmt.Sprintf("wrong %d", i)))); got != ReasonUnknown {
				t.Fatalf("attempt %d of %s at %s: %s", i, name, address, got)
			}
		}
	}
	users := cheap("ada", "correct horse")
	right := basic("ada", "correct horse")

	t.Run("the eleventh failure of a name at an address is refused, and so is what is right; elsewhere it is not", func(t *testing.T) {
		at := newClock()
		a := newAuthenticator(t, newState(t, at), Options{Users: users})
		fail(t, a, "192.0.2.1", "ada", failuresOfName)
		_, err := a.authenticate(from(t, "192.0.2.1", right))
		if refusal := err.(*Refusal); refusal.Reason != ReasonThrottled || refusal.RetryAfter != failureWindow { //nolint:errorlint // it is one
			t.Errorf("%+v", refusal)
		}
		if got := reasonOf(t, a, from(t, "192.0.2.2", right)); got != ReasonOK {
			t.Errorf("the owner is locked out: %s", got)
		}
		at.move(failureWindow - time.Second)
		if got := reasonOf(t, a, from(t, "192.0.2.1", right)); got != ReasonThrottled {
			t.Errorf("a second before the end: %s", got)
		}
		at.move(time.Second)
		if got := reasonOf(t, a, from(t, "192.0.2.1", right)); got != ReasonOK {
			t.Errorf("at the end: %s", got)
		}
	})
	t.Run("also what is known to be right is refused, or it could be guessed for free", func(t *testing.T) {
		a := newAuthenticator(t, newState(t, newClock()), Options{Users: users})
		if got := reasonOf(t, a, from(t, "192.0.2.1", right)); got != ReasonOK {
			t.Fatal(got)
		}
		fail(t, a, "192.0.2.1", "ada", failuresOfName)
		if got := reasonOf(t, a, from(t, "192.0.2.1", right)); got != ReasonThrottled {
			t.Error(got)
		}
	})
	t.Run("names that nobody has are counted alike", func(t *testing.T) {
		a := newAuthenticator(t, newState(t, newClock()), Options{Users: users})
		fail(t, a, "192.0.2.1", "eve", failuresOfName)
		if got := reasonOf(t, a, from(t, "192.0.2.1", basic("eve", "x"))); got != ReasonThrottled {
			t.Error(got)
		}
	})
	t.Run("an address has a hundred for all names, an IPv6 network of a household is one", func(t *testing.T) {
		state := newState(t, newClock())
		now := state.now()
		for i := range failuresOfAddress {
			at := state.failures.place(fmt.Sprintf("2001:db8::%x", i), fmt.Sprint(i))
			if wait := state.failures.count(at, now); wait != 0 {
				t.Fatalf("%d: %v", i, wait)
			}
		}
		if wait := state.failures.wait(state.failures.place("2001:db8::ffff:1", "ada"), now); wait != failureWindow {
			t.Errorf("%v", wait)
		}
		if wait := state.failures.wait(state.failures.place("2001:db8:0:1::1", "ada"), now); wait != 0 {
			t.Errorf("a neighbour waits %v", wait)
		}
	})
	t.Run("what goes on counts as a failure until it is none", func(t *testing.T) {
		state := newState(t, newClock())
		at, now := state.failures.place("192.0.2.1", "ada"), state.now()
		for range failuresOfName {
			state.failures.count(at, now)
		}
		if state.failures.count(at, now) == 0 {
			t.Error("one more can be tried at the same time")
		}
		for range failuresOfName {
			state.failures.forget(at)
		}
		if wait := state.failures.wait(at, now); wait != 0 || len(state.failures.counts) != 0 {
			t.Errorf("%v, %d counts are left", wait, len(state.failures.counts))
		}
	})
	t.Run("names that are made up do not fill the memory, nor push out who failed often", func(t *testing.T) {
		at := newClock()
		throttle := newThrottle(64, newState(t, at).mark)
		guilty := throttle.place("192.0.2.1", "ada")
		for range failuresOfName {
			throttle.count(guilty, at.now())
		}
		for i := range 1000 {
			throttle.count(throttle.place(fmt.Sprintf("198.51.%d.%d", i/250, i%250), fmt.Sprint(i)), at.now())
		}
		if len(throttle.counts) > 64 {
			t.Errorf("%d counts", len(throttle.counts))
		}
		if throttle.wait(guilty, at.now()) == 0 {
			t.Error("who failed often is forgotten")
		}
	})
}

func TestCache(t *testing.T) {
	t.Run("holds no more than its bound, and nothing longer than it is good", func(t *testing.T) {
		at := newClock()
		c := newCache[int](160)
		state := newState(t, at)
		for i := range 5000 {
			mark := state.mark(fmt.Sprint(i))
			c.put(&mark, i, at.now(), at.now().Add(time.Minute))
			if got, ok := c.get(&mark, at.now()); !ok || got != i {
				t.Fatalf("%d is %d, %v", i, got, ok)
			}
		}
		if n := c.len(); n > 160 || n < 100 {
			t.Errorf("%d values", n)
		}
		mark := state.mark("last")
		c.put(&mark, math.MaxInt, at.now(), at.now())
		if _, ok := c.get(&mark, at.now()); ok {
			t.Error("what is over is kept")
		}
		c.put(&mark, 1, at.now(), at.now().Add(time.Second))
		at.move(time.Second)
		if _, ok := c.get(&mark, at.now()); ok {
			t.Error("what is over is given")
		}
	})
}

// len returns how many values are held, expired ones too.
func (c *cache[V]) len() int {
	n := 0
	for i := range c.parts {
		c.parts[i].mu.RLock()
		n += len(c.parts[i].entries)
		c.parts[i].mu.RUnlock()
	}
	return n
}

func TestHash_dummy(t *testing.T) {
	t.Run("has the work of its like, and no password", func(t *testing.T) {
		for _, user := range append(bcrypted(t, "ada", "x"), cheap("ada", "x")...) {
			h := user.hash
			if d := h.dummy(); d.work() != h.work() || d.matches([]byte("x")) || d.matches(nil) || !h.matches([]byte("x")) {
				t.Errorf("%s and %s", d.work(), h.work())
			}
			if h.bcrypt != nil {
				if _, err := bcrypt.Cost(h.dummy().bcrypt); err != nil {
					t.Errorf("it is refused before any work: %v", err)
				}
			}
		}
	})
}
