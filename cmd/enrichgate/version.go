package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// release is set by the linker: -ldflags "-X main.release=1.2.3".
var release string

// version is the release, or what the build knows of itself.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// revision is the commit that was built, if the build knows it.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

type versionCmd struct {
	Output string `help:"text or json." enum:"text,json" default:"text"`
}

// Run prints the version.
func (v versionCmd) Run(env *environment) error {
	if v.Output == "json" {
		return json.NewEncoder(env.stdout).Encode(map[string]string{"version": version(), "revision": revision(), "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(env.stdout, "enrichgate %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_build_info", Help: "Always 1; what is running.",
		ConstLabels: prometheus.Labels{"version": version(), "revision": revision(), "goversion": runtime.Version()}})
	g.Set(1)
	return g
}
