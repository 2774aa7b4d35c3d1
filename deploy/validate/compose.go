package validate

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// LoadCompose reads compose.yaml as Compose does, with all profiles, in the folder of the file.
func LoadCompose(ctx context.Context, folder string, text []byte) (*types.Project, error) {
	details := types.ConfigDetails{
		WorkingDir:  folder,
		ConfigFiles: []types.ConfigFile{{Filename: path.Join(folder, "compose.yaml"), Content: text}},
		Environment: types.Mapping{}, // nothing from outside is needed
	}
	return loader.LoadWithContext(ctx, details, loader.WithProfiles([]string{"*"}))
}

// CheckCompose returns what is wrong with compose.yaml.
func CheckCompose(ctx context.Context, folder string, text []byte, settings Settings, image Image) Findings {
	var found Findings
	project, err := LoadCompose(ctx, folder, text)
	if err != nil {
		return Findings{err.Error()}
	}
	published, ours := map[string]string{}, 0
	for name, service := range project.AllServices() {
		where := "service " + name
		checkService(&found, where, service)
		for _, p := range service.Ports {
			found.unless(p.HostIP == "127.0.0.1", "%s: port %s must be published on 127.0.0.1 only", where, p.Published)
			found.unless(published[p.Published] == "", "%s: port %s is that of %s too", where, p.Published, published[p.Published])
			published[p.Published] = name
		}
		if service.Build != nil {
			ours++
			checkOurs(&found, where, service, settings, image)
			checkDependencies(&found, where, service, project)
		}
	}
	found.unless(ours == 2, "there are %d services of ours, not one for each database", ours)
	for name, secret := range project.Secrets {
		found.unless(path.Dir(secret.File) == path.Join(folder, "secrets"), "secret %s: it must be a file that secrets.sh makes", name)
	}
	return found
}

// checkService looks at what holds for every service.
func checkService(found *Findings, where string, service types.ServiceConfig) {
	_, tag, tagged := strings.Cut(service.Image, ":")
	found.unless(tagged && tag != "latest", "%s: image %s needs a tag that does not move", where, service.Image)
	found.unless(service.Restart == types.RestartPolicyUnlessStopped, "%s: restart must be unless-stopped", where)
	found.unless(service.Build != nil || service.HealthCheck != nil && !service.HealthCheck.Disable, "%s: has no healthcheck", where)
	limited := service.Deploy != nil && service.Deploy.Resources.Limits != nil &&
		service.Deploy.Resources.Limits.MemoryBytes > 0 && service.Deploy.Resources.Limits.NanoCPUs > 0
	found.unless(limited, "%s: has no limits of memory and processors", where)
	for name := range service.Environment {
		secret := strings.Contains(name, "PASSWORD") && name != "MYSQL_RANDOM_ROOT_PASSWORD"
		found.unless(!secret || strings.HasSuffix(name, "_FILE"), "%s: %s must be a file, as secrets are", where, name)
	}
	files := secretTargets(service)
	for name, value := range service.Environment {
		if strings.HasSuffix(name, "_FILE") {
			found.unless(value != nil && slices.Contains(files, *value), "%s: %s names no secret of the service", where, name)
		}
	}
}

func secretTargets(service types.ServiceConfig) []string {
	var files []string
	for _, s := range service.Secrets {
		target := s.Target
		if target == "" {
			target = s.Source
		}
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		files = append(files, target)
	}
	return files
}

func checkOurs(found *Findings, where string, service types.ServiceConfig, settings Settings, image Image) {
	env := environment{}
	for name, value := range service.Environment {
		if value == nil {
			found.add("%s: %s is taken from whoever starts it", where, name)
			continue
		}
		env[name] = *value
	}
	settings.checkEnvironment(found, where, env, secretTargets(service))
	found.unless(service.ReadOnly, "%s: read_only must be true", where)
	found.unless(slices.Equal(service.CapDrop, []string{"ALL"}) && len(service.CapAdd) == 0, "%s: must drop ALL capabilities", where)
	found.unless(slices.Contains(service.SecurityOpt, "no-new-privileges:true"), "%s: must not gain privileges", where)
	found.unless(service.User == "" && !service.Privileged, "%s: must run as the image's user", where)
	for _, p := range service.Ports {
		found.unless(p.Target == uint32(image.Port), "%s: the service listens on %d, not on %d", where, image.Port, p.Target) //nolint:gosec // a port
	}
	_, whole, err := settings.stopping(env)
	if err != nil {
		found.add("%s: %v", where, err)
		return
	}
	grace := service.StopGracePeriod
	found.unless(grace != nil && time.Duration(*grace) >= whole, "%s: stop_grace_period must be at least %s, or requests are cut off", where, whole)
}

// checkDependencies sees to it that the service waits for the database whose engine it has, and that
// no two services share a cache.
func checkDependencies(found *Findings, where string, service types.ServiceConfig, project *types.Project) {
	engine := service.Environment["USERAPI_STORAGE_ENGINE"]
	found.unless(engine != nil && *engine != "" && slices.Contains(slices.Collect(maps.Keys(service.DependsOn)), *engine), "%s: does not wait for its database", where)
	for name, on := range service.DependsOn {
		found.unless(on.Condition == types.ServiceConditionHealthy, "%s: must wait until %s is healthy", where, name)
		inner := project.AllServices()[name]
		found.unless(len(inner.Ports) == 0, "service %s: is not to be published", name)
		for network := range inner.Networks {
			found.unless(project.Networks[network].Internal, "service %s: network %s must be internal", name, network)
		}
	}
}
