package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"userapi/docs"
)

// TB is what the client needs of a test. Those of rapid have it too.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Client asks one service. It follows no redirect, so that a test sees what was answered. It is safe
// for concurrent use.
type Client struct {
	// URL is where the service is, without a slash at the end.
	URL  string
	http *http.Client
	log  *Log
}

// newClient returns a client whose connections end with the test. Every answer must be one that
// openapi.json declares, and what is sent becomes what the log must not hold.
func newClient(tb testing.TB, url string, log *Log) *Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &Client{
		URL: url,
		http: &http.Client{
			Transport:     NewValidator(tb, []byte(docs.OpenAPI())).Wrap(transport),
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log: log,
	}
}

// Do sends a request and returns the whole answer; the test fails at once when there is none. A body
// that is not empty is declared as application/json unless a header says otherwise. Headers are
// written `Name: value`, the same name twice for two of them; `Name:` alone takes a header away that
// would be sent by itself.
func (c *Client) Do(tb TB, method, path, body string, headers ...string) *Response {
	tb.Helper()
	return c.Send(tb, c.Request(tb, method, path, body, headers...))
}

// Request returns what Do would send, for tests that change more of it.
func (c *Client) Request(tb TB, method, path, body string, headers ...string) *http.Request {
	tb.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, c.URL+path, reader)
	if err != nil {
		tb.Fatalf("%s %s is not a request: %v", method, path, err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, _, _ := strings.Cut(header, ":")
		req.Header.Del(name)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		if value = strings.TrimSpace(value); value != "" {
			req.Header.Add(name, value)
		}
	}
	return req
}

// Send sends a request and returns the whole answer, judged by the rules for every answer.
func (c *Client) Send(tb TB, req *http.Request) *Response {
	tb.Helper()
	response, err := c.Try(tb, req)
	if err != nil {
		tb.Fatalf("%s %s was not answered: %v", req.Method, req.URL, err)
	}
	return response
}

// Try is Send for a request that may stay without an answer.
func (c *Client) Try(tb TB, req *http.Request) (*Response, error) {
	tb.Helper()
	c.log.forbid(req)
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	response := &Response{Status: answer.StatusCode, Header: answer.Header, Body: body, Close: answer.Close, Request: req, tb: tb}
	watch(tb, response)
	return response, nil
}

// Get sends a GET.
func (c *Client) Get(tb TB, path string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodGet, path, "", headers...)
}

// Post sends a POST.
func (c *Client) Post(tb TB, path, body string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPost, path, body, headers...)
}

// Put sends a PUT.
func (c *Client) Put(tb TB, path, body string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPut, path, body, headers...)
}

// Patch sends a PATCH of a merge patch.
func (c *Client) Patch(tb TB, path, body string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPatch, path, body, append([]string{"Content-Type: application/merge-patch+json"}, headers...)...)
}

// Head sends a HEAD.
func (c *Client) Head(tb TB, path string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodHead, path, "", headers...)
}

// Delete sends a DELETE.
func (c *Client) Delete(tb TB, path string, headers ...string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodDelete, path, "", headers...)
}

// Create makes a user of a body and returns it; the test fails at once when the service refuses.
func (c *Client) Create(tb TB, body string) User {
	tb.Helper()
	return c.Post(tb, "/users/", body).Want(http.StatusCreated).User()
}

// Response is one whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Close says that the service closes the connection behind the answer.
	Close   bool
	Request *http.Request
	tb      TB
}

// User is a user as a client reads it.
type User struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	Age       *int64 `json:"age"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Version   int64  `json:"version"`
}

// Equal says whether two users agree in every member.
func (u User) Equal(other User) bool {
	if (u.Age == nil) != (other.Age == nil) || u.Age != nil && *u.Age != *other.Age {
		return false
	}
	u.Age, other.Age = nil, nil
	return u == other
}

// Page is a page of a list as a client reads it.
type Page struct {
	Items      []User  `json:"items"`
	Total      *int64  `json:"total"`
	NextCursor *string `json:"next_cursor"`
	PrevCursor *string `json:"prev_cursor"`
}

// IDs returns the ids of the page in its order.
func (p Page) IDs() []int64 {
	ids := []int64{}
	for _, user := range p.Items {
		ids = append(ids, user.ID)
	}
	return ids
}

// Want ends the test unless the answer has this status.
func (r *Response) Want(status int) *Response {
	r.tb.Helper()
	if r.Status != status {
		r.tb.Fatalf("%s: status %d, want %d; body %.400s", r, r.Status, status, r.Body)
	}
	return r
}

// WantHeader marks the test as failed unless a header has exactly this value.
func (r *Response) WantHeader(name, value string) *Response {
	r.tb.Helper()
	if got := strings.Join(r.Header.Values(name), " | "); got != value {
		r.tb.Errorf("%s: header %s is %q, want %q", r, name, got, value)
	}
	return r
}

// User returns the body as a user, of which every member must be there.
func (r *Response) User() User {
	r.tb.Helper()
	var user User
	r.decode(&user)
	return user
}

// Page returns the body as a page.
func (r *Response) Page() Page {
	r.tb.Helper()
	var page Page
	r.decode(&page)
	if page.Items == nil {
		r.tb.Fatalf("%s: items is null or absent: %.400s", r, r.Body)
	}
	return page
}

// Members returns the body as an object of raw values.
func (r *Response) Members() map[string]json.RawMessage {
	r.tb.Helper()
	var members map[string]json.RawMessage
	r.decode(&members)
	return members
}

// String names the request in a few words.
func (r *Response) String() string {
	uri := r.Request.URL.RequestURI()
	if len(uri) > 100 {
		uri = uri[:100] + "…"
	}
	return r.Request.Method + " " + uri
}

func (r *Response) decode(target any) {
	r.tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		r.tb.Fatalf("%s: status %d: the body is not what was expected: %v: %.400s", r, r.Status, err, r.Body)
	}
}
