package enrich

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Config of a Gateway. The fields up to Registerer are required.
type Config struct {
	Source Source
	Cache  *cache.Cache
	Ledger *quota.Ledger
	Policy Policy
	Log    *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Exhaustion is what is done when a quota refuses for long.
	Exhaustion Exhaustion
	// MaxWait bounds the wait under the policy Wait; zero means DefaultMaxWait.
	// The cache's flights must be allowed to last longer.
	MaxWait time.Duration
	// Observe, if set, is told of each request once it is decided. It must
	// return at once.
	Observe func(Decided)
	// Now is the clock for ages and pauses; nil means time.Now.
	Now func() time.Time
	// Trace, if set, is called at each Step of each lookup, on its goroutine.
	Trace func(Step)
}

// Gateway answers requests for one source. Safe for concurrent use.
type Gateway struct {
	source  Source
	cache   *cache.Cache
	ledger  *quota.Ledger
	policy  Policy
	log     *slog.Logger
	now     func() time.Time
	trace   func(Step)
	observe func(Decided)
	guard   *guard
	crowd   *crowd
	carrier *carrier
	metrics *metrics
	turns   *semaphore.Weighted
	stopped *atomic.Bool // of all that share the source

	exhaustion Exhaustion
	maxWait    time.Duration
}

// New builds a Gateway.
func New(c Config) *Gateway {
	g := &Gateway{
		source: c.Source, cache: c.Cache, ledger: c.Ledger, policy: c.Policy, log: c.Log,
		now: c.Now, trace: c.Trace, observe: c.Observe, guard: newGuard(), crowd: newCrowd(),
		turns: semaphore.NewWeighted(maxCalls), stopped: new(atomic.Bool), exhaustion: c.Exhaustion, maxWait: cmp.Or(c.MaxWait, DefaultMaxWait),
	}
	g.carrier = newCarrier(c.Source, g.send)
	if g.now == nil {
		g.now = time.Now
	}
	if g.trace == nil {
		g.trace = func(Step) {}
	}
	if g.observe == nil {
		g.observe = func(Decided) {}
	}
	g.metrics = newMetrics(c.Registerer, c.Source.Name(), g.guard)
	return g
}

// SetClients says which clients there are, for the metrics alone.
func (g *Gateway) SetClients(names []string) { g.metrics.setClients(names) }

// Request asks for what a source knows about an entity.
type Request struct {
	Entity Entity
	// Observables, of an indicator, are looked up in its stead.
	Observables []Entity
	Trigger     quota.Trigger
	// Work, Playbook and Client say who asks, for the audit log and the budgets.
	Work, Playbook, Client string
	// Person and PlaybookName are names for people, as far as they are known.
	Person, PlaybookName string
	// Change is what an automatic request follows: "create" or "update".
	Change string
	// Configuration is what the platform sent for this connector with the
	// request, as it came.
	Configuration string
	// Cache says what may be answered from the cache.
	Cache Directives
	// Context are the other objects of the bundle that the request came with,
	// BundleID its id.
	Context  []stixconv.Object
	BundleID string
	// Verbatim takes no answer but the provider's own bytes: none that was taken
	// out of one about many values.
	Verbatim bool
	// Patience bounds how long the request may wait for a limit; zero means
	// DefaultPatience, or MaxWait where the source waits.
	Patience time.Duration
}

// Directives say what may be answered from the cache, in the terms of RFC 9111.
// The zero value takes every fresh answer.
type Directives struct {
	// OnlyIfCached spends nothing: what is not kept is reported as missing. An
	// expired answer is given, marked as such.
	OnlyIfCached bool
	// NoCache takes no answer from before the request.
	NoCache bool
	// MaxAge takes no answer that is older; zero means that its TTL decides.
	MaxAge time.Duration
}

// since is the time before which answers are too old for the request.
func (d Directives) since(now time.Time) time.Time {
	switch {
	case d.NoCache:
		return now
	case d.MaxAge > 0:
		return now.Add(-d.MaxAge)
	default:
		return time.Time{}
	}
}

// Result is what became of a request.
type Result struct {
	// Parts are the lookups, in the source's order of value.
	Parts []Part
	// Bundle always holds the entity. Changed says that it says anything new.
	Bundle  stixconv.Bundle
	Changed bool
	Counts  stixconv.Counts
	// Skipped are the facts that could not be used, one error each.
	Skipped []error
	// Source that was asked, and what came of it in one line for people.
	Source, Summary string
}

// Units that the request spent.
func (r Result) Units() (n int64) {
	for _, p := range r.Parts {
		n += p.Units
	}
	return n
}

// Failed are the parts without a fresh answer.
func (r Result) Failed() (failed []Part) {
	for _, p := range r.Parts {
		if p.Err != nil {
			failed = append(failed, p)
		}
	}
	return failed
}

// Enrich answers one request. A *PolicyError or an *InputError means that
// nothing was looked up, and says why; the failure of a lookup is not an error
// but a Part, because it never costs the others.
func (g *Gateway) Enrich(ctx context.Context, r Request) (Result, error) {
	began := g.begin()
	answer := g.enrich
	if len(r.Observables) > 0 {
		answer = g.throughObservables
	}
	res, err := answer(ctx, r)
	g.decided(began, r, res, err)
	return res, err
}

func (g *Gateway) enrich(ctx context.Context, r Request) (Result, error) {
	unchanged := Result{Bundle: original(r)}
	levels, plan, err := g.plan(r.Entity)
	if err != nil {
		g.metrics.refused(err, g.worth(r.Entity))
		return unchanged, err
	}
	result := Result{Parts: g.lookups(ctx, r, plan)}
	facts := make([]stixconv.Facts, 0, len(plan))
	for i := range result.Parts {
		p := &result.Parts[i]
		if p.Entry == nil {
			continue
		}
		if p.Class != Found && p.Class != Partial {
			facts = append(facts, stixconv.Facts{AsOf: p.Entry.StoredAt}) // nothing, as of then
			continue
		}
		f, skipped := g.source.Facts(p.Lookup, p.Entry.Body, p.Entry.StoredAt)
		if len(skipped) > 0 && f.IsEmpty() {
			p.unreadable(skipped[0])
			continue
		}
		facts = append(facts, f)
		result.Skipped = append(result.Skipped, skipped...)
	}
	out, err := stixconv.Convert(stixconv.Input{
		Entity: r.Entity.Object, Context: r.Context, BundleID: r.BundleID, Granted: r.Entity.Granted,
		Facts: facts, Author: g.source.Author(), RequestTLP: levels,
	})
	if err != nil {
		return unchanged, &InputError{Reason: "the entity cannot be enriched: " + err.Error()}
	}
	result.Skipped = append(result.Skipped, out.Rejected...)
	result.Bundle, result.Counts, result.Changed = out.Bundle, out.Counts, !out.Counts.Empty()
	result.Source, result.Summary = g.source.Name(), g.words(r, result)
	return result, nil
}

// worth is what an entity's lookups cost if none is in the cache; nothing when
// it cannot be looked up.
func (g *Gateway) worth(e Entity) (units int64) {
	plan, _ := g.source.Plan(e)
	for _, l := range plan {
		units += l.Units
	}
	return units
}

// plan applies the policy, and lists the lookups that the entity needs.
func (g *Gateway) plan(e Entity) (levels []stixconv.TLP, plan []Lookup, err error) {
	if levels, err = g.policy.CheckTLP(e); err != nil {
		return nil, nil, err
	}
	if err = g.policy.CheckScope(e); err != nil {
		return nil, nil, err
	}
	plan, err = g.source.Plan(e)
	return levels, plan, err
}

// lookups runs a plan, all parts at once: they are independent, and each has
// its own reservation.
func (g *Gateway) lookups(ctx context.Context, r Request, plan []Lookup) []Part {
	parts := make([]Part, len(plan))
	var all sync.WaitGroup
	for i, l := range plan {
		all.Go(func() { parts[i] = g.lookup(ctx, r, l) })
	}
	all.Wait()
	return parts
}

// original is the bundle as it came in.
func original(r Request) stixconv.Bundle {
	b := stixconv.Bundle{ID: r.BundleID}
	if r.Entity.Object != nil {
		b.Objects = append(b.Objects, r.Entity.Object)
	}
	b.Objects = append(b.Objects, r.Context...)
	return b
}
