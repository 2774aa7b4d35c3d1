package testkit

import (
	"net/http"
	"slices"
	"strings"
)

// Batch is the answer to a batch as a client reads it (contract 5).
type Batch struct {
	Mode    string   `json:"mode"`
	DryRun  bool     `json:"dry_run"`
	Results []Result `json:"results"`
}

// Result is what became of one operation; exactly one of User, ID and Problem is there.
type Result struct {
	Status  int      `json:"status"`
	User    *User    `json:"user"`
	ID      *int64   `json:"id"`
	Problem *Problem `json:"problem"`
}

// Statuses returns the statuses of the results in their order.
func (b Batch) Statuses() []int {
	statuses := []int{}
	for _, result := range b.Results {
		statuses = append(statuses, result.Status)
	}
	return statuses
}

// Users returns the users in the results in their order.
func (b Batch) Users() []User {
	users := []User{}
	for _, result := range b.Results {
		if result.User != nil {
			users = append(users, *result.User)
		}
	}
	return users
}

// Batch sends operations, each a JSON object. The members, if any, come before them: `"dry_run":true`.
func (c *Client) Batch(tb TB, members string, operations ...string) *Response {
	tb.Helper()
	if members != "" {
		members += ","
	}
	return c.Post(tb, "/users/batch", "{"+members+`"operations":[`+strings.Join(operations, ",")+"]}")
}

// Batch returns the body as the answer to a batch.
func (r *Response) Batch() Batch {
	r.tb.Helper()
	var batch Batch
	r.decode(&batch)
	for n, result := range batch.Results {
		is := []bool{result.User != nil, result.ID != nil, result.Problem != nil}
		want := []bool{result.Status < 204, result.Status == 204, result.Status >= 400}
		if !slices.Equal(is, want) {
			r.tb.Fatalf("%s: contract 5: result %d has not what its status says: %.400s", r, n, r.Body)
		}
	}
	return batch
}

// WantResults ends the test unless the answer is that of a batch with results of these statuses: 200
// when all of its operations had to succeed, 207 when each stood by itself.
func (r *Response) WantResults(mode string, statuses ...int) Batch {
	r.tb.Helper()
	status := http.StatusOK
	if mode == "independent" {
		status = http.StatusMultiStatus
	}
	batch := r.Want(status).Batch()
	if batch.Mode != mode || !slices.Equal(batch.Statuses(), statuses) {
		r.tb.Fatalf("%s: %s %v, want %s %v: %.600s", r, batch.Mode, batch.Statuses(), mode, statuses, r.Body)
	}
	return batch
}

// WantRejected is WantProblem for an atomic batch of which operations are wrong.
func (r *Response) WantRejected(status int, faults ...string) Problem {
	r.tb.Helper()
	return r.WantProblem(status, "batch_rejected", faults...)
}
