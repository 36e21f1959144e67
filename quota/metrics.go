package quota

import "github.com/prometheus/client_golang/prometheus"

// Collector exposes the ledger. The state of the books is gauges, because it
// survives restarts; nothing is counted twice that the ledger counts already.
type Collector struct {
	ledger *Ledger

	limit, used, reserved, remaining, reset *prometheus.Desc
	spent, uncertain                        *prometheus.Desc
	healthy, commits, commitErrors          *prometheus.Desc
	commitSeconds, entries, waiting, last   *prometheus.Desc
}

// NewCollector makes a collector for the ledger.
func NewCollector(l *Ledger) *Collector {
	window := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("enrichgate_quota_"+name, help, []string{"source", "window"}, nil)
	}
	source := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("enrichgate_quota_"+name, help, []string{"source"}, nil)
	}
	ledger := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("enrichgate_ledger_"+name, help, nil, nil)
	}
	return &Collector{
		ledger:        l,
		limit:         window("limit", "Units that a window allows."),
		used:          window("used", "Units spent in the window now, uncertain ones included."),
		reserved:      window("reserved", "Units that calls under way hold."),
		remaining:     window("remaining", "Units that the window still allows."),
		reset:         window("reset_timestamp_seconds", "When the window is empty again: its reset, or for a rolling window the time when its youngest unit leaves it."),
		spent:         source("spent_units", "Units spent since the ledger began."),
		uncertain:     source("uncertain_units", "Units since the ledger began that may or may not have been billed; they count as spent."),
		healthy:       ledger("durable", "1 while the disk takes what the ledger writes; at 0 nothing is spent."),
		commits:       ledger("commits_total", "Transactions written."),
		commitErrors:  ledger("write_errors_total", "Transactions that the disk refused."),
		commitSeconds: ledger("commit_seconds_total", "Time spent writing transactions."),
		entries:       ledger("entries", "Entries in the audit log."),
		waiting:       ledger("waiting_requests", "Requests that wait for a limit to open."),
		last:          ledger("last_commit_timestamp_seconds", "Time of the last transaction of this process; 0 before the first."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.limit, c.used, c.reserved, c.remaining, c.reset, c.spent, c.uncertain,
		c.healthy, c.commits, c.commitErrors, c.commitSeconds, c.entries, c.waiting, c.last} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	for _, u := range c.ledger.Usage() {
		gauge(c.spent, float64(u.Spent), u.Source)
		gauge(c.uncertain, float64(u.Uncertain), u.Source)
		for _, w := range u.Windows {
			gauge(c.limit, float64(w.Limit), u.Source, w.Window)
			gauge(c.used, float64(w.Used), u.Source, w.Window)
			gauge(c.reserved, float64(w.Pending), u.Source, w.Window)
			gauge(c.remaining, float64(w.Remaining), u.Source, w.Window)
			gauge(c.reset, float64(w.ResetsAt.UnixMilli())/1000, u.Source, w.Window)
		}
	}
	s := c.ledger.Stats()
	durable, last := 1.0, 0.0
	if c.ledger.Healthy() != nil {
		durable = 0
	}
	if !s.LastCommit.IsZero() {
		last = float64(s.LastCommit.UnixMilli()) / 1000
	}
	gauge(c.healthy, durable)
	gauge(c.entries, float64(s.Entries))
	gauge(c.waiting, float64(s.Waiting))
	gauge(c.last, last)
	counter(c.commits, float64(s.Commits))
	counter(c.commitErrors, float64(s.CommitErrors))
	counter(c.commitSeconds, s.CommitSeconds)
}
