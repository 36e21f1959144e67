package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// Every source that ships loads, and no two share a name in the environment.
func TestShippedSources(t *testing.T) {
	specs, problems := sourcesIn("")
	if len(problems) > 0 || len(specs) < 5 {
		t.Errorf("%d sources; %v", len(specs), problems)
	}
	for _, s := range settings.Table(specs) {
		if s.Help == "" || s.Title == "" || s.Default == "" && s.DefaultNote == "" && !s.Required {
			t.Errorf("%s is not described", s.Name)
		}
	}
}

// fixtureProvider answers as AbuseIPDB and InternetDB do, and counts.
func fixtureProvider(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	read := func(path string) []byte {
		b, err := os.ReadFile(filepath.Join(root, "enrich/source/catalogue", path))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	calls = new(atomic.Int64)
	abuse, ports := read("abuseipdb/fixtures/found.json"), read("shodan_internetdb/fixtures/found.json")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/check" {
			_, _ = w.Write(abuse)
			return
		}
		_, _ = w.Write(ports)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// Two declared sources beside the native one, on one ledger: each is looked up
// by name, paid for once, and booked to its own account.
func TestDeclaredSources(t *testing.T) {
	url, calls := fixtureProvider(t)
	var found struct{ IPAddress string }
	b, err := os.ReadFile(filepath.Join(root, "enrich/source/catalogue/abuseipdb/fixtures/found.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &struct{ Data any }{&found}); err != nil || found.IPAddress == "" {
		t.Fatal(err)
	}
	environ := []string{
		"ENRICHGATE_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "PROOFPOINT_ET_INTELLIGENCE_API_KEY=a-key-0123456789",
		"ABUSEIPDB_API_KEY=another-key-0123456789", "ABUSEIPDB_API_BASE_URL=" + url, "ABUSEIPDB_COST_CHECK=3", "ABUSEIPDB_MAX_AGE_DAYS=30",
		"SHODAN_INTERNETDB_ENABLED=true", "SHODAN_INTERNETDB_API_BASE_URL=" + url,
	}
	run := func(args ...string) (int, string) {
		var out strings.Builder
		code := execute(environment{ctx: t.Context(), environ: environ, stdout: &out, stderr: &out}, append([]string{"--config", os.DevNull}, args...))
		return code, out.String()
	}
	if code, said := run("lookup", found.IPAddress); code != exitUsage || !strings.Contains(said, "name one of abuseipdb, proofpoint_et_intelligence, shodan_internetdb") {
		t.Errorf("exit %d: %s", code, said)
	}
	for i, units := range []string{`"units":3`, `"units":0`} {
		if code, said := run("lookup", found.IPAddress, "--source", "abuseipdb", "-o", "json"); code != 0 || !strings.Contains(said, units) || calls.Load() != 1 {
			t.Errorf("lookup %d: exit %d after %d calls: %s", i, code, calls.Load(), said)
		}
	}
	if code, said := run("lookup", "192.0.2.10", "--source", "shodan_internetdb", "--tlp", "TLP:GREEN"); code != exitDenied || calls.Load() != 1 {
		t.Errorf("exit %d: the source's own highest TLP does not hold: %s", code, said)
	}
	if code, said := run("lookup", "192.0.2.10", "--source", "shodan_internetdb"); code != 0 || calls.Load() != 2 {
		t.Errorf("exit %d after %d calls: %s", code, calls.Load(), said)
	}
	code, said := run("quota", "-o", "json")
	if code != 0 || !strings.Contains(said, `"spent_total":3`) || !strings.Contains(said, `"source":"shodan_internetdb"`) {
		t.Errorf("exit %d: %s", code, said)
	}
}

// A broken definition of the operator's costs that source, and says so.
func TestOwnSourcesDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "broken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken", "source.yaml"), []byte("source: broken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=token-0123456789", "CONNECTOR_ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11",
		"ABUSEIPDB_API_KEY=another-key-0123456789", "ENRICHGATE_SOURCES_DIR=" + dir,
	}
	code, out, errs := configure(t, environ, "check")
	if code != 0 || !strings.HasPrefix(out, "configuration is good") || !strings.Contains(errs, "warning: a source was not loaded: broken/source.yaml") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	environ[len(environ)-1] += "/nowhere"
	if code, _, errs := configure(t, environ, "check"); code != exitConfig || !strings.Contains(errs, "no such file or directory") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
