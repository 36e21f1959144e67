package cache

import "github.com/prometheus/client_golang/prometheus"

// Collector exposes the cache's tiers. What a lookup's answer was worth is
// counted by those who know lookups.
type Collector struct {
	cache                             *Cache
	gets, swept, damaged, fails, size *prometheus.Desc
}

// NewCollector makes a collector for the cache.
func NewCollector(c *Cache) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("enrichgate_cache_"+name, help, labels, nil)
	}
	return &Collector{
		cache:   c,
		gets:    desc("tier_requests_total", "Fetches by the tier that had a fresh answer: memory, disk, flight (another's call), none.", "tier"),
		swept:   desc("swept_entries_total", "Entries removed because they were past their stale limit."),
		damaged: desc("damaged_entries_total", "Entries that failed their checksum and were treated as missing."),
		fails:   desc("write_errors_total", "Transactions that the disk refused."),
		size:    desc("size_bytes", "Size of the cache's file."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.gets, c.swept, c.damaged, c.fails, c.size} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.cache.Stats()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(c.gets, s.MemoryHits, "memory")
	counter(c.gets, s.DiskHits, "disk")
	counter(c.gets, s.Shared, "flight")
	counter(c.gets, s.Misses, "none")
	counter(c.swept, s.Swept)
	counter(c.damaged, s.Damaged)
	counter(c.fails, s.WriteErrors)
	ch <- prometheus.MustNewConstMetric(c.size, prometheus.GaugeValue, float64(s.SizeBytes))
}
