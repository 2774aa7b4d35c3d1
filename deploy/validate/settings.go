// Package validate holds what is in deploy and the Dockerfile to the types of the systems that read
// them, to each other, and to the settings that the service has. It asks nobody: no cluster, no engine.
//
// It is a module of its own, so that the API types of Kubernetes and Compose are no part of the
// service's module. Nothing but its tests uses it.
package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// settingPrefix begins the names of the variables that the service reads.
const settingPrefix = "USERAPI_"

// Findings are the things that are wrong, one sentence each.
type Findings []string

func (f *Findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// unless adds the sentence when the condition does not hold.
func (f *Findings) unless(holds bool, format string, args ...any) {
	if !holds {
		f.add(format, args...)
	}
}

// Settings are the settings of the service: the default of each by the name of its variable.
type Settings map[string]string

// ReadSettings returns the settings in config.yaml, which has them all.
func ReadSettings(config []byte) (Settings, error) {
	var sections map[string]map[string]any
	if err := yaml.UnmarshalStrict(config, &sections); err != nil {
		return nil, err
	}
	settings := Settings{}
	for section, keys := range sections {
		for key, value := range keys {
			settings[settingPrefix+strings.ToUpper(section+"_"+key)] = fmt.Sprint(value)
		}
	}
	return settings, nil
}

// environment is what a container gets, by name.
type environment map[string]string

// names returns those that are meant for the service.
func (e environment) names() []string {
	names := slices.Sorted(maps.Keys(e))
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, settingPrefix) })
}

// stopping returns how long the service takes at most from SIGTERM to its end: the drain, the time for
// requests in flight, two seconds to close the listener, the store and the log, and two to export spans.
func (s Settings) stopping(env environment) (drain, whole time.Duration, err error) {
	drain, err = s.duration(env, "USERAPI_SHUTDOWN_DRAIN")
	if err != nil {
		return 0, 0, err
	}
	timeout, err := s.duration(env, "USERAPI_SHUTDOWN_TIMEOUT")
	return drain, drain + timeout + 4*time.Second, err
}

func (s Settings) duration(env environment, name string) (time.Duration, error) {
	text, given := env[name]
	if !given {
		text = s[name]
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// checkEnvironment looks at the variables of one container of the service. files are the paths that
// its secrets are mounted at.
func (s Settings) checkEnvironment(found *Findings, where string, env environment, files []string) {
	for _, name := range env.names() {
		if _, known := s[name]; !known {
			found.add("%s: %s is not a setting of the service", where, name)
		}
		if _, secret := s[name+"_FILE"]; secret {
			found.add("%s: %s is a secret and belongs into a file, see %s_FILE", where, name, name)
		}
		if strings.HasSuffix(name, "_FILE") {
			found.unless(slices.Contains(files, env[name]), "%s: %s is %s, where no secret is mounted", where, name, env[name])
		}
	}
	for _, file := range files {
		named := slices.ContainsFunc(env.names(), func(name string) bool { return env[name] == file })
		found.unless(named, "%s: no setting names the secret %s", where, file)
	}
}
