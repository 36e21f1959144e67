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
)

type metrics struct {
	messages   *prometheus.CounterVec
	inFlight   prometheus.Gauge
	bundles    prometheus.Counter
	pings      prometheus.Counter
	pingErrors prometheus.Counter
	retries    prometheus.Counter
	reconnects prometheus.Counter
}

func newMetrics(r prometheus.Registerer, c *Connector) *metrics {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_messages_total",
			Help: "Messages from the listen queue by fate: done, refused (bad input, reported), unreadable (bad input, nobody to report to), returned (given back to the broker), parked (kept until the quota opens; it ends again later)."}, []string{"fate"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "enrichgate_messages_inflight", Help: "Messages in hand."}),
		bundles:  prometheus.NewCounter(prometheus.CounterOpts{Name: "enrichgate_bundles_sent_total", Help: "Bundles handed to the worker and confirmed."}),
		pings:    prometheus.NewCounter(prometheus.CounterOpts{Name: "enrichgate_platform_pings_total", Help: "Pings that OpenCTI answered."}),
		pingErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "enrichgate_platform_ping_errors_total",
			Help: "Pings that OpenCTI did not answer."}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "enrichgate_platform_retries_total",
			Help: "Requests to OpenCTI that were repeated because it did not answer."}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{Name: "enrichgate_broker_connects_total", Help: "Connections made to RabbitMQ."}),
	}
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "enrichgate_broker_connected",
		Help: "1 while messages can arrive: the listen queue is consumed, or the callback is served."}, func() float64 {
		if c.listening.Load() {
			return 1
		}
		return 0
	})
	lastPing := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "enrichgate_platform_last_ping_timestamp_seconds",
		Help: "Time of the last ping that OpenCTI answered; 0 before the first."}, func() float64 {
		return float64(c.lastPing.Load()) / float64(time.Second)
	})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "enrichgate_messages_parked",
		Help: "Messages that wait, on disk, for their quota to open."}, func() float64 { return float64(c.lot.size()) })
	r.MustRegister(waiting, m.messages, m.inFlight, m.bundles, m.pings, m.pingErrors, m.retries, m.reconnects, connected, lastPing)
	for _, f := range []string{messageDone, messageRefused, messageUnreadable, messageReturned, messageParked} {
		m.messages.WithLabelValues(f)
	}
	return m
}

func (m *metrics) message(fate string) { m.messages.WithLabelValues(fate).Inc() }
