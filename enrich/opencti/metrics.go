package opencti

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Fates of a message as the consumer sees it.
const (
	messageDone       = "done"       // handled and acknowledged
	messageRefused    = "refused"    // bad input, reported and acknowledged
	messageUnreadable = "unreadable" // bad input with nobody to report to, acknowledged
	messageReturned   = "returned"   // given back to the broker, to come again
	messageParked     = "parked"     // kept until its quota opens, and acknowledged
	messageLooped     = "looped"     // sent again too often, answered without work
)

// metrics of one connector. The registerer that it is given tells those of a
// process apart, by the label connector.
type metrics struct {
	messages                      *prometheus.CounterVec // fate
	bundles, pings, pingErrors    prometheus.Counter
	retries, attempts, reconnects prometheus.Counter
	sentAgain                     prometheus.Counter
	connected, blocked            toggle
}

func newMetrics(r prometheus.Registerer, c *Connector) *metrics {
	counter := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(m)
		return m
	}
	gauge := func(name, help string) prometheus.Gauge {
		m := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(m)
		return m
	}
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_messages_total",
			Help: "Messages from the listen queue by fate: done, refused (bad input, reported), unreadable (bad input, nobody to report to), returned (given back to the broker), parked (kept until the quota opens; it ends again later), looped (sent too often by itself, answered without work)."}, []string{"fate"}),
		bundles:    counter("enrichgate_bundles_sent_total", "Bundles handed to the worker and confirmed."),
		pings:      counter("enrichgate_platform_pings_total", "Pings that OpenCTI answered."),
		pingErrors: counter("enrichgate_platform_ping_errors_total", "Pings that OpenCTI did not answer."),
		retries:    counter("enrichgate_platform_retries_total", "Requests to OpenCTI that were repeated because it did not answer, and results offered to RabbitMQ again."),
		attempts:   counter("enrichgate_broker_connect_attempts_total", "Attempts to connect to RabbitMQ."),
		reconnects: counter("enrichgate_broker_reconnects_total", "Times that the listen queue was consumed again after the connection to RabbitMQ had ended."),
		sentAgain:  counter("enrichgate_messages_sent_again_total", "Automatic messages about an entity that OpenCTI had sent by itself a short time before; they cost nothing while the answer is fresh."),
		connected:  toggle{gauge("enrichgate_broker_connected", "1 while messages can arrive: the listen queue is consumed, or the callback is served.")},
		blocked:    toggle{gauge("enrichgate_broker_blocked", "1 while RabbitMQ takes no messages because it is short of memory or disk; none are begun then.")},
	}
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"messages_parked", "Messages that wait, on disk, for their quota to open.", func() float64 { return float64(c.lot.size()) }},
		{"queue_messages", "Messages that wait in the listen queue, those in hand and those parked not among them, as RabbitMQ last said; 0 where messages come over HTTP.", func() float64 { return float64(c.waiting.Load()) }},
		{"last_message_timestamp_seconds", "Time at which the last message came; 0 before the first.", func() float64 { return seconds(c.lastMessage.Load()) }},
		{"platform_last_ping_timestamp_seconds", "Time of the last ping that OpenCTI answered; 0 before the first.", func() float64 { return seconds(c.lastPing.Load()) }},
	} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "enrichgate_" + g.name, Help: g.help}, g.value))
	}
	r.MustRegister(m.messages)
	for _, f := range []string{messageDone, messageRefused, messageUnreadable, messageReturned, messageParked, messageLooped} {
		m.messages.WithLabelValues(f)
	}
	return m
}

// toggle is a gauge of yes and no.
type toggle struct{ prometheus.Gauge }

func (f toggle) set(yes bool) {
	if yes {
		f.Set(1)
		return
	}
	f.Set(0)
}

func (m *metrics) message(fate string) { m.messages.WithLabelValues(fate).Inc() }

// ObserveRequests gives the histogram of requests to the platform, for a
// ClientConfig. Operations are what they are for, not their names, of which
// there are too many for a histogram.
func ObserveRequests(r prometheus.Registerer) func(operation string, took time.Duration, err error) {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "enrichgate_platform_request_duration_seconds",
		Help:    "Duration of requests to OpenCTI by what they are for: register, ping, read (entities), work (its steps and its end), result (bundles and playbook steps), name (people and playbooks).",
		Buckets: []float64{.1, 1, 10}}, []string{"operation"})
	r.MustRegister(h)
	for _, purpose := range []string{purposeRegister, purposePing, purposeRead, purposeWork, purposeResult, purposeName} {
		h.WithLabelValues(purpose)
	}
	return func(operation string, took time.Duration, _ error) {
		h.WithLabelValues(purposeOf(operation)).Observe(took.Seconds())
	}
}

// What operations are for.
const (
	purposeRegister = "register"
	purposePing     = "ping"
	purposeRead     = "read"
	purposeWork     = "work"
	purposeResult   = "result"
	purposeName     = "name"
)

func purposeOf(operation string) string {
	switch operation {
	case opHealth.name, nameRegister:
		return purposeRegister
	case namePing:
		return purposePing
	case nameRead:
		return purposeRead
	case opPerson.name, opPlaybook.name:
		return purposeName
	case opStep.name, opUpload.name, opDraft.name, nameBundle:
		return purposeResult
	default:
		return purposeWork
	}
}

// seconds are so many nanoseconds since 1970 as Prometheus has them.
func seconds(nanos int64) float64 { return float64(nanos) / float64(time.Second) }
