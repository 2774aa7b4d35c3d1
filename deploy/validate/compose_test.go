package validate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckCompose(t *testing.T) {
	settings, image, text := readSettings(t), readImage(t), read(t, "../compose.yaml")
	for _, f := range CheckCompose(t.Context(), "/deploy", text, settings, image) {
		t.Error(f)
	}
	for name, m := range map[string]mistake{
		"a misspelt field":           {"", "stop_grace_period:", "stop_graceperiod:", "stop_graceperiod"},
		"a wrong type":               {"", "read_only: true", "read_only: [true]", "read_only"},
		"an unknown volume":          {"", `"postgres:/var/lib`, `"data:/var/lib`, "undefined volume"},
		"an unknown network":         {"", "networks: [front, back]", "networks: [front, rear]", "undefined network"},
		"an unknown secret":          {"", "{source: postgres_dsn,", "{source: postgres_url,", "undefined secret"},
		"an unknown dependency":      {"", "      postgres: {condition", "      postgresql: {condition", "postgresql"},
		"a dependency that is begun": {"", "redis: {condition: service_healthy}", "redis: {condition: service_started}", "must wait until redis is healthy"},
		"an open port":               {"", `"127.0.0.1:8080:8080"`, `"8080:8080"`, "127.0.0.1 only"},
		"a published database":       {"", "    image: redis:7\n", "    image: redis:7\n    ports: [\"127.0.0.1:6379:6379\"]\n", "redis: is not to be published"},
		"the same port twice":        {"", "8081:8080", "8080:8080", "is that of"},
		"another port":               {"", "8081:8080", "8081:80", "listens on 8080"},
		"an unknown setting":         {"", "USERAPI_STORAGE_MIGRATE", "USERAPI_STORAGE_MIGRATION", "USERAPI_STORAGE_MIGRATION is not a setting"},
		"a password in the open":     {"", "POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password", "POSTGRES_PASSWORD: postgres", "POSTGRES_PASSWORD must be a file"},
		"a secret of another name":   {"", "MYSQL_PASSWORD_FILE: /run/secrets/mysql_password", "MYSQL_PASSWORD_FILE: /run/secrets/mysql", "names no secret"},
		"a secret in git":            {"", "./secrets/redis_url}", "./redis_url}", "secrets.sh makes"},
		"a short grace":              {"", "stop_grace_period: 20s", "stop_grace_period: 10s", "at least 16s"},
		"no healthcheck":             {"", "    healthcheck:\n      # Over TCP: ", "    x-healthcheck:\n      # Over TCP: ", "has no healthcheck"},
		"no limits":                  {"", `      limits: {cpus: "1", memory: 256M, pids: 256}`, "      limits: {pids: 256}", "has no limits"},
		"capabilities":               {"", "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "must drop ALL"},
		"a network with a way out":   {"", "internal: true", "internal: false", "must be internal"},
	} {
		t.Run(name+" is caught", func(t *testing.T) {
			t.Parallel()
			m.file = "compose.yaml"
			m.caught(t, CheckCompose(t.Context(), "/deploy", m.plant(t, text), settings, image))
		})
	}
}

// makeSecrets runs secrets.sh in a folder of the test and returns where the secrets are.
func makeSecrets(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for range 2 { // the second run must keep what the first made
		before, _ := os.ReadFile(filepath.Join(folder, "secrets", "postgres_dsn"))
		if out, err := exec.CommandContext(t.Context(), "sh", "../secrets.sh", folder).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		after := read(t, folder, "secrets", "postgres_dsn")
		if len(before) > 0 && string(before) != string(after) {
			t.Error("a password that a database knows was made anew")
		}
	}
	return filepath.Join(folder, "secrets")
}

func TestSecrets(t *testing.T) {
	project, err := LoadCompose(t.Context(), "/deploy", read(t, "../compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder := makeSecrets(t)
	t.Run("every file that Compose mounts is made", func(t *testing.T) {
		for _, secret := range project.Secrets {
			info, err := os.Stat(filepath.Join(folder, filepath.Base(secret.File)))
			if err != nil {
				t.Error(err)
				continue
			}
			if info.Mode().Perm() != 0o444 || info.Size() == 0 {
				t.Errorf("%s has %d octets and mode %v", secret.File, info.Size(), info.Mode())
			}
		}
	})
	t.Run("only their owner comes to them", func(t *testing.T) {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
	t.Run("passwords are long, different and the same in each file of one database", func(t *testing.T) {
		postgres, mysql := string(read(t, folder, "postgres_password")), string(read(t, folder, "mysql_password"))
		if len(postgres) != 48 || len(mysql) != 48 || postgres == mysql {
			t.Errorf("%d and %d characters", len(postgres), len(mysql))
		}
		if !strings.Contains(string(read(t, folder, "postgres_dsn")), ":"+postgres+"@") {
			t.Error("the DSN has another password")
		}
	})
}
