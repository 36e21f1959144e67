package enrich

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/enrichgate/enrichgate/quota"
)

// counted is what the metrics say of one family, by its label besides source.
func counted(t *testing.T, r *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "enrichgate_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, pair := range m.GetLabel() {
				if pair.GetName() != "source" {
					labels = append(labels, pair.GetValue())
				}
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if v != 0 {
				all[strings.Join(labels, " ")] = v
			}
		}
	}
	return all
}

// Each way in which a lookup can end is counted under its own name, and what the
// counters say that was spent is what the ledger has.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		b := newBench(t, "9/day", func(c *Config) { c.Registerer = registry })
		b.SetClients([]string{"soar", "other"})
		answers := []Answer{
			{Class: Found, Status: 200, Sent: true, Body: []byte("1")},
			{Class: NotFound, Status: 404, Sent: true},
			{Class: NetworkError, Err: errors.New("refused")}, // did not leave
			{Class: ServerError, Status: 502, Sent: true, Free: true},
			{Class: TimedOut, Sent: true},
			{Class: Found, Status: 200, Sent: true, Body: []byte("2")},
			{Class: Found, Status: 200, Sent: true, Body: []byte("3")},
			{Class: RateLimited, Status: 429, Sent: true, RetryAfter: b.now().Add(-time.Second)},
			{Class: Found, Status: 203, Sent: true, Body: []byte("4")},
			{Class: AuthFailed, Status: 401, Sent: true},
		}
		b.source.answer = func(Lookup) Answer {
			a := answers[0]
			answers = answers[1:]
			return a
		}
		for _, step := range []struct {
			value string
			how   Request
		}{
			{"198.51.100.1", Request{}},                                          // found
			{"198.51.100.1", Request{}},                                          // a hit
			{"198.51.100.2", Request{Client: "soar"}},                            // not found
			{"198.51.100.2", Request{Client: "soar"}},                            // a negative hit
			{"198.51.100.3", Request{}},                                          // fails twice, in vain and for free
			{"198.51.100.4", Request{}},                                          // too late, and then found
			{"198.51.100.1", Request{Cache: Directives{NoCache: true}}},          // asked again
			{"198.51.100.5", Request{Client: "soar"}},                            // throttled, and then found
			{"198.51.100.8", Request{Trigger: quota.Auto}},                       // has no budget
			{"198.51.100.9", Request{Cache: Directives{OnlyIfCached: true}}},     // nothing kept
			{"198.51.100.10", Request{Entity: Entity{TLP: []string{"TLP:RED"}}}}, // may not leave
			{"198.51.100.6", Request{}},                                          // the key is refused
			{"198.51.100.7", Request{}},                                          // left alone
		} {
			b.tick(time.Second)
			r := request(t, step.value, step.how.Trigger)
			r.Client, r.Cache, r.Entity.TLP = step.how.Client, step.how.Cache, step.how.Entity.TLP
			_, _ = b.Enrich(t.Context(), r) // what came of it is counted
		}
		if len(answers) != 0 {
			t.Fatalf("%d answers are left", len(answers))
		}
		for name, want := range map[string]map[string]float64{
			"cache_requests_total":        {"hit": 1, "negative": 1, "miss": 4, "bypass": 1, "none": 5},
			"quota_units_saved_total":     {"cache": 1, "negative": 1, "policy": 1},
			"quota_units_refunded_total":  {"not_sent": 1, "provider_error": 1},
			"quota_units_total":           {"manual": 8},
			"client_units_total":          {"soar": 3},
			"policy_denials_total":        {"reserve": 1, "tlp": 1},
			"upstream_requests_total":     {"2xx ip": 4, "404 ip": 1, "network ip": 1, "5xx ip": 1, "timeout ip": 1, "429 ip": 1, "4xx ip": 1},
			"upstream_answers_total":      {"found": 4, "not_found": 1, "network": 1, "server_error": 1, "timeout": 1, "rate_limited": 1, "auth_failed": 1},
			"upstream_retries_total":      {"": 3},
			"upstream_inflight":           {},
			"enrichments_inflight":        {},
			"limiter_wait_seconds":        {"": 10},
			"source_circuit_state":        {"open": 1},
			"source_circuit_open":         {"auth": 1},
			"enrichment_duration_seconds": {},
		} {
			got := counted(t, registry, name)
			if len(got) != len(want) {
				t.Errorf("%s: %v, want %v", name, got, want)
				continue
			}
			for label, n := range want {
				if got[label] != n {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
		}
		if u := b.ledger.Usage()[0]; u.Spent+u.Uncertain != 8 || u.Pending != 0 {
			t.Errorf("the ledger: %+v", u)
		}
		// A client that is gone has no series; one that has not asked yet has one.
		if n := testutil.CollectAndCount(b.metrics.clients); n != 2 {
			t.Errorf("%d clients", n)
		}
		b.SetClients([]string{"other"})
		if n := testutil.CollectAndCount(b.metrics.clients); n != 1 {
			t.Errorf("%d clients after one was revoked", n)
		}
	})
}

// A refusal of the ledger is counted by whose limit it was.
func TestRefusalsAreCountedApart(t *testing.T) {
	limit := quota.Limit{Units: 5, Per: quota.Day}
	for want, d := range map[string]quota.Decision{
		deniedPaused:   {Paused: true},
		deniedReserve:  {Limit: limit, Floor: true, Owner: quota.Owner{Kind: quota.OfSource}},
		deniedClient:   {Limit: limit, Owner: quota.Owner{Kind: quota.OfClient, Name: "soar"}},
		deniedPlaybook: {Limit: limit, Owner: quota.Owner{Kind: quota.OfPlaybook, Name: "p"}},
		deniedQuota:    {Limit: limit, Owner: quota.Owner{Kind: quota.OfBucket, Name: "search"}},
	} {
		if got := refusal(d); got != want {
			t.Errorf("%+v is counted as %s, want %s", d, got, want)
		}
	}
	if got := refusal(quota.Decision{Trigger: quota.Auto}); got != deniedReserve {
		t.Errorf("a trigger without a budget is counted as %s", got)
	}
}

// Every status has a code of the closed set.
func TestCodes(t *testing.T) {
	for status, want := range map[int]string{0: "network", 100: "network", 200: "2xx", 206: "2xx", 301: "3xx", 400: "4xx", 404: "404", 429: "429", 500: "5xx", 599: "5xx", 600: "network", 999: "network"} {
		if got := codeOf(status, ServerError); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
	if codeOf(200, TimedOut) != "timeout" || codeOf(200, NetworkError) != "network" {
		t.Error("a body that was cut off counts as whole")
	}
}
