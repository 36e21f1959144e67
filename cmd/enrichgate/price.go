package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

// unitPrices exposes what a unit costs, so that dashboards speak of money. A
// source without a price has no series.
func unitPrices(s settings.Settings) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "enrichgate_quota_unit_price",
		Help: "What a unit costs, as configured; absent without a price."}, []string{"source", "currency"})
	for _, source := range s.Enabled() {
		if price, err := strconv.ParseFloat(source.UnitPrice, 64); err == nil { // empty: no price
			g.WithLabelValues(source.Spec.Name, source.Currency).Set(price)
		}
	}
	return g
}

// sourceInfo names the sources that are switched on, and what they are counted
// in, as the settings have it now.
type sourceInfo struct{ settings func() *settings.Settings }

func (sourceInfo) desc() *prometheus.Desc {
	return prometheus.NewDesc("enrichgate_source_info",
		"Always 1; what a source is counted in: call (each costs one unit) or unit (their prices differ), and the currency of its price.",
		[]string{"source", "unit", "currency"}, nil)
}

// Describe implements prometheus.Collector.
func (i sourceInfo) Describe(ch chan<- *prometheus.Desc) { ch <- i.desc() }

// Collect implements prometheus.Collector.
func (i sourceInfo) Collect(ch chan<- prometheus.Metric) {
	for _, source := range i.settings().Enabled() {
		unit := "call"
		for _, endpoint := range source.Endpoints {
			if endpoint.Units != 1 {
				unit = "unit"
			}
		}
		ch <- prometheus.MustNewConstMetric(i.desc(), prometheus.GaugeValue, 1, source.Spec.Name, unit, source.Currency)
	}
}
