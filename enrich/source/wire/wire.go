// Package wire makes one HTTP request to a paid API and says what became of it.
//
// One request: it repeats nothing, follows no redirect, and hinders net/http
// from repeating behind its back (transport.go). Bounded: a deadline for the
// whole exchange, and as many bytes of a body as were allowed, packed and
// unpacked (body.go). Honest: Sent is false only when provably not a byte of the
// request left, for that is when a unit of quota may be given back.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Client makes calls. It is safe for concurrent use.
type Client struct {
	// Transport makes them. One that repeats requests by itself breaks the
	// promise of one request a call.
	Transport http.RoundTripper
	// Timeout bounds a call from start to the last byte. Time for which the
	// process stands still does not count.
	Timeout time.Duration
	// MaxBody bounds an answer in bytes, as sent and as unpacked.
	MaxBody int64
}

// New makes a client with a transport of its own, or with that of a test.
func New(transport http.RoundTripper, timeout time.Duration, maxBody int64) Client {
	if transport == nil {
		transport = NewTransport()
	}
	return Client{Transport: transport, Timeout: timeout, MaxBody: maxBody}
}

// Reply is how a call ended.
type Reply struct {
	// Status is 0 when not even the head of an answer came.
	Status int
	Header http.Header
	Body   []byte
	// Sent is false only when no byte of the request was written.
	Sent bool
	// Err says why there is no whole answer, nil when there is one. It may
	// repeat what the other side said: redact it before anybody reads it.
	Err error
	// TooLarge says that the answer is larger than what is read of it.
	TooLarge bool
	// Class of Err: TimedOut, NetworkError, or ServerError for a body that is
	// too large or not packed as it says.
	Class enrich.Class
}

// Do makes the call. The request's body, if it has one, must be a Payload.
func (c *Client) Do(ctx context.Context, req *http.Request) Reply {
	ctx, cancel := enrich.WithPatience(ctx, c.Timeout)
	defer cancel()
	seen := &trace{}
	req = req.WithContext(httptrace.WithClientTrace(ctx, seen.hooks()))
	if req.Body == nil {
		req.Body = noBody{}
	}
	if ctx.Err() != nil {
		return failed(ctx, ctx.Err(), false)
	}
	// RoundTrip and not Client.Do: no redirects, no cookies, and no errors that
	// quote the URL.
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return failed(ctx, err, c.sent(seen))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readBody(resp, c.MaxBody)
	reply := Reply{Sent: true}
	switch {
	case errors.Is(err, errTooLarge) || errors.Is(err, errNotGzip):
		reply.Class, reply.Err, reply.TooLarge = enrich.ServerError, err, errors.Is(err, errTooLarge)
	case err != nil:
		reply = failed(ctx, err, true)
	}
	reply.Status, reply.Header, reply.Body = resp.StatusCode, resp.Header, body
	return reply
}

// RetryAfter is when the other side wants to be asked again.
func (r Reply) RetryAfter(now time.Time) time.Time {
	return retryAfter(r.Header.Get("Retry-After"), now)
}

// RedirectHost is where a redirect points, without the path and query, which
// may hold anything.
func (r Reply) RedirectHost() string {
	if r.Status < 300 || r.Status > 399 {
		return ""
	}
	to, err := url.Parse(r.Header.Get("Location"))
	if err != nil || to.Host == "" {
		return ""
	}
	return enrich.Shown(to.Host)
}

// failed judges a call that brought no whole answer. A request that left and
// that nobody waited for any longer, be it that the time was up or that the
// caller gave up, is TimedOut; without a request that left it is NetworkError.
func failed(ctx context.Context, err error, sent bool) Reply {
	class := enrich.NetworkError
	var timeout net.Error
	late := ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()
	switch {
	case late && sent:
		class = enrich.TimedOut
		err = fmt.Errorf("no whole answer in time: %w", err)
	case sent:
		err = fmt.Errorf("the connection failed after the request had left: %w", err)
	default:
		err = fmt.Errorf("no connection, nothing was sent: %w", err)
	}
	return Reply{Class: class, Sent: sent, Err: err}
}

// trace is what httptrace saw of a call. Its fields are written by the
// transport's goroutines.
type trace struct{ connected, writing atomic.Bool }

// hooks watch for the first sign of writing. WroteHeaderField comes as the
// head is put into the connection's buffer, so before its first byte leaves:
// "not writing" proves that nothing was sent, "writing" does not prove the
// contrary and is taken for it. (A CONNECT to a proxy is not traced.)
func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:          func(httptrace.GotConnInfo) { t.connected.Store(true) },
		WroteHeaderField: func(string, []string) { t.writing.Store(true) },
		WroteHeaders:     func() { t.writing.Store(true) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { t.writing.Store(true) },
	}
}

// sent says whether a failed request may have left. A RoundTripper that is not
// net/http's may not report what it does: unless it has reported a connection,
// its silence proves nothing. http.Transport has ended its writing by the time
// that RoundTrip returns, so there is no race here.
func (c *Client) sent(t *trace) bool {
	if t.writing.Load() {
		return true
	}
	_, reports := c.Transport.(*http.Transport)
	return !reports && !t.connected.Load()
}
