package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Pool is the connections of one pool to a database.
type Pool struct {
	Name string
	// Used and Idle are the connections there are, Most how many there can be.
	Used, Idle, Most int
	// Waiting is how many requests wait for one now; Waits and Waited are how many had to, and for how
	// long together.
	Waiting, Waits int64
	Waited         time.Duration
}

// Database is what a store in a database tells of itself.
type Database struct {
	// Engine is its name.
	Engine string
	Pools  []Pool
	// Retries, Abandoned, Refused and Failures are those of repository/sql.Stats.
	Retries, Abandoned, Refused, Failures int64
}

// Cache is what a cache tells of itself: the numbers of repository/cached.Stats.
type Cache struct {
	// Level is redis or memory.
	Level                                                       string
	Hits, Misses, Blocked, Bypassed, Loads, Suspensions, Errors int64
}

// Shedding is what the limit of requests in flight tells of itself.
type Shedding struct {
	// Most is the limit, and zero is none.
	Most int64
	// Shed is how many requests were turned away.
	Shed int64
}

// Callers is what the limiter tells of those whom it knows.
type Callers struct {
	// Known is of how many callers something is remembered now.
	Known int64
	// Evicted is how many were forgotten before their budgets were whole, and Crowded how many requests
	// were charged to the one budget of all for whom there was no room.
	Evicted, Crowded int64
}

// sources are what is asked when somebody scrapes. What has no source has no series.
type sources struct {
	database    source[Database]
	cache       source[Cache]
	users       source[int64]
	lost        source[int64]
	spans       source[int64]
	ready       source[bool]
	shedding    source[Shedding]
	callers     source[Callers]
	certificate source[time.Time]
	issuerKeys  source[time.Time]
}

// SetDatabase says whom to ask about the database.
func (m *Metrics) SetDatabase(read func() Database) {
	if m != nil {
		m.sources.database.set(read)
	}
}

// SetCache says whom to ask about the cache.
func (m *Metrics) SetCache(read func() Cache) {
	if m != nil {
		m.sources.cache.set(read)
	}
}

// SetUsers says whom to ask how many users there are, which must be cheap.
func (m *Metrics) SetUsers(read func() int64) {
	if m != nil {
		m.sources.users.set(read)
	}
}

// SetLogLinesDropped says whom to ask how many lines the log has lost.
func (m *Metrics) SetLogLinesDropped(read func() int64) {
	if m != nil {
		m.sources.lost.set(read)
	}
}

// SetSpansDropped says whom to ask how many spans were not exported.
func (m *Metrics) SetSpansDropped(read func() int64) {
	if m != nil {
		m.sources.spans.set(read)
	}
}

// SetReady says whom to ask whether requests are wanted.
func (m *Metrics) SetReady(read func() bool) {
	if m != nil {
		m.sources.ready.set(read)
	}
}

// SetShedding says whom to ask about the limit of requests in flight.
func (m *Metrics) SetShedding(read func() Shedding) {
	if m != nil {
		m.sources.shedding.set(read)
	}
}

// SetCallers says whom to ask about the callers that the limiter knows.
func (m *Metrics) SetCallers(read func() Callers) {
	if m != nil {
		m.sources.callers.set(read)
	}
}

// SetCertificate says whom to ask until when the certificate is good; the zero time is no certificate.
func (m *Metrics) SetCertificate(read func() time.Time) {
	if m != nil {
		m.sources.certificate.set(read)
	}
}

// SetIssuerKeys says whom to ask when the issuer of tokens last gave its keys; the zero time is never.
func (m *Metrics) SetIssuerKeys(read func() time.Time) {
	if m != nil {
		m.sources.issuerKeys.set(read)
	}
}

func newSources(registry prometheus.Registerer) *sources {
	s := new(sources)
	s.database.emit = databaseRows()
	s.cache.emit = cacheRows()
	users := newRow(prometheus.GaugeValue, "userapi_users", "Users in the memory store; a database is not asked.")
	s.users.emit = rows[int64]{[]row{users}, func(count int64, put func(row, float64, ...string)) { put(users, float64(count)) }}
	lost := newRow(prometheus.CounterValue, "userapi_log_lines_dropped_total", "Lines that the log has lost because its output was too slow.")
	s.lost.emit = rows[int64]{[]row{lost}, func(lines int64, put func(row, float64, ...string)) { put(lost, float64(lines)) }}
	spans := newRow(prometheus.CounterValue, "userapi_trace_spans_dropped_total", "Spans that were not exported, because too many waited or the collector did not take them.")
	s.spans.emit = rows[int64]{[]row{spans}, func(count int64, put func(row, float64, ...string)) { put(spans, float64(count)) }}
	ready := newRow(prometheus.GaugeValue, "userapi_ready", "1 while requests are wanted, as /readyz says; 0 while the service starts or stops, and without its store or the keys for tokens.")
	s.ready.emit = rows[bool]{[]row{ready}, func(yes bool, put func(row, float64, ...string)) {
		if yes {
			put(ready, 1)
		} else {
			put(ready, 0)
		}
	}}
	most := newRow(prometheus.GaugeValue, "userapi_requests_in_flight_limit", "How many requests may be in flight; absent without a limit.")
	shed := newRow(prometheus.CounterValue, "userapi_requests_shed_total", "Requests that were turned away at once because too many were in flight.")
	s.shedding.emit = rows[Shedding]{[]row{most, shed}, func(now Shedding, put func(row, float64, ...string)) {
		if now.Most > 0 {
			put(most, float64(now.Most))
		}
		put(shed, float64(now.Shed))
	}}
	known := newRow(prometheus.GaugeValue, "userapi_limit_callers", "Callers of whom the limiter remembers something.")
	evicted := newRow(prometheus.CounterValue, "userapi_limit_callers_evicted_total", "Callers whom the limiter forgot too early, because there were too many.")
	crowded := newRow(prometheus.CounterValue, "userapi_limit_crowded_requests_total", "Requests that were charged to the one budget of all callers for whom there was no room.")
	s.callers.emit = rows[Callers]{[]row{known, evicted, crowded}, func(now Callers, put func(row, float64, ...string)) {
		put(known, float64(now.Known))
		put(evicted, float64(now.Evicted))
		put(crowded, float64(now.Crowded))
	}}
	s.certificate.emit = moment("userapi_tls_certificate_expiry_timestamp_seconds", "Until when the certificate is good, as a Unix time.")
	s.issuerKeys.emit = moment("userapi_auth_issuer_keys_timestamp_seconds", "When the issuer of tokens last gave its keys, as a Unix time.")
	registry.MustRegister(&s.database, &s.cache, &s.users, &s.lost, &s.spans, &s.ready, &s.shedding, &s.callers, &s.certificate, &s.issuerKeys)
	return s
}

// moment is a time that may never come; then there is no series.
func moment(name, help string) rows[time.Time] {
	at := newRow(prometheus.GaugeValue, name, help)
	return rows[time.Time]{[]row{at}, func(when time.Time, put func(row, float64, ...string)) {
		if !when.IsZero() {
			put(at, float64(when.Unix()))
		}
	}}
}

func databaseRows() rows[Database] {
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	connections := newRow(gauge, "userapi_store_connections", "Connections to the database, used or idle.", "engine", "pool", "state")
	most := newRow(gauge, "userapi_store_connections_limit", "How many connections to the database there can be.", "engine", "pool")
	waiting := newRow(gauge, "userapi_store_connection_waiters", "Requests that wait for a connection now.", "engine", "pool")
	waits := newRow(counter, "userapi_store_connection_waits_total", "Requests that had to wait for a connection.", "engine", "pool")
	waited := newRow(counter, "userapi_store_connection_wait_seconds_total", "How long requests have waited for a connection, together.", "engine", "pool")
	retries := newRow(counter, "userapi_store_transaction_retries_total", "Transactions that began anew because another one was in their way.", "engine")
	abandoned := newRow(counter, "userapi_store_transactions_abandoned_total", "Transactions that were given up because others were in their way too often.", "engine")
	refused := newRow(counter, "userapi_store_requests_refused_total", "Requests that found no connection in time.", "engine")
	failures := newRow(counter, "userapi_store_failures_total", "Operations that found the database away or too slow.", "engine")
	return rows[Database]{
		[]row{connections, most, waiting, waits, waited, retries, abandoned, refused, failures},
		func(now Database, put func(row, float64, ...string)) {
			for _, pool := range now.Pools {
				put(connections, float64(pool.Used), now.Engine, pool.Name, "used")
				put(connections, float64(pool.Idle), now.Engine, pool.Name, "idle")
				put(most, float64(pool.Most), now.Engine, pool.Name)
				put(waiting, float64(pool.Waiting), now.Engine, pool.Name)
				put(waits, float64(pool.Waits), now.Engine, pool.Name)
				put(waited, pool.Waited.Seconds(), now.Engine, pool.Name)
			}
			put(retries, float64(now.Retries), now.Engine)
			put(abandoned, float64(now.Abandoned), now.Engine)
			put(refused, float64(now.Refused), now.Engine)
			put(failures, float64(now.Failures), now.Engine)
		},
	}
}

func cacheRows() rows[Cache] {
	counter := prometheus.CounterValue
	reads := newRow(counter, "userapi_cache_reads_total",
		"Reads of single users: hit, miss, blocked by a write of that user, or bypassed because the cache could not be reached or believed.", "level", "result")
	loads := newRow(counter, "userapi_cache_loads_total", "Reads of the store that filled the cache; many misses at one time are one.", "level")
	suspensions := newRow(counter, "userapi_cache_suspensions_total", "Times that this instance had all instances stop using the cache.", "level")
	errors := newRow(counter, "userapi_cache_errors_total", "Questions to the shared cache that failed or took too long.", "level")
	return rows[Cache]{
		[]row{reads, loads, suspensions, errors},
		func(now Cache, put func(row, float64, ...string)) {
			put(reads, float64(now.Hits), now.Level, "hit")
			put(reads, float64(now.Misses), now.Level, "miss")
			put(reads, float64(now.Blocked), now.Level, "blocked")
			put(reads, float64(now.Bypassed), now.Level, "bypassed")
			put(loads, float64(now.Loads), now.Level)
			put(suspensions, float64(now.Suspensions), now.Level)
			put(errors, float64(now.Errors), now.Level)
		},
	}
}

// row is one metric of a source.
type row struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
}

func newRow(kind prometheus.ValueType, name, help string, labels ...string) row {
	return row{prometheus.NewDesc(name, help, labels, nil), kind}
}

// rows are the metrics of a source, and what puts values into them.
type rows[T any] struct {
	all  []row
	fill func(now T, put func(row, float64, ...string))
}

// source is a prometheus.Collector of what somebody else knows. Whom to ask may change, as a store does that is
// opened later. It is safe for concurrent use.
type source[T any] struct {
	read atomic.Pointer[func() T]
	emit rows[T]
}

func (s *source[T]) set(read func() T) { s.read.Store(&read) }

// Describe implements prometheus.Collector.
func (s *source[T]) Describe(descriptions chan<- *prometheus.Desc) {
	for _, r := range s.emit.all {
		descriptions <- r.description
	}
}

// Collect implements prometheus.Collector.
func (s *source[T]) Collect(metrics chan<- prometheus.Metric) {
	read := s.read.Load()
	if read == nil {
		return
	}
	s.emit.fill((*read)(), func(r row, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(r.description, r.kind, value, labels...)
	})
}
