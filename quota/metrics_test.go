package quota

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// One source with all kinds of windows and a budget stays far from the 150
// series that it may have; what is not known is absent, not zero.
func TestMetrics(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{
		Limits: limits(t, "5/second,200/minute,300/hour,1000/day,10000/month"), Margin: 0.02, Floors: DefaultFloors(),
		Clients: map[string][]Limit{"soar": limits(t, "10/day")}, Playbooks: map[string][]Limit{"pb-1": limits(t, "20/day")},
	})
	r := ask(API)
	r.Client = "soar"
	spend(t, l, 3, r)
	mustReserve(t, l, ask(Manual))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(l))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "source" {
					series++
				}
			}
		}
		if name := f.GetName(); strings.HasSuffix(name, "drift") || strings.Contains(name, "forecast") {
			t.Errorf("%s is there, and nothing is known", name)
		}
	}
	if series == 0 || series > 80 {
		t.Errorf("%d series for one source", series)
	}
	report(t, l, Report{Window: "month", Used: new(int64(9))})
	if err := l.Pause(src, noon.AddDate(0, 0, 1), order); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`
# HELP enrichgate_client_budget_used Units of a client's budget that are spent now.
# TYPE enrichgate_client_budget_used gauge
enrichgate_client_budget_used{client="soar",source="SRC",window="day"} 3
# HELP enrichgate_ledger_drift The provider's count of the window less ours, as it was last told; absent while it has told none.
# TYPE enrichgate_ledger_drift gauge
enrichgate_ledger_drift{source="SRC",window="month"} 5
# HELP enrichgate_source_paused 1 while an operator has paused the source.
# TYPE enrichgate_source_paused gauge
enrichgate_source_paused{source="SRC"} 1
`, "SRC", src)
	if err := testutil.CollectAndCompare(NewCollector(l), strings.NewReader(want), "enrichgate_client_budget_used", "enrichgate_ledger_drift", "enrichgate_source_paused"); err != nil {
		t.Error(err)
	}
}
