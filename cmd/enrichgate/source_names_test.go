package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich/source"
)

// ownSource writes a definition that can be used, with texts in place of others.
func ownSource(t *testing.T, dir, name string, replace ...string) {
	t.Helper()
	if code, _, errs := sources(t, nil, "new", name, "--dir", dir); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	path := filepath.Join(dir, name, "source.yaml")
	rewrite(t, path, "https://api.example.com/v1", "https://api.acme.test/v1")
	for i := 0; i < len(replace); i += 2 {
		rewrite(t, path, replace[i], replace[i+1])
	}
}

// lineOf begins a problem in the line of a file that holds a text.
func lineOf(t *testing.T, path, text string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(b), text)
	if !found {
		t.Fatalf("%s does not hold %q", path, text)
	}
	return fmt.Sprintf("%s:%d: ", path, 1+strings.Count(before, "\n"))
}

// An own source that reads a name of one that ships is not loaded, the shipped
// one is, and lint says it with the line.
func TestOwnSourceTakesNoShippedName(t *testing.T) {
	for _, c := range []struct {
		name, old, text, say string
		more                 []string
	}{
		{"acme_intel", "env: ACME_INTEL_API_KEY", "env: SHODAN_TOKEN", "SHODAN_TOKEN is already a name of shodan", nil},
		{"acme_intel", "env: ACME_INTEL #", "env: SHODAN #", "SHODAN_API_BASE_URL is already a name of shodan", nil},
		{"acme_intel", "max_age_days: {type: int", "max_age_days: {env: SHODAN_TOKEN_FILE, type: int", "SHODAN_TOKEN_FILE is already a name of shodan", nil},
		{"acme_intel", "env: ACME_INTEL_API_KEY", "env: PROOFPOINT_ET_INTELLIGENCE_API_KEY", "is already a name of proofpoint_et_intelligence, which is written in Go", nil},
		{"acme_intel", "  params:\n", "  aliases: {HYBRID_ANALYSIS_API_KEY: ACME_INTEL_API_KEY}\n  params:\n", "HYBRID_ANALYSIS_API_KEY is already a name of hybrid_analysis", nil},
		{"s3", "env: S3 #", "env: STORAGE_3 #", "s3 is already a name of OpenCTI", []string{"S3_API_KEY", "STORAGE_3_API_KEY"}},
	} {
		dir := t.TempDir()
		ownSource(t, dir, c.name, append([]string{c.old, c.text}, c.more...)...)
		at := lineOf(t, filepath.Join(dir, c.name, "source.yaml"), strings.TrimSpace(c.text))
		code, _, errs := sources(t, nil, "lint", "--dir", dir)
		if code != exitConfig || !strings.HasPrefix(errs, at) || !strings.Contains(errs, c.say) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, not at %s: %s", c.text, code, at, errs)
		}
		specs, problems := sourcesIn(dir)
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), c.name+"/source.yaml:") || !strings.Contains(problems[0].Error(), c.say) {
			t.Errorf("%s: %v", c.text, problems)
		}
		if !slices.EqualFunc(specs, sourceSpecs(), func(a, b settings.SourceSpec) bool { return a.Name == b.Name }) {
			t.Errorf("%s: there are %d sources", c.text, len(specs))
		}
	}
}

// The key of a source that the operator replaced is nobody else's, and of two
// own sources the second one loses.
func TestOwnSourcesBesideEachOther(t *testing.T) {
	dir := t.TempDir()
	ownSource(t, dir, "acme_intel", "env: ACME_INTEL_API_KEY", "env: SHODAN_TOKEN")
	ownSource(t, dir, "shodan", "env: SHODAN_API_KEY", "env: SHODAN_TOKEN")
	ownSource(t, dir, "other", "env: OTHER #", "env: THIRD #", "env: OTHER_API_KEY", "env: THIRD_API_KEY")
	ownSource(t, dir, "third")
	specs, problems := sourcesIn(dir)
	if len(problems) != 2 || !strings.Contains(problems[0].Error(), "acme_intel") || !strings.Contains(problems[1].Error(), "third/source.yaml") {
		t.Errorf("%v", problems)
	}
	for _, s := range specs {
		if s.Name == "acme_intel" || s.Name == "third" || s.Name == "shodan" && s.BaseURL != "https://api.acme.test/v1" {
			t.Errorf("%s at %s", s.Name, s.BaseURL)
		}
	}
	if code, _, errs := sources(t, nil, "lint", "--dir", dir); code != exitConfig || strings.Count(errs, "\n") != 2 {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// What the compiler takes for the settings of every source is what they are.
func TestBuiltInSettings(t *testing.T) {
	spec := settings.SourceSpec{Name: "acme", Title: "Acme", BaseURL: "https://api.acme.test", Scope: []string{"Url"}, Endpoints: []settings.EndpointSpec{{Name: "url.report", Units: 1}}}
	names, has := spec.Names()[1:], map[string]bool{}
	for _, key := range append(source.BuiltIn(), "cost_url_report", "cache_ttl_url_report") {
		has["ACME_"+strings.ToUpper(key)] = true
	}
	for _, name := range names {
		if !has[name] {
			t.Errorf("the compiler does not know of %s", name)
		}
	}
	for name := range has {
		// limits and budgets are in config.yml only
		if !slices.Contains(names, name) && name != "ACME_LIMITS" && name != "ACME_BUDGETS" {
			t.Errorf("no setting is called %s", name)
		}
	}
}

// No definition can have a name that is one of the daemon's own settings.
func TestDaemonsNamesAreRefused(t *testing.T) {
	for _, s := range settings.Table(nil) {
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			if !source.Reserved(name) {
				t.Errorf("a definition could have %s", name)
			}
		}
	}
}
