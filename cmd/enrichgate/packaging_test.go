package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

func packaged(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decodeYAML(t *testing.T, text string, into any) {
	t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatal(err)
	}
}

// table is all settings by name.
func table() map[string]settings.Setting {
	all := map[string]settings.Setting{}
	for _, s := range settings.Table(sourceSpecs()) {
		all[s.Name] = s
	}
	return all
}

// sampleLines are NAME=value of a sample, with whether each is commented out.
func sampleLines(text string) (names []string, values map[string]string, off map[string]bool) {
	values, off = map[string]string{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(#? ?)(?:- )?(# )?([A-Z][A-Z0-9_]+)=([^#\n]*)`).FindAllStringSubmatch(text, -1) {
		name := m[3]
		names, values[name], off[name] = append(names, name), strings.Trim(strings.TrimSpace(m[4]), "'"), m[1]+m[2] != ""
	}
	return names, values, off
}

// The rules that the official repository has for samples, for both of ours:
// what must be written is ChangeMe, what has a default is commented out.
func TestSamplesObeyTheHouse(t *testing.T) {
	known := table()
	for _, file := range []string{".env.sample", "docker-compose.yml"} {
		names, values, off := sampleLines(packaged(t, file))
		if len(names) < 8 {
			t.Fatalf("%s: %q", file, names)
		}
		if values["OPENCTI_URL"] != "http://localhost" || values["OPENCTI_TOKEN"] != "ChangeMe" || values["CONNECTOR_ID"] != "ChangeMe" {
			t.Errorf("%s: %q %q %q", file, values["OPENCTI_URL"], values["OPENCTI_TOKEN"], values["CONNECTOR_ID"])
		}
		for _, name := range names {
			s, ok := known[name]
			switch {
			case file == "docker-compose.yml" && name == "ENRICHGATE_HTTP_LISTEN": // the default is the container's own loopback
			case !ok:
				t.Errorf("%s: %s is no setting", file, name)
			case s.Default != "" && !off[name]:
				t.Errorf("%s: %s has a default and is not commented out", file, name)
			case s.Default != "" && values[name] != s.Default:
				t.Errorf("%s: %s=%s, the default is %s", file, name, values[name], s.Default)
			case s.Required && (off[name] || s.Secret && values[name] != "ChangeMe"):
				t.Errorf("%s: %s must be written: %q", file, name, values[name])
			case strings.HasSuffix(name, "_INTERVAL"), strings.HasSuffix(name, "_UPDATE_EXISTING_DATA"), name == "CONNECTOR_CONFIDENCE_LEVEL":
				t.Errorf("%s: the house has given up %s", file, name)
			case regexp.MustCompile(`\b20\d\d-\d\d-\d\d`).MatchString(values[name]):
				t.Errorf("%s: %s has a date that will pass", file, name)
			}
		}
	}
}

func TestComposeFile(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image, Build string
			Environment  []string
			Volumes      []string
			Ports        []string
			ReadOnly     bool     `yaml:"read_only"`
			CapDrop      []string `yaml:"cap_drop"`
			SecurityOpt  []string `yaml:"security_opt"`
			Grace        string   `yaml:"stop_grace_period"`
			Restart      string
		}
		Volumes map[string]struct{}
	}
	decodeYAML(t, packaged(t, "docker-compose.yml"), &c)
	s := c.Services["connector-enrichgate"]
	if len(c.Services) != 1 || !strings.HasSuffix(s.Image, "/connector-enrichgate:latest") || s.Build != "." || s.Restart != "always" {
		t.Errorf("%+v", s)
	}
	if _, ok := c.Volumes["enrichgate-data"]; !ok || len(s.Volumes) != 1 || s.Volumes[0] != "enrichgate-data:/data" {
		t.Errorf("the ledger has no volume: %v", s.Volumes)
	}
	if !slices.Contains(s.Environment, "ENRICHGATE_HTTP_LISTEN=0.0.0.0:8080") || len(s.Ports) != 1 || s.Ports[0] != "127.0.0.1:8080:8080" {
		t.Errorf("the page is not there, or for everybody: %q, %q", s.Environment, s.Ports)
	}
	grace, err := time.ParseDuration(s.Grace)
	whole, err2 := settings.Load(settings.Options{Sources: sourceSpecs(), Need: settings.NeedData, Dir: t.TempDir()})
	if err := errors.Join(err, err2); err != nil || grace <= whole.ShutdownTimeout {
		t.Errorf("Docker kills after %s, the daemon takes up to %s: %v", grace, whole.ShutdownTimeout, err)
	}
	if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("not confined: %+v", s)
	}
}

func TestDockerfile(t *testing.T) {
	file := packaged(t, "Dockerfile")
	for what, want := range map[string]string{
		"static":           `CGO_ENABLED=0 go build -trimpath`,
		"the release":      `-X main.release=`,
		"nobody":           `(?m)^USER 65532:65532$`,
		"a base of little": `(?m)^FROM gcr\.io/distroless/static-debian12:nonroot$`,
		"a volume":         `(?m)^VOLUME /data$`,
		"health":           `(?m)^HEALTHCHECK .* CMD \["/enrichgate", "healthcheck"\]$`,
		"exec form":        `(?m)^ENTRYPOINT \["/enrichgate"\]\nCMD \["run"\]$`,
	} {
		if !regexp.MustCompile(want).MatchString(file) {
			t.Errorf("%s: no %s", what, want)
		}
	}
	if from := regexp.MustCompile(`golang:(\d+\.\d+)`).FindStringSubmatch(file); from == nil || !strings.Contains(packaged(t, "go.mod"), "\ngo "+from[1]) {
		t.Errorf("the image is built with Go %v", from)
	}
	// Nothing that the build embeds stays behind, and nothing secret goes along.
	ignored := strings.Fields(packaged(t, ".dockerignore"))
	for _, want := range []string{".git", "data", "config.yml", ".env"} {
		if !slices.Contains(ignored, want) {
			t.Errorf(".dockerignore lets %s in", want)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	unit := packaged(t, ".packaging/systemd/enrichgate.service")
	for _, want := range []string{"Type=notify", "DynamicUser=yes", "StateDirectory=enrichgate", "ENRICHGATE_DATA_DIR=/var/lib/enrichgate", "RestartPreventExitStatus=78",
		"ProtectSystem=strict", "NoNewPrivileges=yes", "SystemCallFilter=@system-service"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit has no %s", want)
		}
	}
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is not on this machine")
		}
		t.Skip("SKIPPED: systemd-analyze is not on this machine")
	}
	ourselves, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "enrichgate.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/enrichgate", ourselves)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "verify", file).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// 2.0 of 10: about what a service can do without and still reach the network.
	if out, err := exec.CommandContext(t.Context(), path, "security", "--offline=yes", "--threshold=20", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// The daemon tells a service manager when it is ready, and when it stops.
func TestServiceManagerIsTold(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	demo(t, "--for", "100ms", "--quota", "none")
	for _, want := range []string{notifyReady, notifyStopping} {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		n, err := conn.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("told %q, %v; want %q", b[:n], err, want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := notifyManager(notifyReady); err == nil {
		t.Error("nobody was told, and nobody knows")
	}
}

func TestKubernetesExample(t *testing.T) {
	type security struct {
		RunAsNonRoot             bool `yaml:"runAsNonRoot"`
		FSGroup                  int  `yaml:"fsGroup"`
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Escalation               *bool `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Drop []string }
		SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
	}
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type object struct {
		Kind string
		Spec struct {
			Replicas int
			Template struct {
				Spec struct {
					SecurityContext security `yaml:"securityContext"`
					Grace           int      `yaml:"terminationGracePeriodSeconds"`
					Containers      []struct {
						Image           string
						Env             []struct{ Name, Value string }
						SecurityContext security `yaml:"securityContext"`
						StartupProbe    probe    `yaml:"startupProbe"`
						LivenessProbe   probe    `yaml:"livenessProbe"`
						ReadinessProbe  probe    `yaml:"readinessProbe"`
						VolumeMounts    []struct {
							Name string
							Path string `yaml:"mountPath"`
						} `yaml:"volumeMounts"`
					}
				}
			}
			VolumeClaimTemplates []struct {
				Metadata struct{ Name string }
				Spec     struct {
					AccessModes []string `yaml:"accessModes"`
				}
			} `yaml:"volumeClaimTemplates"`
		}
	}
	kinds := map[string]object{}
	for dec := yaml.NewDecoder(strings.NewReader(packaged(t, ".packaging/kubernetes/enrichgate.yaml"))); ; {
		var o object
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind] = o
	}
	if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, []string{"Service", "StatefulSet"}) {
		t.Fatalf("%q", got)
	}
	set := kinds["StatefulSet"].Spec
	pod := set.Template.Spec
	if set.Replicas != 1 || len(set.VolumeClaimTemplates) != 1 || set.VolumeClaimTemplates[0].Spec.AccessModes[0] != "ReadWriteOncePod" {
		t.Errorf("a ledger has one owner: %d replicas, %+v", set.Replicas, set.VolumeClaimTemplates)
	}
	if p := pod.SecurityContext; !p.RunAsNonRoot || p.FSGroup != 65532 || p.SeccompProfile.Type != "RuntimeDefault" || pod.Grace < 31 {
		t.Errorf("pod: %+v, %d s", p, pod.Grace)
	}
	if len(pod.Containers) != 1 {
		t.Fatalf("%d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; !s.ReadOnlyRootFilesystem || s.Escalation == nil || *s.Escalation || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Errorf("container: %+v", s)
	}
	if len(c.VolumeMounts) != 1 || c.VolumeMounts[0].Name != set.VolumeClaimTemplates[0].Metadata.Name {
		t.Errorf("the claim is not mounted: %+v", c.VolumeMounts)
	}
	// Liveness must not depend on anybody else.
	if c.LivenessProbe.HTTPGet.Path != "/livez" || c.StartupProbe.HTTPGet.Path != "/livez" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Errorf("probes: %+v %+v %+v", c.StartupProbe, c.LivenessProbe, c.ReadinessProbe)
	}
	known := table()
	for _, e := range c.Env {
		if _, ok := known[e.Name]; !ok {
			t.Errorf("%s is no setting", e.Name)
		}
		if e.Name == "ENRICHGATE_DATA_DIR" && e.Value != c.VolumeMounts[0].Path {
			t.Errorf("the data go to %s, the volume is at %s", e.Value, c.VolumeMounts[0].Path)
		}
	}
}

func TestReleaseConfiguration(t *testing.T) {
	var g struct {
		Version int
		Builds  []struct {
			Main            string
			Env, Flags      []string
			Ldflags, Goarch []string
		}
		Archives []struct{ Files []any }
		Nfpms    []struct{ Contents []struct{ Src, Dst string } }
		Checksum struct{ Algorithm string }
		Sboms    []struct{ Artifacts string }
		Release  struct {
			ExtraFiles []struct{ Glob string } `yaml:"extra_files"`
		}
	}
	if err := yaml.Unmarshal([]byte(packaged(t, ".goreleaser.yaml")), &g); err != nil {
		t.Fatal(err)
	}
	if g.Version != 2 || len(g.Builds) != 1 || len(g.Sboms) == 0 || g.Checksum.Algorithm != "sha256" {
		t.Fatalf("%+v", g)
	}
	b := g.Builds[0]
	if b.Main != "./cmd/enrichgate" || !slices.Contains(b.Env, "CGO_ENABLED=0") || !slices.Contains(b.Flags, "-trimpath") || !strings.Contains(strings.Join(b.Ldflags, " "), "-X main.release=") {
		t.Errorf("build: %+v", b)
	}
	var files []string
	for _, a := range g.Archives {
		for _, f := range a.Files {
			if m, ok := f.(map[string]any); ok {
				f = cmp.Or(m["src"], any(""))
			}
			files = append(files, f.(string))
		}
	}
	for _, n := range g.Nfpms {
		for _, c := range n.Contents {
			files = append(files, c.Src)
		}
	}
	for _, f := range g.Release.ExtraFiles {
		files = append(files, f.Glob)
	}
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(root, f)); err != nil {
			t.Errorf("a release lacks %v", err)
		}
	}
}
