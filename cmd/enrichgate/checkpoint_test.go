package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// A ledger whose disk is lost goes on where the platform's copy was, and no
// copy, empty, foreign, or older, ever lowers one.
func TestLedgerGoesOnFromThePlatformsCopy(t *testing.T) {
	first := newBench(t)
	before := first.state()
	if status, body := first.get(t, "/api/v1/lookup?value=198.51.100.7", httpToken, "application/json"); status != 200 {
		t.Fatalf("HTTP %d %s", status, body)
	}
	kept := first.state()
	var shown struct{ Quota map[string]string }
	if err := json.Unmarshal([]byte(kept), &shown); err != nil || len(shown.Quota) != 1 {
		t.Errorf("%v: %s", err, kept)
	}

	second := newBench(t)
	used := func() int64 { return second.ledger.Usage()[0].Windows[0].Used }
	second.restore(kept)
	if used() != 5 {
		t.Errorf("%d units used after the copy was taken over", used())
	}
	for _, other := range []string{"", "null", "not JSON", `{"last_run":"yesterday"}`, `{"ledger":{"ledger":"x","sources":{"proofpoint_et_intelligence":{"spent":-1}}}}`, before, kept, first.state()} {
		second.restore(other)
		if used() != 5 {
			t.Errorf("%d units used after %.40s", used(), other)
		}
	}
}

// The whole way: the platform keeps the state that a ping brought, and a daemon
// with an empty data directory takes it over when it registers.
func TestLedgerOutlivesItsDisk(t *testing.T) {
	w := newWorld(t, openctitest.TestBroker(t))
	const month = "PROOFPOINT_ET_INTELLIGENCE_QUOTA=1000/month"
	stop := w.start(month)
	e := sandbox.NewEntity("IPv4-Addr", "198.51.100.7", "TLP:GREEN")
	w.platform.AddEntity(e)
	id, err := w.platform.Enrich(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.platform.WaitWork(openctitest.Context(t), id); err != nil {
		t.Fatal(err)
	}
	stop()
	w.start(month)() // its first ping tells the platform
	if !strings.Contains(w.platform.State(), "5 of 1000 used") {
		t.Errorf("the platform keeps %s", w.platform.State())
	}
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	w.start(month)()
	if q := w.quota(month); !strings.Contains(q, `"used":5`) {
		t.Errorf("after the loss of the disk: %s", q)
	}
}
