package config

import (
	"slices"
	"testing"
)

func TestLoad_disagreement(t *testing.T) {
	const noMemory = "the memory engine has its data nowhere else; set storage.engine to the one that is meant, or remove this"
	for _, b := range []broken{
		{
			name: "SQLite needs a file",
			yaml: "storage:\n  engine: sqlite\n",
			want: []string{"storage.engine (config.yaml:2): sqlite is not told where its data are; " +
				"set storage.dsn, or storage.dsn_file; write the path of a file, like users.db"},
		},
		{
			name:    "PostgreSQL needs an address",
			environ: []string{"USERAPI_STORAGE_ENGINE=postgres"},
			want: []string{"storage.engine (USERAPI_STORAGE_ENGINE): postgres is not told where its data are; set storage.dsn, or " +
				"storage.dsn_file; write it like postgres://user:password@host:5432/database or host=... dbname=..."},
		},
		{
			name: "MySQL needs an address, and an empty one is none",
			args: []string{"--set", "storage.engine=mysql", "--set", "storage.dsn="},
			want: []string{"storage.engine (--set): mysql is not told where its data are; " +
				"set storage.dsn, or storage.dsn_file; write it like user:password@tcp(host:3306)/database"},
		},
		{
			name:    "the memory engine has no use for an address",
			environ: []string{"USERAPI_STORAGE_DSN=users.db"},
			want:    []string{"storage.dsn (USERAPI_STORAGE_DSN): " + noMemory},
		},
		{
			name: "the memory engine has no use for an address in a file",
			yaml: "storage:\n  dsn_file: one.dsn\n",
			want: []string{"storage.dsn (read from storage.dsn_file): " + noMemory},
		},
		{
			name:    "an address must have the form of its engine, wherever the two are given",
			yaml:    "storage:\n  engine: mysql\n",
			environ: []string{"USERAPI_STORAGE_DSN=postgres://ada:pa55@db/users"},
			want: []string{"storage.dsn (USERAPI_STORAGE_DSN): the value does not have the form that mysql takes; " +
				"write it like user:password@tcp(host:3306)/database"},
		},
		{
			name: "SQLite in memory is not what is meant",
			yaml: "storage:\n  engine: sqlite\n  dsn: \":memory:\"\n",
			want: []string{"storage.dsn (config.yaml:3): SQLite in memory loses its data, and each connection sees others; " +
				"use storage.engine: memory"},
		},
		{
			name:    "the memory engine needs no cache",
			yaml:    "cache:\n  redis_file: one.redis\n",
			environ: []string{"USERAPI_CACHE_LOCAL=1"},
			want: []string{
				"cache.redis (read from cache.redis_file): the memory engine needs no cache; set storage.engine to another one, or remove this",
				"cache.local (USERAPI_CACHE_LOCAL): the memory engine needs no cache; set storage.engine to another one, or remove this",
				"cache.local (USERAPI_CACHE_LOCAL): what a process keeps for itself does not follow the instances that share cache.redis; " +
					"set it to 0, or remove cache.redis",
			},
		},
		{
			name: "nobody is let in by accident",
			args: []string{"--addr", ":9000"},
			want: []string{"http.addr (--addr): others than this machine can connect, and nobody is asked who they are; set auth.mode to basic, " +
				"api_key or jwt, or listen on 127.0.0.1, or say by auth.allow_anonymous: true that it is meant"},
		},
		{
			name: "a name that may be any machine is not this one",
			args: []string{"--addr", "users.example:9000"},
			want: []string{"http.addr (--addr): others than this machine can connect, and nobody is asked who they are; set auth.mode to basic, " +
				"api_key or jwt, or listen on 127.0.0.1, or say by auth.allow_anonymous: true that it is meant"},
		},
		{
			name: "none does not go with the others",
			yaml: "auth:\n  mode: [none, basic]\n  users: \"ada:x\"\n",
			want: []string{
				"auth.mode (config.yaml:2): none lets everybody in, so that the others would ask nobody; remove none, or all the others",
				"auth.mode (config.yaml:2): there are users, keys or tokens, but nobody is asked for them; set it to basic, api_key or jwt, " +
					"or remove auth.users, auth.api_keys and the keys of jwt",
			},
		},
		{
			name: "keys that nobody is asked for are no keys",
			yaml: "auth:\n  api_keys_file: one.lines\n",
			want: []string{"auth.mode (default): there are users, keys or tokens, but nobody is asked for them; set it to basic, api_key or jwt, " +
				"or remove auth.users, auth.api_keys and the keys of jwt"},
		},
		{
			name: "every mode needs what it asks for",
			args: []string{"--set", "auth.mode=basic,api_key,jwt"},
			want: []string{
				"auth.mode (--set): basic has no users; set auth.users_file to a file made by htpasswd -B, or remove basic",
				"auth.mode (--set): api_key has no keys; set auth.api_keys_file to a file with what --new-api-key prints, or remove api_key",
				"auth.mode (--set): jwt has no keys to check tokens with; set one of jwt.jwks_url, jwt.key_file and jwt.secret_file, or remove jwt",
				"jwt.issuer (default): without it tokens of other issuers would be good here; set it to what your tokens have",
				"jwt.audience (default): without it tokens for other services would be good here; set it to what your tokens have",
			},
		},
		{
			name: "tokens have keys from one place",
			yaml: "auth:\n  mode: jwt\njwt:\n  issuer: a\n  audience: b\n  jwks_url: https://issuer.example/\n  key_file: one.pub\n",
			want: []string{"auth.mode (config.yaml:2): jwt has keys from several places, of which each could be meant; " +
				"keep one of jwt.jwks_url, jwt.key_file and jwt.secret"},
		},
		{
			name: "what one instance keeps does not go with what all share",
			yaml: "storage:\n  engine: sqlite\n  dsn: users.db\ncache:\n  redis: redis:6379\n  local: 1000\n",
			want: []string{"cache.local (config.yaml:6): what a process keeps for itself does not follow the instances that share cache.redis; " +
				"set it to 0, or remove cache.redis"},
		},
		{
			name: "a cache with a fault of its own is not held against others",
			yaml: "cache:\n  redis: redis\n  local: x\n",
			want: []string{
				"cache.redis (config.yaml:2): the value is neither host:port nor a URL of Redis; write it like redis.internal:6379 or " +
					"rediss://user:password@redis.internal:6379/0, with %XX for what is special",
				`cache.local (config.yaml:3): "x" is not a whole number; give 0 to 10000000 in plain digits`,
			},
		},
		{
			name:    "it is told together with all other faults",
			yaml:    "storage:\n  engine: sqlite\n  timeout: 0s\n  nothing: 1\n",
			environ: []string{"USERAPI_LOG_LEVEL=loud"},
			args:    []string{"--nothing"},
			want: []string{
				"--nothing: unknown flag; see --help",
				`storage.timeout (config.yaml:3): "0s" is out of range; give 100ms to 5m`,
				"storage.nothing (config.yaml:4): unknown key; --help lists all keys",
				`log.level (USERAPI_LOG_LEVEL): "loud" is not debug, info, warn or error; write debug, info, warn or error`,
				"storage.engine (config.yaml:2): sqlite is not told where its data are; " +
					"set storage.dsn, or storage.dsn_file; write the path of a file, like users.db",
			},
		},
		{
			name:    "a setting with a fault of its own is not held against others",
			yaml:    "storage:\n  engine: postgre\n  dsn: postgres://db\n",
			environ: []string{"USERAPI_CURSOR_KEY_FILE=nowhere"},
			want: []string{
				`storage.engine (config.yaml:2): "postgre" is not memory, sqlite, postgres or mysql; write postgres`,
				"cursor.key_file (USERAPI_CURSOR_KEY_FILE): nowhere cannot be read: no such file or directory; name a file that can be read",
			},
		},
		{
			name: "a file that cannot be read is not taken for no address",
			yaml: "storage:\n  engine: postgres\n  dsn_file: nowhere\n",
			want: []string{"storage.dsn_file (config.yaml:3): nowhere cannot be read: no such file or directory; name a file that can be read"},
		},
		{
			name: "two addresses are not taken for none",
			yaml: "storage:\n  engine: sqlite\n  dsn: users.db\n  dsn_file: one.dsn\n",
			want: []string{"storage.dsn (config.yaml:3 and config.yaml:4): storage.dsn and storage.dsn_file are both given; give only one of them"},
		},
		{
			name:    "a section that cannot be read is not taken for one that gives nothing",
			yaml:    "storage: [sqlite]\n",
			environ: []string{"USERAPI_STORAGE_DSN=users.db"},
			want:    []string{"storage (config.yaml:1): the section does not consist of keys and values; write key: value in each line"},
		},
		{
			name:    "neither is a file that is no YAML",
			yaml:    "storage:\n  engine: sqlite\n log:\n",
			environ: []string{"USERAPI_STORAGE_DSN=users.db"},
			want:    []string{"config.yaml:2: not valid YAML from here on: did not find expected key; mend the indentation or the quotes"},
		},
		{
			name:    "nor one that is a list",
			yaml:    "[storage]\n",
			environ: []string{"USERAPI_STORAGE_DSN=users.db"},
			want:    []string{"config.yaml:1: the file does not consist of keys and values; write key: value in each line"},
		},
		{
			name:    "nor one that is not there",
			environ: []string{"USERAPI_STORAGE_DSN=users.db"},
			args:    []string{"--config", "nowhere.yaml"},
			want:    []string{"--config: nowhere.yaml cannot be read: no such file or directory; name a file that can be read"},
		},
	} {
		b.check(t)
	}
}

func TestConfig_Validate_disagreement(t *testing.T) {
	t.Run("is found in what was built in code", func(t *testing.T) {
		c := Default()
		c.Storage.DSN = "users.db"
		c.Storage.Timeout = 0
		want := `the configuration has 2 faults:
  storage.timeout (code): "0s" is out of range; give 100ms to 5m
  storage.dsn (code): the memory engine has its data nowhere else; set storage.engine to the one that is meant, or remove this`
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
	t.Run("is not found where all goes together", func(t *testing.T) {
		c := Default()
		c.Storage.Engine, c.Storage.DSN, c.Storage.DSNFile = EngineSQLite, "users.db", "users.dsn"
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	})
}

func TestAgreements(t *testing.T) {
	t.Run("let those migrate and ask who do not serve", func(t *testing.T) {
		for _, action := range []string{"--migrate", "--healthcheck"} {
			if _, err := Load(t.TempDir(), []string{action, "--addr", ":9000"}, nil); err != nil {
				t.Errorf("%s: %v", action, err)
			}
		}
	})
	t.Run("let everybody in where that is said to be meant, and whoever is on this machine", func(t *testing.T) {
		for _, args := range [][]string{
			{"--addr", ":9000", "--set", "auth.allow_anonymous=true"},
			{"--addr", "localhost:9000"},
			{"--addr", "LOCALHOST:9000"},
			{"--addr", "[::1]:9000"},
			{"--addr", "127.9.9.9:9000"},
			{"--addr", ":9000", "--set", "auth.mode=api_key", "--set", "auth.api_keys=x"},
		} {
			if _, err := Load(t.TempDir(), args, nil); err != nil {
				t.Errorf("%q: %v", args, err)
			}
		}
	})
	t.Run("are about settings that there are", func(t *testing.T) {
		names := newCatalogue().names()
		for _, a := range agreements() {
			for _, name := range a.about {
				if !slices.Contains(names, name) {
					t.Errorf("%s is none", name)
				}
			}
		}
	})
}
