package proofpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/enrichgate/enrichgate/enrich"
)

// Fetch makes the call, at most one request on the wire, and says how it ended.
// Only answers that may be kept carry their body.
func (s *Source) Fetch(ctx context.Context, l enrich.Lookup) enrich.Answer {
	e, ok := s.endpoints[l.Endpoint]
	if !ok || l.Value == "" || l.Value == "." || l.Value == ".." {
		return enrich.Answer{Err: fmt.Errorf("ET Intelligence has no call %s for %s", enrich.Shown(l.Endpoint), enrich.Shown(l.Value))}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	wire := &wire{}
	req, err := s.request(httptrace.WithClientTrace(ctx, wire.trace()), e, l.Value)
	if err != nil {
		return enrich.Answer{Err: s.failure(err.Error())}
	}

	if ctx.Err() != nil {
		return s.unanswered(ctx, ctx.Err(), false)
	}
	// RoundTrip and not Client.Do: no redirects, no cookies, and no errors that
	// quote the URL.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return s.unanswered(ctx, err, s.sent(wire))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readBody(resp, s.maxBody)
	a := s.answered(ctx, e, l.Value, resp, body, err)
	a.Status, a.Sent = resp.StatusCode, true
	return a
}

// request builds the call.
func (s *Source) request(ctx context.Context, e endpoint, value string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+e.path(value), noBody{})
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", s.key())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", s.userAgent)
	return req, nil
}

// answered judges an answer of which at least the head arrived. bodyErr is how
// reading its body failed, or nil.
func (s *Source) answered(ctx context.Context, e endpoint, value string, resp *http.Response, body []byte, bodyErr error) enrich.Answer {
	class, why, final := classifyStatus(resp.StatusCode)
	switch {
	case final && bodyErr == nil:
		why += message(body)
	case final: // the status says enough
	case errors.Is(bodyErr, errTooLarge) || errors.Is(bodyErr, errNotGzip):
		class, why = enrich.ServerError, bodyErr.Error()
	case bodyErr != nil:
		return s.unanswered(ctx, bodyErr, true)
	default:
		class, why = classifyBody(e, value, resp.StatusCode, body)
	}
	if to := redirectHost(resp); to != "" {
		why += ", a redirect to " + to + ", which was not followed"
	}

	switch class {
	case enrich.Found, enrich.NotFound:
		return enrich.Answer{Class: class, Body: body, ContentType: resp.Header.Get("Content-Type")}
	case enrich.RateLimited, enrich.ServerError:
		return enrich.Answer{Class: class, Err: s.failure(why), RetryAfter: retryAfter(resp.Header.Get("Retry-After"), s.now())}
	}
	return enrich.Answer{Class: class, Err: s.failure(why)}
}

// redirectHost is where a redirect points, without the path and query, which
// may hold anything.
func redirectHost(resp *http.Response) string {
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return ""
	}
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" {
		return ""
	}
	return enrich.Shown(to.Host)
}

// unanswered judges a call that brought no whole answer. A request that left
// and that nobody waited for any longer, be it that the time was up or that the
// caller gave up, is TimedOut; without a request that left it is NetworkError.
func (s *Source) unanswered(ctx context.Context, err error, sent bool) enrich.Answer {
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
	return enrich.Answer{Class: class, Sent: sent, Err: s.failure(err.Error())}
}

// wire is what httptrace saw of a call. Its fields are written by the
// transport's goroutines.
type wire struct{ connected, writing atomic.Bool }

// trace watches for the first sign of writing. WroteHeaderField comes as the
// head is put into the connection's buffer, so before its first byte leaves:
// "not writing" proves that nothing was sent, "writing" does not prove the
// contrary and is taken for it. (A CONNECT to a proxy is not traced.)
func (w *wire) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:          func(httptrace.GotConnInfo) { w.connected.Store(true) },
		WroteHeaderField: func(string, []string) { w.writing.Store(true) },
		WroteHeaders:     func() { w.writing.Store(true) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { w.writing.Store(true) },
	}
}

// sent says whether a failed request may have left. A RoundTripper that is not
// net/http's may not report what it does: unless it has reported a connection,
// its silence proves nothing. http.Transport has ended its writing by the time
// that RoundTrip returns, so there is no race here.
func (s *Source) sent(w *wire) bool {
	if w.writing.Load() {
		return true
	}
	_, reports := s.transport.(*http.Transport)
	return !reports && !w.connected.Load()
}
