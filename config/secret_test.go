package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecret(t *testing.T) {
	const text = "correct horse battery staple"
	t.Run("is revealed to who asks for it", func(t *testing.T) {
		if got := Secret(text).Reveal(); got != text {
			t.Errorf("got %q", got)
		}
	})
	t.Run("is masked by every verb and encoder", func(t *testing.T) {
		for name, printed := range renderings(t, Secret(text)) {
			if printed = strings.Trim(printed, "\"'\n"); printed != mask {
				t.Errorf("%s gives %q", name, printed)
			}
		}
	})
	t.Run("has a mask of one length, and none when it is empty", func(t *testing.T) {
		if a, b := Secret("a").String(), Secret(strings.Repeat("b", 99)).String(); a != b {
			t.Errorf("one is %q, the other %q", a, b)
		}
		if got := fmt.Sprint(Secret("")); got != "" {
			t.Errorf("an empty one is %q", got)
		}
	})
}

// renderings prints a value in all the ways that a program prints one.
func renderings(t *testing.T, value any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%20v", "%.3s", "%T%[1]v"} {
		out[verb] = fmt.Sprintf(verb, value)
	}
	out["%T%[1]v"] = strings.TrimPrefix(out["%T%[1]v"], fmt.Sprintf("%T", value))
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out["json"], out["yaml"] = string(asJSON), string(asYAML)
	return out
}

func TestLoad_secrets(t *testing.T) {
	dir := folder(t, "")
	openly, inFile := sampleKey(9), sampleKey(4)
	bad := "c2VjcmV0LW9mLXRoZS13cm9uZy1sZW5ndGg="
	write(t, dir+"/bad.key", bad)
	cases := map[string]struct{ args, environ []string }{
		"a key in the environment":       {nil, []string{"USERAPI_CURSOR_KEY=" + openly}},
		"a key by flag":                  {[]string{"--set", "cursor.key=" + openly}, nil},
		"a key in a file":                {nil, []string{"USERAPI_CURSOR_KEY_FILE=one.key"}},
		"both":                           {[]string{"--set=cursor.key=" + openly}, []string{"USERAPI_CURSOR_KEY_FILE=one.key"}},
		"a bad key in the environment":   {nil, []string{"USERAPI_CURSOR_KEY=" + bad}},
		"a bad key by flag":              {[]string{"--set", "cursor.key=" + bad}, nil},
		"a bad key in a file":            {[]string{"--set", "cursor.key_file=bad.key"}, nil},
		"a mistyped key":                 {[]string{"--set", "cursor.kye=" + bad}, []string{"USERAPI_CURSOR_KYE=" + bad}},
		"a forgotten equals sign":        {[]string{"--set", "cursor.key", bad}, nil},
		"nothing but a value":            {[]string{"--set", bad}, nil},
		"an unknown flag":                {[]string{"--cursor-key", bad, "--key=" + bad}, nil},
		"a flag that takes no value":     {[]string{"--print-config=" + bad, "--version=" + bad}, nil},
		"a key as the name of a section": {[]string{"--config", "secret.yaml"}, nil},
		"a key that looks like an alias": {[]string{"--config", "alias.yaml"}, nil},
		"a key that is a list":           {[]string{"--config", "list.yaml"}, nil},
		"a key under a mistyped name":    {[]string{"--config", "mistyped.yaml"}, nil},
		"a key that YAML takes to tag":   {[]string{"--config", "tagged.yaml"}, nil},
	}
	const password = "pa55-0f-the-st0re"
	addresses := map[string]string{
		"postgres": "postgres://ada:" + password + "@db:5432/users?sslmode=require",
		"words":    "host=db user=ada password=" + password + " dbname=users",
		"mysql":    "ada:" + password + "@tcp(db:3306)/users?tls=true",
	}
	type given = struct{ args, environ []string }
	for form, dsn := range addresses {
		file := form + ".dsn"
		write(t, dir+"/"+file, dsn+"\n")
		for _, engine := range []string{EngineMemory, EngineSQLite, EnginePostgres, EngineMySQL} {
			environ := []string{"USERAPI_STORAGE_ENGINE=" + engine}
			cases[form+" for "+engine+" in the environment"] = given{nil, append(environ, "USERAPI_STORAGE_DSN="+dsn)}
			cases[form+" for "+engine+" by flag"] = given{[]string{"--set", "storage.dsn=" + dsn}, environ}
			cases[form+" for "+engine+" in a file"] = given{[]string{"--set", "storage.dsn_file=" + file}, environ}
		}
		cases[form+" openly and in a file"] = given{[]string{"--set=storage.dsn=" + dsn}, []string{"USERAPI_STORAGE_DSN_FILE=" + file}}
		cases[form+" in the place of its file"] = given{nil, []string{"USERAPI_STORAGE_DSN_FILE=" + dsn}}
		cases[form+" under a mistyped name"] = given{[]string{"--set", "storage.dns=" + dsn, "--dsn=" + dsn, "--dsn", dsn}, nil}
		cases[form+" in the place of a key"] = given{[]string{"--set", dsn}, nil}
		cases[form+" in the place of the engine"] = given{nil, []string{"USERAPI_STORAGE_ENGINE=" + dsn, "USERAPI_HTTP_ADDR=" + dsn}}
		cases[form+" as a cursor key"] = given{nil, []string{"USERAPI_CURSOR_KEY_FILE=" + file}}
		cases[form+" in a broken file"] = given{[]string{"--config", form + ".yaml"}, nil}
		write(t, dir+"/"+form+".yaml", "storage:\n  engine: sqlite\n  dsn: "+dsn+"\n  dns: "+dsn+"\n  "+dsn+": x\ncache: "+dsn+"\n")
	}
	for form, redis := range map[string]string{
		"a Redis": "rediss://ada:" + password + "@redis:6379/0", "a bad Redis": "redis://:" + password + "/@redis", "a half Redis": password + "@redis:6379",
	} {
		file := strings.ReplaceAll(form, " ", "") + ".redis"
		write(t, dir+"/"+file, redis+"\n")
		for _, engine := range []string{EngineMemory, EngineSQLite} {
			environ := []string{"USERAPI_STORAGE_ENGINE=" + engine, "USERAPI_STORAGE_DSN_FILE=one.dsn", "USERAPI_CACHE_LOCAL=1"}
			cases[form+" with "+engine+" in the environment"] = given{nil, append(environ, "USERAPI_CACHE_REDIS="+redis)}
			cases[form+" with "+engine+" in a file"] = given{[]string{"--set", "cache.redis_file=" + file}, environ}
			cases[form+" with "+engine+" by flag"] = given{[]string{"--set", "cache.redis=" + redis, "--set", "cache.local=0"}, environ}
		}
	}
	write(t, dir+"/secret.yaml", "cursor: "+bad+"\n")
	write(t, dir+"/alias.yaml", "cursor:\n  key: *"+bad+"\n")
	write(t, dir+"/list.yaml", "cursor:\n  key: ["+bad+"]\n")
	write(t, dir+"/mistyped.yaml", "cursor:\n  kee: "+bad+"\ncurser:\n  key: "+bad+"\n")
	write(t, dir+"/tagged.yaml", "cursor:\n  key: !!int "+bad+"\n")
	for name, c := range cases {
		t.Run("are not shown by "+name, func(t *testing.T) {
			loaded, err := Load(dir, c.args, c.environ)
			out := renderings(t, loaded)
			if err != nil {
				for verb, text := range renderings(t, err) {
					out["error "+verb] = text
				}
			}
			out["settings"] = fmt.Sprintf("%#v", loaded.Settings())
			out["warnings"] = strings.Join(loaded.Warnings, "\n")
			out["YAML"] = loaded.YAML()
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "config", loaded.Config, "error", err)
			slog.New(slog.NewTextHandler(io.MultiWriter(&log), nil)).Info("loaded", "config", loaded.Config, "error", err)
			out["log"] = log.String()
			for where, text := range out {
				for _, secret := range []string{openly, inFile, bad, password} {
					if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
						t.Errorf("%s shows it: %s", where, text)
					}
				}
			}
		})
	}
}
