package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoad_precedence(t *testing.T) {
	for _, k := range keys() {
		texts := samples()[k.name]
		file := oneLine(t, k, texts[0])
		environ := []string{"HOME=/root", k.env() + "=" + texts[1], "BROKEN", "=C:=x"}
		args := []string{"--set", k.name + "=" + texts[2]}
		line := "config.yaml:2"
		others := []string{}
		for name, text := range company(k.name) {
			others = append(others, newCatalogue().byName[name].env()+"="+text)
		}
		for _, c := range []struct {
			name          string
			yaml          string
			environ, args []string
			want, source  string
		}{
			{"file beats default", file, nil, nil, texts[0], line},
			{"environment beats default", "", environ, nil, texts[1], k.env()},
			{"flag beats default", "", nil, args, texts[2], "--set"},
			{"environment beats file", file, environ, nil, texts[1], k.env()},
			{"flag beats file", file, nil, args, texts[2], "--set"},
			{"flag beats environment and file", file, environ, args, texts[2], "--set"},
			{"empty environment is not set", file, []string{k.env() + "="}, nil, texts[0], line},
		} {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				loaded := mustLoad(t, folder(t, c.yaml), c.args, append(others, c.environ...))
				expected := Default().values()
				expect := func(k key, text string) {
					want, _ := k.rule.parse(text)
					expected[k.name] = reflect.ValueOf(want).Convert(reflect.TypeOf(expected[k.name])).Interface()
				}
				expect(k, c.want)
				for name, text := range company(k.name) {
					expect(newCatalogue().byName[name], text)
				}
				got := loaded.Config.values()
				secret, isFile := strings.CutSuffix(k.name, "_file")
				if isFile && newCatalogue().byName[secret].secret {
					expected[secret] = got[secret] // see TestLoad_secretFile
				}
				if !reflect.DeepEqual(got, expected) {
					t.Errorf("got  %v\nwant %v", got, expected)
				}
				for _, s := range loaded.Settings() {
					if s.Key == k.name && s.Source != c.source {
						t.Errorf("the source is %q, not %q", s.Source, c.source)
					} else if s.Key != k.name && s.Key != secret && company(k.name)[s.Key] == "" && s.Source != "default" {
						t.Errorf("%s comes from %q", s.Key, s.Source)
					}
				}
				if err := loaded.Config.Validate(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestLoad_flags(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		addr string
		from string
	}{
		{"--addr is http.addr", []string{"--addr", ":9000"}, ":9000", "--addr"},
		{"an equals sign does as well as a space", []string{"--addr=:9000"}, ":9000", "--addr"},
		{"of --addr and --set the later wins", []string{"--addr", ":1", "--set", "http.addr=:2"}, ":2", "--set"},
		{"of --set and --addr the later wins", []string{"--set", "http.addr=:2", "--addr", ":1"}, ":1", "--addr"},
		{"of two alike the later wins", []string{"--addr", ":1", "--addr", ":2"}, ":2", "--addr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			loaded := mustLoad(t, t.TempDir(), c.args, []string{"USERAPI_HTTP_ADDR=:7", "USERAPI_AUTH_ALLOW_ANONYMOUS=true"})
			if got := loaded.Settings()[0]; loaded.Config.HTTP.Addr != c.addr || got.Source != c.from {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("--log-level is log.level", func(t *testing.T) {
		if loaded := mustLoad(t, t.TempDir(), []string{"--log-level", "debug"}, nil); loaded.Config.Log.Level != "debug" {
			t.Errorf("got %+v", loaded.Config.Log)
		}
	})
	t.Run("a value may hold an equals sign and a list commas", func(t *testing.T) {
		args := []string{"--set", "cursor.key=" + sampleKey(1), "--set=http.trusted_proxies= 10.0.0.1 , ::1"}
		loaded := mustLoad(t, t.TempDir(), args, nil)
		if !strings.HasSuffix(loaded.Config.Cursor.Key.Reveal(), "=") {
			t.Error("the key lost its end")
		}
		if got := loaded.Config.HTTP.TrustedProxies; !slices.Equal(got, []string{"10.0.0.1", "::1"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("an empty list takes away what the file lists", func(t *testing.T) {
		dir := folder(t, "http:\n  trusted_proxies: [10.0.0.1]\n")
		loaded := mustLoad(t, dir, []string{"--set", "http.trusted_proxies="}, nil)
		if got := loaded.Config.HTTP.TrustedProxies; got == nil || len(got) != 0 {
			t.Errorf("got %#v", got)
		}
	})
	t.Run("a secret by flag is warned of, not refused", func(t *testing.T) {
		loaded := mustLoad(t, t.TempDir(), []string{"--set", "cursor.key=" + sampleKey(1)}, nil)
		want := []string{"cursor.key was given by --set, where every user of the machine can read it; " +
			"prefer USERAPI_CURSOR_KEY or cursor.key_file"}
		if !slices.Equal(loaded.Warnings, want) {
			t.Errorf("got %q", loaded.Warnings)
		}
	})
}

func TestLoad_rates(t *testing.T) {
	const bulk = "limit.writes bounds nobody who sends batches, since those are charged to limit.bulk, which is off; set limit.bulk too, such as 1000/1m"
	for _, c := range []struct {
		says, file string
		args       []string
		want       []string
	}{
		{"writes without bulk", "limit: {writes: 100/1m}\n", nil, []string{bulk}},
		{"as it would be served", "limit: {writes: 100/1m}\n", []string{"--print-config"}, []string{bulk}},
		{"where nothing is served", "limit: {writes: 100/1m}\n", []string{"--healthcheck"}, nil},
		{"writes with bulk", "limit: {writes: 100/1m, bulk: 100/1m}\n", nil, nil},
		{"bulk alone", "limit: {bulk: 100/1m}\n", nil, nil},
		{"reads alone", "limit: {reads: 100/1m}\n", nil, nil},
		{"none", "", nil, nil},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := mustLoad(t, folder(t, c.file), c.args, nil).Warnings; !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestLoad_action(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want Action
	}{
		{"nothing asked is to serve", nil, Serve},
		{"--help asks for help", []string{"--help"}, ShowHelp},
		{"-h asks for help", []string{"-h"}, ShowHelp},
		{"--version asks for the version", []string{"--version"}, ShowVersion},
		{"--print-config asks for the settings", []string{"--addr", "localhost:1", "--print-config"}, PrintConfig},
		{"--migrate asks for the schema", []string{"--migrate"}, Migrate},
		{"--healthcheck asks for the state", []string{"--healthcheck", "--addr", "localhost:1"}, HealthCheck},
		{"what only asks wins over what changes", []string{"--migrate", "--healthcheck"}, HealthCheck},
		{"what only prints wins over what does something", []string{"--migrate", "--healthcheck", "--print-config"}, PrintConfig},
		{"help wins over faults", []string{"--addr", "x", "--nonsense", "--help", "--config=nowhere"}, ShowHelp},
		{"the version wins over faults", []string{"--version", "serve"}, ShowVersion},
		{"help wins over everything", []string{"--print-config", "--version", "-h"}, ShowHelp},
		{"help wins in any order", []string{"-h", "--version", "--print-config"}, ShowHelp},
	} {
		t.Run(c.name, func(t *testing.T) {
			if loaded := mustLoad(t, t.TempDir(), c.args, nil); loaded.Action != c.want {
				t.Errorf("got %v, want %v", loaded.Action, c.want)
			}
		})
	}
	for _, flag := range []string{"--print-config", "--migrate", "--healthcheck"} {
		t.Run(flag+" does not win over faults", func(t *testing.T) {
			if loaded, err := Load(t.TempDir(), []string{flag, "--addr", "x"}, nil); err == nil {
				t.Errorf("got %+v", loaded)
			}
		})
	}
}

func TestLoad_environment(t *testing.T) {
	t.Run("warns of an unknown variable and names the nearest", func(t *testing.T) {
		environ := []string{
			"USERAPI_PORT_8080_TCP=tcp://10.0.0.1:8080",
			"USERAPI_HTTP_ADR=:1",
			"USERAPI_http_addr=:2",
			"USERAPI_LOGLEVEL=",
			"USERAPI=x",
			"OTHER_HTTP_ADDR=:3",
		}
		loaded := mustLoad(t, t.TempDir(), nil, environ)
		if !reflect.DeepEqual(loaded.Config, Default()) {
			t.Errorf("got %+v", loaded.Config)
		}
		want := []string{
			"the environment variable USERAPI_HTTP_ADR is not a setting and was ignored; the nearest is USERAPI_HTTP_ADDR (http.addr)",
			"the environment variable USERAPI_LOGLEVEL is not a setting and was ignored; the nearest is USERAPI_LOG_LEVEL (log.level)",
			"the environment variable USERAPI_PORT_8080_TCP is not a setting and was ignored; the nearest is USERAPI_CORS_MAX_AGE (cors.max_age)",
			"the environment variable USERAPI_http_addr is not a setting and was ignored; the nearest is USERAPI_HTTP_ADDR (http.addr)",
		}
		if !slices.Equal(loaded.Warnings, want) {
			t.Errorf("got %s", strings.Join(loaded.Warnings, "\n"))
		}
	})
	t.Run("gives its warnings beside an error", func(t *testing.T) {
		loaded, err := Load(t.TempDir(), []string{"x"}, []string{"USERAPI_NOTHING=1"})
		if err == nil || len(loaded.Warnings) != 1 {
			t.Errorf("got %v, %q", err, loaded.Warnings)
		}
	})
	t.Run("is only what is handed in", func(t *testing.T) {
		t.Setenv("USERAPI_HTTP_ADDR", ":1")
		t.Setenv("USERAPI_LOG_LEVEL", "loud")
		if loaded := mustLoad(t, t.TempDir(), nil, nil); !reflect.DeepEqual(loaded.Config, Default()) {
			t.Errorf("got %+v", loaded.Config)
		}
	})
}

func TestLoad_file(t *testing.T) {
	const addr = "http:\n  addr: localhost:9000\n  trusted_proxies:\n    - 10.0.0.1\n    - ::1\n"
	for name, yaml := range map[string]string{
		"as people write it":             addr,
		"with a byte order mark":         "\ufeff" + addr,
		"with carriage returns":          strings.ReplaceAll(addr, "\n", "\r\n"),
		"with both":                      "\ufeff" + strings.ReplaceAll(addr, "\n", "\r\n"),
		"without a last newline":         strings.TrimSuffix(addr, "\n"),
		"as JSON":                        `{"http": {"addr": "localhost:9000", "trusted_proxies": ["10.0.0.1", "::1"]}}`,
		"with comments and empty lines":  "# a comment\n\n---\n" + addr + "\n# and another\n...\n",
		"with a section without members": addr + "log:\n  # level: debug\n",
		"with anchors":                   "http: &http\n  addr: &addr localhost:9000\n  trusted_proxies: &list [10.0.0.1, \"::1\"]\n",
	} {
		t.Run("is read "+name, func(t *testing.T) {
			want := Default()
			want.HTTP.Addr, want.HTTP.TrustedProxies = "localhost:9000", []string{"10.0.0.1", "::1"}
			if loaded := mustLoad(t, folder(t, yaml), nil, nil); !reflect.DeepEqual(loaded.Config, want) {
				t.Errorf("got %+v", loaded.Config)
			}
		})
	}
	for name, yaml := range map[string]string{
		"is empty":              "\n",
		"is only comments":      "# nothing\n# here\n",
		"is an empty document":  "---\n",
		"is null":               "~\n",
		"is an empty mapping":   "{}\n",
		"is a byte order mark":  "\ufeff",
		"has only its sections": "http:\nlog:\nshutdown:\ncursor:\n",
	} {
		t.Run("changes nothing when it "+name, func(t *testing.T) {
			if loaded := mustLoad(t, folder(t, yaml), nil, nil); !reflect.DeepEqual(loaded.Config, Default()) {
				t.Errorf("got %+v", loaded.Config)
			}
		})
	}
	t.Run("may repeat a value by its anchor", func(t *testing.T) {
		loaded := mustLoad(t, folder(t, "http:\n  read_timeout: &t 9s\n  write_timeout: *t\n"), nil, nil)
		if loaded.Config.HTTP.WriteTimeout != 9*time.Second {
			t.Errorf("got %+v", loaded.Config.HTTP)
		}
	})
	t.Run("that is named takes the place of config.yaml", func(t *testing.T) {
		dir := folder(t, "log:\n  level: debug\n")
		write(t, dir+"/keys/other.yaml", "log:\n  format: json\n")
		for _, path := range []string{"keys/other.yaml", filepath.Join(dir, "keys", "other.yaml")} {
			loaded := mustLoad(t, dir, []string{"--config", "nowhere", "--config", path}, nil)
			if want := (Log{Level: "info", Format: "json"}); loaded.Config.Log != want {
				t.Errorf("got %+v", loaded.Config.Log)
			}
			if s := settingOf(t, loaded, "log.format"); s.Source != path+":2" {
				t.Errorf("got %+v", s)
			}
		}
	})
	t.Run("is looked for in the working directory of the process when no other is given", func(t *testing.T) {
		t.Chdir(folder(t, "log:\n  level: debug\n"))
		if loaded := mustLoad(t, "", nil, nil); loaded.Config.Log.Level != "debug" {
			t.Errorf("got %+v", loaded.Config.Log)
		}
	})
	t.Run("that may not be read is a fault though nobody named it", func(t *testing.T) {
		dir := folder(t, "log:\n  level: debug\n")
		if err := os.Chmod(dir+"/config.yaml", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(dir + "/config.yaml"); err == nil {
			t.Skip("this user may read everything")
		}
		if _, err := Load(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("got %v", err)
		}
	})
}

// settingOf returns what a key is set to, and from where.
func settingOf(t *testing.T, loaded Loaded, key string) Setting {
	t.Helper()
	for _, s := range loaded.Settings() {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("%s is no setting", key)
	return Setting{}
}

func TestLoad_secretFile(t *testing.T) {
	dir := folder(t, "cursor:\n  key_file: \"\"\n")
	for file, want := range map[string]string{
		"one.key":                     sampleKey(4), // ends with a newline
		"two.key":                     sampleKey(5),
		"keys/three.key":              sampleKey(6), // has white space around it
		filepath.Join(dir, "one.key"): sampleKey(4),
	} {
		t.Run("gives the key in "+filepath.Base(file), func(t *testing.T) {
			loaded := mustLoad(t, dir, nil, []string{"USERAPI_CURSOR_KEY_FILE=" + file})
			if loaded.Config.Cursor.Key.Reveal() != want || loaded.Config.Cursor.KeyFile != file {
				t.Errorf("got a wrong key from %q", loaded.Config.Cursor.KeyFile)
			}
			key := settingOf(t, loaded, "cursor.key")
			if want := (Setting{"cursor.key", `""`, "read from cursor.key_file"}); key != want {
				t.Errorf("got %+v", key)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for name, yaml := range map[string]string{"no file": "", "every key in the file": Template()} {
		b.Run(name, func(b *testing.B) {
			dir := folder(b, yaml)
			environ := append(os.Environ(), "USERAPI_LOG_LEVEL=debug")
			for b.Loop() {
				if _, err := Load(dir, []string{"--addr", ":9000"}, environ); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestLoaded_Reload(t *testing.T) {
	const name = "/config.yaml"
	t.Run("reads again what may have changed", func(t *testing.T) {
		dir := folder(t, "log:\n  level: warn\n")
		first := mustLoad(t, dir, nil, nil)
		write(t, dir+name, "log:\n  level: error\n")
		again, err := first.Reload(dir, nil, nil)
		if err != nil || again.Config.Log.Level != "error" || first.Config.Log.Level != "warn" {
			t.Errorf("%v, %+v", err, again.Config.Log)
		}
	})
	t.Run("misses a file that was there, and no other", func(t *testing.T) {
		dir := folder(t, "log:\n  level: warn\n")
		with := mustLoad(t, dir, nil, nil)
		if err := os.Remove(dir + name); err != nil {
			t.Fatal(err)
		}
		if _, err := with.Reload(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "config.yaml cannot be read") {
			t.Errorf("got %v", err)
		}
		without := mustLoad(t, dir, nil, nil)
		if _, err := without.Reload(dir, nil, nil); err != nil {
			t.Error(err)
		}
	})
}
