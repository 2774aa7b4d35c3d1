package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// mostWords bounds the pairs of words by which events are counted. They come from our own code; the bound
// is there in case that somebody makes one of what a client sends.
const mostWords = 100

// events counts what other steps tell.
type events struct {
	auth   *children[[2]string, prometheus.Counter]
	limits *children[[2]string, prometheus.Counter]
}

func newEvents(registry prometheus.Registerer) *events {
	counter := func(name, help string, labels ...string) *children[[2]string, prometheus.Counter] {
		vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(vector)
		return newChildren(mostWords, [2]string{other, other}, func(key [2]string) prometheus.Counter {
			return vector.WithLabelValues(key[0], key[1])
		})
	}
	return &events{
		auth: counter("userapi_auth_attempts_total",
			"Requests by the way in which they said who they are, and what came of it: ok, or the reason why they were refused.", "method", "reason"),
		limits: counter("userapi_limit_decisions_total",
			"Decisions of the limiter by budget: allowed, limited, and beside those fallback, when Redis was away and this instance decided by itself.", "budget", "outcome"),
	}
}

// Auth counts one request that was let in or refused. Both are words of a fixed list.
func (m *Metrics) Auth(method, reason string) {
	if m != nil {
		tally(m.events.auth, method, reason)
	}
}

// Limit counts one decision of the limiter. Both are words of a fixed list.
func (m *Metrics) Limit(budget, outcome string) {
	if m != nil {
		tally(m.events.limits, budget, outcome)
	}
}

// tally counts one event under two words. They are looked at when they are new only.
func tally(counters *children[[2]string, prometheus.Counter], first, second string) {
	counter, known := counters.find([2]string{first, second})
	if !known {
		counter = counters.of([2]string{word(first), word(second)})
	}
	counter.Inc()
}

// word returns a word that can be a label; nothing that a client sends looks like one for long.
func word(text string) string {
	if text == "" || len(text) > 32 || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return other
	}
	return text
}
