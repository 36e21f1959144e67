package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
)

// pipes is a listener of connections in memory, which run on a test's own clock.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// A client that stops reading is let go, however much is left; one that reads
// slowly, but reads, gets all of it.
func TestAClientThatStopsReadingIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		srv := &http.Server{Handler: httpapi.Patient(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			var err error
			for i := 0; i < 20 && err == nil; i++ {
				_, err = w.Write(make([]byte, 10_000))
			}
			ended <- err
		}))}
		ln := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		go func() { _ = srv.Serve(ln) }()
		for _, reads := range []bool{false, true} {
			ours, theirs := net.Pipe()
			ln.conns <- theirs
			fmt.Fprintf(ours, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			began := time.Now()
			if reads {
				in := bufio.NewReaderSize(ours, 16<<10)
				for err := error(nil); err == nil; {
					<-time.After(httpapi.WritePatience / 3) // in the bubble
					_, err = in.Discard(16 << 10)
				}
			}
			err := <-ended
			if took := time.Since(began); !reads && (!errors.Is(err, os.ErrDeadlineExceeded) || took < httpapi.WritePatience || took > 2*httpapi.WritePatience) {
				t.Errorf("after %s: %v", took, err)
			}
			if reads && err != nil {
				t.Errorf("a slow reader: %v", err)
			}
			_ = ours.Close()
		}
		_ = srv.Close()
	})
}

func TestRequestsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, options{change: func(c *httpapi.Config) { c.Metrics = httpapi.NewMetrics(registry) }})
	w.want(200, "", "GET", "/api/v1/lookup?value=198.51.100.7", adminToken, "")
	w.want(401, "", "GET", "/api/v1/lookup?value=198.51.100.7", "wrong-0123456789", "")
	w.want(404, "", "GET", "/api/v1/nothing/"+adminToken, adminToken, "")
	w.asPublicConnector(w.addClient(clients.Client{Name: "connector"}), "ips/198.51.100.7/asn")
	w.front.Close() // waits for the answers' ends
	families, err := registry.Gather()
	w.must(err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "enrichgate_http_requests_total" {
				got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	if want := map[string]float64{"lookup 200": 1, "lookup 401": 1, "proxy 200": 1}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
