package validate

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Image is what the Dockerfile says of the image.
type Image struct {
	GoVersion  string
	Build      string // the command that builds the binary
	User       int64
	Port       int32
	Env        []string // NAME=value
	Entrypoint []string
	Health     []string // the command of the HEALTHCHECK
	Volumes    []string
	Copied     []Copied
}

// Copied is one COPY from the build stage.
type Copied struct {
	From, To string
	Owner    string
}

// ReadDockerfile reads the Dockerfile as BuildKit does, its lint rules included, and returns what is
// wrong with it.
func ReadDockerfile(text []byte) (Image, Findings) {
	var image Image
	var found Findings
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return image, Findings{err.Error()}
	}
	for _, w := range parsed.Warnings {
		found.add("Dockerfile: %s", w.Short)
	}
	warn := func(rule, _, _, message string, _ []parser.Range) { found.add("Dockerfile: %s: %s", rule, message) }
	stages, arguments, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		return image, append(found, err.Error())
	}
	if len(stages) != 2 || stages[1].BaseName != "scratch" || !strings.HasPrefix(stages[0].BaseName, "golang:") {
		return image, append(found, "Dockerfile: there must be two stages, golang and scratch")
	}
	for _, argument := range arguments {
		for _, a := range argument.Args {
			if a.Key == "GO_VERSION" {
				image.GoVersion = a.ValueString()
			}
		}
	}
	image.readBuild(&found, stages[0])
	image.readFinal(&found, stages[1])
	found.unless(slices.Contains(image.Volumes, "/data"), "Dockerfile: /data must be a volume")
	return image, found
}

func (image *Image) readBuild(found *Findings, stage instructions.Stage) {
	modules := false // go mod download has been seen
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			line := strings.Join(c.CmdLine, " ")
			modules = modules || strings.Contains(line, "go mod download")
			if strings.Contains(line, "go build") {
				image.Build = line
			}
		case *instructions.CopyCommand:
			if slices.Contains(c.SourcePaths, ".") {
				found.unless(modules, "Dockerfile: modules must be downloaded before the source is copied, or each change downloads them anew")
			}
		}
	}
	found.unless(strings.Contains(image.Build, "CGO_ENABLED=0"), "Dockerfile: the binary must be built without C to run on an empty image")
}

func (image *Image) readFinal(found *Findings, stage instructions.Stage) {
	signal := ""
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			found.add("Dockerfile: nothing can run in an empty image")
		case *instructions.CopyCommand:
			found.unless(c.From == stageName && len(c.SourcePaths) == 1, "Dockerfile: the image takes single files from the build stage only")
			image.Copied = append(image.Copied, Copied{From: c.SourcePaths[0], To: c.DestPath, Owner: c.Chown})
		case *instructions.UserCommand:
			image.readUser(found, c.User)
		case *instructions.ExposeCommand:
			number, err := strconv.ParseUint(c.Ports[0], 10, 15)
			found.unless(err == nil && len(c.Ports) == 1, "Dockerfile: EXPOSE must be one port")
			image.Port = int32(number)
		case *instructions.EnvCommand:
			for _, pair := range c.Env {
				image.Env = append(image.Env, pair.Key+"="+pair.Value)
			}
		case *instructions.VolumeCommand:
			image.Volumes = c.Volumes
		case *instructions.StopSignalCommand:
			signal = c.Signal
		case *instructions.EntrypointCommand:
			found.unless(!c.PrependShell, "Dockerfile: there is no shell for ENTRYPOINT")
			image.Entrypoint = c.CmdLine
		case *instructions.HealthCheckCommand:
			found.unless(c.Health.Test[0] == "CMD", "Dockerfile: there is no shell for HEALTHCHECK")
			image.Health = c.Health.Test[1:]
		}
	}
	found.unless(signal == "SIGTERM", "Dockerfile: STOPSIGNAL must be SIGTERM, which drains")
	found.unless(image.User > 0, "Dockerfile: USER must be set")
	found.unless(slices.Contains(image.Env, fmt.Sprintf("USERAPI_HTTP_ADDR=0.0.0.0:%d", image.Port)), "Dockerfile: the service must listen on the port of EXPOSE, on every interface")
	found.unless(len(image.Entrypoint) == 1 && len(image.Health) > 1 && image.Health[0] == image.Entrypoint[0], "Dockerfile: the binary must be its own HEALTHCHECK")
}

// stageName is that of the first stage.
const stageName = "build"

// readUser wants numbers, and the same for user and group, so that nobody mixes them up.
func (image *Image) readUser(found *Findings, user string) {
	id, group, _ := strings.Cut(user, ":")
	number, err := strconv.ParseInt(id, 10, 32)
	found.unless(err == nil && number > 0 && group == id, "Dockerfile: USER must be a number that is not root's, and its group: %s", user)
	image.User = number
}
