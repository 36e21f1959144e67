package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/source"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden outputs of commands")

// sources runs one of the source commands.
func sources(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = execute(environment{ctx: t.Context(), environ: environ, stdout: &o, stderr: &e}, append([]string{"source"}, args...))
	return code, o.String(), e.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s; got\n%s", path, got)
	}
}

// rewrite changes a file, and fails when there is nothing to change.
func rewrite(t *testing.T, path, old, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), old, text)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What "add a source in ten minutes" says, done.
func TestAddASourceInTenMinutes(t *testing.T) {
	dir := t.TempDir()
	here := func(s string) string { return strings.ReplaceAll(s, dir, "sources") }
	code, out, errs := sources(t, nil, "new", "acme_intel", "--dir", dir)
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	golden(t, "source-new.txt", here(out))

	// As it is, it says what is missing; then the address is filled in.
	code, _, errs = sources(t, nil, "lint", "--dir", dir)
	if code != exitConfig {
		t.Errorf("exit %d", code)
	}
	golden(t, "source-lint-skeleton.txt", here(errs))
	rewrite(t, filepath.Join(dir, "acme_intel", "source.yaml"), "https://api.example.com/v1", "https://api.acme.test/v1")
	if code, out, errs = sources(t, nil, "lint", "--dir", dir); code != 0 || out+errs != "" {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}

	code, out, errs = sources(t, nil, "test", "acme_intel", "--dir", dir, "--update")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	golden(t, "source-test.txt", out)
	if code, _, errs = sources(t, []string{"ENRICHGATE_SOURCES_DIR=" + dir}, "test", "acme_intel"); code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, out, _ = sources(t, nil, "list", "--dir", dir); code != 0 || !strings.Contains(out, "acme_intel") || !strings.Contains(out, "own") || !strings.Contains(out, "virustotal") {
		t.Errorf("exit %d: %s", code, out)
	}

	// Limits of which one can never be used up are found before they are used, and
	// cost this one source.
	rewrite(t, filepath.Join(dir, "acme_intel", "source.yaml"), "quota: 1000/day", "quota: 1000/day,100/month")
	if code, _, errs = sources(t, nil, "lint", "--dir", dir); code != exitConfig || !strings.Contains(errs, "source.yaml: the default of ACME_INTEL_QUOTA: ") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, problems := sourcesIn(dir); len(problems) != 1 || !strings.Contains(problems[0].Error(), "a source was not loaded: acme_intel/source.yaml: the default of ACME_INTEL_QUOTA") {
		t.Errorf("%v", problems)
	}
	rewrite(t, filepath.Join(dir, "acme_intel", "source.yaml"), "quota: 1000/day,100/month", "quota: 1000/day")

	// Another mapping is another bundle: the golden file says so.
	rewrite(t, filepath.Join(dir, "acme_intel", "source.yaml"), "scale(10)", "scale(100)")
	if code, _, errs = sources(t, nil, "test", "acme_intel", "--dir", dir); code != 1 || !strings.Contains(errs, "[found] differ") {
		t.Errorf("exit %d: %s", code, errs)
	}

	// A rule that lets a web page's cousin through is refused, with its line.
	rewrite(t, filepath.Join(dir, "acme_intel", "source.yaml"), `'(.body.ip | same($value)) and (.body.score | type) == "number"'`, `'.body.error == null'`)
	code, _, errs = sources(t, nil, "lint", "--dir", dir)
	if code != exitConfig {
		t.Errorf("exit %d", code)
	}
	golden(t, "source-lint-lax.txt", here(errs))
}

func TestSourceCommandErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"show"}, exitUsage, "name a source"},
		{[]string{"show", "nobody"}, exitNotFound, `no source "nobody"`},
		{[]string{"show", "../virustotal"}, exitNotFound, "no source"},
		{[]string{"test", "nobody"}, exitNotFound, "no source"},
		{[]string{"test", "virustotal", "nothing"}, exitNotFound, "no fixture"},
		{[]string{"test", "virustotal", "--update"}, exitUsage, "--dir"},
		{[]string{"lint", "nobody"}, exitNotFound, "no source"},
		{[]string{"lint", "--dir", filepath.Join(dir, "nowhere")}, 1, "cannot be read"},
		{[]string{"new", "Bad Name"}, exitUsage, "small letters"},
	} {
		code, out, errs := sources(t, nil, c.args...)
		if code != c.code || !strings.Contains(errs, c.say) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%v: exit %d: %.300s%.300s", c.args, code, out, errs)
		}
	}
	if code, _, _ := sources(t, nil, "new", "twice", "--dir", dir); code != 0 {
		t.Error(code)
	}
	if code, _, errs := sources(t, nil, "new", "twice", "--dir", dir); code != exitUsage || !strings.Contains(errs, "there already") {
		t.Errorf("exit %d: %s", code, errs)
	}
	// One that ships is replaced, and that is said; the native one cannot be.
	if code, out, errs := sources(t, nil, "new", "virustotal", "--dir", dir); code != 0 || !strings.Contains(out, "fill in") || !strings.Contains(errs, "virustotal ships with enrichgate") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := sources(t, nil, "new", "proofpoint_et_intelligence", "--dir", dir); code != exitUsage || !strings.Contains(errs, "cannot be replaced") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestSourceOutputs(t *testing.T) {
	var rows []source.Row
	code, out, _ := sources(t, nil, "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &rows); code != 0 || err != nil || len(rows) < 4 {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	if code, out, _ = sources(t, nil, "show", "--schema"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, _ = sources(t, nil, "show", "abuseipdb"); code != 0 || !strings.Contains(out, "source: abuseipdb") {
		t.Errorf("exit %d: %s", code, out)
	}
	code, out, _ = sources(t, nil, "test", "abuseipdb", "found", "-o", "intents")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	golden(t, "source-intents.txt", out)
	if code, out, _ = sources(t, nil, "test", "abuseipdb", "-o", "stix"); code != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("exit %d: %s", code, out)
	}
}
