package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/itchyny/gojq"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Fetch makes the call, at most one request on the wire, and says how it ended.
// Only answers that may be kept carry their body.
func (s *Source) Fetch(ctx context.Context, l enrich.Lookup) enrich.Answer {
	own := s.d.find(l.Endpoint)
	if own == nil || l.Value == "" {
		return enrich.Answer{Err: fmt.Errorf("%s has no lookup %s of %s", s.d.Title(), enrich.Shown(l.Endpoint), enrich.Shown(l.Value))}
	}
	in := s.scope(own, l.Value)
	req, err := s.request(ctx, &own.request, own.value, in)
	if err != nil {
		return enrich.Answer{Err: s.failure(err.Error())}
	}
	reply := s.client.Do(ctx, req)
	a := s.answered(ctx, own, l, in, reply)
	a.Status, a.Sent = reply.Status, reply.Sent
	return a
}

func (d *Definition) find(id string) *lookup {
	for _, l := range d.lookups {
		if l.block.ID == id {
			return l
		}
	}
	return nil
}

func (s *Source) scope(l *lookup, value string) scope {
	return scope{value: value, kind: stixKind(l.block.Types, value), lookup: l.block.ID, params: s.params}
}

// request builds a call, authorized. The value goes through the lookup's own
// program first, if it has one.
func (s *Source) request(ctx context.Context, r *request, value *program, in scope) (*http.Request, error) {
	v := values{value: in.value, params: s.params, secrets: s.secrets}
	if value != nil {
		made, err := value.one(ctx, in.value, in)
		text, ok := made.(string)
		if err != nil || !ok || text == "" {
			return nil, fmt.Errorf("no value for the request can be made of %s", enrich.Shown(in.value))
		}
		v.value = text
	}
	return s.authorized(r, v)
}

// authorized builds a request with what the provider knows us by.
func (s *Source) authorized(r *request, v values) (*http.Request, error) {
	req, err := r.build(s.base, v)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", s.agent)
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	for _, p := range s.d.headers {
		req.Header.Set(p.name, p.text.fill(v, plainText))
	}
	for _, a := range s.d.auth {
		a.apply(req, v)
	}
	return req, nil
}

// answered judges a call that ended, with or without an answer.
func (s *Source) answered(ctx context.Context, own *lookup, l enrich.Lookup, in scope, reply wire.Reply) enrich.Answer {
	if reply.Status == 0 {
		return enrich.Answer{Class: reply.Class, Err: s.failure(reply.Err.Error())}
	}
	ctx = context.WithoutCancel(ctx) // what was paid for is judged, too
	x := newExchange(reply.Status, reply.Header, reply.Body)
	if reply.Err != nil {
		x = newExchange(reply.Status, reply.Header, nil) // the status alone may say enough
	}
	class, why := s.d.classify(ctx, own, x, in)
	if reply.Err != nil && (class.Keep() || class == enrich.ServerError) {
		class, why = reply.Class, reply.Err
	}
	a := enrich.Answer{Class: class, Free: slices.Contains(s.d.free, class), Usage: s.d.usageIn(ctx, x, in)}
	if class.Keep() {
		a.Body, a.ContentType = reply.Body, reply.Header.Get("Content-Type")
		a.TTL, a.NoStale = s.keepFor(ctx, own, l, class, x, in)
	}
	if class == enrich.RateLimited || class == enrich.ServerError || class == enrich.QuotaExhausted {
		a.RetryAfter = reply.RetryAfter(s.now())
	}
	a.Final = class == enrich.ServerError && (reply.TooLarge || isFinal(reply.Status))
	if class != enrich.Found && class != enrich.Partial && class != enrich.NotFound {
		a.Err = s.failed(ctx, x, in, reply, why)
	}
	return a
}

// isFinal says that a status blames the request and not the moment (RFC 9110,
// 15.5, but for those that ask to be tried again).
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// failed words why there is no answer.
func (s *Source) failed(ctx context.Context, x *exchange, in scope, reply wire.Reply, why error) error {
	text := fmt.Sprintf("%s answered %d", s.d.Title(), reply.Status)
	if why != nil {
		text += " " + why.Error()
	}
	if to := reply.RedirectHost(); to != "" {
		text += ", a redirect to " + to + ", which was not followed"
	}
	return s.failure(text + s.d.says(ctx, x, in))
}

// failure makes an error for people: one line of bounded length, without the
// secrets, even if the provider sent them back to us.
func (s *Source) failure(text string) error {
	return errors.New(wire.OneLine(s.redact.Replace(text), 240))
}

// keepFor is how long this very answer is good, if that is not what the lookup
// says of all: because the answer says so, because of its class, or because the
// definition's maximum is shorter than what somebody made of the lookup's times.
func (s *Source) keepFor(ctx context.Context, own *lookup, l enrich.Lookup, class enrich.Class, x *exchange, in scope) (ttl time.Duration, noStale bool) {
	if s.d.from != nil {
		v, err := s.d.from.one(ctx, x.input, in)
		seconds, ok := gojq.ToFloat64(v)
		if err == nil && ok && seconds > 0 && !math.IsInf(seconds, 0) {
			ttl = s.bounded(time.Duration(min(seconds, 366*24*3600) * float64(time.Second)))
			return max(ttl, time.Second), s.d.maxTTL > 0
		}
	}
	planned := l.TTL.Found
	switch class {
	case enrich.NotFound:
		planned = l.TTL.NotFound
	case enrich.InvalidInput:
		planned = l.TTL.NotFound
		ttl = s.fresh(own, class, l.TTL.Set)
	case enrich.Partial:
		ttl = min(s.fresh(own, class, l.TTL.Set), planned)
	}
	if s.d.maxTTL > 0 {
		ttl = s.bounded(cmp.Or(ttl, planned))
		noStale = ttl+l.TTL.Stale > s.d.maxTTL
	}
	return ttl, noStale
}

// Facts runs the mapping on the body of a found or partial answer. What it gives
// is shared: change none of it.
func (s *Source) Facts(l enrich.Lookup, body []byte, asOf time.Time) (stixconv.Facts, []error) {
	own := s.d.find(l.Endpoint)
	if own == nil {
		return stixconv.Facts{AsOf: asOf}, []error{fmt.Errorf("%s has no lookup %s", s.d.Title(), enrich.Shown(l.Endpoint))}
	}
	key := memoKey{l.Endpoint, l.Value}
	if known := s.memo.get(key, body, asOf); known != nil {
		return known.facts, known.skipped
	}
	intents, lost := s.d.intents(own, body, s.scope(own, l.Value))
	facts, skipped := collect(intents, asOf)
	for _, err := range lost {
		skipped = append(skipped, fmt.Errorf("%s: %w", own.block.ID, err))
	}
	s.memo.put(key, &mapped{body, asOf, facts, skipped})
	return facts, skipped
}
