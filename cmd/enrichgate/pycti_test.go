package main

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// The Python client's eight metrics, under its names and prefix, follow ours.
func TestPythonClientsMetrics(t *testing.T) {
	b := newBench(t)
	port, err := freePort(0)
	if err != nil {
		t.Fatal(err)
	}
	s := *b.settings()
	s.MetricsPort, s.MetricsNamespace, s.MetricsSubsystem = port, "opencti", "et"
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_bundles_sent_total"}, []string{"connector"})
	connected := prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_broker_connected"})
	b.registry.MustRegister(sent, connected)
	sent.WithLabelValues("one").Add(2)
	sent.WithLabelValues("two").Add(3)
	connected.Set(1)
	f := &front{}
	if err := f.exposePycti(s, b.registry); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	read := func(path string) string {
		resp, err := http.Get("http://127.0.0.1:" + strconv.Itoa(port) + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d %v", resp.StatusCode, err)
		}
		return string(body)
	}
	said := read("/metrics")
	var names []string
	for line := range strings.Lines(said) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.TrimPrefix(strings.Fields(name)[0], "opencti_et_"))
		}
	}
	want := []string{"bundles_sent_total", "client_errors_total", "errors_total", "ping_api_errors_total", "ping_api_total", "records_sent_total", "runs_total", "state"}
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	for _, line := range []string{"opencti_et_bundles_sent_total 5", `opencti_et_state{opencti_et_state="idle"} 1`, `opencti_et_state{opencti_et_state="stopped"} 0`, "opencti_et_client_errors_total 0"} {
		if !strings.Contains(said, line+"\n") {
			t.Errorf("no %q in %s", line, said)
		}
	}
	connected.Set(0)
	if said := read("/"); !strings.Contains(said, `opencti_et_state{opencti_et_state="stopped"} 1`) {
		t.Errorf("got %s", said)
	}
}
