package quota

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector exposes the ledger. The state of the books is gauges, because it
// survives restarts; nothing is counted twice that the ledger counts already.
// All labels are closed sets: configured sources, clients and playbooks, and
// the names of their windows.
type Collector struct {
	ledger *Ledger
	all    []*prometheus.Desc

	limit, used, reserved, remaining, floor *prometheus.Desc
	start, reset, forecast, drift           *prometheus.Desc
	spent, uncertain, paused                *prometheus.Desc
	clientLimit, clientUsed                 *prometheus.Desc
	playbookLimit, playbookUsed             *prometheus.Desc
	healthy, commitErrors, size             *prometheus.Desc
	entries, waiting, last                  *prometheus.Desc
}

// newCommitTime counts the transactions of one ledger by their duration.
func newCommitTime() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "enrichgate_ledger_commit_duration_seconds", Help: "Time that a transaction took to be on disk, or to be refused.",
		Buckets: []float64{.005, .025, .1, .5, 2.5},
	})
}

// NewCollector makes a collector for the ledger.
func NewCollector(l *Ledger) *Collector {
	c := &Collector{ledger: l}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc("enrichgate_"+name, help, labels, nil)
		c.all = append(c.all, d)
		return d
	}
	c.limit = desc("quota_limit", "Units that a window allows.", "source", "window")
	c.used = desc("quota_used", "Units spent in the window now, uncertain ones included.", "source", "window")
	c.reserved = desc("quota_reserved", "Units that calls under way hold.", "source", "window")
	c.remaining = desc("quota_remaining", "Units that the window still allows, the safety margin taken off.", "source", "window")
	c.floor = desc("quota_reserve_floor", "Units of the window that are kept for manual work.", "source", "window")
	c.start = desc("quota_window_start_timestamp_seconds", "When the window began.", "source", "window")
	c.reset = desc("quota_reset_timestamp_seconds", "When the window is empty again: its reset, or for a rolling window the time when its youngest unit leaves it.", "source", "window")
	c.forecast = desc("quota_forecast_exhaustion_timestamp_seconds", "When the window will run out by the earliest estimate; absent when it will not, or too little is known.", "source", "window")
	c.drift = desc("ledger_drift", "The provider's count of the window less ours, as it was last told; absent while it has told none.", "source", "window")
	c.spent = desc("quota_spent_units", "Units spent since the ledger began.", "source")
	c.uncertain = desc("quota_uncertain_units", "Units since the ledger began that may or may not have been billed; they count as spent.", "source")
	c.paused = desc("source_paused", "1 while an operator has paused the source.", "source")
	c.clientLimit = desc("client_budget_limit", "Units that a client's budget allows.", "source", "client", "window")
	c.clientUsed = desc("client_budget_used", "Units of a client's budget that are spent now.", "source", "client", "window")
	c.playbookLimit = desc("playbook_budget_limit", "Units that a playbook's budget allows.", "source", "playbook", "window")
	c.playbookUsed = desc("playbook_budget_used", "Units of a playbook's budget that are spent now.", "source", "playbook", "window")
	c.healthy = desc("ledger_durable", "1 while the disk takes what the ledger writes; at 0 nothing is spent.")
	c.commitErrors = desc("ledger_write_errors_total", "Transactions that the disk refused.")
	c.size = desc("ledger_size_bytes", "Size of the ledger's file as of the last transaction.")
	c.entries = desc("ledger_entries", "Entries of the audit log since it began.")
	c.waiting = desc("ledger_waiting_requests", "Requests that wait for a limit to open.")
	c.last = desc("ledger_last_commit_timestamp_seconds", "Time of the last transaction of this process; 0 before the first.")
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.all {
		ch <- d
	}
	c.ledger.commits.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, u := range c.ledger.Usage() {
		c.source(&u, gauge)
	}
	s := c.ledger.Stats()
	gauge(c.healthy, one(c.ledger.Healthy() == nil))
	gauge(c.size, float64(s.Size))
	gauge(c.entries, float64(s.Entries))
	gauge(c.waiting, float64(s.Waiting))
	gauge(c.last, seconds(s.LastCommit))
	ch <- prometheus.MustNewConstMetric(c.commitErrors, prometheus.CounterValue, float64(s.CommitErrors))
	c.ledger.commits.Collect(ch)
}

func (c *Collector) source(u *Usage, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(c.spent, float64(u.Spent), u.Source)
	gauge(c.uncertain, float64(u.Uncertain), u.Source)
	gauge(c.paused, one(u.Paused != nil), u.Source)
	for _, w := range u.Windows {
		gauge(c.limit, float64(w.Limit), u.Source, w.Window)
		gauge(c.used, float64(w.Used), u.Source, w.Window)
		gauge(c.reserved, float64(w.Pending), u.Source, w.Window)
		gauge(c.remaining, float64(w.Remaining), u.Source, w.Window)
		gauge(c.floor, float64(w.Floors[Playbook.String()]), u.Source, w.Window)
		gauge(c.start, seconds(w.StartsAt), u.Source, w.Window)
		gauge(c.reset, seconds(w.ResetsAt), u.Source, w.Window)
		if w.Forecast != nil {
			gauge(c.forecast, seconds(w.Forecast.At), u.Source, w.Window)
		}
		if w.Reported != nil {
			gauge(c.drift, float64(w.Reported.Drift), u.Source, w.Window)
		}
	}
	budgets := func(limit, used *prometheus.Desc, all []BudgetUsage) {
		for _, b := range all {
			for _, w := range b.Windows {
				gauge(limit, float64(w.Limit), u.Source, b.Name, w.Window)
				gauge(used, float64(w.Used), u.Source, b.Name, w.Window)
			}
		}
	}
	budgets(c.clientLimit, c.clientUsed, u.Clients)
	budgets(c.playbookLimit, c.playbookUsed, u.Playbooks)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
