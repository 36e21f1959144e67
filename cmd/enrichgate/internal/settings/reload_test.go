package settings

import (
	"log/slog"
	"slices"
	"strings"
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

// What automatic enrichment may spend follows the connectors as they are
// registered, not as the file has them now.
func TestAdoptLeavesTheConnectors(t *testing.T) {
	env := []string{"CONNECTOR_ID=" + idA, "VIRUSTOTAL_API_KEY=key"}
	before := load(t, several(t, "", env...))
	after := load(t, several(t, "connector:\n  auto: true\nvirustotal:\n  quota_reserve_playbook: 30\n", env...))
	next, changes := before.Adopt(&after)
	if got := next.Sources["virustotal"].Reserve; got[quota.Auto] != 100 || got[quota.Playbook] != 30 {
		t.Errorf("reserves %v", got)
	}
	if !slices.Equal(changes.Restart, []string{"CONNECTOR_AUTO"}) {
		t.Errorf("%+v", changes)
	}
	after = load(t, several(t, "virustotal:\n  quota_auto: true\n", env...))
	if next, _ := before.Adopt(&after); next.Sources["virustotal"].Reserve[quota.Auto] != 10 {
		t.Error("the source's own setting was not taken")
	}
}

// A limit goes with what was said of it, and is named whatever else changed.
func TestAdoptTakesLimitsWhole(t *testing.T) {
	env := []string{"CONNECTOR_ID=" + idA, "VIRUSTOTAL_API_KEY=key"}
	before := load(t, several(t, "virustotal:\n  quota: 1000/month\n  quota_initial_used: 300/month\n", env...))
	after := load(t, several(t, "virustotal:\n  quota: 50/day\n", env...))
	next, changes := before.Adopt(&after)
	if err := next.Sources["virustotal"].Account().Validate(); err != nil || len(changes.Restart) != 0 {
		t.Errorf("%v, %+v", err, changes)
	}
	before = load(t, several(t, "virustotal:\n  limits: [{limit: 8, per: minute}]\n", env...))
	after = load(t, several(t, "virustotal:\n  limits: [{limit: 80, per: minute}]\n  quota_reserve_playbook: 30\n", env...))
	if _, changes := before.Adopt(&after); !slices.Equal(changes.Taken, []string{"VIRUSTOTAL_QUOTA_RESERVE_PLAYBOOK", "virustotal.limits"}) {
		t.Errorf("taken: %q", changes.Taken)
	}
}

// Two names of a secret that disagree are reported without either.
func TestSecretsThatDisagreeAreNotTold(t *testing.T) {
	_, err := Load(several(t, "", "CONNECTOR_ID="+idA, "VIRUSTOTAL_API_KEY=first-secret-value", "VIRUSTOTAL_TOKEN=second-secret-value"))
	if err == nil || strings.Contains(err.Error(), "secret-value") || !strings.Contains(err.Error(), "another value; keep one") {
		t.Errorf("%v", err)
	}
}

// A definition's own values are checked before it is a source.
func TestDefaultsAreChecked(t *testing.T) {
	for _, good := range many() {
		if err := good.Check(); err != nil {
			t.Error(err)
		}
	}
	bad := many()[0]
	bad.Quota = "1000/day,100/month"
	if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "QUOTA") {
		t.Errorf("%v", err)
	}
	bad = many()[0]
	bad.Timeout = time.Hour
	if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "TIMEOUT") {
		t.Errorf("%v", err)
	}
}
