package testkit

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	catalogue "userapi/handlers/problem"
)

var (
	saneID   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	traceID  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	codeWord = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

	// internal matches what speaks of how the service is made and must be in no failure.
	internal = regexp.MustCompile(`(?i)\b(gin|strconv|goroutine|panic|runtime|sql|sqlite|postgres|mysql|redis|` +
		`reflect|jsontext|encoding|userapi|handlers|repository|memory|middleware|struct|nil pointer|null pointer|` +
		`dereference|stack|traceback|exception|unmarshal|marshal|validator|binding|mutex|deadlock|interface|syscall|` +
		`errno|context canceled|context deadline|deadline exceeded|unexpected end|invalid character|EOF|cgo|zap|github|golang)\b` +
		`|json:|go\.mod|\.go\b|0x[0-9a-f]{4}|/root/|/home/|/usr/|/tmp/|models\.|Key: '|Field validation`)
)

// watch judges an answer by what holds for all of them: contract 3 for failures, contract 6 for the
// request id, and contract 2 in that nothing is ever redirected.
func watch(tb TB, r *Response) {
	tb.Helper()
	id := r.Header.Get("X-Request-ID")
	if !saneID.MatchString(id) {
		tb.Errorf("%s: contract 6: X-Request-ID is %q", r, id)
	}
	if sent := r.Request.Header.Values("X-Request-ID"); len(sent) == 1 && saneID.MatchString(sent[0]) && id != sent[0] {
		tb.Errorf("%s: contract 6: X-Request-ID %q was not kept but is %q", r, sent[0], id)
	}
	if r.Status >= 300 && r.Status < 400 && r.Status != http.StatusNotModified {
		tb.Errorf("%s: contract 2: redirected with %d to %q", r, r.Status, r.Header.Get("Location"))
	}
	if aboutUsers(r.Request.URL.Path) && r.Header.Get("Allow") == "" {
		if got := r.Header.Get("Cache-Control"); got != "private, no-cache" {
			tb.Errorf("%s: contract 6: status %d with Cache-Control %q", r, r.Status, got)
		}
		if r.Header.Get("Vary") == "" {
			tb.Errorf("%s: contract 6: status %d without Vary", r, r.Status)
		}
	}
	switch {
	case r.Status >= 400:
		watchFailure(tb, r)
	case (r.Status == http.StatusNoContent || r.Status == http.StatusNotModified) && (len(r.Body) > 0 || r.Header.Get("Content-Type") != ""):
		tb.Errorf("%s: a %d with a content: %q", r, r.Status, r.Body)
	case r.Status == http.StatusNotModified && r.Header.Get("ETag") == "":
		tb.Errorf("%s: a 304 without an ETag", r)
	case r.Status == http.StatusMultiStatus:
		watchResults(tb, r)
	}
}

// aboutUsers says whether a path is one of those of users.
func aboutUsers(path string) bool {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/v1"), "/")
	rest, ok := strings.CutPrefix(path, "/users")
	rest = strings.TrimPrefix(rest, "/by-email")
	return ok && (rest == "" || rest[0] == '/' && len(rest) > 1 && !strings.Contains(rest[1:], "/"))
}

func watchFailure(tb TB, r *Response) {
	tb.Helper()
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		tb.Errorf("%s: contract 3: status %d with Content-Type %q", r, r.Status, got)
		return
	}
	if r.Request.Method == http.MethodHead {
		return
	}
	var problem Problem
	if err := json.Unmarshal(r.Body, &problem); err != nil {
		tb.Errorf("%s: contract 3: the problem is no JSON: %v: %.200s", r, err, r.Body)
		return
	}
	watchProblem(tb, r, problem, r.Status)
	// A batch that is refused has the status of what is wrong with it, and all of that in any case.
	listed := r.Status == http.StatusUnprocessableEntity || problem.Code == "batch_rejected"
	if listed != (len(problem.Errors) > 0) {
		tb.Errorf("%s: contract 3: status %d with the errors %q", r, r.Status, problem.Places())
	}
	if r.Status == http.StatusServiceUnavailable && r.Header.Get("Retry-After") == "" {
		tb.Errorf("%s: contract 3: 503 without Retry-After", r)
	}
	if asked := len(r.Header.Values("WWW-Authenticate")) > 0; asked != (r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden) {
		tb.Errorf("%s: status %d with WWW-Authenticate %q", r, r.Status, r.Header.Values("WWW-Authenticate"))
	}
	for _, fault := range problem.Errors {
		if of := problem.Code == "batch_rejected"; of != (fault.Status >= 400 && fault.Status < 500) {
			tb.Errorf("%s: contract 5: a fault of %s with the status %d", r, problem.Code, fault.Status)
		}
	}
}

// watchResults judges the results of a batch that were told one by one.
func watchResults(tb TB, r *Response) {
	tb.Helper()
	var batch Batch
	if err := json.Unmarshal(r.Body, &batch); err != nil {
		tb.Errorf("%s: contract 5: the results are no JSON: %v", r, err)
	}
	for n, result := range batch.Results {
		if (result.Status >= 400) != (result.Problem != nil) {
			tb.Errorf("%s: contract 5: result %d has the status %d and the problem %+v", r, n, result.Status, result.Problem)
		}
		if result.Problem == nil {
			continue
		}
		if r.Header.Get("Idempotency-Replayed") != "" { // it tells of the request that was answered first
			result.Problem.Instance, result.Problem.RequestID = r.Request.URL.EscapedPath(), r.Header.Get("X-Request-ID")
		}
		watchProblem(tb, r, *result.Problem, result.Status)
		if result.Status == http.StatusUnprocessableEntity && len(result.Problem.Errors) == 0 {
			tb.Errorf("%s: contract 3: result %d is a 422 without errors", r, n)
		}
	}
}

// watchProblem judges a problem that is an answer or a part of one.
func watchProblem(tb TB, r *Response, problem Problem, status int) {
	tb.Helper()
	want := func(holds bool, member, got string) {
		if !holds {
			tb.Errorf("%s: contract 3: status %d: %s is %q", r, status, member, got)
		}
	}
	want(problem.Status == status, "status", strconv.Itoa(problem.Status))
	want(codeWord.MatchString(problem.Code), "code", problem.Code)
	want(problem.Type == "/problems/"+strings.ReplaceAll(problem.Code, "_", "-"), "type", problem.Type)
	want(problem.Title != "" && problem.Title != "The request failed", "title", problem.Title)
	want(sentence(problem.Detail), "detail", problem.Detail)
	want(problem.Instance == r.Request.URL.EscapedPath(), "instance", problem.Instance)
	want(problem.RequestID == r.Header.Get("X-Request-ID"), "request_id", problem.RequestID)
	want(problem.TraceID == "" || traceID.MatchString(problem.TraceID), "trace_id", problem.TraceID)
	for _, fault := range problem.Errors {
		watchFault(tb, r, fault)
	}
	if word := internal.FindString(written(problem)); word != "" {
		tb.Errorf("%s: contract 3: the failure speaks of internals: %q in %.400s", r, word, r.Body)
	}
}

func watchFault(tb TB, r *Response, fault Fault) {
	tb.Helper()
	places := 0
	for _, place := range []*string{fault.Pointer, fault.Parameter, fault.Header} {
		if place != nil {
			places++
		}
	}
	if places != 1 || !codeWord.MatchString(fault.Code) || fault.Detail == "" {
		tb.Errorf("%s: contract 3: a fault is not one place, one code and a sentence: %s: %q", r, fault, fault.Detail)
	}
	if !slices.ContainsFunc(catalogue.Faults(), func(f catalogue.FaultEntry) bool { return f.Code == fault.Code }) {
		tb.Errorf("%s: docs/errors.md does not know the code %s of a fault", r, fault.Code)
	}
	if fault.Pointer != nil && *fault.Pointer != "" && (*fault.Pointer)[0] != '/' {
		tb.Errorf("%s: contract 3: %q is no JSON Pointer", r, *fault.Pointer)
	}
}

// written returns what the service wrote of a problem by itself: all but the places, which name what
// the client sent.
func written(problem Problem) string {
	text := []string{problem.Type, problem.Title, problem.Detail, problem.Code}
	for _, fault := range problem.Errors {
		text = append(text, fault.Code, fault.Detail)
	}
	return strings.Join(text, "\n")
}

func sentence(text string) bool {
	return text != "" && strings.HasSuffix(text, ".") && text[:1] == strings.ToUpper(text[:1])
}

// Links returns the entries of the Link header by their relation.
func (r *Response) Links() map[string]string {
	r.tb.Helper()
	links := map[string]string{}
	for _, entry := range strings.Split(r.Header.Get("Link"), ", ") {
		match := linkEntry.FindStringSubmatch(entry)
		if match == nil {
			r.tb.Fatalf("%s: %q is no entry of a Link header", r, entry)
		}
		if _, err := url.Parse(match[1]); err != nil {
			r.tb.Fatalf("%s: the target of a link is no URI: %v", r, err)
		}
		links[match[2]] = match[1]
	}
	return links
}

var linkEntry = regexp.MustCompile(`^<([^<> ]+)>; rel="([a-z]+)"$`)
