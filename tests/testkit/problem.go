package testkit

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Problem is a failure as a client reads it (contract 3).
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"`
	Instance  string  `json:"instance"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	TraceID   string  `json:"trace_id"`
	Errors    []Fault `json:"errors"`
}

// Fault is one of the errors of a problem; exactly one of its places is there.
type Fault struct {
	Pointer   *string `json:"pointer"`
	Parameter *string `json:"parameter"`
	Header    *string `json:"header"`
	Code      string  `json:"code"`
	Detail    string  `json:"detail"`
	// Status is what an operation of a batch fails with; 0 elsewhere.
	Status int `json:"status"`
}

// String returns place and code, as in `/age out_of_range` for a member, `?limit wrong_type` for a
// parameter, and `. wrong_type` for the body as a whole; and behind them the status, if there is one.
func (f Fault) String() string {
	what := f.Code
	if f.Status != 0 {
		what += " " + strconv.Itoa(f.Status)
	}
	switch {
	case f.Pointer != nil && *f.Pointer == "":
		return ". " + what
	case f.Pointer != nil:
		return *f.Pointer + " " + what
	case f.Parameter != nil:
		return "?" + *f.Parameter + " " + what
	case f.Header != nil:
		return *f.Header + ": " + what
	}
	return "nowhere " + what
}

// Places returns the faults of a problem as Fault.String writes them, sorted.
func (p Problem) Places() []string {
	places := []string{}
	for _, fault := range p.Errors {
		places = append(places, fault.String())
	}
	slices.Sort(places)
	return places
}

// Problem returns the body as a problem, all of whose members were judged when it arrived.
func (r *Response) Problem() Problem {
	r.tb.Helper()
	var problem Problem
	r.decode(&problem)
	return problem
}

// WantProblem ends the test unless the answer is a problem of this status and code with exactly
// these faults, in any order, each written as Fault.String does.
func (r *Response) WantProblem(status int, code string, faults ...string) Problem {
	r.tb.Helper()
	r.Want(status)
	problem := r.Problem()
	if problem.Code != code {
		r.tb.Fatalf("%s: code %q, want %q; %s", r, problem.Code, code, problem.Detail)
	}
	slices.Sort(faults)
	if got := problem.Places(); !slices.Equal(got, faults) && len(got)+len(faults) > 0 {
		r.tb.Fatalf("%s: errors\n  %s\nwant\n  %s", r, strings.Join(got, "\n  "), strings.Join(faults, "\n  "))
	}
	return problem
}

// WantInvalid is WantProblem for the most frequent problem, 422 invalid_input.
func (r *Response) WantInvalid(faults ...string) Problem {
	r.tb.Helper()
	return r.WantProblem(http.StatusUnprocessableEntity, "invalid_input", faults...)
}
