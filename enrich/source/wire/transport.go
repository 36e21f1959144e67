package wire

import (
	"io"
	"net"
	"net/http"
	"time"
)

// How a call stays one request. http.Transport repeats a failed request
// without saying so when (net/http, persistConn.shouldRetryRequest)
//
//   - the connection had been used before, so that its end may be the server's
//     idle timeout and not a refusal, and
//   - nothing had been written, or the request "is replayable": its method is
//     GET, HEAD, OPTIONS or TRACE (or it has an Idempotency-Key header; leaving
//     that out does not help a GET) and it has no body, or one with GetBody.
//
// So a provider that reads a GET from a kept-alive connection, bills it and
// closes gets the same GET a second time, unreserved. HTTP/2 has the same rule
// and repeats up to six times after REFUSED_STREAM or GOAWAY.
//
// A request with a body but no GetBody is never repeated, in any case: that is
// the documented contract of http.Transport. Hence noBody: it has no bytes,
// which the transport finds out before it writes the head (a GET's body of
// unknown length is probed), so that nothing of it is seen on the wire. It
// keeps connections alive, where DisableKeepAlives would be the other way to
// the same end at the price of a TLS handshake for each call. Our own transport
// speaks HTTP/1.1 only, where the probing makes the request a plain GET.
//
// The price: a call that meets a connection that just went stale ends as
// NetworkError instead of being repeated. IdleConnTimeout is short to make that
// rare.

// noBody is an empty body that cannot be had a second time.
type noBody struct{}

// Read ends at once.
func (noBody) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing.
func (noBody) Close() error { return nil }

// NewTransport makes the transport of a source that was given none.
func NewTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		Protocols:              protocols,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // body.go unpacks, within bounds
	}
}
