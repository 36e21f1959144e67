package proofpoint

import (
	"context"
	"fmt"
	"net/http"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// Fetch makes the call, at most one request on the wire, and says how it ended.
// Only answers that may be kept carry their body.
func (s *Source) Fetch(ctx context.Context, l enrich.Lookup) enrich.Answer {
	e, ok := s.endpoints[l.Endpoint]
	if !ok || l.Value == "" || l.Value == "." || l.Value == ".." {
		return enrich.Answer{Err: fmt.Errorf("ET Intelligence has no call %s for %s", enrich.Shown(l.Endpoint), enrich.Shown(l.Value))}
	}
	req, err := s.request(e, l.Value)
	if err != nil {
		return enrich.Answer{Err: s.failure(err.Error())}
	}
	reply := s.client.Do(ctx, req)
	a := s.answered(e, l.Value, reply)
	a.Status, a.Sent = reply.Status, reply.Sent
	return a
}

// request builds the call.
func (s *Source) request(e endpoint, value string) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodGet, s.base+e.path(value), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", s.key())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", s.userAgent)
	return req, nil
}

// answered judges a call that ended, with or without an answer.
func (s *Source) answered(e endpoint, value string, reply wire.Reply) enrich.Answer {
	if reply.Status == 0 {
		return enrich.Answer{Class: reply.Class, Err: s.failure(reply.Err.Error())}
	}
	class, why, final := classifyStatus(reply.Status)
	switch {
	case final && reply.Err == nil:
		why += message(reply.Body)
	case final: // the status says enough
	case reply.Err != nil:
		class, why = reply.Class, reply.Err.Error()
	default:
		class, why = classifyBody(e, value, reply.Status, reply.Body)
	}
	if to := reply.RedirectHost(); to != "" {
		why += ", a redirect to " + to + ", which was not followed"
	}

	switch class {
	case enrich.Found, enrich.NotFound:
		return enrich.Answer{Class: class, Body: reply.Body, ContentType: reply.Header.Get("Content-Type")}
	case enrich.RateLimited, enrich.ServerError:
		return enrich.Answer{Class: class, Err: s.failure(why), RetryAfter: reply.RetryAfter(s.now())}
	}
	return enrich.Answer{Class: class, Err: s.failure(why)}
}
