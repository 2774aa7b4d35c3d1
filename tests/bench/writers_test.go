package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func cutHead(request []byte) (head, body []byte, found bool) {
	return bytes.Cut(request, []byte("\r\n\r\n"))
}

func TestNextCursor(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		wrong            bool
	}{
		{"a cursor is found behind the users", `{"items":[{"id":1}],"next_cursor":"abc_-","prev_cursor":"x"}`, "abc_-", false},
		{"the end has none", `{"items":[],"next_cursor":null,"prev_cursor":"x"}`, "", false},
		{"a user cannot pass for one", `{"items":[{"name":"\"next_cursor\":\"no\""}],"next_cursor":"yes","prev_cursor":null}`, "yes", false},
		{"no member is an error", `{"items":[]}`, "", true},
		{"no text is an error", `{"next_cursor":7}`, "", true},
		{"no end is an error", `{"next_cursor":"abc`, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := nextCursor([]byte(c.body)); got != c.want || (err != nil) != c.wrong {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// listOf serves a list of so many users, whose cursors are the numbers of the users before.
func listOf(t *testing.T, users int) *process {
	t.Helper()
	return served(t, func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		to, cursor := users, "null"
		if from+walkLimit < users {
			to = from + walkLimit
			cursor = strconv.Quote(strconv.Itoa(to))
		}
		body := `{"items":[` + strings.Repeat(`{"id":1},`, to-from) + `{}],"next_cursor":` + cursor + `,"prev_cursor":null}`
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = fmt.Fprint(w, body)
	})
}

func TestCrowd_judge(t *testing.T) {
	const users = 2*walkLimit + 500
	walked := func(t *testing.T, p *process) *crowd {
		t.Helper()
		w := &walker{of: p, sorts: []string{"name", "-email"}}
		r := &crowd{of: p, walkers: []*walker{w}}
		err := withClients(t.Context(), p, 1, func(clients []*client) error {
			for range 2 * 3 {
				if err := w.read(clients[0]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(w.finished) != 2 || w.finished[0].sort != "name" || w.finished[1].sort != "-email" {
			t.Fatalf("finished %+v, %v", w.finished, err)
		}
		return r
	}
	t.Run("walks that find everybody pass, once", func(t *testing.T) {
		p := listOf(t, users)
		p.users = users
		r := walked(t, p)
		if err := r.judge(); err != nil || len(r.walkers[0].finished) != 0 {
			t.Errorf("%v, %d walks left", err, len(r.walkers[0].finished))
		}
	})
	t.Run("a walk that misses a user does not", func(t *testing.T) {
		p := listOf(t, users-1)
		p.users = users
		if walked(t, p).judge() == nil {
			t.Error("it passes")
		}
	})
	t.Run("nor one that finds more users than there are", func(t *testing.T) {
		p := listOf(t, users+1)
		p.users = users
		if walked(t, p).judge() == nil {
			t.Error("it passes")
		}
	})
}

func TestBench_createEvenly(t *testing.T) {
	create := func(t *testing.T, clients int, length time.Duration, answer http.HandlerFunc) (out outcome, err error) {
		t.Helper()
		err = withClients(t.Context(), served(t, answer), clients, func(clients []*client) (err error) {
			out, err = new(bench).createEvenly(clients, length)
			return err
		})
		return out, err
	}
	t.Run("as many users come as the rate says", func(t *testing.T) {
		out, err := create(t, 4, 100*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
		})
		if want := int64(createRate / 10); err != nil || out.Requests != want {
			t.Errorf("%d users where %d are due, %v", out.Requests, want, err)
		}
	})
	t.Run("a slow server has the waits counted that it causes", func(t *testing.T) {
		const pause, length = 10 * time.Millisecond, 20 * time.Millisecond
		out, err := create(t, 1, length, func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(pause)
			w.WriteHeader(http.StatusCreated)
		})
		if least := 7 * pause; err != nil || out.P99 < least.Microseconds() {
			t.Errorf("p99 of %d us where at least %v are due, %v", out.P99, least, err)
		}
	})
	t.Run("anything but 201 is an error", func(t *testing.T) {
		_, err := create(t, 2, 100*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
		})
		if err == nil || !strings.Contains(err.Error(), "409") {
			t.Errorf("err = %v", err)
		}
	})
}
