package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// broken is a configuration with faults, and the lines of the error that tells of them.
type broken struct {
	name    string
	yaml    string
	environ []string
	args    []string
	want    []string
}

func (b broken) check(t *testing.T) {
	t.Run(b.name, func(t *testing.T) {
		loaded, err := Load(folder(t, b.yaml), b.args, b.environ)
		var faults *Error
		if !errors.As(err, &faults) {
			t.Fatalf("got %v and %+v", err, loaded)
		}
		got := strings.Split(err.Error(), "\n")[1:]
		for i := range max(len(got), len(b.want)) {
			switch {
			case i >= len(got):
				t.Errorf("missing    %s", b.want[i])
			case i >= len(b.want):
				t.Errorf("unexpected %s", got[i])
			case strings.TrimSpace(got[i]) != b.want[i]:
				t.Errorf("got  %s\nwant   %s", got[i], b.want[i])
			}
		}
		if len(faults.Faults) != len(got) {
			t.Errorf("%d faults on %d lines", len(faults.Faults), len(got))
		}
		for _, f := range faults.Faults {
			if f.Source == "" || f.Problem == "" || f.Mend == "" {
				t.Errorf("%+v is not complete", f)
			}
		}
	})
}

func TestLoad_brokenFile(t *testing.T) {
	for _, b := range []broken{
		{
			name: "an unknown key is named with the one that was meant",
			yaml: "http:\n  adr: :9000\n",
			want: []string{"http.adr (config.yaml:2): unknown key; did you mean http.addr?"},
		},
		{
			name: "a key that resembles none leads to the list",
			yaml: "http:\n  colour: blue\n",
			want: []string{"http.colour (config.yaml:2): unknown key; --help lists all keys"},
		},
		{
			name: "an unknown section is named once, whatever it holds",
			yaml: "htp:\n  addr: :9000\n  swagger: maybe\n",
			want: []string{"htp (config.yaml:1): unknown key; did you mean http?"},
		},
		{
			name: "a key outside of its section is led there",
			yaml: "addr: :9000\nhttp.addr: :9000\nloglevel: debug\n",
			want: []string{
				"addr (config.yaml:1): unknown key; did you mean http.addr?",
				"http.addr (config.yaml:2): a dotted key is not a path here; write addr: under http:",
				"loglevel (config.yaml:3): unknown key; did you mean log.level?",
			},
		},
		{
			name: "a key given twice is a fault, a whole section too",
			yaml: "log:\n  level: info\n  level: debug\nhttp:\n  swagger: true\nlog:\n  level: warn\n",
			want: []string{
				"log.level (config.yaml:3): given again after line 2; keep one of them",
				"log (config.yaml:6): given again after line 1; keep one of them",
			},
		},
		{
			name: "letter case does not make another key",
			yaml: "HTTP:\n  addr: :9000\nlog:\n  level: info\n  Level: debug\n  Format: json\n",
			want: []string{
				"HTTP (config.yaml:1): unknown key; write it in lower case: http",
				"log.Level (config.yaml:5): differs only in letter case from level of line 4; keep the one in lower case",
				"log.Format (config.yaml:6): unknown key; write it in lower case: log.format",
			},
		},
		{
			name: "a key that is not text is unknown",
			yaml: "1: 2\n? [a, b]\n: c\n\"a\\nb\": d\n<<: {http: {}}\n",
			want: []string{
				"1 (config.yaml:1): unknown key; --help lists all keys",
				`"" (config.yaml:2): unknown key; --help lists all keys`,
				`"a\nb" (config.yaml:4): unknown key; --help lists all keys`,
				"<< (config.yaml:5): unknown key; --help lists all keys",
			},
		},
		{
			name: "what is no mapping is refused",
			yaml: "http: 3\nlog: [level]\ncursor: text\n",
			want: []string{
				"http (config.yaml:1): the section does not consist of keys and values; write key: value in each line",
				"log (config.yaml:2): the section does not consist of keys and values; write key: value in each line",
				"cursor (config.yaml:3): the section does not consist of keys and values; write key: value in each line",
			},
		},
		{
			name: "a file that is one value is refused",
			yaml: "just text\n",
			want: []string{"config.yaml:1: the file does not consist of keys and values; write key: value in each line"},
		},
		{
			name: "a value must have the shape of its key",
			yaml: "http:\n  addr: {host: a}\n  read_timeout: [5s]\n  max_header_bytes: \"2048\"\n  max_body_bytes: 1.9\n" +
				"  trusted_proxies: 10.0.0.1\n  swagger: \"true\"\nlog:\n  level:\n  format: ~\ncursor:\n  key_file: 123\n",
			want: []string{
				"http.addr (config.yaml:2): the value is a list or a section; give a single value",
				"http.read_timeout (config.yaml:3): the value is a list or a section; give a single value",
				"http.max_header_bytes (config.yaml:4): the value is text in YAML; write it without quotes",
				`http.max_body_bytes (config.yaml:5): "1.9" is not a whole number; give 1024 to 104857600 in plain digits`,
				"http.trusted_proxies (config.yaml:6): the value is not a list; write it as [one, two], or [] for none",
				"http.swagger (config.yaml:7): the value is text in YAML; write it without quotes",
				"log.level (config.yaml:9): no value is given; give one, or delete the line to get the default",
				"log.format (config.yaml:10): no value is given; give one, or delete the line to get the default",
				"cursor.key_file (config.yaml:12): YAML does not read the value as text; put it in quotes",
			},
		},
		{
			name: "a number in another notation is not guessed at",
			yaml: "http:\n  max_header_bytes: 0x1000\n  max_body_bytes: 010000\nshutdown:\n  drain: 0\n",
			want: []string{
				`http.max_header_bytes (config.yaml:2): "0x1000" is not a whole number; give 1024 to 1048576 in plain digits`,
				`http.max_body_bytes (config.yaml:3): "010000" is not a whole number; give 1024 to 104857600 in plain digits`,
				`shutdown.drain (config.yaml:5): "0" has no unit; write 0s if seconds are meant`,
			},
		},
		{
			name: "an element of a list must be one text",
			yaml: "http:\n  trusted_proxies: [[a]]\n",
			want: []string{"http.trusted_proxies (config.yaml:2): an element of the list is not one text; write it as [one, two], or [] for none"},
		},
		{
			name: "two elements in one text are not taken apart",
			yaml: "http:\n  trusted_proxies: [\"10.0.0.1,10.0.0.2\"]\n",
			want: []string{"http.trusted_proxies (config.yaml:2): an element of the list is not one text; write it as [one, two], or [] for none"},
		},
		{
			name: "bad YAML is told with its line",
			yaml: "http:\n  addr: :9000\n swagger: true\n",
			want: []string{"config.yaml:2: not valid YAML from here on: did not find expected key; mend the indentation or the quotes"},
		},
		{
			name: "a tab is told with its line",
			yaml: "http:\n\taddr: :9000\n",
			want: []string{"config.yaml:2: not valid YAML from here on: found character that cannot start any token; mend the indentation or the quotes"},
		},
		{
			name: "an alias without anchor is a fault",
			yaml: "http:\n  addr: *nowhere\n",
			want: []string{"config.yaml: not valid YAML from here on: a value begins with * as if it were an alias; mend the indentation or the quotes"},
		},
		{
			name: "a second document is a fault",
			yaml: "log:\n  level: info\n---\nlog:\n  level: debug\n",
			want: []string{"config.yaml:3: a second document begins; keep one document, without --- between"},
		},
		{
			name: "a file without end is not read to its end",
			yaml: strings.Repeat("# nothing\n", maxFileBytes/10+1),
			want: []string{"working directory: config.yaml cannot be read: longer than 1 MiB; name a file that can be read"},
		},
	} {
		b.check(t)
	}
}

func TestLoad_brokenValue(t *testing.T) {
	env := func(name, value, fault string) broken {
		key := newCatalogue().byEnv["USERAPI_"+name].name
		return broken{
			name:    "in " + name + " " + shorten(value) + " is refused",
			environ: []string{"USERAPI_" + name + "=" + value},
			want:    []string{key + " (USERAPI_" + name + "): " + fault},
		}
	}
	const noRedis = "the value is neither host:port nor a URL of Redis; write it like redis.internal:6379 or " +
		"rediss://user:password@redis.internal:6379/0, with %XX for what is special"
	const anAddress = "write it like 127.0.0.1:8080, or :8080 for every interface"
	for _, b := range []broken{
		env("HTTP_ADDR", "9000", `"9000" is a port without a colon; write :9000 for every interface or 127.0.0.1:9000 for this machine only`),
		env("HTTP_ADDR", "localhost", `"localhost" has no port; write localhost:8080`),
		env("HTTP_ADDR", "::1", `"::1" has no port; write [::1]:8080`),
		env("HTTP_ADDR", "http://localhost:80", `"http://localhost:80" is not host:port; `+anAddress),
		env("HTTP_ADDR", "256.0.0.1:80", `"256.0.0.1:80" is not host:port; `+anAddress),
		env("HTTP_ADDR", "a b:80", `"a b:80" is not host:port; `+anAddress),
		env("HTTP_ADDR", "-x:80", `"-x:80" is not host:port; `+anAddress),
		env("HTTP_ADDR", "localhost:", `"localhost:" has no valid port; end it with a colon and a number up to 65535`),
		env("HTTP_ADDR", ":65536", `":65536" has no valid port; end it with a colon and a number up to 65535`),
		env("HTTP_ADDR", ":http", `":http" has no valid port; end it with a colon and a number up to 65535`),
		env("HTTP_ADDR", ":-1", `":-1" has no valid port; end it with a colon and a number up to 65535`),
		env("HTTP_ADDR", strings.Repeat("a", 70)+":1", `"`+strings.Repeat("a", 60)+`…" is not host:port; `+anAddress),
		env("HTTP_ADDR", "a\x1b[31m\n:1", `"a\x1b[31m\n:1" is not host:port; `+anAddress),

		env("HTTP_READ_TIMEOUT", "3", `"3" has no unit; write 3s if seconds are meant`),
		env("HTTP_READ_TIMEOUT", "2.5", `"2.5" has no unit; write 2.5s if seconds are meant`),
		env("HTTP_READ_TIMEOUT", "3ns", `"3ns" is out of range; give 100ms to 1h`),
		env("HTTP_READ_TIMEOUT", "61m", `"61m" is out of range; give 100ms to 1h`),
		env("HTTP_READ_TIMEOUT", "-5s", `"-5s" is out of range; give 100ms to 1h`),
		env("HTTP_READ_TIMEOUT", "5 s", `"5 s" is not a duration; write it like 500ms, 5s or 1m30s`),
		env("HTTP_READ_TIMEOUT", "5sec", `"5sec" is not a duration; write it like 500ms, 5s or 1m30s`),
		env("HTTP_READ_TIMEOUT", ".", `"." is not a duration; write it like 500ms, 5s or 1m30s`),
		env("HTTP_READ_TIMEOUT", "99999999999h", `"99999999999h" is not a duration; write it like 500ms, 5s or 1m30s`),
		env("SHUTDOWN_DRAIN", "-1ms", `"-1ms" is out of range; give 0s to 5m`),

		env("HTTP_MAX_BODY_BYTES", "1.9", `"1.9" is not a whole number; give 1024 to 104857600 in plain digits`),
		env("HTTP_MAX_BODY_BYTES", "1MiB", `"1MiB" is not a whole number; give 1024 to 104857600 in plain digits`),
		env("HTTP_MAX_BODY_BYTES", "yes", `"yes" is not a whole number; give 1024 to 104857600 in plain digits`),
		env("HTTP_MAX_BODY_BYTES", "-2048", `"-2048" is not a whole number; give 1024 to 104857600 in plain digits`),
		env("HTTP_MAX_BODY_BYTES", "1023", `"1023" is out of range; give 1024 to 104857600`),
		env("HTTP_MAX_BODY_BYTES", "104857601", `"104857601" is out of range; give 1024 to 104857600`),
		env("HTTP_MAX_BODY_BYTES", "99999999999999999999", `"99999999999999999999" is out of range; give 1024 to 104857600`),

		env("HTTP_SWAGGER", "yes", `"yes" is neither true nor false; write true or false`),
		env("HTTP_SWAGGER", "1", `"1" is neither true nor false; write true or false`),
		env("HTTP_SWAGGER", "True", `"True" is neither true nor false; write true or false`),

		env("HTTP_UNKNOWN_MEMBERS", "accept", `"accept" is not refuse or ignore; write refuse or ignore`),
		env("LOG_LEVEL", "INFO", `"INFO" is not debug, info, warn or error; write info`),
		env("LOG_LEVEL", "warning", `"warning" is not debug, info, warn or error; write warn`),
		env("LOG_LEVEL", "loud", `"loud" is not debug, info, warn or error; write debug, info, warn or error`),
		env("LOG_FORMAT", "jason", `"jason" is not auto, json or console; write json`),

		env("HTTP_TRUSTED_PROXIES", "proxy.local", `"proxy.local" is neither an IP address nor a CIDR range; write it like 10.0.0.7 or 10.0.0.0/8`),
		env("HTTP_TRUSTED_PROXIES", "10.0.0.1,,10.0.0.2", `"" is neither an IP address nor a CIDR range; write it like 10.0.0.7 or 10.0.0.0/8`),
		env("HTTP_TRUSTED_PROXIES", "10.0.0.0/33", `"10.0.0.0/33" is neither an IP address nor a CIDR range; write it like 10.0.0.7 or 10.0.0.0/8`),
		env("HTTP_TRUSTED_PROXIES", "fe80::1%eth0", `"fe80::1%eth0" is neither an IP address nor a CIDR range; write it like 10.0.0.7 or 10.0.0.0/8`),
		env("HTTP_TRUSTED_PROXIES", "10.0.0.1/8", `"10.0.0.1/8" is an address inside of its range; write 10.0.0.0/8 for the range or 10.0.0.1 for the address`),

		env("STORAGE_ENGINE", "postgresql", `"postgresql" is not memory, sqlite, postgres or mysql; write postgres`),
		env("STORAGE_ENGINE", "oracle", `"oracle" is not memory, sqlite, postgres or mysql; write memory, sqlite, postgres or mysql`),
		env("STORAGE_DSN", mask, "the value is the mask that --print-config shows; write the secret itself"),
		env("STORAGE_DSN_FILE", "nowhere", "nowhere cannot be read: no such file or directory; name a file that can be read"),
		env("STORAGE_DSN_FILE", "postgres://ada:pa55@db/users", "the value is not a path; put that into a file and name the file here"),
		env("STORAGE_MIGRATE", "true", `"true" is not auto, check or off; write auto, check or off`),
		env("STORAGE_MAX_CONNS", "0", `"0" is out of range; give 1 to 1000`),
		env("STORAGE_MAX_CONNS", "1001", `"1001" is out of range; give 1 to 1000`),
		env("STORAGE_MAX_WAIT", "9ms", `"9ms" is out of range; give 10ms to 1m`),
		env("STORAGE_MAX_WAIT", "61s", `"61s" is out of range; give 10ms to 1m`),
		env("STORAGE_TIMEOUT", "99ms", `"99ms" is out of range; give 100ms to 5m`),
		env("STORAGE_TIMEOUT", "301s", `"301s" is out of range; give 100ms to 5m`),
		env("STORAGE_STATEMENTS", "prepared", `"prepared" is not prepare, describe or simple; write prepare`),
		env("STORAGE_SYNCHRONOUS", "off", `"off" is not full or normal; write full or normal`),

		env("CACHE_REDIS", "redis", noRedis),
		env("CACHE_REDIS", ":6379", noRedis),
		env("CACHE_REDIS", "redis:", noRedis),
		env("CACHE_REDIS", "redis:0", noRedis),
		env("CACHE_REDIS", "redis:65536", noRedis),
		env("CACHE_REDIS", "ada:pa55@redis:6379", noRedis),
		env("CACHE_REDIS", "http://redis:6379", noRedis),
		env("CACHE_REDIS", "redis://", noRedis),
		env("CACHE_REDIS", "redis://redis:99999", noRedis),
		env("CACHE_REDIS", "redis://redis/users", noRedis),
		env("CACHE_REDIS", "redis://:pa#55@redis", noRedis),
		env("CACHE_REDIS", "redis://:pa/55@redis", noRedis),
		env("CACHE_REDIS", "redis://:pa?55@redis", noRedis),
		env("CACHE_REDIS", "redis://:pa%55@redis\n", noRedis),
		env("CACHE_REDIS", mask, noRedis),
		env("CACHE_REDIS_FILE", "one.dsn", noRedis),
		env("CACHE_REDIS_FILE", "redis://:pa55@redis", "the value is not a path; put that into a file and name the file here"),
		env("CACHE_LOCAL", "-1", `"-1" is not a whole number; give 0 to 10000000 in plain digits`),
		env("CACHE_LOCAL", "10000001", `"10000001" is out of range; give 0 to 10000000`),
		env("CACHE_TTL", "999ms", `"999ms" is out of range; give 1s to 24h`),
		env("CACHE_TTL", "25h", `"25h" is out of range; give 1s to 24h`),
		env("CACHE_TIMEOUT", "0s", `"0s" is out of range; give 1ms to 500ms`),
		env("CACHE_TIMEOUT", "501ms", `"501ms" is out of range; give 1ms to 500ms`),

		env("CURSOR_KEY", "short", "the value is not 32 bytes in base64; make one with: openssl rand -base64 32"),
		env("CURSOR_KEY", "c2hvcnQ=", "the value is not 32 bytes in base64; make one with: openssl rand -base64 32"),
		env("CURSOR_KEY_FILE", "nowhere", "nowhere cannot be read: no such file or directory; name a file that can be read"),
		env("CURSOR_KEY_FILE", "keys", "keys cannot be read: is a directory; name a file that can be read"),
		env("CURSOR_KEY_FILE", "a\xff", `"a\xff" has characters that cannot be printed; rename the file`),
	} {
		b.check(t)
	}
}

func TestLoad_brokenCommandLine(t *testing.T) {
	for _, b := range []broken{
		{
			name: "every bad flag is named, and those after it still count",
			args: []string{"--port", "9000", "--adr=:1", "-p9000", "---", "--=x", "--log.level", "debug", "--log-level", "loud"},
			want: []string{
				"--port: unknown flag; see --help",
				"--adr: unknown flag; did you mean --addr?",
				"-p: unknown flag; see --help",
				"command line: --- is not a flag; see --help",
				"command line: --= is not a flag; see --help",
				`log.level (--log-level): "loud" is not debug, info, warn or error; write debug, info, warn or error`,
				"--log.level: unknown flag; did you mean --log-level?",
			},
		},
		{
			name: "a mistyped action is led to the one that was meant",
			args: []string{"--migrat", "--health-check"},
			want: []string{
				"--migrat: unknown flag; did you mean --migrate?",
				"--health-check: unknown flag; did you mean --healthcheck?",
			},
		},
		{
			name: "an unknown key of --set is named with the one that was meant",
			args: []string{"--set", "http.adr=:1", "--set=http.colour=blue", "--set", "HTTP.ADDR=:1"},
			want: []string{
				"http.adr (--set): unknown key; did you mean http.addr?",
				"http.colour (--set): unknown key; --help lists all keys",
				"HTTP.ADDR (--set): unknown key; did you mean http.addr?",
			},
		},
		{
			name: "--set needs a key and an equals sign",
			args: []string{"--set", "http.addr", "--set", "=x", "--set", ""},
			want: []string{
				"--set: the value has no equals sign; write --set key=value",
				`"" (--set): unknown key; --help lists all keys`,
				"--set: the value has no equals sign; write --set key=value",
			},
		},
		{
			name: "an empty value is judged, not skipped",
			args: []string{"--addr", "", "--set", "log.level="},
			want: []string{
				`http.addr (--addr): "" is not host:port; write it like 127.0.0.1:8080, or :8080 for every interface`,
				`log.level (--set): "" is not debug, info, warn or error; write debug, info, warn or error`,
			},
		},
		{
			name: "a missing value is a fault",
			args: []string{"--set", "log.level=x", "--addr"},
			want: []string{
				`log.level (--set): "x" is not debug, info, warn or error; write debug, info, warn or error`,
				"--addr: the value is missing; write --addr and a value",
			},
		},
		{
			name: "arguments without flag are counted",
			args: []string{"serve", "--addr", "localhost:1", "now", "--", "--addr"},
			want: []string{"command line: arguments that belong to no flag: 3; write settings as flags, like --addr 127.0.0.1:9000 or --set key=value"},
		},
		{
			name: "a switch takes no value",
			args: []string{"--help=no", "--print-config=yes", "--migrate=check", "--healthcheck=:8080"},
			want: []string{
				"--help: the flag takes no value; write --help alone",
				"--print-config: the flag takes no value; write --print-config alone",
				"--migrate: the flag takes no value; write --migrate alone",
				"--healthcheck: the flag takes no value; write --healthcheck alone",
			},
		},
		{
			name: "--config names a file that must exist",
			args: []string{"--config", "nowhere.yaml"},
			want: []string{"--config: nowhere.yaml cannot be read: no such file or directory; name a file that can be read"},
		},
		{
			name: "--config names a file, not a directory",
			args: []string{"--config", "keys"},
			want: []string{"--config: keys cannot be read: is a directory; name a file that can be read"},
		},
		{
			name: "--config names something",
			args: []string{"--config="},
			want: []string{"--config: the name of the file is empty; write --config FILE"},
		},
		{
			name: "a bad value is a fault also when a later flag overrides it",
			args: []string{"--addr", "x", "--set", "http.addr=:1"},
			want: []string{`http.addr (--addr): "x" has no port; write x:8080`},
		},
	} {
		b.check(t)
	}
}

func TestLoad_brokenEverywhere(t *testing.T) {
	for _, b := range []broken{
		{
			name:    "the faults of all sources come in one error",
			yaml:    "http:\n  addr: x\nfoo: 1\n",
			environ: []string{"USERAPI_LOG_LEVEL=loud", "USERAPI_HTTP_ADDR=y", "USERAPI_NOTHING=1"},
			args:    []string{"--addr=:1", "--set", "http.idle_timeout=3", "--nothing"},
			want: []string{
				`http.idle_timeout (--set): "3" has no unit; write 3s if seconds are meant`,
				"--nothing: unknown flag; see --help",
				`http.addr (config.yaml:2): "x" has no port; write x:8080`,
				"foo (config.yaml:3): unknown key; --help lists all keys",
				`http.addr (USERAPI_HTTP_ADDR): "y" has no port; write y:8080`,
				`log.level (USERAPI_LOG_LEVEL): "loud" is not debug, info, warn or error; write debug, info, warn or error`,
			},
		},
		{
			name:    "the cursor key is given in one way, wherever that is",
			yaml:    "cursor:\n  key_file: one.key\n",
			environ: []string{"USERAPI_CURSOR_KEY=" + sampleKey(1)},
			want:    []string{"cursor.key (USERAPI_CURSOR_KEY and config.yaml:2): cursor.key and cursor.key_file are both given; give only one of them"},
		},
	} {
		b.check(t)
	}
	t.Run("an empty key file is not the wish for a random key", func(t *testing.T) {
		dir := folder(t, "cursor:\n  key_file: empty.key\n")
		write(t, dir+"/empty.key", "\n")
		const want = "the configuration has 1 fault:\n  cursor.key_file (config.yaml:2): the file is empty; " +
			"write cursor.key into it, or do not name it"
		if _, err := Load(dir, nil, nil); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of users and API keys there may be none any more, where a file is named for them", func(t *testing.T) {
		for _, content := range []string{"", "\n", "# nobody\n"} {
			dir := folder(t, "auth:\n  mode: [basic, api_key]\n  users_file: users\n  api_keys_file: api.keys\n")
			write(t, dir+"/users", content)
			write(t, dir+"/api.keys", content)
			if _, err := Load(dir, nil, nil); err != nil {
				t.Errorf("%q: %v", content, err)
			}
		}
	})
	t.Run("a config.yaml that is a directory is a fault though nobody named it", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(dir+"/config.yaml", 0o700); err != nil {
			t.Fatal(err)
		}
		const want = "the configuration has 1 fault:\n  working directory: config.yaml cannot be read: is a directory; " +
			"name a file that can be read"
		if _, err := Load(dir, nil, nil); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}
