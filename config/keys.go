package config

import (
	"slices"
	"strings"
	"time"
)

// envPrefix begins the name of every environment variable that is read.
const envPrefix = "USERAPI_"

// key is one setting. Its default is what Default says, its type what Config says.
type key struct {
	name    string // the path of its mapstructure names
	meaning string // one line for config.yaml, --help and the README
	rule    rule
	secret  bool // never printed; the key that fileKey names tells of a file that holds it
	live    bool // can change while the service runs
	emptied bool // its file may be empty: who takes the last line of it away means that
}

// env returns the name of the key's environment variable. Names hold underscores themselves, so there
// is no way back from a variable to its key but to look it up.
func (k key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// fileKey returns the name of the setting that may name a file to read the secret from.
func (k key) fileKey() string { return k.name + "_file" }

// Sizes in bytes.
const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// keys returns the one table of all settings, in the order of the documents. The keys of a section
// stand together.
func keys() []key { return slices.Concat(keysOfServing(), keysOfGuarding(), keysOfKeeping()) }

// keysOfServing are about how the service listens.
//
//nolint:revive // a table, not a function to follow
func keysOfServing() []key {
	wait := span(100*time.Millisecond, time.Hour)
	return []key{
		{
			name: "http.addr", rule: address(),
			meaning: "where to listen; no host means every interface, port 0 any free port",
		},
		{
			name: "http.read_header_timeout", rule: wait,
			meaning: "longest time for a client to send the headers of a request",
		},
		{
			name: "http.read_timeout", rule: wait,
			meaning: "longest time for a client to send a whole request",
		},
		{
			name: "http.write_timeout", rule: wait,
			meaning: "longest time from the end of a request's headers to the end of its answer",
		},
		{
			name: "http.idle_timeout", rule: wait,
			meaning: "longest time that a kept-alive connection waits for its next request",
		},
		{
			name: "http.max_header_bytes", rule: count(kib, mib),
			meaning: "most bytes of request line and headers together",
		},
		{
			name: "http.max_body_bytes", rule: count(kib, 100*mib),
			meaning: "most bytes of a request body; a longer one is answered 413",
		},
		{
			name: "http.unknown_members", rule: oneOf(UnknownRefuse, UnknownIgnore),
			meaning: "what becomes of an unknown member of a JSON body; to refuse it is a 422",
		},
		{
			name: "http.require_if_match", rule: truth(),
			meaning: "refuse to change or delete a user without If-Match; that is a 428",
		},
		{
			name: "http.trusted_proxies", rule: networks(),
			meaning: "proxies whose X-Forwarded-For is believed; if empty, that of nobody",
		},
		{
			name: "http.swagger", rule: truth(),
			meaning: "serve the API's documents and their page at /swagger",
		},
		{
			name: "http.compression", rule: truth(),
			meaning: "compress answers of 1 KiB and more for clients that ask for it",
		},
		{
			name: "tls.cert_file", rule: path(),
			meaning: "PEM file with the certificate and those that lead to a root; if empty, plain HTTP",
		},
		{
			name: "tls.key_file", rule: path(),
			meaning: "PEM file with the private key of the certificate",
		},
		{
			name: "tls.hsts", rule: span(0, 2*365*24*time.Hour),
			meaning: "how long browsers keep to HTTPS once they have seen it; 0s for not at all",
		},
		{
			name: "cors.origins", rule: origins(), live: true,
			meaning: "pages of other origins that may use the service from a browser",
		},
		{
			name: "cors.max_age", rule: span(0, 24*time.Hour), live: true,
			meaning: "how long a browser may remember that it may",
		},
	}
}

// keysOfKeeping are about what the service holds, and about the process.
//
//nolint:revive // a table, not a function to follow
func keysOfKeeping() []key {
	return []key{
		{
			name: "shutdown.drain", rule: span(0, 5*time.Minute),
			meaning: "time after SIGTERM in which the service says that it is not ready, but answers",
		},
		{
			name: "shutdown.timeout", rule: span(100*time.Millisecond, 10*time.Minute),
			meaning: "longest time after the drain for requests in flight to finish",
		},
		{
			name: "log.level", rule: oneOf("debug", "info", "warn", "error"), live: true,
			meaning: "least important level that is written; debug adds headers and sizes",
		},
		{
			name: "log.format", rule: oneOf(LogAuto, LogJSON, LogConsole),
			meaning: "form of the log; auto is console on a terminal, else json",
		},
		{
			name: "storage.engine", rule: oneOf(EngineMemory, EngineSQLite, EnginePostgres, EngineMySQL),
			meaning: "where the users are kept; memory is lost when the process ends",
		},
		{
			name: "storage.dsn", rule: dsn(), secret: true,
			meaning: "secret that leads the engine to its data",
		},
		{
			name: "storage.dsn_file", rule: path(),
			meaning: "file that holds storage.dsn, so that the secret need not stand here",
		},
		{
			name: "storage.migrate", rule: oneOf(MigrateAuto, MigrateCheck, MigrateOff),
			meaning: "at start, bring an older schema up to date under a lock, refuse to start, or do not look",
		},
		{
			name: "storage.max_conns", rule: count(1, 1000),
			meaning: "most connections that one instance has open; SQLite: readers",
		},
		{
			name: "storage.max_wait", rule: span(10*time.Millisecond, time.Minute),
			meaning: "longest time that a request waits for a free connection before it is answered 503",
		},
		{
			name: "storage.timeout", rule: span(100*time.Millisecond, 5*time.Minute),
			meaning: "longest time that one operation of the store may take before it is answered 503",
		},
		{
			name: "storage.statements", rule: oneOf(StatementsPrepare, StatementsDescribe, StatementsSimple),
			meaning: "how servers get statements: kept prepared, described each time, or text for poolers",
		},
		{
			name: "storage.synchronous", rule: oneOf(SynchronousFull, SynchronousNormal),
			meaning: "SQLite: a commit is on the disk once acknowledged, or power loss may take the last ones",
		},
		{
			name: "cache.redis", rule: redis(), secret: true,
			meaning: "secret that leads to a Redis that all instances share",
		},
		{
			name: "cache.redis_file", rule: path(),
			meaning: "file that holds cache.redis, so that the secret need not stand here",
		},
		{
			name: "cache.local", rule: count(0, 10_000_000),
			meaning: "most users that are kept in this process; only for a single instance; 0 for none",
		},
		{
			name: "cache.ttl", rule: span(time.Second, 24*time.Hour),
			meaning: "longest time that an entry is kept",
		},
		{
			name: "cache.timeout", rule: span(time.Millisecond, 500*time.Millisecond),
			meaning: "longest time that a request waits for Redis before it asks the store instead",
		},
		{
			name: "cursor.key", rule: cursorKey(), secret: true,
			meaning: "secret that seals the cursors of lists; if empty, one kept in the store",
		},
		{
			name: "cursor.key_file", rule: path(),
			meaning: "file that holds cursor.key, so that the secret need not stand here",
		},
		{
			name: "idempotency.max_age", rule: span(time.Second, 30*24*time.Hour),
			meaning: "how long the answer to a request with an Idempotency-Key is kept",
		},
		{
			name: "idempotency.max_keys", rule: count(1, 100_000_000),
			meaning: "most such answers that are kept; the oldest go first",
		},
		{
			name: "idempotency.max_bytes", rule: count(64*kib, 64*gib),
			meaning: "most bytes of memory that they take, about; the oldest go first",
		},
	}
}

// catalogue is the table of keys with the look-ups that one Load needs.
type catalogue struct {
	keys     []key
	byName   map[string]key
	byEnv    map[string]key
	sections map[string]bool
}

func newCatalogue() catalogue {
	c := catalogue{keys: keys(), byName: map[string]key{}, byEnv: map[string]key{}, sections: map[string]bool{}}
	for _, k := range c.keys {
		c.byName[k.name], c.byEnv[k.env()] = k, k
		section, _, _ := strings.Cut(k.name, ".")
		c.sections[section] = true
	}
	return c
}

// names returns the keys in order, for suggestions that do not change from run to run.
func (c catalogue) names() []string {
	names := make([]string, len(c.keys))
	for i, k := range c.keys {
		names[i] = k.name
	}
	return names
}

// suggest returns the mend for a key that does not exist, where others than the keys may be meant too.
func (c catalogue) suggest(written string, others ...string) string {
	if meant, alike := nearest(written, append(others, c.names()...)); alike {
		return "did you mean " + meant + "?"
	}
	return "--help lists all keys"
}
