package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
)

// configure runs one of the config commands.
func configure(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = execute(environment{ctx: t.Context(), environ: environ, stdout: &o, stderr: &e}, append([]string{"--config", os.DevNull, "config"}, args...))
	return code, o.String(), e.String()
}

// The environment of the public connector's .env.sample, its placeholders
// filled in, is a configuration; with the placeholders each is named.
func TestEnvironmentOfThePublicConnector(t *testing.T) {
	sample := []string{
		"OPENCTI_URL=http://localhost", "OPENCTI_TOKEN=ChangeMe", "CONNECTOR_ID=ChangeMe", "CONNECTOR_NAME=ProofPoint ET Intelligence",
		"CONNECTOR_SCOPE=IPv4-Addr,Domain-Name,StixFile", "CONNECTOR_LOG_LEVEL=error", "CONNECTOR_AUTO=true",
		"PROOFPOINT_ET_INTELLIGENCE_API_BASE_URL=https://api.emergingthreats.net/v1/", "PROOFPOINT_ET_INTELLIGENCE_API_KEY=ChangeMe",
		"PROOFPOINT_ET_INTELLIGENCE_MAX_TLP=TLP:AMBER+STRICT", "PROOFPOINT_ET_INTELLIGENCE_IMPORT_LAST_SEEN_TIME_WINDOW=P30D",
	}
	code, _, errs := configure(t, sample, "check")
	if code != exitConfig || strings.Count(errs, "still the placeholder") != 3 || strings.Count(errs, "\n") != 5 {
		t.Errorf("exit %d: %s", code, errs)
	}
	for i, line := range sample {
		line = strings.Replace(line, "ID=ChangeMe", "ID=b5d1e2f0-6c1a-4a0b-9d3e-7f2a1c0e9b11", 1)
		sample[i] = strings.Replace(line, "ChangeMe", "a-secret-0123456789", 1)
	}
	code, out, errs := configure(t, sample, "check")
	if code != 0 || !strings.HasPrefix(out, "configuration is good") || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "CONNECTOR_AUTO=true") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	code, out, _ = configure(t, sample, "print")
	if code != 0 || strings.Contains(out, "a-secret") || !strings.Contains(out, "[redacted]") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, want := range []string{"CONNECTOR_NAME ProofPoint ET Intelligence environment", "CONNECTOR_SOURCE proofpoint_et_intelligence default", "PROOFPOINT_ET_INTELLIGENCE_QUOTA 200/minute default"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if _, out, _ = configure(t, sample, "print", "--no-origin"); strings.Contains(out, "default") {
		t.Error(out)
	}
}

// What the documentation commands print is whole.
func TestConfigurationDocuments(t *testing.T) {
	for _, as := range []string{"markdown", "env", "yaml"} {
		if code, out, _ := configure(t, nil, "docs", "--as", as); code != 0 || len(out) < 1000 {
			t.Errorf("docs --as %s: exit %d, %d bytes", as, code, len(out))
		}
	}
	code, out, _ := configure(t, nil, "schema")
	if code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("exit %d: %s", code, out)
	}
}

// A source's own prices, times and calls reach its lookups.
func TestOperatorsPricesAndTimes(t *testing.T) {
	b := newBench(t, "PROOFPOINT_ET_INTELLIGENCE_COST_IP_REPUTATION=7", "PROOFPOINT_ET_INTELLIGENCE_ENDPOINTS=ip.reputation,ip.asn",
		"PROOFPOINT_ET_INTELLIGENCE_QUOTA_RESERVE_API=0")
	status, body := b.get(t, "/api/v1/lookup?type=ipv4-addr&value=198.51.100.7", httpToken, "application/json")
	if status != 200 || !strings.Contains(body, `"units":8`) {
		t.Errorf("HTTP %d %s", status, body)
	}
	if bill := b.provider.Bill(); bill.Total != 2 {
		t.Errorf("%d calls: %v", bill.Total, bill.Counts)
	}
	status, body = b.get(t, "/api/v1/lookup?value=host4.example.com", httpToken, "application/json")
	if status != 400 || !strings.Contains(body, "switched off") {
		t.Errorf("HTTP %d %s", status, body)
	}
}

func TestTunedTTL(t *testing.T) {
	own := enrich.TTL{Found: 24 * time.Hour, NotFound: 6 * time.Hour, Stale: time.Hour}
	for _, tc := range []struct {
		s        settings.Source
		endpoint time.Duration
		want     enrich.TTL
	}{
		{settings.Source{CacheStale: time.Minute}, 0, enrich.TTL{Found: 24 * time.Hour, NotFound: 6 * time.Hour, Stale: time.Minute}},
		{settings.Source{CacheTTL: time.Hour}, 0, enrich.TTL{Found: time.Hour, NotFound: time.Hour, Set: time.Hour}},
		{settings.Source{CacheTTL: 48 * time.Hour}, 0, enrich.TTL{Found: 48 * time.Hour, NotFound: 6 * time.Hour, Set: 48 * time.Hour}},
		{settings.Source{CacheTTL: time.Hour}, 2 * time.Hour, enrich.TTL{Found: 2 * time.Hour, NotFound: 2 * time.Hour, Set: 2 * time.Hour}},
		{settings.Source{CacheTTL: time.Hour, CacheNegativeTTL: 3 * time.Hour}, 0, enrich.TTL{Found: time.Hour, NotFound: 3 * time.Hour, Set: time.Hour}},
	} {
		if got := tunedTTL(own, &tc.s, tc.endpoint); got != tc.want {
			t.Errorf("%+v: got %+v", tc, got)
		}
	}
}
