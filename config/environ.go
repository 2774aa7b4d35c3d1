package config

import (
	"slices"
	"strings"
)

// readEnviron reads the variables that have our prefix, by name. An empty one counts as not set, as it
// does for most programs, so that a compose file may pass on what the host does not define.
func (l *loader) readEnviron(environ []string) layer {
	env := newLayer()
	names := make([]string, 0, len(l.keys))
	for _, k := range l.keys {
		names = append(names, k.env())
	}
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if k, ok := l.byEnv[name]; !ok {
			meant, _ := nearest(name, names)
			l.warnings = append(l.warnings, "the environment variable "+shown(shorten(name))+
				" is not a setting and was ignored; the nearest is "+meant+" ("+l.byEnv[meant].name+")")
		} else if text != "" {
			l.take(env, k, text, name)
		}
	}
	return env
}
