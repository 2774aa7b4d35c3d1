// Package metrics counts what the service does, for Prometheus.
//
// It owns every name under which something is counted (docs/metrics.md is held equal to it), the bounds
// of the labels, and the step that counts requests. It refuses what could tell of a person or be invented by a client:
// no label holds a path, a header field, a parameter or a name. It does not know what it counts either:
// a store, a cache or a limiter is a function that main hands it, asked when somebody scrapes. main
// makes the one Metrics, the router uses its step.
//
// Names follow OpenTelemetry's semantic conventions in the form that Prometheus gives them, where there
// is a convention; all others begin with userapi_.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build says which program this is.
type Build struct{ Version, Revision, GoVersion string }

// Metrics is everything that is counted. Create it with New, once for a process: what it has counted
// outlives every change of settings. Its methods are safe for concurrent use, and those of a nil
// *Metrics that count something, or say whom to ask, do nothing, which is how it is off.
type Metrics struct {
	registry *prometheus.Registry
	// now is how long this has existed. Of the system's clocks only the one that counts up is read for it,
	// which takes half as long as to learn what time it is.
	now func() time.Duration

	requests *requests
	stores   *stores
	events   *events
	sources  *sources
}

// New returns metrics in a registry of their own.
func New(build Build) *Metrics {
	born := time.Now()
	m := &Metrics{registry: prometheus.NewRegistry(), now: func() time.Duration { return time.Since(born) }}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "userapi_build_info", Help: "Always 1; its labels say which program this is.",
	}, []string{"version", "revision", "go_version"})
	info.WithLabelValues(build.Version, build.Revision, build.GoVersion).Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.requests = newRequests(m.registry)
	m.stores = newStores(m.registry)
	m.events = newEvents(m.registry)
	m.sources = newSources(m.registry)
	return m
}

// scrapes is how many may be answered at one time; more are told 503. One is enough for Prometheus, and
// those at the same time share one look at everything.
const scrapes = 8

// Handler returns what answers a scrape: in Prometheus' text, in OpenMetrics, or in protocol buffers,
// which alone have native histograms. What cannot be collected is left out and counted.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: scrapes,
		CoalesceGather:      true,
	})
}

// durations are the bounds of the classic buckets, in seconds: those of the semantic conventions, without
// three that add little, and with four below, because most answers take less than a millisecond.
func durations() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// Native histograms: each bucket is a tenth wider than the one below, and there are never more than this.
const (
	nativeFactor  = 1.1
	nativeBuckets = 100
)

// duration returns the options of a histogram of seconds, native and classic.
func duration(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: durations(),
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
	}
}
