package main

import (
	"runtime/debug"
	"strings"

	"userapi/middleware/metrics"
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

// build is version for programs.
func build() metrics.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return metrics.Build{Version: "unknown", Revision: "unknown", GoVersion: "unknown"}
	}
	b := metrics.Build{Version: info.Main.Version, Revision: "unknown", GoVersion: info.GoVersion}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.Revision = setting.Value
		}
	}
	return b
}
