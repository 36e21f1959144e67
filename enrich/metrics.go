package enrich

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// metrics of one gateway. Label sets are closed: nothing that an analyst, a
// provider or a platform says ever becomes a label. Durations are of the
// system's steady clock, whatever clock the books are kept by.
type metrics struct {
	lookups   *prometheus.CounterVec // result
	saved     *prometheus.CounterVec // reason
	spent     *prometheus.CounterVec // trigger
	refunded  *prometheus.CounterVec // reason
	clients   *prometheus.CounterVec // client
	denied    *prometheus.CounterVec // reason
	outcomes  *prometheus.CounterVec // trigger, outcome
	inHand    prometheus.Gauge
	totalTime prometheus.Histogram

	calls   *prometheus.CounterVec // endpoint, code
	answers *prometheus.CounterVec // class
	calling prometheus.Gauge
	retries prometheus.Counter
	// callTime is that of the calls, waitTime that before them.
	callTime, waitTime prometheus.Histogram

	mu    sync.Mutex
	known []string // clients that have series from the start
	// gone are those that had; a call of theirs may still be under way.
	gone map[string]struct{}
}

// Results of a lookup.
const (
	resultHit      = "hit"      // a found answer from the cache
	resultNegative = "negative" // a kept "no record"
	resultShared   = "shared"   // joined a call in flight
	resultMiss     = "miss"     // asked the provider
	resultBypass   = "bypass"   // asked the provider because no kept answer was wanted
	resultStale    = "stale"    // an expired answer, for want of another
	resultNone     = "none"     // no answer at all
)

// Reasons why units were given back.
const (
	refundNotSent  = "not_sent"       // the call did not leave
	refundProvider = "provider_error" // the provider documents that such an answer costs nothing
	refundBatched  = "batched"        // one of several in a call that has one price
)

// Reasons of a denial, beside the kinds of a PolicyError.
const (
	deniedInput    = "input"           // not a value that the source knows
	deniedQuota    = "quota"           // a limit of the source
	deniedReserve  = "reserve"         // the rest is kept for others
	deniedPaused   = "paused"          // an operator paused the source
	deniedClient   = "client_budget"   // a client's own limit
	deniedPlaybook = "playbook_budget" // a playbook's own limit
)

// messageTriggers are those that a platform's message can have.
var messageTriggers = [...]quota.Trigger{quota.Manual, quota.Playbook, quota.Auto}

func newMetrics(r prometheus.Registerer, source string, g *guard) *metrics {
	r = prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, r)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_" + name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		c := prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		c := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "enrichgate_" + name, Help: help, Buckets: buckets})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		gone:      map[string]struct{}{},
		lookups:   counters("cache_requests_total", "Lookups by what the cache had: hit, negative (a kept 'no record'), shared (joined a call in flight), miss, bypass (a kept answer was not wanted), stale, none (no answer could be had).", "result"),
		saved:     counters("quota_units_saved_total", "Quota units that were not spent because the answer was there (cache, negative, singleflight), or because policy forbids to ask (policy).", "reason"),
		spent:     counters("quota_units_total", "Quota units spent by this process, uncertain ones included, by trigger.", "trigger"),
		refunded:  counters("quota_units_refunded_total", "Quota units that were reserved and given back: not_sent (provably not a byte of the call left), provider_error (an answer that the provider documents as free), batched (one of several in a call that has one price).", "reason"),
		clients:   counters("client_units_total", "Quota units spent by this process in the name of a client, uncertain ones included.", "client"),
		denied:    counters("policy_denials_total", "Requests that were not looked up: tlp, scope, private, input (not a value that the source knows); and lookups that were refused their units: quota, reserve (the rest is kept for others), paused, client_budget, playbook_budget.", "reason"),
		outcomes:  counters("enrichments_total", "Messages of the platform by trigger and outcome: enriched, unchanged, not_found, denied, incomplete, failed, deferred (parked until the quota opens; it ends again later).", "trigger", "outcome"),
		inHand:    gauge("enrichments_inflight", "Messages of the platform in hand."),
		totalTime: histogram("enrichment_duration_seconds", "Time from the start of work on a message to the report of its end.", .01, .1, 1, 5, 30, 300),
		calls:     counters("upstream_requests_total", "Calls to the provider by endpoint and status: 2xx, 3xx, 404, 4xx, 429, 5xx, timeout, network.", "endpoint", "code"),
		answers:   counters("upstream_answers_total", "Calls to the provider by what its answer means, whatever its status.", "class"),
		calling:   gauge("upstream_inflight", "Calls to the provider under way."),
		retries:   counters("upstream_retries_total", "Calls that repeat one that failed.").WithLabelValues(),
		callTime:  histogram("upstream_request_duration_seconds", "Duration of calls to the provider.", .1, .5, 1, 2.5, 10, 30),
		waitTime:  histogram("limiter_wait_seconds", "Time for which a call waited for its units to be on disk, for a limit to open, and for the end of a pause that the provider asked for.", .01, 1, 10, 60),
	}
	m.circuits(r, g)
	// Series exist from the start, so that the first increase is seen as one.
	// Those of an endpoint, of which there may be many, exist from its first call.
	for vec, values := range map[*prometheus.CounterVec][]string{
		m.lookups:  {resultHit, resultNegative, resultShared, resultMiss, resultBypass, resultStale, resultNone},
		m.saved:    {"cache", "negative", "singleflight", "policy"},
		m.refunded: {refundNotSent, refundProvider, refundBatched},
		m.denied:   {PolicyTLP, PolicyScope, PolicyPrivate, deniedInput, deniedQuota, deniedReserve, deniedPaused, deniedClient, deniedPlaybook},
	} {
		for _, v := range values {
			vec.WithLabelValues(v)
		}
	}
	for _, c := range Classes() {
		m.answers.WithLabelValues(c.String())
	}
	for _, t := range quota.Triggers() {
		m.spent.WithLabelValues(t.String())
	}
	for _, t := range messageTriggers {
		for f := range numFates {
			m.outcomes.WithLabelValues(t.String(), f.String())
		}
	}
	return m
}

// circuits registers what the guard thinks of the provider.
func (m *metrics) circuits(r prometheus.Registerer, g *guard) {
	gauge := func(name, help, label, value string, is func() bool) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "enrichgate_" + name, Help: help, ConstLabels: prometheus.Labels{label: value},
		}, func() float64 {
			if is() {
				return 1
			}
			return 0
		}))
	}
	for state, name := range map[gobreaker.State]string{gobreaker.StateClosed: "closed", gobreaker.StateHalfOpen: "half_open", gobreaker.StateOpen: "open"} {
		gauge("source_circuit_state", "1 for the state that calls to the source are in: closed (they go), half_open (one goes as a trial), open (the source is left alone).",
			"state", name, func() bool { return g.state() == state })
	}
	for name, b := range map[string]*breaker{"auth": g.auth, "outage": g.outage} {
		gauge("source_circuit_open", "1 while the source is left alone: auth (it refused the key), outage (it failed too often in a row).",
			"circuit", name, func() bool { return b.State() == gobreaker.StateOpen })
	}
}

// setClients makes the series of clients, and drops those of clients that were
// here before and are gone.
func (m *metrics) setClients(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.known {
		if !slices.Contains(names, name) {
			m.clients.DeleteLabelValues(name)
			m.gone[name] = struct{}{}
		}
	}
	for _, name := range names {
		m.clients.WithLabelValues(name)
		delete(m.gone, name)
	}
	m.known = slices.Clone(names)
}

// refused counts a request that was not looked up, and the units that it would
// have cost at most.
func (m *metrics) refused(err error, units int64) {
	reason := deniedInput
	if policy, ok := errors.AsType[*PolicyError](err); ok {
		reason = policy.Kind
		m.saved.WithLabelValues("policy").Add(float64(units))
	}
	m.denied.WithLabelValues(reason).Inc()
}

// refusal is why the ledger said no.
func refusal(d quota.Decision) string {
	switch {
	case d.Paused:
		return deniedPaused
	case d.Owner.Kind == quota.OfClient:
		return deniedClient
	case d.Owner.Kind == quota.OfPlaybook:
		return deniedPlaybook
	case d.Floor, d.Limit.Units == 0: // without a limit, the trigger itself may not spend
		return deniedReserve
	default:
		return deniedQuota
	}
}

// looked counts the end of one lookup.
func (m *metrics) looked(r Request, p Part) {
	negative := p.Class == NotFound || p.Class == InvalidInput
	units := float64(p.Lookup.Units)
	result := resultMiss
	if d, refused := IsRefused(p.Err); refused { // even if it is answered with what is kept
		m.denied.WithLabelValues(refusal(d)).Inc()
	}
	switch {
	case p.Entry == nil:
		result = resultNone
	case p.Err != nil:
		result = resultStale
	case p.Origin == cache.Shared:
		result = resultShared
		m.saved.WithLabelValues("singleflight").Add(units)
	case p.Origin == cache.Loaded:
		if r.Cache.NoCache {
			result = resultBypass
		}
	case negative:
		result = resultNegative
		m.saved.WithLabelValues("negative").Add(units)
	default:
		result = resultHit
		m.saved.WithLabelValues("cache").Add(units)
	}
	m.lookups.WithLabelValues(result).Inc()
}

// paid counts units under those in whose name they were asked for.
func (m *metrics) paid(asked Request, units int64) {
	m.spent.WithLabelValues(asked.Trigger.String()).Add(float64(units))
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, gone := m.gone[asked.Client]; asked.Client != "" && !gone {
		m.clients.WithLabelValues(asked.Client).Add(float64(units))
	}
}

// refund counts units that were given back.
func (m *metrics) refund(a Answer, units int64) {
	reason := refundNotSent
	switch {
	case a.Sent && a.Apart:
		reason = refundBatched
	case a.Sent:
		reason = refundProvider
	}
	m.refunded.WithLabelValues(reason).Add(float64(units))
}

// called counts one call, as its class says that it ended.
func (m *metrics) called(endpoint string, status int, c Class, took time.Duration) {
	m.calls.WithLabelValues(endpoint, codeOf(status, c)).Inc()
	m.answers.WithLabelValues(c.String()).Inc()
	m.callTime.Observe(took.Seconds())
}

// codeOf is a status as a label.
func codeOf(status int, c Class) string {
	switch {
	case c == TimedOut:
		return "timeout"
	case c == NetworkError, status < 200, status > 599:
		return "network"
	case status == 404, status == 429:
		return strconv.Itoa(status)
	default:
		return strconv.Itoa(status/100) + "xx"
	}
}

// handled counts the end of one message.
func (m *metrics) handled(t quota.Trigger, f Fate, took time.Duration) {
	m.outcomes.WithLabelValues(t.String(), f.String()).Inc()
	m.totalTime.Observe(took.Seconds())
}
