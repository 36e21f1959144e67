package enrich

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// metrics of one gateway. Label sets are closed: nothing that an analyst, a
// provider or a platform says ever becomes a label.
type metrics struct {
	lookups   *prometheus.CounterVec // result
	saved     *prometheus.CounterVec // reason
	spent     *prometheus.CounterVec // trigger
	calls     *prometheus.CounterVec // class
	callTime  prometheus.Histogram
	denied    *prometheus.CounterVec // reason
	outcomes  *prometheus.CounterVec // trigger, outcome
	totalTime prometheus.Histogram
}

// Results of a lookup.
const (
	resultHit      = "hit"      // a found answer from the cache
	resultNegative = "negative" // a kept "no record"
	resultShared   = "shared"   // joined a call in flight
	resultMiss     = "miss"     // asked the provider
	resultStale    = "stale"    // an expired answer, for want of another
	resultNone     = "none"     // no answer at all
)

func newMetrics(r prometheus.Registerer, source string, g *guard) *metrics {
	r = prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, r)
	buckets := []float64{.001, .01, .1, .5, 1, 2.5, 5, 10, 30, 60, 300}
	m := &metrics{
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_cache_requests_total",
			Help: "Lookups by what the cache had: hit, negative (a kept 'no record'), shared (joined a call in flight), miss, stale, none (no answer could be had)."}, []string{"result"}),
		saved: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_quota_units_saved_total",
			Help: "Quota units that were not spent because the answer was there: cache, negative, singleflight."}, []string{"reason"}),
		spent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_quota_units_total",
			Help: "Quota units spent by this process, uncertain ones included, by trigger."}, []string{"trigger"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_upstream_requests_total",
			Help: "Calls to the provider by class of the answer; the audit log has them by endpoint."}, []string{"class"}),
		callTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "enrichgate_upstream_request_duration_seconds",
			Help: "Duration of calls to the provider.", Buckets: buckets}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_policy_denials_total",
			Help: "Requests that were not looked up: tlp, scope, private, input (not a value that the source knows), quota."}, []string{"reason"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_enrichments_total",
			Help: "Messages of the platform by trigger and outcome: enriched, unchanged, denied, incomplete, failed, deferred (parked until the quota opens; it ends again later)."}, []string{"trigger", "outcome"}),
		totalTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "enrichgate_enrichment_duration_seconds",
			Help: "Time from the start of work on a message to the report of its end.", Buckets: buckets}),
	}
	r.MustRegister(m.lookups, m.saved, m.spent, m.calls, m.callTime, m.denied, m.outcomes, m.totalTime)
	for _, name := range []string{"auth", "outage"} {
		b := g.auth
		if name == "outage" {
			b = g.outage
		}
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "enrichgate_source_circuit_open",
			Help:        "1 while the source is left alone: auth (it refused the key), outage (it failed too often in a row).",
			ConstLabels: prometheus.Labels{"circuit": name},
		}, func() float64 {
			if b.State() == gobreaker.StateOpen {
				return 1
			}
			return 0
		}))
	}
	// Series exist from the start, so that the first increase is seen as one.
	for _, v := range []string{resultHit, resultNegative, resultShared, resultMiss, resultStale, resultNone} {
		m.lookups.WithLabelValues(v)
	}
	for _, v := range []string{"cache", "negative", "singleflight"} {
		m.saved.WithLabelValues(v)
	}
	for _, v := range []string{"tlp", "scope", "private", "input", "quota"} {
		m.denied.WithLabelValues(v)
	}
	for _, c := range Classes() {
		m.calls.WithLabelValues(c.String())
	}
	for _, t := range quota.Triggers() {
		m.spent.WithLabelValues(t.String())
		for f := range numFates {
			m.outcomes.WithLabelValues(t.String(), f.String())
		}
	}
	return m
}

// refused counts a request that was not looked up.
func (m *metrics) refused(err error) {
	reason := "input"
	var policy *PolicyError
	if errors.As(err, &policy) {
		reason = policy.Kind
	}
	m.denied.WithLabelValues(reason).Inc()
}

// looked counts the end of one lookup.
func (m *metrics) looked(t quota.Trigger, p Part) {
	negative := p.Class == NotFound || p.Class == InvalidInput
	units := float64(p.Lookup.Units)
	result := resultMiss
	switch {
	case p.Entry == nil:
		result = resultNone
		if _, refused := IsRefused(p.Err); refused {
			m.denied.WithLabelValues("quota").Inc()
		}
	case p.Err != nil:
		result = resultStale
	case p.Origin == cache.Shared:
		result = resultShared
		m.saved.WithLabelValues("singleflight").Add(units)
	case p.Origin == cache.Loaded:
	case negative:
		result = resultNegative
		m.saved.WithLabelValues("negative").Add(units)
	default:
		result = resultHit
		m.saved.WithLabelValues("cache").Add(units)
	}
	m.lookups.WithLabelValues(result).Inc()
}

// paid counts units under the trigger that they were asked for under.
func (m *metrics) paid(t quota.Trigger, units int64) {
	m.spent.WithLabelValues(t.String()).Add(float64(units))
}

// called counts one call.
func (m *metrics) called(c Class, took time.Duration) {
	m.calls.WithLabelValues(c.String()).Inc()
	m.callTime.Observe(took.Seconds())
}

// handled counts the end of one message.
func (m *metrics) handled(t quota.Trigger, f Fate, took time.Duration) {
	m.outcomes.WithLabelValues(t.String(), f.String()).Inc()
	m.totalTime.Observe(took.Seconds())
}
