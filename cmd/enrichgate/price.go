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
