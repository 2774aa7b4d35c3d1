package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestTemplate(t *testing.T) {
	t.Run("is the config.yaml of the repository, byte for byte", func(t *testing.T) {
		const path = "../config.yaml"
		if os.Getenv("UPDATE_CONFIG_YAML") != "" {
			write(t, path, Template())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(content) != Template() {
			t.Errorf("they differ; UPDATE_CONFIG_YAML=1 go test ./config writes\n%s", Template())
		}
	})
	t.Run("gives the defaults", func(t *testing.T) {
		loaded := mustLoad(t, folder(t, Template()), nil, nil)
		if !reflect.DeepEqual(loaded.Config, Default()) {
			t.Errorf("got %+v", loaded.Config)
		}
	})
	t.Run("has every key once, below one line of comment, and no other key", func(t *testing.T) {
		for _, s := range mustLoad(t, folder(t, Template()), nil, nil).Settings() {
			if s.Source == "default" {
				t.Errorf("%s is missing", s.Key)
			}
		}
		lines := strings.Split(Template(), "\n")
		members := 0
		for i, line := range lines {
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "  #") {
				members++
				if !strings.HasPrefix(lines[i-1], "  # ") || strings.HasPrefix(lines[i-2], "  # ") {
					t.Errorf("%q has no line of comment", line)
				}
			}
			if len(line) > 120 {
				t.Errorf("%q is long", line)
			}
		}
		if members != len(keys()) {
			t.Errorf("%d members for %d keys", members, len(keys()))
		}
	})
}

func TestLoaded_YAML(t *testing.T) {
	t.Run("loads to the settings that it shows", func(t *testing.T) {
		for i := range 3 {
			environ, without := []string{}, []string{"cache.local"} // which excludes cache.redis_file
			if i == 1 {
				without = []string{"cache.redis_file", "jwt.jwks_url", "jwt.key_file"} // one source of keys is enough
			}
			for _, k := range keys() {
				if !k.secret && !slices.Contains(without, k.name) {
					environ = append(environ, k.env()+"="+samples()[k.name][i])
				}
			}
			first := mustLoad(t, folder(t, ""), nil, environ)
			second := mustLoad(t, folder(t, first.YAML()), nil, nil)
			if !reflect.DeepEqual(first.Config, second.Config) {
				t.Errorf("first  %+v\nsecond %+v", first.Config, second.Config)
			}
		}
	})
	t.Run("loads again whatever a text holds", func(t *testing.T) {
		for _, name := range []string{`a "b" \c`, "# x", "a: b", "null", "12", "é😀", "-", " ", "%a", "*x", "on", "key"} {
			dir := folder(t, "")
			write(t, dir+"/"+name, sampleKey(1))
			first := mustLoad(t, dir, nil, []string{"USERAPI_CURSOR_KEY_FILE=" + name})
			write(t, dir+"/config.yaml", first.YAML())
			second := mustLoad(t, dir, nil, nil)
			if !reflect.DeepEqual(first.Config, second.Config) {
				t.Errorf("%q became %q", name, second.Config.Cursor.KeyFile)
			}
		}
	})
	t.Run("shows each value with its source", func(t *testing.T) {
		dir := folder(t, "http:\n  idle_timeout: 90s\n  swagger: false\n")
		loaded := mustLoad(t, dir, []string{"--addr", "[::1]:9000"}, []string{"USERAPI_CURSOR_KEY=" + sampleKey(1)})
		for _, line := range []string{
			"http:\n  addr: \"[::1]:9000\"  # --addr\n",
			"  idle_timeout: 1m30s  # config.yaml:2\n",
			"  swagger: false  # config.yaml:3\n",
			"  trusted_proxies: []  # default\n",
			"\nlog:\n  level: info  # default\n",
			"  key: \"********\"  # USERAPI_CURSOR_KEY\n",
		} {
			if !strings.Contains(loaded.YAML(), line) {
				t.Errorf("%q is missing in\n%s", line, loaded.YAML())
			}
		}
	})
	t.Run("is YAML also when it is masked, but does not pass the mask off as the secret", func(t *testing.T) {
		loaded := mustLoad(t, t.TempDir(), nil, []string{"USERAPI_CURSOR_KEY=" + sampleKey(1)})
		var tree map[string]map[string]any
		if err := yaml.Unmarshal([]byte(loaded.YAML()), &tree); err != nil || tree["cursor"]["key"] != mask {
			t.Errorf("got %v, %v", err, tree)
		}
		if _, err := Load(folder(t, loaded.YAML()), nil, nil); err == nil {
			t.Error("the mask was taken for a key")
		}
	})
	t.Run("cannot be led astray by the name of a file", func(t *testing.T) {
		dir := folder(t, "")
		name := "a\nhttp: {}\n#.yaml"
		write(t, dir+"/"+name, "log:\n  level: debug\n")
		loaded := mustLoad(t, dir, []string{"--config", name}, nil)
		if again := mustLoad(t, folder(t, loaded.YAML()), nil, nil); !reflect.DeepEqual(again.Config, loaded.Config) {
			t.Errorf("got %+v from\n%s", again.Config, loaded.YAML())
		}
	})
}

func TestMarkdown(t *testing.T) {
	t.Run("has one row of six cells for every key", func(t *testing.T) {
		rows := strings.Split(strings.TrimSuffix(Markdown(), "\n"), "\n")
		if len(rows) != len(keys())+2 {
			t.Errorf("%d rows for %d keys", len(rows), len(keys()))
		}
		for i, row := range rows {
			if strings.Count(row, "|") != 7 {
				t.Errorf("%q does not have six cells", row)
			}
			if i >= 2 && !strings.HasPrefix(row, "| `"+keys()[i-2].name+"` | `") {
				t.Errorf("row %d is %q", i, row)
			}
		}
	})
}

func TestHelp(t *testing.T) {
	t.Run("names every key with its default, variable and meaning", func(t *testing.T) {
		defaults := Default().values()
		for _, k := range keys() {
			want := "  " + k.name + "  (default " + inYAML(defaults[k.name]) + ", " + k.env() + ")\n      " + k.meaning
			if !strings.Contains(Help(), want) {
				t.Errorf("%q is missing", want)
			}
		}
	})
	t.Run("names every flag, and suggestions know the same", func(t *testing.T) {
		for _, flag := range []string{"addr", "log-level", "set", "config", "print-config", "new-api-key", "scopes", "expires", "migrate", "healthcheck", "version", "help"} {
			if !strings.Contains(Help(), "--"+flag+" ") {
				t.Errorf("--%s is missing", flag)
			}
		}
		if n := strings.Count(strings.Split(Help(), "Settings")[0], "\n  "); n != 12 {
			t.Errorf("there are %d flags", n)
		}
	})
	t.Run("fits a terminal", func(t *testing.T) {
		for line := range strings.Lines(Help()) {
			if len(line) > 121 {
				t.Errorf("%q is long", line)
			}
		}
	})
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{"1h0m0s": "1h", "1m0s": "1m", "10m0s": "10m", "1h0m5s": "1h0m5s", "10s": "10s", "1h10m0s": "1h10m", "0s": "0s", "1.5s": "1.5s"} {
		t.Run(text+" is written "+want, func(t *testing.T) {
			d, wrong := span(0, 1<<62).parse(text)
			if wrong != nil || plain(d) != want {
				t.Errorf("got %q, %v", plain(d), wrong)
			}
		})
	}
}

func TestInYAML(t *testing.T) {
	for text, want := range map[string]string{
		"info": "info", "": `""`, "y": `"y"`, "off": `"off"`, "true": `"true"`, "null": `"null"`, "12": `"12"`, "a: b": `"a: b"`,
	} {
		t.Run("writes the text "+text+" so that every reader takes it for text", func(t *testing.T) {
			if got := inYAML(text); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestMarkdown_README(t *testing.T) {
	t.Run("is what the README shows", func(t *testing.T) {
		const path, begin, end = "../README.md", "<!-- config:begin: written by config.Markdown; a test holds it equal -->\n", "<!-- config:end -->"
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, found := strings.Cut(string(content), begin)
		table, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no place for the table", path)
		}
		if table == Markdown() {
			return
		}
		if os.Getenv("UPDATE_CONFIG_YAML") == "" {
			t.Fatal("the table is not the code's; write it with UPDATE_CONFIG_YAML=1 go test ./config")
		}
		if err := os.WriteFile(path, []byte(before+begin+Markdown()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}
