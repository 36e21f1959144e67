package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what is asked over HTTP. Handlers are the operations of
// openapi.json, and "proxy"; nothing that a caller sends becomes a label.
type Metrics struct {
	requests *prometheus.CounterVec // handler, method, code
	duration *prometheus.HistogramVec
}

// proxyHandler is the mirror's name among the handlers.
const proxyHandler = "proxy"

// NewMetrics registers them. They are for all APIs of a process.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "enrichgate_http_requests_total",
			Help: "Requests to the HTTP API and the proxy by operation, method and status."}, []string{"handler", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "enrichgate_http_request_duration_seconds",
			Help: "Time from a request to the end of its answer, by operation.", Buckets: []float64{.005, .1, 1, 10}}, []string{"handler"}),
	}
	r.MustRegister(m.requests, m.duration)
	for _, handler := range []string{"lookup", proxyHandler} { // series exist from the start
		m.requests.WithLabelValues(handler, http.MethodGet, "200")
		m.duration.WithLabelValues(handler)
	}
	return m
}

// answered counts one request. A status of 0 is 200: nothing else was written.
func (m *Metrics) answered(handler, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if status == 0 {
		status = 200
	}
	m.requests.WithLabelValues(handler, methodOf(method), strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(handler).Observe(took.Seconds())
}

// methodOf is a method as a label: a caller may send any word.
func methodOf(method string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if !slices.Contains(known, method) {
		return "other"
	}
	return method
}
