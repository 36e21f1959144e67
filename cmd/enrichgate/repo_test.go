package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/opencti"
)

// The rules of the repository, as tests.

const (
	root   = "../.."
	module = "github.com/enrichgate/enrichgate"
)

type goPackage struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
}

func packages(t *testing.T) (all []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestEveryPackageIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// Leaves import nothing of ours, adapters import the core, only cmd imports adapters.
func TestImportArrows(t *testing.T) {
	may := map[string][]string{
		"cache/boltfile": {}, "cache/boltfile/powercut": {}, "stixconv": {},
		"cache": {"cache/boltfile"}, "quota": {"cache/boltfile"},
		"dashboards":                       {},
		"enrich":                           {"cache", "quota", "stixconv"},
		"enrich/httpapi":                   {"enrich", "quota", "cache", "stixconv", "cache/boltfile", "enrich/httpapi/clients"},
		"enrich/httpapi/clients":           {"quota", "stixconv"},
		"enrich/opencti":                   {"enrich", "quota", "stixconv", "cache/boltfile"},
		"enrich/opencti/sandbox":           {},
		"enrich/opencti/openctitest":       {"enrich/opencti/sandbox"},
		"enrich/source":                    {"enrich", "enrich/source/wire", "stixconv"},
		"enrich/source/wire":               {"enrich"},
		"enrich/source/proofpoint":         {"enrich", "enrich/source/wire", "stixconv"},
		"enrich/source/proofpoint/sandbox": {},
	}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, known := may[name]
		if strings.HasPrefix(name, "cmd/") {
			for _, i := range p.Imports {
				if strings.HasSuffix(i, "/openctitest") || strings.HasSuffix(i, "/powercut") {
					t.Errorf("%s imports test support", name)
				}
			}
			continue
		}
		if !known {
			t.Errorf("%s: say here what it may import", name)
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s may not import %s", name, ours)
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{"cmd", "cache", "quota", "enrich", "stixconv", "dashboards", "go.mod", "go.sum", "Dockerfile", "README.md", "__metadata__", "config.yml.sample", "docker-compose.yml", "LICENSE"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) && name != "data" && name != "config.yml" {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

func TestHabits(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		test := strings.HasSuffix(path, "_test.go")
		if n := bytes.Count(b, []byte("\n")); n > 400 && !test {
			t.Errorf("%s has %d lines: does it still hold one idea?", path, n)
		}
		if test && regexp.MustCompile(`(?m)^[^/"]*\btime\.Sleep\(`).Match(b) {
			t.Errorf("%s sleeps", path)
		}
		if regexp.MustCompile(`(?m)^func init\(\)`).Match(b) {
			t.Errorf("%s has an init", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if mod, err := os.ReadFile(root + "/go.mod"); err != nil || regexp.MustCompile(`(?m)^replace`).Match(mod) {
		t.Errorf("go.mod: %v", err)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeLinks(t *testing.T) {
	for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("README links to %s: %v", m[1], err)
		}
	}
}

// The README's tables of settings and the sample files are what the one table
// of settings makes of itself; see 'enrichgate config docs --as'.
func TestReadmeSettings(t *testing.T) {
	if !strings.Contains(readme(t), configDocsCmd{}.text(sourceSpecs())) {
		t.Error("the README's tables of settings are not what 'enrichgate config docs' prints")
	}
	// Every name in prose is a setting, or one that a sentence explains.
	known := map[string]bool{}
	for _, s := range settings.Table(sourceSpecs()) {
		known[s.Name], known[s.Name+"_FILE"] = true, s.Secret
		for _, also := range s.Aliases {
			known[also] = true
		}
	}
	for _, name := range regexp.MustCompile(`\b(?:ENRICHGATE|CONNECTOR|OPENCTI|MQ|PROOFPOINT)_[A-Z_]*[A-Z]\b`).FindAllString(readme(t), -1) {
		if !known[name] && name != "CONNECTOR_MAX_TLP" && name != "PROOFPOINT_ET_INTELLIGENCE" {
			t.Errorf("the README speaks of %s, which is no setting", name)
		}
	}
}

func TestSchemaFile(t *testing.T) {
	want, err := settings.Schema(sourceSpecs())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "__metadata__", "connector_config_schema.json"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("__metadata__/connector_config_schema.json is not what 'enrichgate config schema' prints: %v", err)
	}
}

func TestSampleFiles(t *testing.T) {
	for file, as := range map[string]string{".env.sample": "env", "config.yml.sample": "yaml"} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if want := (configDocsCmd{As: as}).text(sourceSpecs()); string(b) != want {
			t.Errorf("%s is not what 'enrichgate config docs --as %s' prints", file, as)
		}
	}
}

// The README's table of metrics and what the daemon registers are one list.
func TestReadmeMetrics(t *testing.T) {
	s, err := settings.Load(settings.Options{Environ: []string{
		"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token-of-a-test", "CONNECTOR_ID=" + "b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11",
		"PROOFPOINT_ET_INTELLIGENCE_API_KEY=key-of-a-test", "ENRICHGATE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
	}, Sources: sourceSpecs(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := openApp(s, slog.New(slog.DiscardHandler), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	journal, err := opencti.OpenJournal(a.dir.file(fileJournal), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	if _, err := a.connectors(journal); err != nil {
		t.Fatal(err)
	}
	families, err := a.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	documented, rows := map[string]bool{}, map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(enrichgate_[a-z_]+)` .*$").FindAllStringSubmatch(readme(t), -1) {
		documented[m[1]], rows[m[1]] = false, m[0]
	}
	// Families without a series yet are registered all the same.
	lazy := []string{"enrichgate_quota_unit_price", "enrichgate_cache_entries", "enrichgate_cache_evictions_total", "enrichgate_cache_size_bytes", "enrichgate_ledger_drift", "enrichgate_quota_forecast_exhaustion_timestamp_seconds",
		"enrichgate_client_budget_limit", "enrichgate_client_budget_used", "enrichgate_client_units_total", "enrichgate_upstream_requests_total", "enrichgate_playbook_budget_limit", "enrichgate_playbook_budget_used"}
	for _, f := range families {
		name := f.GetName()
		if !strings.HasPrefix(name, "enrichgate_") {
			continue
		}
		if _, ok := documented[name]; !ok {
			t.Errorf("%s is not in the README", name)
		}
		documented[name] = true
		if want := metricRow(f); rows[name] != want {
			t.Errorf("the README has\n%s\nand it is\n%s", rows[name], want)
		}
	}
	for name, exists := range documented {
		if !exists && !slices.Contains(lazy, name) {
			t.Errorf("the README has %s, the daemon does not", name)
		}
	}
}

// metricRow is a family as the README's table has it.
func metricRow(f *dto.MetricFamily) string {
	var labels []string
	for _, pair := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, pair.GetName())
	}
	// A source, a connector or a client first: it is whose series it is.
	slices.SortStableFunc(labels, func(a, b string) int {
		whose := func(label string) int { return slices.Index([]string{"connector", "client", "source"}, label) }
		return whose(b) - whose(a)
	})
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
}
