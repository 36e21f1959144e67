package settings

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// What can change at work is taken, what cannot is named and stays.
func TestAdopt(t *testing.T) {
	env := []string{"CONNECTOR_ID=" + idA, "VIRUSTOTAL_API_KEY=key"}
	before := load(t, several(t, "connector:\n  log_level: info\nvirustotal:\n  quota: 4/minute\n  budgets:\n    clients: {soar: 1/day}\n", env...))
	after := load(t, several(t, `connector:
  log_level: debug
  name: Another
virustotal:
  limits: [{limit: 8, per: minute}]
  quota_reserve_playbook: 30
  budgets:
    clients: {soar: 2/day}
  cache_stale: PT1H
  timeout: PT9S
`, "CONNECTOR_ID="+idA, "VIRUSTOTAL_API_KEY=another", "PROOFPOINT_ET_INTELLIGENCE_ENABLED=false"))
	next, changes := before.Adopt(&after)
	if want := []string{"CONNECTOR_LOG_LEVEL", "VIRUSTOTAL_CACHE_STALE", "VIRUSTOTAL_QUOTA_RESERVE_PLAYBOOK", "virustotal.budgets"}; !subset(want, changes.Taken) {
		t.Errorf("taken: %q", changes.Taken)
	}
	if want := []string{"CONNECTOR_NAME", "PROOFPOINT_ET_INTELLIGENCE_ENABLED", "VIRUSTOTAL_API_KEY", "VIRUSTOTAL_TIMEOUT"}; !slices.Equal(want, changes.Restart) {
		t.Errorf("needs a restart: %q", changes.Restart)
	}
	vt, was := next.Sources["virustotal"], before.Sources["virustotal"]
	if vt.QuotaText() != "8/minute" || vt.Reserve[quota.Playbook] != 30 || vt.CacheStale != time.Hour || next.LogLevel != slog.LevelDebug || vt.ClientBudgets["soar"][0].Units != 2 {
		t.Errorf("not taken: %+v", vt)
	}
	if vt.Timeout != was.Timeout || vt.Secrets["api_key"] != "key" || next.Connectors[0].Name != before.Connectors[0].Name {
		t.Errorf("taken although it needs a restart: %+v", vt)
	}
	if was.QuotaText() != "4/minute" || before.LogLevel != slog.LevelInfo {
		t.Error("the settings before were changed")
	}
	// The same again changes nothing more, and still names what waits for a restart.
	_, again := next.Adopt(&after)
	if len(again.Taken) != 0 || !slices.Equal(again.Restart, changes.Restart) {
		t.Errorf("again: %q, %q", again.Taken, again.Restart)
	}
}

func subset(of, all []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(all, s) })
}
