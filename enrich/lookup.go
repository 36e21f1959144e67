package enrich

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// Part is how one lookup of a request ended.
type Part struct {
	Lookup Lookup
	// Entry is the answer, nil when there is none.
	Entry *cache.Entry
	// Class of the answer, or of the failure.
	Class Class
	// Origin is where the answer came from.
	Origin cache.Origin
	// Stale says that the answer is past its TTL and was served because there was no other.
	Stale bool
	// Status is the HTTP status of the provider's answer, or of its last
	// failure; 0 when it gave none.
	Status int
	// RetryAfter is when the provider that failed wants to be asked again; zero
	// if it did not say.
	RetryAfter time.Time
	// Units that this request spent on it, retries included.
	Units int64
	// Err is why there is no fresh answer; nil when there is one.
	Err error
}

// Cached says that the answer cost this request nothing because it was there.
func (p Part) Cached() bool { return p.Entry != nil && p.Origin != cache.Loaded }

// take makes an entry the answer.
func (p *Part) take(e *cache.Entry, origin cache.Origin, s cache.State) {
	p.Entry, p.Class, p.Status, p.Origin, p.Stale = e, Class(e.Kind), e.Status, origin, s == cache.Stale
}

// Step is a point on the way of a lookup, for those who watch the flow.
type Step string

// The steps at which a crash costs something different.
const (
	StepReserved Step = "reserved" // the units are on disk, the call has not left
	StepAnswered Step = "answered" // the answer is here, and nowhere on disk
	StepStored   Step = "stored"   // the answer is on disk, the units are not settled
	StepSettled  Step = "settled"
)

const (
	// maxAttempts bounds the calls for one lookup when the provider asks for patience.
	maxAttempts = 3
	// maxFailures bounds them when it fails otherwise: each attempt may be billed.
	maxFailures = 2
)

// Lookup brings one answer, as cheaply as it can be had, for a request that
// names the call itself. Whoever calls it answers for the policy.
func (g *Gateway) Lookup(ctx context.Context, r Request, l Lookup) Part {
	began := g.begin()
	p := g.lookup(ctx, r, l)
	g.decided(began, r, Result{Parts: []Part{p}}, nil)
	return p
}

// lookup brings one answer, as cheaply as it can be had.
func (g *Gateway) lookup(ctx context.Context, r Request, l Lookup) Part {
	p := Part{Lookup: l}
	if r.Cache.OnlyIfCached {
		g.fromCache(&p, r)
	} else {
		g.fetchShared(ctx, &p, r)
	}
	g.metrics.looked(r, p)
	return p
}

// fromCache answers with what is kept, and spends nothing.
func (g *Gateway) fromCache(p *Part, r Request) {
	entry, state, origin, err := g.cache.Get(g.key(p.Lookup))
	switch {
	case err != nil:
		p.Err = err
	case state == cache.Fresh && r.Verbatim && isApart(entry.ContentType):
		p.Err = errNotKept
	case state == cache.Fresh && !entry.StoredAt.Before(r.Cache.since(g.now())):
		p.take(entry, origin, state)
	default:
		p.Err = errNotKept
		if state != cache.Gone {
			p.take(entry, origin, state)
		}
	}
}

// fetchShared answers from the cache, from a call under way, or by a call.
func (g *Gateway) fetchShared(ctx context.Context, p *Part, r Request) {
	key := g.key(p.Lookup)
	since := r.Cache.since(g.now())
	defer g.crowd.join(key, &r)()
	for {
		var units int64
		entry, origin, err := g.cache.FetchSince(ctx, key, since, func(ctx context.Context) (*cache.Entry, error) {
			return g.call(ctx, r, p.Lookup, key, &units)
		})
		if p.Origin = origin; origin == cache.Loaded {
			p.Units += units // written by our own load, which has returned
		}
		if err == nil && r.Verbatim && isApart(entry.ContentType) {
			since = entry.StoredAt.Add(time.Millisecond) // this one does not do
			continue
		}
		if err == nil {
			p.take(entry, origin, cache.Fresh)
			return
		}
		p.Err, p.Class = err, classOf(err)
		if call, ok := errors.AsType[*callError](err); ok {
			p.Status, p.RetryAfter = call.Status, call.RetryAfter
		}
		// A refusal that somebody else ran into (a playbook's floor, another
		// client's budget) is not ours.
		var refused *refusedError
		if origin == cache.Shared && errors.As(err, &refused) && !refused.own(r) {
			continue
		}
		break
	}
	switch {
	case ctx.Err() == nil:
		g.serveStale(p, r, key)
	case p.Err == ctx.Err():
		p.Err = &leftError{p.Err}
	}
}

// serveStale falls back on an answer past its TTL: the quota or the provider
// refuses, and an old answer that says so is better than none.
func (g *Gateway) serveStale(p *Part, r Request, key cache.Key) {
	if p.Class == AuthFailed || p.Class == Forbidden {
		return // whoever may not ask may not be answered either
	}
	if _, refused := IsRefused(p.Err); refused && g.exhaustion == Skip {
		return
	}
	entry, state, origin, err := g.cache.Get(key)
	if err != nil || state == cache.Gone || r.Verbatim && isApart(entry.ContentType) {
		return
	}
	p.Entry, p.Class, p.Status, p.Origin, p.Stale = entry, Class(entry.Kind), entry.Status, origin, state == cache.Stale
}

// call asks the provider, each attempt under its own reservation. It runs alone
// for its key, and not on the context of whoever asked first.
func (g *Gateway) call(ctx context.Context, r Request, l Lookup, key cache.Key, units *int64) (*cache.Entry, error) {
	limited, failed := 0, 0
	alone := r.Verbatim
	for {
		began := time.Now()
		if err := g.guard.wait(ctx, g.now, g.patience(r)); err != nil {
			return nil, err
		}
		answer, err := g.attempt(ctx, r, l, key, attemptOf{began: began, alone: alone, again: limited+failed > 0}, units)
		if err != nil {
			return nil, err
		}
		if answer.AskAlone && !alone {
			alone = true
			continue
		}
		if answer.entry != nil {
			return answer.entry, nil
		}
		fail := &callError{Class: answer.Class, Status: answer.Status, RetryAfter: answer.RetryAfter, Err: answer.Err}
		switch answer.Class {
		case RateLimited:
			limited++
			until := answer.RetryAfter
			if until.IsZero() {
				until = g.now().Add(backoff(limited))
			}
			g.guard.hold(until, RateLimited)
			if limited+failed >= maxAttempts {
				return nil, fail
			}
		case ServerError, TimedOut, NetworkError:
			failed++
			if answer.Final || failed >= maxFailures || limited+failed >= maxAttempts {
				return nil, fail
			}
			if err := pause(ctx, backoff(failed)); err != nil {
				return nil, fail
			}
		case QuotaExhausted:
			// What the answer told of its count the ledger knows, which refuses then.
			if len(answer.Usage) == 0 {
				until := answer.RetryAfter
				if until.IsZero() {
					until = g.now().Add(exhaustedPause)
				}
				g.guard.hold(until, QuotaExhausted)
			}
			return nil, fail
		default:
			return nil, fail
		}
	}
}

// attempted is an answer, with the entry that it became if it is worth keeping.
type attempted struct {
	Answer
	entry *cache.Entry
}

// attemptOf says which of a lookup's calls it is.
type attemptOf struct {
	// began is when it began to wait for its turn.
	began time.Time
	// alone keeps it out of a call about many values.
	alone bool
	// again says that it repeats one that failed.
	again bool
}

// attempt makes one call: reserve, fetch, store, settle.
func (g *Gateway) attempt(ctx context.Context, r Request, l Lookup, key cache.Key, of attemptOf, units *int64) (attempted, error) {
	if err := g.guard.check(); err != nil {
		return attempted{}, err
	}
	d, asked, err := g.reserve(ctx, r, l, key)
	if err != nil {
		return attempted{}, fmt.Errorf("no call was made: %w", err)
	}
	if !d.Allowed {
		return attempted{}, &refusedError{Decision: d, by: asked}
	}
	g.metrics.waitTime.Observe(time.Since(of.began).Seconds())
	if of.again {
		g.metrics.retries.Inc()
	}
	g.trace(StepReserved)
	a := attempted{Answer: g.carrier.fetch(ctx, l, of.alone)}
	g.trace(StepAnswered)
	if a.Class.Keep() && !a.AskAlone {
		a.entry = g.keep(l, key, a.Answer)
		g.trace(StepStored)
	}
	outcome := outcomeOf(a.Answer)
	if outcome == quota.Void {
		g.metrics.refund(a.Answer, l.Units)
	} else {
		*units += l.Units
		g.metrics.paid(asked, l.Units)
	}
	if err := g.ledger.Settle(d.ID, outcome, a.Status); err != nil {
		// The units stay counted; the answer is paid for and good.
		g.log.Error("a call could not be settled in the ledger", "error", err, "endpoint", l.Endpoint)
	}
	g.trace(StepSettled)
	g.reconcile("headers", a.Usage)
	if left, ok := errors.AsType[*callError](a.Err); ok {
		return a, left // the source is left alone; no call was made
	}
	return a, nil
}

// reserve asks for the units of one call in the name of the most privileged
// who waits for the answer, and anew when somebody more privileged joins.
func (g *Gateway) reserve(ctx context.Context, r Request, l Lookup, key cache.Key) (d quota.Decision, asked Request, err error) {
	until := g.now().Add(g.patience(r))
	for {
		who, askCtx, cancel := g.crowd.speaker(ctx, key, r)
		d, err = g.ledger.Reserve(askCtx, quota.Request{
			Account: g.source.Name(), Endpoint: l.Endpoint, Bucket: l.Bucket, Subject: l.Value, Units: l.Units,
			Trigger: who.Trigger, Work: who.Work, Playbook: who.Playbook, Client: who.Client,
			Person: who.Person, PlaybookName: who.PlaybookName,
			MaxWait: max(0, until.Sub(g.now())),
		})
		outranked := askCtx.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !outranked {
			return d, who, err
		}
	}
}

// outcomeOf says what a call cost: nothing only if it provably never left, or
// if the provider documents that it does not charge for such an answer.
func outcomeOf(a Answer) quota.Outcome {
	switch {
	case !a.Sent, a.Free:
		return quota.Void
	case a.Status != 0:
		return quota.Spent
	default:
		return quota.Uncertain
	}
}

// keep stores an answer durably. A disk that refuses it costs the answer's
// keeping, not the answer: it was paid for.
func (g *Gateway) keep(l Lookup, key cache.Key, a Answer) *cache.Entry {
	ttl := l.TTL.Found
	if a.Class == NotFound || a.Class == InvalidInput {
		ttl = l.TTL.NotFound
	}
	if a.TTL > 0 {
		ttl = a.TTL
	}
	stale := l.TTL.Stale
	if a.NoStale {
		stale = 0
	}
	contentType := a.ContentType
	if a.Apart {
		contentType += apart
	}
	now := g.now()
	e := &cache.Entry{
		Kind: uint8(a.Class), Status: a.Status, Body: a.Body, ContentType: contentType,
		StoredAt: now, FreshUntil: now.Add(ttl), StaleUntil: now.Add(ttl + stale),
	}
	if err := g.cache.Put(key, e); err != nil {
		g.log.Error("an answer could not be stored and will have to be paid for again", "error", err, "endpoint", l.Endpoint)
	}
	return e
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
