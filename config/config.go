// Package config owns every setting of the service: what it is called, what it means, what it allows,
// and where a value may come from. It turns a command line, an environment and a config.yaml into one
// typed Config, or into one Error that lists every fault together with its mend.
//
// It refuses what it does not know and converts nothing silently: `3` is not three seconds, `1.9` is
// not a number of bytes, `yes` is not true. It reads no global state: arguments, environment and
// working directory are handed in, and nothing is watched: who wants to follow a change loads again.
//
// Only main uses it; the other packages are given the plain values that they need. Viper stops here:
// it layers the sources and fills the struct, behind a parser of ours that is stricter than viper is.
package config

import (
	"encoding/base64"
	"reflect"
	"time"
)

// Words that some settings take; the rules in keys.go accept no others.
const (
	UnknownRefuse = "refuse"  // http.unknown_members: answer 422 to a member that is not known
	UnknownIgnore = "ignore"  // http.unknown_members: skip a member that is not known
	LogAuto       = "auto"    // log.format: console on a terminal, else json
	LogJSON       = "json"    // log.format: one JSON object per line
	LogConsole    = "console" // log.format: coloured lines for people

	EngineMemory   = "memory"   // storage.engine: in the process, until it ends
	EngineSQLite   = "sqlite"   // storage.engine: in a file, for one instance
	EnginePostgres = "postgres" // storage.engine: in PostgreSQL, for any number of instances
	EngineMySQL    = "mysql"    // storage.engine: in MySQL, for any number of instances

	MigrateAuto  = "auto"  // storage.migrate: bring an older schema up to date, under a lock
	MigrateCheck = "check" // storage.migrate: refuse to start with an older schema
	MigrateOff   = "off"   // storage.migrate: do not look at the schema

	StatementsPrepare  = "prepare"  // storage.statements: prepared, and kept per connection
	StatementsDescribe = "describe" // storage.statements: described each time, and not kept
	StatementsSimple   = "simple"   // storage.statements: as text, which a pooler in transaction mode needs

	AuthNone   = "none"    // auth.mode: everybody may do everything
	AuthBasic  = "basic"   // auth.mode: a name and a password (RFC 7617)
	AuthAPIKey = "api_key" // auth.mode: a key that --new-api-key made
	AuthJWT    = "jwt"     // auth.mode: a token that somebody else has signed (RFC 7519)

	SynchronousFull   = "full"   // storage.synchronous: acknowledged is on the disk
	SynchronousNormal = "normal" // storage.synchronous: a loss of power may take the last commits
)

// Config is every setting of the service. It is a plain value: copy it, compare it, change a copy. The
// key of a field is the path of its mapstructure names, such as http.addr.
type Config struct {
	HTTP        HTTP        `mapstructure:"http"`
	TLS         TLS         `mapstructure:"tls"`
	CORS        CORS        `mapstructure:"cors"`
	Auth        Auth        `mapstructure:"auth"`
	JWT         JWT         `mapstructure:"jwt"`
	Limit       Limit       `mapstructure:"limit"`
	Admin       Admin       `mapstructure:"admin"`
	Reload      Reload      `mapstructure:"reload"`
	Shutdown    Shutdown    `mapstructure:"shutdown"`
	Log         Log         `mapstructure:"log"`
	Storage     Storage     `mapstructure:"storage"`
	Cache       Cache       `mapstructure:"cache"`
	Cursor      Cursor      `mapstructure:"cursor"`
	Idempotency Idempotency `mapstructure:"idempotency"`
}

// HTTP is what the listening side of the service may be told.
type HTTP struct {
	// Addr is the host:port to listen on. No host means every interface, port 0 means any free port.
	Addr string `mapstructure:"addr"`
	// ReadHeaderTimeout is how long a client may take to send the headers of a request.
	ReadHeaderTimeout time.Duration `mapstructure:"read_header_timeout"`
	// ReadTimeout is how long a client may take to send a whole request, its body included.
	ReadTimeout time.Duration `mapstructure:"read_timeout"`
	// WriteTimeout is how long an answer may take, counted from the end of the request's headers.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// IdleTimeout is how long a kept-alive connection may wait for its next request.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// MaxHeaderBytes is the most bytes that the request line and headers may have together.
	MaxHeaderBytes int `mapstructure:"max_header_bytes"`
	// MaxBodyBytes is the most bytes that a request body may have before it is answered 413.
	MaxBodyBytes int64 `mapstructure:"max_body_bytes"`
	// UnknownMembers is UnknownRefuse or UnknownIgnore.
	UnknownMembers string `mapstructure:"unknown_members"`
	// RequireIfMatch says whether a change of a user without an If-Match header is answered 428.
	RequireIfMatch bool `mapstructure:"require_if_match"`
	// TrustedProxies are the IP addresses and CIDR ranges whose X-Forwarded-For is believed; never nil.
	TrustedProxies []string `mapstructure:"trusted_proxies"`
	// Swagger says whether the documents and their browser page are served.
	Swagger bool `mapstructure:"swagger"`
	// Compression says whether answers are compressed for clients that ask for it.
	Compression bool `mapstructure:"compression"`
}

// TLS is what the service shows of itself to those who connect. Both files are set, or none.
type TLS struct {
	// CertFile is the path of a PEM file with the certificate, and those between it and a root.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile is the path of a PEM file with the private key.
	KeyFile string `mapstructure:"key_file"`
	// HSTS is how long browsers keep to HTTPS once they have seen it (RFC 6797); 0 is for not at all.
	HSTS time.Duration `mapstructure:"hsts"`
}

// CORS says which pages of other origins may use the service from a browser.
type CORS struct {
	// Origins are those that may, such as https://app.example.com; never nil.
	Origins []string `mapstructure:"origins"`
	// MaxAge is how long a browser may remember the answer to its question.
	MaxAge time.Duration `mapstructure:"max_age"`
}

// Auth is who may use the service.
type Auth struct {
	// Mode lists the ways to say who one is: AuthNone alone, or any of AuthBasic, AuthAPIKey and AuthJWT.
	Mode []string `mapstructure:"mode"`
	// AllowAnonymous says that AuthNone is meant also where others than this machine can connect.
	AllowAnonymous bool `mapstructure:"allow_anonymous"`
	// Users has a line `name:hash` or `name:hash:scope,scope` for each user of AuthBasic.
	Users Secret `mapstructure:"users"`
	// UsersFile is the path of the file that Users was read from, or empty.
	UsersFile string `mapstructure:"users_file"`
	// BasicScopes are those of users whose line names none; never nil.
	BasicScopes []string `mapstructure:"basic_scopes"`
	// APIKeys has a line for each key, as --new-api-key prints it.
	APIKeys Secret `mapstructure:"api_keys"`
	// APIKeysFile is the path of the file that APIKeys was read from, or empty.
	APIKeysFile string `mapstructure:"api_keys_file"`
}

// JWT is what a token of AuthJWT must be. At most one of JWKSURL, KeyFile and Secret is set.
type JWT struct {
	// JWKSURL is where the issuer publishes its keys (RFC 7517), or empty.
	JWKSURL string `mapstructure:"jwks_url"`
	// KeyFile is the path of a file with its public keys, in PEM or as a JWKS, or empty.
	KeyFile string `mapstructure:"key_file"`
	// Secret is the key of HS256, or empty. After Load it is set from whichever place it was given.
	Secret Secret `mapstructure:"secret"`
	// SecretFile is the path of the file that Secret was read from, or empty.
	SecretFile string `mapstructure:"secret_file"`
	// Issuer is what the claim iss must be.
	Issuer string `mapstructure:"issuer"`
	// Audience is what must be among the values of the claim aud.
	Audience string `mapstructure:"audience"`
	// Leeway is how far the clock of the issuer may be from ours.
	Leeway time.Duration `mapstructure:"leeway"`
	// Refresh is how often the keys at JWKSURL are read again.
	Refresh time.Duration `mapstructure:"refresh"`
}

// Limit is how much of the service one caller can have, and all of them together.
type Limit struct {
	// Reads, Writes and Bulk are for requests that read, that change one user, and for the operations of
	// batches. The zero Rate is no limit.
	Reads  Rate `mapstructure:"reads"`
	Writes Rate `mapstructure:"writes"`
	Bulk   Rate `mapstructure:"bulk"`
	// Redis is that which all instances share for it, in the form of Cache.Redis; or empty, and each
	// instance counts for itself.
	Redis Secret `mapstructure:"redis"`
	// RedisFile is the path of the file that Redis was read from, or empty.
	RedisFile string `mapstructure:"redis_file"`
	// MaxCallers is how many callers are remembered in memory at most.
	MaxCallers int `mapstructure:"max_callers"`
	// InFlight is how many requests are worked on at a time at most; 0 is for no limit.
	InFlight int `mapstructure:"in_flight"`
}

// Admin is the side of the service that only its operator sees.
type Admin struct {
	// Addr is the host:port of a listener for metrics, or empty for none.
	Addr string `mapstructure:"addr"`
	// Pprof says whether that listener also has the profiles of Go.
	Pprof bool `mapstructure:"pprof"`
	// MetricsOnMain says whether the metrics are at http.addr too.
	MetricsOnMain bool `mapstructure:"metrics_on_main"`
}

// Reload is when the settings are read again, beside a SIGHUP.
type Reload struct {
	// Poll is how often the files are looked at for a change; 0 is for never.
	Poll time.Duration `mapstructure:"poll"`
}

// Shutdown is how the service leaves after SIGTERM.
type Shutdown struct {
	// Drain is how long the service stays reachable, but says that it is not ready, before it stops.
	Drain time.Duration `mapstructure:"drain"`
	// Timeout is how long requests in flight may take to finish after the drain.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Log is what is written to the log, and how.
type Log struct {
	// Level is the least important level that is written: debug, info, warn or error.
	Level string `mapstructure:"level"`
	// Format is LogAuto, LogJSON or LogConsole.
	Format string `mapstructure:"format"`
}

// Storage is where the users are kept, and how much the service asks of that place.
type Storage struct {
	// Engine is EngineMemory, EngineSQLite, EnginePostgres or EngineMySQL.
	Engine string `mapstructure:"engine"`
	// DSN is where the engine finds its data, in the form of the engine: the path of a file for SQLite, a
	// URL or keyword=value for PostgreSQL, user:password@tcp(host:port)/database for MySQL. It is empty
	// for the memory engine only. After Load it is set from whichever place it was given, DSNFile included.
	DSN Secret `mapstructure:"dsn"`
	// DSNFile is the path of the file that DSN was read from, or empty.
	DSNFile string `mapstructure:"dsn_file"`
	// Migrate is what becomes at start of a schema that is older than this program: MigrateAuto,
	// MigrateCheck or MigrateOff.
	Migrate string `mapstructure:"migrate"`
	// MaxConns is how many connections one instance has open at most. For SQLite they are those that read.
	MaxConns int `mapstructure:"max_conns"`
	// MaxWait is how long a request waits for a free connection before it is answered 503.
	MaxWait time.Duration `mapstructure:"max_wait"`
	// Timeout is how long one operation of the store may take before it is answered 503.
	Timeout time.Duration `mapstructure:"timeout"`
	// Statements is how PostgreSQL and MySQL are given statements: StatementsPrepare, StatementsDescribe or
	// StatementsSimple.
	Statements string `mapstructure:"statements"`
	// Synchronous is when SQLite acknowledges a commit: SynchronousFull or SynchronousNormal.
	Synchronous string `mapstructure:"synchronous"`
}

// Cache is what is kept of the store where it is nearer. At most one of Redis and Local is set, and none
// with the memory engine, which needs no cache.
type Cache struct {
	// Redis is host:port or a redis:// or rediss:// URL of the Redis that all instances share, or empty. After
	// Load it is set from whichever place it was given, RedisFile included.
	Redis Secret `mapstructure:"redis"`
	// RedisFile is the path of the file that Redis was read from, or empty.
	RedisFile string `mapstructure:"redis_file"`
	// Local is how many users are kept in this process at most. It is for a single instance only, because
	// the process does not learn what others change. 0 is for none.
	Local int `mapstructure:"local"`
	// TTL is how long an entry is kept at most.
	TTL time.Duration `mapstructure:"ttl"`
	// Timeout is how long a request waits for Redis before it asks the store instead.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Cursor is what authenticates the cursors of lists.
type Cursor struct {
	// Key is 32 bytes in base64, or empty for a random key per start. After Load it holds the key from
	// whichever place it was given, KeyFile included.
	Key Secret `mapstructure:"key"`
	// KeyFile is the path of the file that Key was read from, or empty.
	KeyFile string `mapstructure:"key_file"`
}

// Idempotency bounds what is remembered of requests with an Idempotency-Key.
type Idempotency struct {
	// MaxAge is how long an answer is remembered.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxKeys is how many answers are remembered at most.
	MaxKeys int `mapstructure:"max_keys"`
	// MaxBytes is how much memory the answers take at most, in bytes, about.
	MaxBytes int64 `mapstructure:"max_bytes"`
}

// KeyBytes returns the 32 bytes of Key, or nil when there is none and the caller must make a random one.
// It fails only for a Config that neither Load nor Validate has accepted.
func (c Cursor) KeyBytes() ([]byte, error) {
	if c.Key == "" {
		return nil, nil
	}
	return decodeKey(c.Key.Reveal())
}

// Default returns the settings of a service that nobody has configured. It is valid, listens on
// loopback only and trusts no proxy.
func Default() Config {
	return Config{
		HTTP: HTTP{
			Addr:              "127.0.0.1:8080",
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       15 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       60 * time.Second,
			MaxHeaderBytes:    16 << 10,
			MaxBodyBytes:      1 << 20,
			UnknownMembers:    UnknownRefuse,
			TrustedProxies:    []string{},
			Swagger:           true,
			Compression:       true,
		},
		CORS: CORS{Origins: []string{}, MaxAge: 10 * time.Minute},
		Auth: Auth{
			Mode:        []string{AuthNone},
			BasicScopes: []string{"users:read", "users:write", "users:delete", "users:bulk"},
		},
		JWT:      JWT{Leeway: 30 * time.Second, Refresh: 15 * time.Minute},
		Limit:    Limit{MaxCallers: 100_000, InFlight: 1000},
		Shutdown: Shutdown{Drain: 2 * time.Second, Timeout: 10 * time.Second},
		Log:      Log{Level: "info", Format: LogAuto},
		Storage: Storage{
			Engine:      EngineMemory,
			Migrate:     MigrateAuto,
			MaxConns:    16,
			MaxWait:     time.Second,
			Timeout:     3 * time.Second,
			Statements:  StatementsPrepare,
			Synchronous: SynchronousFull,
		},
		Cache: Cache{TTL: 10 * time.Minute, Timeout: 50 * time.Millisecond},
		Idempotency: Idempotency{
			MaxAge:   24 * time.Hour,
			MaxKeys:  100_000,
			MaxBytes: 64 << 20,
		},
	}
}

// Validate judges a Config that was built in code by the same rules as Load and returns nil or an
// *Error with every fault. What Load returned needs no second look.
func (c Config) Validate() error {
	values := c.values()
	var faults []Fault
	for _, k := range keys() {
		if _, wrong := k.rule.parse(plain(values[k.name])); wrong != nil {
			faults = append(faults, Fault{Key: k.name, Source: "code", Problem: wrong.problem, Mend: wrong.mend})
		}
	}
	for _, f := range c.disagreements(faults, true) {
		f.Source = "code"
		faults = append(faults, f)
	}
	if len(faults) > 0 {
		return &Error{Faults: faults}
	}
	return nil
}

// values returns every setting by its key.
func (c Config) values() map[string]any {
	values := map[string]any{}
	for name, field := range c.fields() {
		values[name] = field.Interface()
	}
	return values
}

// fields returns every setting by its key, to be read and written. The mapstructure names on the struct
// are the only place that joins a key to its field.
func (c *Config) fields() map[string]reflect.Value {
	const tag = "mapstructure"
	fields := map[string]reflect.Value{}
	config := reflect.ValueOf(c).Elem()
	for i := range config.NumField() {
		section := config.Field(i)
		for j := range section.NumField() {
			fields[config.Type().Field(i).Tag.Get(tag)+"."+section.Type().Field(j).Tag.Get(tag)] = section.Field(j)
		}
	}
	return fields
}

// Follow returns the settings of a service that runs by c, told to run by next: c with those in it that
// can change meanwhile. It names the settings that change, and those that would have to and cannot.
func (c Config) Follow(next Config) (followed Config, changed, fixed []string) {
	followed = c
	into, from := followed.fields(), next.fields()
	for _, k := range keys() {
		switch same := reflect.DeepEqual(into[k.name].Interface(), from[k.name].Interface()); {
		case same:
		case k.live:
			into[k.name].Set(from[k.name])
			changed = append(changed, k.name)
		default:
			fixed = append(fixed, k.name)
		}
	}
	return followed, changed, fixed
}

// decodeKey reads the 32 bytes of a cursor key from base64 with padding (RFC 4648, section 4).
func decodeKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != cursorKeyBytes {
		return nil, errCursorKey
	}
	return key, nil
}
