package proofpoint

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// mustURL parses a URL that is right.
func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// fickle is a provider that answers the first request of each connection, keeps
// the connection alive, reads the second request and cuts the connection. It
// counts the requests that it read.
type fickle struct {
	listener net.Listener
	seen     atomic.Int32
	reset    bool // cut with RST instead of FIN
	body     []byte
	wg       sync.WaitGroup
}

func newFickle(t *testing.T, reset bool) *fickle {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fickle{listener: listener, reset: reset, body: fixture(t, "ip_reputation_found.json")}
	f.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(conn.(*net.TCPConn)) })
		}
	})
	return f
}

func (f *fickle) serve(conn *net.TCPConn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for n := 1; ; n++ {
		_, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		f.seen.Add(1)
		if n == 2 {
			if f.reset {
				_ = conn.SetLinger(0)
			}
			return
		}
		_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(f.body), f.body)
		if err != nil {
			return
		}
	}
}

// The provider's bill of requests seen equals the fetches, even where net/http
// would have repeated a GET on its own.
func TestFetchIsOneRequest(t *testing.T) {
	const fetches = 20
	for _, reset := range []bool{false, true} {
		f := newFickle(t, reset)
		s := newSource(t, Config{BaseURL: "http://" + f.listener.Addr().String()})
		classes := map[enrich.Class]int{}
		for range fetches {
			a := ask(t, s)
			checkAnswer(t, a)
			if !a.Sent {
				t.Errorf("a request that was read is said not to have been sent: %v", a.Err)
			}
			classes[a.Class]++
		}
		if classes[enrich.Found] != fetches/2 || classes[enrich.NetworkError] != fetches/2 {
			t.Errorf("classes %v: connections were not reused as this test needs", classes)
		}
		if seen := f.seen.Load(); seen != fetches {
			t.Errorf("%d fetches, %d requests seen (reset %v)", fetches, seen, reset)
		}

		// The same transport with a plain GET repeats: the test can fail.
		before := f.seen.Load()
		for range fetches {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.client.Transport.RoundTrip(req)
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
		if seen := f.seen.Load() - before; seen <= fetches {
			t.Errorf("%d plain GETs, %d requests seen: net/http no longer repeats?", fetches, seen)
		} else {
			t.Logf("%d fetches, %d requests; %d plain GETs, %d requests", fetches, fetches, fetches, seen)
		}
		s.Close()
		_ = f.listener.Close()
		f.wg.Wait()
	}
}

// Connections are kept: twenty calls in a row need one.
func TestFetchKeepsConnections(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"success":true,"response":[]}`))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s := newSource(t, Config{BaseURL: server.URL})
	for range 20 {
		want(t, ask(t, s), enrich.NotFound, true)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Our own transport speaks HTTP/1.1 also to servers that offer more; one that
// is given may speak HTTP/2 and meets the same answers.
func TestFetchOverHTTP2(t *testing.T) {
	var proto atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		proto.Store(req.Proto)
		_, _ = w.Write([]byte(`{"success":true,"response":[]}`))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	given := server.Client().Transport.(*http.Transport)
	want(t, ask(t, newSource(t, Config{BaseURL: server.URL, Transport: given})), enrich.NotFound, true)
	if proto.Load() != "HTTP/2.0" {
		t.Errorf("spoke %v", proto.Load())
	}
	own := wire.NewTransport()
	own.TLSClientConfig = given.TLSClientConfig.Clone()
	own.TLSClientConfig.NextProtos = nil
	want(t, ask(t, newSource(t, Config{BaseURL: server.URL, Transport: own})), enrich.NotFound, true)
	if proto.Load() != "HTTP/1.1" {
		t.Errorf("spoke %v", proto.Load())
	}
}

// Many at once, for the race detector and the bill.
func TestFetchConcurrently(t *testing.T) {
	var seen atomic.Int32
	s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		_, _ = w.Write(fixture(t, "ip_reputation_found.json"))
	})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			a := ask(t, s)
			want(t, a, enrich.Found, true)
			s.Facts(lookup(ipReputation, "192.0.2.10"), a.Body, today)
		})
	}
	wg.Wait()
	if seen.Load() != 100 {
		t.Errorf("%d requests for 100 fetches", seen.Load())
	}
}
