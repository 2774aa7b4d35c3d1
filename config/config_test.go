package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// samples returns three valid texts for every key, none of which is the default and of which
// neighbours differ: the middle one of a truth value has to be its default again.
func samples() map[string][3]string {
	return map[string][3]string{
		"http.addr":                {":9001", "[::1]:9002", "localhost:9003"},
		"http.read_header_timeout": {"1s", "2s", "3s"},
		"http.read_timeout":        {"1m1s", "2m", "1h"},
		"http.write_timeout":       {"100ms", "1.5s", "3s"},
		"http.idle_timeout":        {"1s", "2s", "3s"},
		"http.max_header_bytes":    {"1024", "2048", "1048576"},
		"http.max_body_bytes":      {"1024", "2048", "104857600"},
		"http.unknown_members":     {"ignore", "refuse", "ignore"},
		"http.require_if_match":    {"true", "false", "true"},
		"http.trusted_proxies":     {"10.0.0.1", "10.0.0.0/8,::1", "2001:db8::/32"},
		"http.swagger":             {"false", "true", "false"},
		"http.compression":         {"false", "true", "false"},
		"tls.cert_file":            {"one.crt", "two.crt", "keys/three.crt"},
		"tls.key_file":             {"one.pem", "two.pem", "keys/three.pem"},
		"tls.hsts":                 {"1h", "24h", "8760h"},
		"cors.origins":             {"https://a.example", "https://a.example,http://localhost:3000", "http://[::1]:8000"},
		"cors.max_age":             {"0s", "1s", "24h"},
		"auth.mode":                {"basic", "basic,jwt", "api_key"},
		"auth.allow_anonymous":     {"true", "false", "true"},
		"auth.users":               {"ada:x", "ada:y", "ada:x:users:read,admin\ngrace:z"},
		"auth.users_file":          {"one.lines", "two.lines", "keys/three.lines"},
		"auth.basic_scopes":        {"users:read", "users:read,users:write", "admin"},
		"auth.api_keys":            {"one", "two", "one\ntwo"},
		"auth.api_keys_file":       {"one.lines", "two.lines", "keys/three.lines"},
		"jwt.jwks_url":             {"https://issuer.example/jwks.json", "http://127.0.0.1:9000/jwks", "https://issuer.example:8443/"},
		"jwt.key_file":             {"one.pub", "two.pub", "keys/three.pub"},
		"jwt.secret":               {sampleKey(7), sampleKey(8), sampleKey(9)},
		"jwt.secret_file":          {"one.key", "two.key", "keys/three.key"},
		"jwt.issuer":               {"https://issuer.example/", "issuer", "é"},
		"jwt.audience":             {"users", "https://users.example", "a b"},
		"jwt.leeway":               {"0s", "10s", "5m"},
		"jwt.refresh":              {"10s", "1m", "24h"},
		"limit.reads":              {"1/1s", "100/1m", "1000000/24h"},
		"limit.writes":             {"10/1s", "off", "5/1m30s"},
		"limit.bulk":               {"1000/1s", "100/1h", "7/1m"},
		"limit.redis":              {"redis:6379", "rediss://ada:pa55@redis/1", "[::1]:6379"},
		"limit.redis_file":         {"one.redis", "two.redis", "keys/three.redis"},
		"limit.max_callers":        {"100", "1000", "100000000"},
		"limit.in_flight":          {"0", "1", "1048576"},
		"admin.addr":               {"9091", ":9092", "10.0.0.7:9093"},
		"admin.pprof":              {"true", "false", "true"},
		"admin.metrics_on_main":    {"true", "false", "true"},
		"reload.poll":              {"1s", "0s", "1h"},
		"shutdown.drain":           {"0s", "1s", "5m"},
		"shutdown.timeout":         {"1s", "2s", "3s"},
		"log.level":                {"debug", "warn", "error"},
		"log.format":               {"json", "console", "json"},
		"storage.engine":           {"sqlite", "mysql", "sqlite"},
		"storage.dsn":              {"users.db", "data/users.db", "file:users.db?cache=private"},
		"storage.dsn_file":         {"one.dsn", "two.dsn", "keys/three.dsn"},
		"storage.migrate":          {"check", "off", "check"},
		"storage.max_conns":        {"1", "20", "1000"},
		"storage.max_wait":         {"10ms", "5s", "1m"},
		"storage.timeout":          {"100ms", "1s", "5m"},
		"storage.statements":       {"describe", "simple", "describe"},
		"storage.synchronous":      {"normal", "full", "normal"},
		"cache.redis":              {"redis:6379", "rediss://ada:pa55@redis/1", "[::1]:6379"},
		"cache.redis_file":         {"one.redis", "two.redis", "keys/three.redis"},
		"cache.local":              {"1", "1000", "10000000"},
		"cache.ttl":                {"1s", "1m", "24h"},
		"cache.timeout":            {"1ms", "10ms", "500ms"},
		"cursor.key":               {sampleKey(1), sampleKey(2), sampleKey(3)},
		"cursor.key_file":          {"one.key", "two.key", "keys/three.key"},
		"idempotency.max_age":      {"1s", "1h30m", "720h"},
		"idempotency.max_keys":     {"1", "1000", "100000000"},
		"idempotency.max_bytes":    {"65536", "1048576", "68719476736"},
	}
}

// company returns the settings without which a sample of the key would contradict the defaults.
func company(key string) map[string]string {
	switch key {
	case "storage.engine":
		return map[string]string{"storage.dsn": "/users"} // a path for SQLite, a database for MySQL
	case "cache.redis", "cache.redis_file", "cache.local":
		return map[string]string{"storage.engine": "sqlite", "storage.dsn": "users.db"}
	case "http.addr":
		return map[string]string{"auth.allow_anonymous": "true"}
	case "auth.mode":
		return map[string]string{"auth.users": "ada:x", "auth.api_keys": "one", "jwt.secret": sampleKey(1), "jwt.issuer": "a", "jwt.audience": "b"}
	case "auth.users", "auth.users_file":
		return map[string]string{"auth.mode": "basic"}
	case "auth.api_keys", "auth.api_keys_file":
		return map[string]string{"auth.mode": "api_key"}
	case "jwt.jwks_url", "jwt.key_file", "jwt.secret", "jwt.secret_file":
		return map[string]string{"auth.mode": "jwt", "jwt.issuer": "a", "jwt.audience": "b"}
	case "tls.cert_file":
		return map[string]string{"tls.key_file": "server.key"}
	case "tls.key_file":
		return map[string]string{"tls.cert_file": "server.crt"}
	case "tls.hsts":
		return map[string]string{"tls.cert_file": "server.crt", "tls.key_file": "server.key"}
	case "admin.pprof":
		return map[string]string{"admin.addr": "9091"}
	case "storage.dsn", "storage.dsn_file":
		return map[string]string{"storage.engine": "sqlite"}
	}
	return nil
}

// sampleKey returns a valid cursor key that no other number gives.
func sampleKey(n byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, cursorKeyBytes))
}

// folder returns a working directory with the files of secrets that the samples name and, unless it is
// empty, a config.yaml.
func folder(t testing.TB, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/one.key", sampleKey(4)+"\n")
	write(t, dir+"/two.key", sampleKey(5))
	if err := os.Mkdir(dir+"/keys", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/keys/three.key", " "+sampleKey(6)+"\r\n")
	for _, name := range []string{"one", "two", "keys/three"} {
		write(t, dir+"/"+name+".dsn", " /"+filepath.Base(name)+"\n")
		write(t, dir+"/"+name+".redis", filepath.Base(name)+":6379\n")
		write(t, dir+"/"+name+".lines", filepath.Base(name)+":x\n"+filepath.Base(name)+":y\n")
	}
	if yaml != "" {
		write(t, dir+"/config.yaml", yaml)
	}
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// oneLine returns a config.yaml that gives one key one value, from the value's text form.
func oneLine(t testing.TB, k key, text string) string {
	t.Helper()
	value, wrong := k.rule.parse(text)
	if wrong != nil {
		t.Fatalf("the sample %q of %s is refused: %s", text, k.name, wrong.problem)
	}
	if secret, ok := value.(Secret); ok {
		value = secret.Reveal()
	}
	section, name, _ := strings.Cut(k.name, ".")
	return section + ":\n  " + name + ": " + inYAML(value) + "\n"
}

// mustLoad loads what is expected to be free of faults.
func mustLoad(t testing.TB, dir string, args, environ []string) Loaded {
	t.Helper()
	loaded, err := Load(dir, args, environ)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestDefault(t *testing.T) {
	t.Run("is valid", func(t *testing.T) {
		if err := Default().Validate(); err != nil {
			t.Error(err)
		}
	})
	t.Run("is what a service without any configuration gets", func(t *testing.T) {
		loaded := mustLoad(t, t.TempDir(), nil, nil)
		if !reflect.DeepEqual(loaded.Config, Default()) {
			t.Errorf("loaded %+v, default is %+v", loaded.Config, Default())
		}
		for _, s := range loaded.Settings() {
			if s.Source != "default" {
				t.Errorf("%s comes from %q", s.Key, s.Source)
			}
		}
	})
	t.Run("gives nobody else's list away", func(t *testing.T) {
		first := Default()
		first.HTTP.TrustedProxies = append(first.HTTP.TrustedProxies, "10.0.0.1")
		if second := Default(); len(second.HTTP.TrustedProxies) != 0 {
			t.Errorf("a second default has %v", second.HTTP.TrustedProxies)
		}
	})
}

func TestConfig_Validate(t *testing.T) {
	t.Run("names every fault at once", func(t *testing.T) {
		c := Default()
		c.HTTP.Addr = "localhost"
		c.HTTP.IdleTimeout = 3
		c.HTTP.MaxBodyBytes = -1
		c.Cursor.Key = "not a key"
		want := `the configuration has 4 faults:
  http.addr (code): "localhost" has no port; write localhost:8080
  http.idle_timeout (code): "3ns" is out of range; give 100ms to 1h
  http.max_body_bytes (code): "-1" is not a whole number; give 1024 to 104857600 in plain digits
  cursor.key (code): the value is not 32 bytes in base64; make one with: openssl rand -base64 32`
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
	t.Run("its error can be taken apart", func(t *testing.T) {
		c := Default()
		c.Log.Level = ""
		var faults *Error
		if !errors.As(c.Validate(), &faults) || len(faults.Faults) != 1 || faults.Faults[0].Key != "log.level" {
			t.Errorf("got %+v", faults)
		}
	})
}

func TestCursor_KeyBytes(t *testing.T) {
	t.Run("is nil without a key", func(t *testing.T) {
		if key, err := (Cursor{}).KeyBytes(); key != nil || err != nil {
			t.Errorf("got %v, %v", key, err)
		}
	})
	t.Run("is the 32 bytes of the key", func(t *testing.T) {
		key, err := Cursor{Key: Secret(sampleKey(7))}.KeyBytes()
		if err != nil || !bytes.Equal(key, bytes.Repeat([]byte{7}, 32)) {
			t.Errorf("got %v, %v", key, err)
		}
	})
	t.Run("fails for what is no key, without repeating it", func(t *testing.T) {
		_, err := Cursor{Key: "c2hvcnQ="}.KeyBytes()
		if err == nil || strings.Contains(err.Error(), "c2hvcnQ=") {
			t.Errorf("got %v", err)
		}
	})
}

func TestKeys(t *testing.T) {
	t.Run("are the fields of the struct, neither more nor fewer", func(t *testing.T) {
		fields := slices.Sorted(maps.Keys(Default().values()))
		names := slices.Sorted(slices.Values(newCatalogue().names()))
		if !slices.Equal(fields, names) {
			t.Errorf("fields %v\nkeys   %v", fields, names)
		}
	})
	t.Run("have each a variable of their own", func(t *testing.T) {
		if c := newCatalogue(); len(c.byEnv) != len(c.keys) || len(c.byName) != len(c.keys) {
			t.Errorf("%d keys, %d names, %d variables", len(c.keys), len(c.byName), len(c.byEnv))
		}
	})
	t.Run("parse to the type of their field", func(t *testing.T) {
		defaults := Default().values()
		for _, k := range keys() {
			value, wrong := k.rule.parse(plain(defaults[k.name]))
			if wrong != nil {
				t.Errorf("%s refuses its default: %v", k.name, wrong)
				continue
			}
			if !reflect.TypeOf(value).ConvertibleTo(reflect.TypeOf(defaults[k.name])) {
				t.Errorf("%s parses to %T, its field is %T", k.name, value, defaults[k.name])
			}
			if _, isDuration := defaults[k.name].(time.Duration); isDuration && !strings.Contains(k.rule.allows, " to ") {
				t.Errorf("%s has no least and most", k.name)
			}
		}
	})
	t.Run("are secret exactly when their field is", func(t *testing.T) {
		defaults := Default().values()
		for _, k := range keys() {
			if _, isSecret := defaults[k.name].(Secret); isSecret != k.secret {
				t.Errorf("%s: the table says %v, the field %v", k.name, k.secret, isSecret)
			}
		}
	})
	t.Run("are secret exactly when another one may name their file", func(t *testing.T) {
		c := newCatalogue()
		for _, k := range keys() {
			if of, isFile := strings.CutSuffix(k.name, "_file"); isFile && c.byName[of].name != "" && !c.byName[of].secret {
				t.Errorf("%s is for no secret", k.name)
			}
			if _, hasFile := c.byName[k.fileKey()]; hasFile != k.secret {
				t.Errorf("%s: secret %v, file %v", k.name, k.secret, hasFile)
			}
		}
	})
	t.Run("of one section stand together", func(t *testing.T) {
		sections := []string{}
		for _, k := range keys() {
			section, _, _ := strings.Cut(k.name, ".")
			sections = append(sections, section)
		}
		compact := slices.Compact(sections)
		if unique := slices.Compact(slices.Sorted(slices.Values(compact))); len(unique) != len(compact) {
			t.Errorf("the order is %v", compact)
		}
	})
}

func TestConfig_Follow(t *testing.T) {
	t.Run("takes what can change, and names it and the rest", func(t *testing.T) {
		for _, k := range keys() {
			first, next := Default(), Default()
			value, _ := k.rule.parse(samples()[k.name][0])
			field := next.fields()[k.name]
			field.Set(reflect.ValueOf(value).Convert(field.Type()))
			got, changed, fixed := first.Follow(next)
			want, named, others := first, fixed, changed
			if k.live {
				want, named, others = next, changed, fixed
			}
			if !reflect.DeepEqual(got, want) || !slices.Equal(named, []string{k.name}) || len(others) > 0 {
				t.Errorf("%s: changed %v, fixed %v, and the settings are %+v", k.name, changed, fixed, got)
			}
			if !reflect.DeepEqual(first, Default()) {
				t.Fatalf("%s: the settings that were followed from are another", k.name)
			}
		}
	})
	t.Run("changes nothing where nothing differs", func(t *testing.T) {
		got, changed, fixed := Default().Follow(Default())
		if !reflect.DeepEqual(got, Default()) || changed != nil || fixed != nil {
			t.Errorf("changed %v, fixed %v", changed, fixed)
		}
	})
}
