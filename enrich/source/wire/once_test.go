package wire

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// fickle answers the first request of each connection, keeps the connection
// alive, reads the second request and cuts the connection: net/http would send
// that one again. It counts what it read.
func fickle(t *testing.T) (address string, seen *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for n := 1; n <= 2; n++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					seen.Add(1)
					if n == 1 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	return "http://" + listener.Addr().String(), seen
}

// A call is one request on the wire, whatever its method, and whatever becomes
// of a connection that had been used before.
func TestOneRequestACall(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		address, seen := fickle(t)
		transport := NewTransport()
		c := &Client{Transport: transport, Timeout: 5 * time.Second, MaxBody: 1 << 10}
		const calls = 6
		answered := 0
		for range calls {
			req, err := http.NewRequest(method, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if method == http.MethodPost {
				body := []byte(`{"value":"192.0.2.10"}`)
				req.Body, req.ContentLength = Payload(body), int64(len(body))
			}
			switch r := c.Do(t.Context(), req); {
			case r.Err == nil && r.Status == 200:
				answered++
			case !r.Sent || r.Class != enrich.NetworkError:
				t.Errorf("%s: %+v", method, r)
			}
		}
		transport.CloseIdleConnections()
		if seen.Load() != calls || answered != calls/2 {
			t.Errorf("%s: %d calls, %d requests, %d answers", method, calls, seen.Load(), answered)
		}
	}
}

// A body is read within its bound, packed and unpacked.
func TestBodiesAreBounded(t *testing.T) {
	for limit, ok := range map[int64]bool{0: false, 9: false, 10: true, 11: true} {
		data, err := readUpTo(bytes.NewReader(make([]byte, 10)), limit)
		if ok != (err == nil) || ok && len(data) != 10 {
			t.Errorf("%d: %d bytes, %v", limit, len(data), err)
		}
	}
}
