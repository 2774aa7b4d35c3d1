package main

import (
	"runtime/debug"
	"strings"
)

// version names the build: the module's version, the commit when it is known, and the Go release.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "userapi (unknown build)"
	}
	words := []string{"userapi", info.Main.Version}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			words = append(words, setting.Value)
		}
	}
	return strings.Join(append(words, info.GoVersion), " ")
}
