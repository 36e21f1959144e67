package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// pyctiMetrics are the eight metrics that the Python client serves, computed
// from our own, so that existing dashboards and ServiceMonitors find them.
type pyctiMetrics struct {
	from     prometheus.Gatherer
	counters []pyctiCounter
	state    *prometheus.Desc
}

// pyctiCounter is one of them, and how it follows from our own.
type pyctiCounter struct {
	desc *prometheus.Desc
	sum  func(ownMetrics) float64
}

// newPyctiMetrics names them as the Python client does: with the prefix where
// there is one, and the state's label by the metric's whole name.
func newPyctiMetrics(from prometheus.Gatherer, namespace, subsystem string) *pyctiMetrics {
	name := func(s string) string { return prometheus.BuildFQName(namespace, subsystem, s) }
	m := &pyctiMetrics{from: from, state: prometheus.NewDesc(name("state"), "State of connector", []string{name("state")}, nil)}
	for _, c := range []struct {
		name, help string
		sum        func(ownMetrics) float64
	}{
		{"bundles_sent_total", "Number of bundles sent", func(o ownMetrics) float64 { return o.sum("enrichgate_bundles_sent_total", "") }},
		// The Python client leaves this one to its connectors, and so it stays at 0 here as there.
		{"records_sent_total", "Number of records (objects per bundle) sent", func(ownMetrics) float64 { return 0 }},
		{"runs_total", "Number of runs", func(o ownMetrics) float64 { return o.sum("enrichgate_enrichments_total", "") }},
		{"ping_api_total", "Number of pings to the API", func(o ownMetrics) float64 { return o.sum("enrichgate_platform_pings_total", "") }},
		{"ping_api_errors_total", "Number of errors when pinging the API", func(o ownMetrics) float64 { return o.sum("enrichgate_platform_ping_errors_total", "") }},
		{"errors_total", "Number of errors", func(o ownMetrics) float64 {
			return o.sum("enrichgate_enrichments_total", "outcome", "failed", "incomplete") + o.sum("enrichgate_messages_total", "fate", "refused", "unreadable")
		}},
		{"client_errors_total", "Number of client errors", func(o ownMetrics) float64 {
			all := o.sum("enrichgate_upstream_answers_total", "")
			return all - o.sum("enrichgate_upstream_answers_total", "class", "found", "partial", "not_found", "invalid_input")
		}},
	} {
		m.counters = append(m.counters, pyctiCounter{prometheus.NewDesc(name(c.name), c.help, nil, nil), c.sum})
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *pyctiMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.counters {
		ch <- c.desc
	}
	ch <- m.state
}

// Collect implements prometheus.Collector.
func (m *pyctiMetrics) Collect(ch chan<- prometheus.Metric) {
	families, err := m.from.Gather()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.state, err)
		return
	}
	own := ownMetrics(families)
	for _, c := range m.counters {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, c.sum(own))
	}
	is := "idle"
	switch {
	case own.sum("enrichgate_broker_connected", "") == 0:
		is = "stopped"
	case own.sum("enrichgate_enrichments_inflight", "") > 0:
		is = "running"
	}
	for _, state := range []string{"idle", "running", "stopped"} {
		v := 0.0
		if state == is {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(m.state, prometheus.GaugeValue, v, state)
	}
}

// ownMetrics are our families at one moment.
type ownMetrics []*dto.MetricFamily

// sum adds up the series of a family whose label has one of the values; an
// empty label takes all.
func (o ownMetrics) sum(name, label string, values ...string) (sum float64) {
	for _, f := range o {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && slices.Contains(values, l.GetValue()) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// exposePycti serves them as the Python client does: on every address, and
// whatever the path.
func (f *front) exposePycti(s settings.Settings, from prometheus.Gatherer) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(newPyctiMetrics(from, s.MetricsNamespace, s.MetricsSubsystem)); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", ":"+strconv.Itoa(s.MetricsPort))
	if err != nil {
		return fmt.Errorf("CONNECTOR_METRICS_PORT: %w", err)
	}
	f.serve(ln, onlyGet(promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
	return nil
}

// onlyGet is for a port that takes nothing in.
func onlyGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "metrics are read", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}
