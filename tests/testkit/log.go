package testkit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Log holds what a service logs. When its test ends, every line must be one JSON object with the
// members that each line has, and none may hold an address, a query or a body that was sent. It is
// safe for concurrent use.
type Log struct {
	mu        sync.Mutex
	text      []byte
	forbidden map[string]bool
	// lenient leaves the lines unjudged: what a program prints on its way out is no log.
	lenient bool
}

func newLog(tb testing.TB) *Log {
	log := &Log{forbidden: map[string]bool{}}
	tb.Cleanup(func() { log.judge(tb) })
	return log
}

// Write takes a part of the log.
func (l *Log) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, text...)
	return len(text), nil
}

// Sync implements zapcore.WriteSyncer; there is nothing to wait for.
func (l *Log) Sync() error { return nil }

// Entry is one line of the log.
type Entry map[string]any

// Text returns the member as text, or an empty one when it is absent or no string.
func (e Entry) Text(member string) string {
	text, _ := e[member].(string)
	return text
}

// Number returns the member as a number, or -1 when it is absent or none.
func (e Entry) Number(member string) float64 {
	if number, ok := e[member].(float64); ok {
		return number
	}
	return -1
}

// Lines returns the whole lines so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := bytes.LastIndexByte(l.text, '\n')
	if end < 0 {
		return nil
	}
	return strings.Split(string(l.text[:end]), "\n")
}

// Entries returns the lines so far, of which each must be a JSON object.
func (l *Log) Entries(tb TB) []Entry {
	tb.Helper()
	var entries []Entry
	for _, line := range l.Lines() {
		entry, err := parse(line)
		if err != nil {
			tb.Errorf("a log line is not one JSON object: %v: %q", err, line)
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}

// Await waits for the first entry that fits and ends the test when none comes.
func (l *Log) Await(tb TB, what string, fits func(Entry) bool) Entry {
	tb.Helper()
	var found Entry
	Eventually(tb, what, func() bool {
		for _, line := range l.Lines() {
			if entry, err := parse(line); err == nil && fits(entry) {
				found = entry
				return true
			}
		}
		return false
	})
	return found
}

// Request waits for the line of the request with this id.
func (l *Log) Request(tb TB, id string) Entry {
	tb.Helper()
	return l.Await(tb, "the access line of request "+id, func(entry Entry) bool {
		return entry.Text("msg") == "request" && entry.Text("request_id") == id
	})
}

// Eventually waits until a condition holds and ends the test when it does not within ten seconds.
func Eventually(tb TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("waited ten seconds for %s", what)
		}
	}
}

func parse(line string) (Entry, error) {
	decoder := json.NewDecoder(strings.NewReader(line))
	var entry Entry
	if err := decoder.Decode(&entry); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the object")
	}
	return entry, nil
}

// forbid notes what of a request must not be in the log: its query, its credentials, its body, and the
// texts in it.
func (l *Log) forbid(req *http.Request) {
	secrets := append(credentials(req.Header), req.URL.RawQuery)
	if _, email, ok := strings.Cut(req.URL.Path, "/by-email/"); ok {
		_, escaped, _ := strings.Cut(req.URL.EscapedPath(), "/by-email/")
		secrets = append(secrets, strings.Trim(email, "/"), strings.Trim(escaped, "/"))
	}
	if req.GetBody != nil {
		if reader, err := req.GetBody(); err == nil {
			body, _ := io.ReadAll(io.LimitReader(reader, 4<<10))
			secrets = append(secrets, string(body))
			var document any
			if json.Unmarshal(body, &document) == nil {
				secrets = append(secrets, texts(document)...)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range secrets {
		if len(secret) >= shortestSecret && !instant.MatchString(secret) && !chance.MatchString(secret) {
			l.forbidden[secret] = true
		}
	}
}

// credentials returns what a request says to prove who sends it: keys, tokens with the parts that hold
// something, and passwords.
func credentials(header http.Header) []string {
	secrets := slices.Clone(header.Values("X-API-Key"))
	for _, value := range header.Values("Authorization") {
		_, sent, _ := strings.Cut(value, " ")
		secrets = append(secrets, sent)
		if parts := strings.Split(sent, "."); len(parts) == 3 {
			secrets = append(secrets, parts[1], parts[2])
		}
		if decoded, err := base64.StdEncoding.DecodeString(sent); err == nil {
			_, password, _ := strings.Cut(string(decoded), ":")
			secrets = append(secrets, password)
		}
	}
	return secrets
}

// shortestSecret is the length of the shortest text, in octets, that is looked for in the log; shorter
// ones stand in any line by chance.
const shortestSecret = 6

// instant matches the times of users, which the log has as well.
var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+Z$`)

// chance matches short texts that an id, which is random and in hex, may hold as well.
var chance = regexp.MustCompile(`^[0-9a-f]{1,10}$`)

// texts returns the strings in a JSON document, member names left out.
func texts(document any) []string {
	var found []string
	switch value := document.(type) {
	case string:
		found = append(found, value)
	case []any:
		for _, element := range value {
			found = append(found, texts(element)...)
		}
	case map[string]any:
		for _, member := range value {
			found = append(found, texts(member)...)
		}
	}
	return found
}

// judge looks at the whole log at the end of its test.
func (l *Log) judge(tb testing.TB) {
	if l.lenient {
		return
	}
	var all strings.Builder
	for _, entry := range l.Entries(tb) {
		for _, member := range []string{"time", "level", "msg"} {
			if entry.Text(member) == "" {
				tb.Errorf("a log line has no %s: %v", member, entry)
			}
		}
		delete(entry, "stack") // its module versions are written with an @
		shown, _ := json.Marshal(entry)
		all.Write(shown)
		for _, text := range texts(map[string]any(entry)) {
			if strings.Contains(text, "@") {
				tb.Errorf("a log line holds what looks like an address: %v", entry)
			}
			all.WriteString(text + "\n")
		}
	}
	for _, secret := range l.leaked(all.String()) {
		tb.Errorf("the log holds what a client sent as path, query or body: %q", secret)
	}
}

// leaked returns what is forbidden and stands in a text. It reads the text once, since a long test has
// thousands of secrets and megabytes of log.
func (l *Log) leaked(text string) []string {
	byStart := map[string][]string{}
	for secret := range l.forbidden {
		start := secret[:shortestSecret]
		byStart[start] = append(byStart[start], secret)
	}
	found := map[string]bool{}
	for i := 0; i+shortestSecret <= len(text); i++ {
		for _, secret := range byStart[text[i:i+shortestSecret]] {
			if strings.HasPrefix(text[i:], secret) {
				found[secret] = true
			}
		}
	}
	return slices.Collect(maps.Keys(found))
}
