package cache

import "github.com/prometheus/client_golang/prometheus"

// Collector exposes the cache's tiers. What a lookup's answer was worth is
// counted by those who know lookups.
type Collector struct {
	cache                                             *Cache
	gets, evictions, entries, bytes                   *prometheus.Desc
	file, limit, damaged, fails, compactions, durable *prometheus.Desc
}

// NewCollector makes a collector for the cache.
func NewCollector(c *Cache) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("enrichgate_cache_"+name, help, labels, nil)
	}
	return &Collector{
		cache:       c,
		gets:        desc("tier_requests_total", "Fetches by the tier that had a fresh answer: memory, disk, flight (another's call), none.", "tier"),
		evictions:   desc("evictions_total", "Entries removed by reason: ttl (past their stale limit), size (least recently used), purge.", "source", "reason"),
		entries:     desc("entries", "Answers that are stored.", "source"),
		bytes:       desc("size_bytes", "Bytes of the stored answers, compressed.", "source"),
		limit:       desc("limit_bytes", "Bytes that all stored answers together may have."),
		file:        desc("file_bytes", "Size of the cache's file."),
		damaged:     desc("damaged_entries_total", "Entries that failed their checksum and were treated as missing."),
		fails:       desc("write_errors_total", "Transactions that the disk refused."),
		compactions: desc("compactions_total", "Times that the cache's file was rewritten without its waste."),
		durable:     desc("durable", "1 while answers can be stored, 0 while the disk refuses them."),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.gets, c.evictions, c.entries, c.bytes, c.limit, c.file, c.damaged, c.fails, c.compactions, c.durable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.cache.Stats()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter(c.gets, s.MemoryHits, "memory")
	counter(c.gets, s.DiskHits, "disk")
	counter(c.gets, s.Shared, "flight")
	counter(c.gets, s.Misses, "none")
	for _, source := range s.Sources {
		counter(c.evictions, source.Expired, source.Source, "ttl")
		counter(c.evictions, source.Evicted, source.Source, "size")
		counter(c.evictions, source.Purged, source.Source, "purge")
		gauge(c.entries, source.Entries, source.Source)
		gauge(c.bytes, source.Bytes, source.Source)
	}
	counter(c.damaged, s.Damaged)
	counter(c.fails, s.WriteErrors)
	counter(c.compactions, s.Compactions)
	gauge(c.file, s.SizeBytes)
	gauge(c.limit, s.MaxDisk)
	durable := int64(1)
	if c.cache.Healthy() != nil {
		durable = 0
	}
	gauge(c.durable, durable)
}
