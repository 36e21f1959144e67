package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

// A kept answer through the proxy beside a handler that only writes the same
// bytes, over the same kind of connection: what policy, token, cache, books and
// headers cost.
func BenchmarkProxyHit(b *testing.B) {
	w := newWorld(b, options{})
	token := w.addClient(clients.Client{Name: "connector", Budgets: map[string]string{et: "1000/day"}})
	get := func(address string) []byte {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil)
		w.must(err)
		req.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(req)
		w.must(err)
		body, err := io.ReadAll(resp.Body)
		w.must(err)
		w.must(resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			b.Fatalf("%d %s", resp.StatusCode, body)
		}
		return body
	}
	proxied := w.front.URL + "/proxy/" + et + "/v1/ips/198.51.100.7/domains"
	body := get(proxied)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	defer bare.Close()
	var through, beside time.Duration
	for b.Loop() {
		began := time.Now()
		get(proxied)
		half := time.Now()
		get(bare.URL)
		through, beside = through+half.Sub(began), beside+time.Since(half)
	}
	b.ReportMetric(float64(through)/float64(beside), "×bare")
	b.ReportMetric(float64(through.Microseconds())/float64(b.N), "µs/hit")
	w.bill(1)
}
