package metrics

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// The labels that the semantic conventions give to requests.
const (
	labelMethod = "http_request_method"
	labelRoute  = "http_route"
	labelStatus = "http_response_status_code"
)

const (
	// unmatched is the route of all requests that none matches, as in the log.
	unmatched = "unmatched"
	// other is a method that nobody knows, as the semantic conventions name it, and every other word
	// that is one too many.
	other = "_OTHER"
	// mostOutcomes is far above what all routes, methods and statuses can make, and there in case that
	// somebody makes a route or a status of what a client sends.
	mostOutcomes = 2000
)

// outcome is what requests share. Routes, methods and statuses are few, whatever clients send.
type outcome struct {
	method, route string
	status        int
}

// requests counts requests.
type requests struct {
	active   map[string]*atomic.Int64
	outcomes *children[outcome, *answered]

	duration     *prometheus.HistogramVec
	requestSize  *prometheus.HistogramVec
	responseSize *prometheus.HistogramVec
	aborted      *prometheus.CounterVec
}

// answered is the series of an outcome.
type answered struct {
	labels       [3]string
	duration     prometheus.Observer
	responseSize prometheus.Observer
	// requestSize is nil where hardly anybody sends a body.
	requestSize prometheus.Observer
}

func newRequests(registry prometheus.Registerer) *requests {
	labels := []string{labelMethod, labelRoute, labelStatus}
	size := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(100, 10, 6)}, labels)
	}
	r := &requests{
		active:       map[string]*atomic.Int64{},
		duration:     prometheus.NewHistogramVec(duration("http_server_request_duration_seconds", "How long requests took, to the end of the answer; its count is that of the requests."), labels),
		requestSize:  size("http_server_request_body_size_bytes", "Sizes of the bodies that came with requests, as declared, else as far as they were read; requests without a body are not in it."),
		responseSize: size("http_server_response_body_size_bytes", "Sizes of the bodies of answers, before compression."),
		aborted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "userapi_aborted_requests_total", Help: "Requests whose connection was cut before the answer was whole: 499 is a client that went away, any other status was sent before something failed, or before the client left or took no more until http.write_timeout.",
		}, labels),
	}
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect, other,
	} {
		count := new(atomic.Int64)
		r.active[method] = count
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "http_server_active_requests", Help: "Requests that are being answered.",
			ConstLabels: prometheus.Labels{labelMethod: method},
		}, func() float64 { return float64(count.Load()) }))
	}
	r.outcomes = newChildren(mostOutcomes, outcome{other, unmatched, 0}, r.born)
	registry.MustRegister(r.duration, r.requestSize, r.responseSize, r.aborted)
	return r
}

func (r *requests) born(key outcome) *answered {
	labels := [3]string{key.method, key.route, strconv.Itoa(key.status)}
	a := &answered{labels: labels, duration: r.duration.WithLabelValues(labels[:]...), responseSize: r.responseSize.WithLabelValues(labels[:]...)}
	switch key.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		a.requestSize = r.requestSize.WithLabelValues(labels[:]...)
	}
	return a
}

// Requests returns the step that counts requests by method, route template and status: how many, how
// long they took, how large they and their answers were, and how many are in flight. It belongs outside
// of the step that answers for panics, so that it sees what those were answered with.
func (m *Metrics) Requests() gin.HandlerFunc {
	r, now := m.requests, m.now
	return func(c *gin.Context) {
		start := now()
		method := c.Request.Method
		active := r.active[method]
		if active == nil {
			method, active = other, r.active[other]
		}
		active.Add(1)
		sent := c.Request.ContentLength
		var body *countedBody
		if sent < 0 && c.Request.Body != nil {
			body = &countedBody{ReadCloser: c.Request.Body}
			c.Request.Body = body
		}
		whole := false
		defer func() {
			// Deferred, so that an answer that was cut off by http.ErrAbortHandler counts too.
			active.Add(-1)
			if body != nil {
				sent = body.octets
			}
			r.count(c, method, sent, whole, now()-start)
		}()
		c.Next()
		whole = true
	}
}

// count counts a request that is over. sent is the size of its body, and whole says that its answer was
// not cut off.
func (r *requests) count(c *gin.Context, method string, sent int64, whole bool, took time.Duration) {
	key := outcome{method, c.FullPath(), c.Writer.Status()}
	if key.route == "" {
		key.route = unmatched
	}
	a := r.outcomes.of(key)
	a.duration.Observe(took.Seconds())
	size := 0
	if method != http.MethodHead {
		size = max(c.Writer.Size(), 0)
	}
	a.responseSize.Observe(float64(size))
	if sent > 0 {
		if a.requestSize != nil {
			a.requestSize.Observe(float64(sent))
		} else {
			r.requestSize.WithLabelValues(a.labels[:]...).Observe(float64(sent))
		}
	}
	if !whole {
		r.aborted.WithLabelValues(a.labels[:]...).Inc()
	}
}

// countedBody is a request body whose length nobody has declared.
type countedBody struct {
	io.ReadCloser
	octets int64
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.octets += int64(n)
	return n, err
}
