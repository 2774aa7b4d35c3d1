package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/repository/memory"
	"userapi/tests/testkit"
)

// keyed returns the header line of an idempotency key.
func keyed(key string) string { return "Idempotency-Key: " + key }

// replayed holds an answer to being another one again, octet by octet.
func replayed(t testkit.TB, again, first *testkit.Response) {
	t.Helper()
	again.Want(first.Status).WantHeader("Idempotency-Replayed", "true")
	for _, name := range []string{"Location", "ETag", "Content-Type", "Cache-Control", "Vary"} {
		again.WantHeader(name, first.Header.Get(name))
	}
	if string(again.Body) != string(first.Body) {
		t.Errorf("%s: replayed %s, the first was %s", again, again.Body, first.Body)
	}
}

// users returns how many there are.
func users(t testkit.TB, svc *testkit.Service) int64 {
	t.Helper()
	return *svc.Get(t, "/users/?limit=1&include_total=true").Want(http.StatusOK).Page().Total
}

func TestContract_3_RetryIsReplayed(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	first := svc.Post(t, "/users/", ada, keyed("one")).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "").
		WantHeader("Location", "/users/1").WantHeader("ETag", `"1"`)
	t.Run("status, Location, ETag and body come again, octet by octet", func(t *testing.T) {
		for range 3 {
			replayed(t, svc.Post(t, "/users/", ada, keyed("one")), first)
		}
	})
	t.Run("both prefixes, with and without a slash, are one route", func(t *testing.T) {
		for _, path := range []string{"/users", "/v1/users/", "/v1/users"} {
			replayed(t, svc.Post(t, path, ada, keyed("one")), first)
		}
		other := svc.Post(t, "/v1/users", named(1, `"V"`), keyed("two")).Want(http.StatusCreated).WantHeader("Location", "/v1/users/2")
		replayed(t, svc.Post(t, "/users/", named(1, `"V"`), keyed("two")), other)
	})
	t.Run("a query that nobody reads makes no other request", func(t *testing.T) {
		replayed(t, svc.Post(t, "/users/?x=1", ada, keyed("one")), first)
	})
	t.Run("another key is another request", func(t *testing.T) {
		svc.Post(t, "/users/", ada, keyed("ONE")).WantProblem(http.StatusConflict, "email_taken")
		svc.Post(t, "/users/", ada, keyed("one ")).Want(http.StatusCreated) // white space around a field is no part of it
		svc.Post(t, "/users/", ada).WantProblem(http.StatusConflict, "email_taken")
	})
	t.Run("the replay is of what was, also when the user has changed and is gone", func(t *testing.T) {
		svc.Patch(t, "/users/1", `{"name":"Countess"}`).Want(http.StatusOK)
		replayed(t, svc.Post(t, "/users/", ada, keyed("one")), first)
		svc.Delete(t, "/users/1").Want(http.StatusNoContent)
		replayed(t, svc.Post(t, "/users/", ada, keyed("one")), first)
	})
	t.Run("methods that can be repeated anyway have no use for a key, also not for a bad one", func(t *testing.T) {
		for _, key := range []string{keyed("one"), keyed(strings.Repeat("x", 300)), keyed("é")} {
			svc.Put(t, "/users/2", ada, key).Want(http.StatusOK).WantHeader("Idempotency-Replayed", "")
			svc.Patch(t, "/users/2", named(1, `"V"`), key).Want(http.StatusOK).WantHeader("Idempotency-Replayed", "")
			svc.Get(t, "/users/2", key).Want(http.StatusOK)
			svc.Delete(t, "/users/9", key).Want(http.StatusNotFound)
		}
	})
	t.Run("one user was made of each key", func(t *testing.T) {
		if n := users(t, svc); n != 1 { // of two, one was deleted
			t.Errorf("%d users", n)
		}
	})
}

func TestContract_3_RetryWithAnotherBody(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	first := svc.Post(t, "/users/", ada, keyed("k")).Want(http.StatusCreated)
	reused := []string{"Idempotency-Key: idempotency_key_reused"}
	for says, body := range map[string]string{
		"another user":                   named(1, `"Eve"`),
		"one space more":                 ada + " ",
		"the members in another order":   `{"email":"ada@example.com","name":"Ada Lovelace","age":36}`,
		"the same number, else written":  strings.Replace(ada, "36", "36.0", 1),
		"the same letter, else written":  strings.Replace(ada, "Ada", `\u0041da`, 1),
		"a read-only member that is new": strings.Replace(ada, "{", `{"id":1,`, 1),
	} {
		t.Run("422: "+says, func(t *testing.T) {
			svc.Post(t, "/users/", body, keyed("k")).WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", reused...)
			svc.Post(t, "/v1/users", body, keyed(`"k"`)).WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", reused...)
		})
	}
	t.Run("what is wrong with the body is told first, as of any request", func(t *testing.T) {
		svc.Post(t, "/users/", `{"name":""}`, keyed("k")).WantInvalid("/name too_short", "/email required")
		svc.Post(t, "/users/", `{`, keyed("k")).WantProblem(http.StatusBadRequest, "malformed_json")
	})
	t.Run("and the first answer stays", func(t *testing.T) {
		replayed(t, svc.Post(t, "/users/", ada, keyed("k")), first)
		if n := users(t, svc); n != 1 {
			t.Errorf("%d users", n)
		}
	})
}

func TestContract_3_IdempotencyKey(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	printable := ""
	for c := byte(' ' + 1); c < 0x7f; c++ {
		printable += string(c)
	}
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	accepted := map[string]string{ // bare and quoted: the same key
		"a":                                `"a"`,
		"8e03978e-40d5-43e8-bc93-6894a57f": `"8e03978e-40d5-43e8-bc93-6894a57f"`,
		"two words":                        `"two words"`,
		`a"b`:                              `"a\"b"`,
		`a\b`:                              `"a\\b"`,
		printable:                          `"` + escaped.Replace(printable) + `"`,
		strings.Repeat("x", 255):           `"` + strings.Repeat("x", 255) + `"`,
		strings.Repeat(`\`, 255):           `"` + strings.Repeat(`\\`, 255) + `"`,
	}
	n := 0
	for bare, inQuotes := range accepted {
		n++
		body := named(n, `"Ada"`)
		t.Run(fmt.Sprintf("bare and quoted are the same key: %.40s", bare), func(t *testing.T) {
			first := svc.Post(t, "/users/", body, keyed(bare)).Want(http.StatusCreated)
			replayed(t, svc.Post(t, "/users/", body, keyed(inQuotes)), first)
			replayed(t, svc.Post(t, "/users/", body, keyed(bare)), first)
		})
	}
	t.Run("a quoted key keeps the white space in it", func(t *testing.T) {
		first := svc.Post(t, "/users/", named(100, `"Ada"`), keyed(`" a "`)).Want(http.StatusCreated)
		replayed(t, svc.Post(t, "/users/", named(100, `"Ada"`), keyed(`" a "`)), first)
	})

	before := users(t, svc)
	refused := map[string][]string{
		"an empty one":                              {""},
		"an empty one in quotes":                    {`""`},
		"256 characters":                            {strings.Repeat("x", 256)},
		"256 characters in quotes":                  {`"` + strings.Repeat("x", 256) + `"`},
		"a letter that is not ASCII":                {"clé"},
		"a letter that is not ASCII, in quotes":     {`"clé"`},
		"an octet that is no UTF-8":                 {"k\xff"},
		"a tab":                                     {"a\tb"},
		"a tab in quotes":                           {"\"a\tb\""},
		"quotes without an end":                     {`"abc`},
		"quotes that end in an escape":              {`"abc\"`},
		"quotes with an escape that there is not":   {`"a\bc"`},
		"something behind the quotes":               {`"abc"d`},
		"two of them":                               {"a", "b"},
		"the same one twice":                        {"a", "a"},
		"one that is empty beside one that is good": {"", "a"},
	}
	for says, keys := range refused {
		t.Run("422: "+says, func(t *testing.T) {
			const fault = "Idempotency-Key: malformed_header"
			lines := withField("Idempotency-Key", keys)
			post := func(path, body string) *testkit.Response {
				return svc.ExchangeBody(t, body, append(append([]string{"POST " + path + " HTTP/1.1"}, lines...), "Content-Type: application/json")...)
			}
			post("/users/", named(1000, `"Ada"`)).WantInvalid(fault)
			post("/v1/users/batch", `{"operations":[{"op":"delete","id":1}]}`).WantInvalid(fault)
			post("/users/", `{"name":"","age":0}`).WantInvalid(fault, "/name too_short", "/email required", "/age out_of_range")
			post("/users/", `{`).WantProblem(http.StatusBadRequest, "malformed_json")
		})
	}
	if after := users(t, svc); after != before {
		t.Errorf("requests with a bad key made %d users", after-before)
	}
}

func TestContract_3_KeyIsFreeAfterFailure(t *testing.T) {
	t.Parallel()
	svc := testkit.New(t, testkit.Options{})
	svc.Create(t, named(0, `"Taken"`))
	failures := map[string]func(key string) *testkit.Response{
		"422": func(key string) *testkit.Response { return svc.Post(t, "/users/", `{}`, key).Want(422) },
		"409": func(key string) *testkit.Response { return svc.Post(t, "/users/", named(0, `"Clash"`), key).Want(409) },
		"400": func(key string) *testkit.Response { return svc.Post(t, "/users/", `{`, key).Want(400) },
		"415": func(key string) *testkit.Response {
			return svc.Post(t, "/users/", `{}`, key, "Content-Type: text/plain").Want(415)
		},
		"413": func(key string) *testkit.Response {
			return svc.Post(t, "/users/", strings.Repeat(" ", 1<<20+1), key).Want(413)
		},
	}
	n := 0
	for says, fail := range failures {
		n++
		body := named(n, `"Ada"`)
		t.Run(says, func(t *testing.T) {
			for range 2 { // a failure is not replayed either
				fail(keyed(says)).WantHeader("Idempotency-Replayed", "")
			}
			first := svc.Post(t, "/users/", body, keyed(says)).Want(http.StatusCreated).WantHeader("Idempotency-Replayed", "")
			replayed(t, svc.Post(t, "/users/", body, keyed(says)), first)
		})
	}
	t.Run("a clash that is gone", func(t *testing.T) {
		svc.Post(t, "/users/", named(0, `"Clash"`), keyed("gone")).WantProblem(http.StatusConflict, "email_taken")
		svc.Delete(t, "/users/1").Want(http.StatusNoContent)
		svc.Post(t, "/users/", named(0, `"Clash"`), keyed("gone")).Want(http.StatusCreated)
	})
}

func TestContract_3_KeysAreBounded(t *testing.T) {
	t.Parallel()
	create := func(t *testing.T, svc *testkit.Service, n int) *testkit.Response {
		t.Helper()
		return svc.Post(t, "/users/", named(n, `"Ada"`), keyed(fmt.Sprintf("key %d", n)))
	}
	// forgotten says that a key is free: its request runs again, and meets the user whom it made.
	forgotten := func(t *testing.T, svc *testkit.Service, n int) {
		t.Helper()
		create(t, svc, n).WantProblem(http.StatusConflict, "email_taken")
	}
	t.Run("by count: the oldest go first", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{Keys: memory.KeyLimits{Count: 3}})
		first := map[int]*testkit.Response{}
		for n := range 5 {
			first[n] = create(t, svc, n).Want(http.StatusCreated)
		}
		svc.Tidy(t)
		replayed(t, create(t, svc, 2), first[2])
		replayed(t, create(t, svc, 3), first[3])
		replayed(t, create(t, svc, 4), first[4])
		forgotten(t, svc, 0)
		forgotten(t, svc, 1)
	})
	t.Run("by age: a day unless the setting says another", func(t *testing.T) {
		for age, set := range map[time.Duration]time.Duration{24 * time.Hour: 0, time.Minute: time.Minute} {
			clock := testkit.NewClock(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
			svc := testkit.New(t, testkit.Options{Now: clock.Now, Keys: memory.KeyLimits{Age: set}})
			first := create(t, svc, 0).Want(http.StatusCreated)
			clock.Add(age / 2)
			second := create(t, svc, 1).Want(http.StatusCreated)
			clock.Add(age/2 - time.Second)
			replayed(t, create(t, svc, 0), first) // to ask for it makes it no younger
			clock.Add(2 * time.Second)
			forgotten(t, svc, 0)
			replayed(t, create(t, svc, 1), second)
			clock.Add(age / 2)
			forgotten(t, svc, 1)
		}
	})
	t.Run("by what they take of the memory", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{Keys: memory.KeyLimits{Bytes: 20_000}})
		const most = 100
		for n := range most {
			create(t, svc, n).Want(http.StatusCreated)
		}
		svc.Tidy(t)
		kept := 0
		for n := range most {
			if create(t, svc, n).Header.Get("Idempotency-Replayed") == "true" {
				kept++
			}
		}
		if kept == 0 || kept == most {
			t.Errorf("20 kB hold %d answers of %d", kept, most)
		}
	})
	t.Run("a key that is forgotten can be given to another request", func(t *testing.T) {
		svc := testkit.New(t, testkit.Options{Keys: memory.KeyLimits{Count: 1}})
		svc.Post(t, "/users/", named(0, `"Ada"`), keyed("a")).Want(http.StatusCreated)
		svc.Post(t, "/users/", named(1, `"Ada"`), keyed("b")).Want(http.StatusCreated)
		svc.Tidy(t)
		svc.Post(t, "/users/", named(2, `"Ada"`), keyed("a")).Want(http.StatusCreated)
	})
}
