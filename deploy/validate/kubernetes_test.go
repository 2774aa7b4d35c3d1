package validate

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	root       = "../.."
	kubernetes = "../kubernetes"
)

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readSettings(t *testing.T) Settings {
	t.Helper()
	settings, err := ReadSettings(read(t, root, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func readImage(t *testing.T) Image {
	t.Helper()
	image, found := ReadDockerfile(read(t, root, "Dockerfile"))
	for _, f := range found {
		t.Error(f)
	}
	return image
}

func readManifests(t *testing.T) Manifests {
	t.Helper()
	entries, err := os.ReadDir(kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	files := Manifests{}
	for _, e := range entries {
		files[e.Name()] = read(t, kubernetes, e.Name())
	}
	return files
}

// mistake is one that is planted: what stands in the file, what it becomes, and what must be said.
type mistake struct{ file, old, now, says string }

// plant makes the mistake in the first place where it fits.
func (m mistake) plant(t *testing.T, text []byte) []byte {
	t.Helper()
	before, after, there := strings.Cut(string(text), m.old)
	if !there {
		t.Fatalf("%q is not in %s", m.old, m.file)
	}
	return []byte(before + m.now + after)
}

// caught wants the mistake to be among what was found.
func (m mistake) caught(t *testing.T, found Findings) {
	t.Helper()
	if all := strings.Join(found, "\n"); !strings.Contains(all, m.says) {
		t.Errorf("%q is not said; found:\n%s", m.says, all)
	}
}

func TestCheckKubernetes(t *testing.T) {
	settings, image, files := readSettings(t), readImage(t), readManifests(t)
	for _, f := range CheckKubernetes(files, settings, image) {
		t.Error(f)
	}
	probe := func(name, path string) string {
		text := string(files["deployment.yaml"])
		from := strings.Index(text, "          "+name)
		if from < 0 {
			t.Fatalf("no %s", name)
		}
		return text[from : from+strings.Index(text[from:], path)+len(path)]
	}
	for name, m := range map[string]mistake{
		"a misspelt field":            {"deployment.yaml", "minReadySeconds:", "minReadySecond:", `unknown field "spec.minReadySecond"`},
		"a field in another case":     {"deployment.yaml", "livenessProbe:", "livenessprobe:", "unknown field"},
		"a wrong type":                {"deployment.yaml", "containerPort: 8080", `containerPort: "8080"`, "cannot unmarshal string"},
		"a wrong quantity":            {"deployment.yaml", "memory: 128Mi", "memory: 128Megs", "quantities must match"},
		"an unknown kind":             {"service.yaml", "kind: Service", "kind: Servise", "no kind"},
		"an old API":                  {"autoscaler.yaml", "autoscaling/v2", "autoscaling/v2beta2", "no kind"},
		"a member twice":              {"disruption.yaml", "  maxUnavailable: 1", "  maxUnavailable: 1\n  maxUnavailable: 2", "already"},
		"a misspelt kustomization":    {"kustomization.yaml", "resources:", "resource:", "unknown field"},
		"a missing file":              {"kustomization.yaml", "service.yaml", "services.yaml", "services.yaml"},
		"an applied Secret":           {"kustomization.yaml", "  - service.yaml", "  - service.yaml\n  - secret.example.yaml", "must not apply a Secret"},
		"the Service's selector":      {"service.yaml", "component: server", "component: web", "Service userapi: its selector does not match"},
		"the budget's selector":       {"disruption.yaml", "component: server", "component: web", "PodDisruptionBudget userapi: its selector does not match"},
		"a selector without a part":   {"service.yaml", "    app.kubernetes.io/component: server\n", "", "matches the Pods of the Job too"},
		"the policy's selector":       {"network.yaml", "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: userapi", "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: other", "NetworkPolicy userapi: its selector"},
		"the scaler's target":         {"autoscaler.yaml", "    name: userapi\n", "    name: users\n", "its target does not exist"},
		"a port by another name":      {"service.yaml", "targetPort: http", "targetPort: web", "targetPort web is no port"},
		"another port":                {"deployment.yaml", "containerPort: 8080", "containerPort: 9091", "the port http must be the image's 8080"},
		"an unknown setting":          {"settings.env", "USERAPI_LOG_FORMAT", "USERAPI_LOG_FROMAT", "USERAPI_LOG_FROMAT is not a setting"},
		"an unknown setting of a Job": {"migrate-job.yaml", "USERAPI_STORAGE_ENGINE", "USERAPI_STORE_ENGINE", "USERAPI_STORE_ENGINE is not a setting"},
		"a secret in the open":        {"settings.env", "USERAPI_STORAGE_DSN_FILE=", "USERAPI_STORAGE_DSN=", "is a secret and belongs into a file"},
		"a secret that is not there":  {"settings.env", "/run/secrets/storage_dsn", "/run/secrets/dsn", "where no secret is mounted"},
		"an unused secret":            {"settings.env", "USERAPI_CACHE_REDIS_FILE=/run/secrets/cache_redis", "", "no setting names the secret"},
		"a real secret":               {"secret.example.yaml", "<REPLACE ME>", "postgres://u:p@db/u", "must be a placeholder"},
		"no startup probe":            {"deployment.yaml", probe("startupProbe", "failureThreshold: 150"), "", "the startupProbe is missing"},
		"no readiness probe":          {"deployment.yaml", probe("readinessProbe", "failureThreshold: 2"), "", "the readinessProbe is missing"},
		"the wrong probe":             {"deployment.yaml", probe("livenessProbe", "/livez"), strings.Replace(probe("livenessProbe", "/livez"), "/livez", "/readyz", 1), "the livenessProbe must ask /livez"},
		"no requests":                 {"deployment.yaml", "requests: {cpu: 100m, memory: 128Mi}", "requests: {memory: 128Mi}", "requests no cpu"},
		"root":                        {"deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot must be true"},
		"another user":                {"migrate-job.yaml", "runAsUser: 65532", "runAsUser: 1000", "runAsUser must be that of the image"},
		"a writable root":             {"deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "readOnlyRootFilesystem must be true"},
		"a short grace":               {"deployment.yaml", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 20", "at least 24s"},
		"a long drain":                {"settings.env", "DRAIN=10s", "DRAIN=1m", "at least 1m14s"},
		"too many connections":        {"settings.env", "MAX_CONNS=8", "MAX_CONNS=20", "more than the 97"},
		"a moving tag":                {"deployment.yaml", "userapi:0.1.0", "userapi:latest", "needs a tag"},
		"another image for the Job":   {"migrate-job.yaml", "userapi:0.1.0", "userapi:0.0.9", "another image"},
		"a fixed number":              {"deployment.yaml", "  minReadySeconds: 5", "  minReadySeconds: 5\n  replicas: 3", "undoes the work of the autoscaler"},
		"a shell that is not there":   {"deployment.yaml", "          resources:", "          lifecycle: {preStop: {exec: {command: [sleep, \"5\"]}}}\n          resources:", "no program for preStop"},
		"service links":               {"deployment.yaml", "enableServiceLinks: false", "enableServiceLinks: true", "enableServiceLinks must be false"},
		"a stuck node":                {"disruption.yaml", "maxUnavailable: 1", "maxUnavailable: 0", "no node can be emptied"},
	} {
		t.Run(name+" is caught", func(t *testing.T) {
			broken := maps.Clone(files)
			broken[m.file] = m.plant(t, files[m.file])
			m.caught(t, CheckKubernetes(broken, settings, image))
		})
	}
}
