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
