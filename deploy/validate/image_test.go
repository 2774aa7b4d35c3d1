package validate

import (
	"bytes"
	"context"
	"debug/elf"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func TestReadDockerfile(t *testing.T) {
	image, text := readImage(t), read(t, root, "Dockerfile")
	t.Run("the Go release is that of go.mod", func(t *testing.T) {
		if want := "\ngo " + image.GoVersion + "\n"; !strings.Contains(string(read(t, root, "go.mod")), want) {
			t.Errorf("go.mod has no line%s", want)
		}
	})
	t.Run("the flags are those of the Makefile", func(t *testing.T) {
		flags := regexp.MustCompile(`(?m)^BUILD +:= (.*)$`).FindStringSubmatch(string(read(t, root, "Makefile")))
		if flags == nil || !strings.Contains(image.Build, "go build "+flags[1]+" -o ") {
			t.Errorf("BUILD is %q, and the Dockerfile runs %s", flags, image.Build)
		}
	})
	for name, m := range map[string]mistake{
		"an unknown instruction":  {"", "EXPOSE 8080", "EXPORT 8080", "unknown instruction"},
		"an unknown flag":         {"", "--start-interval=1s", "--startinterval=1s", "startinterval"},
		"root":                    {"", "USER 65532:65532", "USER 0:0", "not root's"},
		"a user by name":          {"", "USER 65532:65532", "USER nonroot", "must be a number"},
		"a shell for the health":  {"", `CMD ["/userapi", "--healthcheck"]`, "CMD /userapi --healthcheck", "no shell for HEALTHCHECK"},
		"a shell for the service": {"", `ENTRYPOINT ["/userapi"]`, "ENTRYPOINT /userapi", "no shell for ENTRYPOINT"},
		"a program in scratch":    {"", "ARG VERSION=dev", "RUN mkdir /data\nARG VERSION=dev", "nothing can run"},
		"C":                       {"", "CGO_ENABLED=0", "CGO_ENABLED=1", "without C"},
		"another port":            {"", "EXPOSE 8080", "EXPOSE 9090", "listen on the port of EXPOSE"},
		"the source first":        {"", "RUN go mod download", "COPY . .", "before the source"},
		"another signal":          {"", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGINT", "must be SIGTERM"},
		"no volume":               {"", "VOLUME /data", "", "must be a volume"},
	} {
		t.Run(name+" is caught", func(t *testing.T) {
			m.file = "Dockerfile"
			_, found := ReadDockerfile(m.plant(t, text))
			m.caught(t, found)
		})
	}
}

// TestImage builds the image without an engine: the build stage's command on what .dockerignore lets
// through, and then the COPY lines of the last stage into an empty folder. The result runs there as it
// would in a container: no other files, the image's user and environment.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("TEST_REQUIRE_SERVICES") == "1" {
			t.Fatal("only root can change the root folder")
		}
		t.Skip("only root can change the root folder")
	}
	box := assemble(t, readImage(t))
	t.Run("the binary is static", func(t *testing.T) {
		binary, err := elf.Open(filepath.Join(box.root, "userapi"))
		if err != nil {
			t.Fatal(err)
		}
		defer binary.Close()
		if slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
			t.Error("it asks for a dynamic linker")
		}
	})
	t.Run("it answers --version", func(t *testing.T) {
		out, err := box.command(t.Context(), nil, "--version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "userapi ") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("its certificates are there", func(t *testing.T) {
		if !bytes.Contains(read(t, box.root, "etc/ssl/certs/ca-certificates.crt"), []byte("BEGIN CERTIFICATE")) {
			t.Error("there is none")
		}
	})
	t.Run("it serves, finds itself healthy, and stops in order", func(t *testing.T) { box.serves(t) })
	t.Run("it takes the settings of Compose and Kubernetes", func(t *testing.T) { box.takesSettings(t) })
}

// box is a folder with the files of the image.
type box struct {
	root  string
	image Image
}

func assemble(t *testing.T, image Image) box {
	t.Helper()
	out, folder := t.TempDir(), t.TempDir()
	source := buildContext(t)
	build := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(image.Build, "/out/", out+"/"))
	build.Dir = source
	build.Env = append(os.Environ(), "TARGETOS=", "TARGETARCH=", "GOFLAGS=") // the folder has no .git
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := os.Mkdir(filepath.Join(out, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for above := folder; above != os.TempDir() && above != "/"; above = filepath.Dir(above) {
		if err := os.Chmod(above, 0o755); err != nil { // another user will be in it
			t.Fatal(err)
		}
	}
	for _, c := range image.Copied {
		from, to := strings.Replace(c.From, "/out/", out+"/", 1), filepath.Join(folder, c.To)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.CommandContext(t.Context(), "cp", "-r", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if c.Owner != "" {
			if text, err := exec.CommandContext(t.Context(), "chown", "-R", c.Owner, to).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
	}
	return box{root: folder, image: image}
}

// buildContext copies what an engine would be sent: all files but those that .dockerignore names.
func buildContext(t *testing.T) string {
	t.Helper()
	patterns, err := ignorefile.ReadAll(bytes.NewReader(read(t, root, ".dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == "." {
			return err
		}
		if skip, err := ignored.MatchesOrParentMatches(name); err != nil || skip {
			if skip && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(folder, name), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, name), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// command runs the entry point with the image's user, folder and environment, and with env.
func (b box) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, b.image.Entrypoint[0], args...)
	c.Err = nil // it is looked up in the new root
	c.Dir = "/data"
	c.Env = append(slices.Clone(b.image.Env), env...)
	id := uint32(b.image.User)
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: b.root, Credential: &syscall.Credential{Uid: id, Gid: id}}
	return c
}

func (b box) serves(t *testing.T) {
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "0.0.0.0:" + strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	free.Close()
	// SQLite in the volume, by a relative path: the folder belongs to the user, and nothing else does.
	env := []string{"USERAPI_HTTP_ADDR=" + addr, "USERAPI_SHUTDOWN_DRAIN=0s", "USERAPI_STORAGE_ENGINE=sqlite", "USERAPI_STORAGE_DSN=users.db"}
	if said, err := b.command(t.Context(), env).CombinedOutput(); err == nil || !strings.Contains(string(said), "auth.allow_anonymous") {
		t.Errorf("it lets everybody in who can connect: %v: %s", err, said)
	}
	env = append(env, "USERAPI_AUTH_ALLOW_ANONYMOUS=true")
	var log bytes.Buffer
	service := b.command(t.Context(), env)
	service.Stdout, service.Stderr = &log, &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	healthy := func() ([]byte, error) {
		return b.command(t.Context(), env, b.image.Health[1:]...).CombinedOutput()
	}
	said, err := healthy()
	for deadline := time.Now().Add(15 * time.Second); err != nil && time.Now().Before(deadline); said, err = healthy() {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("not healthy: %v: %s", err, said)
	}
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := service.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, log.String())
	}
	if said, err := healthy(); err == nil {
		t.Errorf("healthy after its end: %s", said)
	}
	if _, err := os.Stat(filepath.Join(b.root, "data", "users.db")); err != nil {
		t.Error(err)
	}
}

// takesSettings asks the binary what it makes of the environments, with secrets where they would be
// mounted. It judges values too, and an unknown name makes it warn.
func (b box) takesSettings(t *testing.T) {
	secrets := makeSecrets(t)
	var found Findings
	c := cluster{configs: map[string]environment{}, secrets: map[string][]string{}}
	files := readManifests(t)
	rendered, err := render(files)
	if err != nil {
		t.Fatal(err)
	}
	c.decode(&found, "", rendered)
	c.decode(&found, "", files["migrate-job.yaml"])
	environments := map[string]environment{
		"Deployment": c.environment(&found, "", c.deployments[0].Spec.Template.Spec.Containers[0]),
		"Job":        c.environment(&found, "", c.jobs[0].Spec.Template.Spec.Containers[0]),
	}
	project, err := LoadCompose(t.Context(), "/deploy", read(t, "../compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.AllServices() {
		if service.Build != nil {
			environments["service "+name] = environment{}
			for variable, value := range service.Environment {
				environments["service "+name][variable] = *value
			}
		}
	}
	for name, env := range environments {
		if err := os.MkdirAll(filepath.Join(b.root, "run/secrets"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, sample := range map[string]string{"storage_dsn": env["USERAPI_STORAGE_ENGINE"] + "_dsn", "cache_redis": "redis_url", "api_keys": "api_keys"} {
			if err := os.WriteFile(filepath.Join(b.root, "run/secrets", file), read(t, secrets, sample), 0o444); err != nil {
				t.Fatal(err)
			}
		}
		var list []string
		for variable, value := range env {
			list = append(list, variable+"="+value)
		}
		if name == "Job" {
			list = append(list, "USERAPI_HTTP_ADDR=127.0.0.1:0") // it serves nobody
		}
		command := b.command(t.Context(), list, "--print-config")
		var stderr bytes.Buffer
		command.Stderr = &stderr
		if _, err := command.Output(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: %v: %s", name, err, stderr.String())
		}
	}
}
