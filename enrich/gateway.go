package enrich

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Config of a Gateway. All but the last three fields are required.
type Config struct {
	Source Source
	Cache  *cache.Cache
	Ledger *quota.Ledger
	Policy Policy
	Log    *slog.Logger
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
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
	guard   *guard
	metrics *metrics
}

// New builds a Gateway.
func New(c Config) *Gateway {
	g := &Gateway{
		source: c.Source, cache: c.Cache, ledger: c.Ledger, policy: c.Policy, log: c.Log,
		now: c.Now, trace: c.Trace, guard: newGuard(),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.trace == nil {
		g.trace = func(Step) {}
	}
	g.metrics = newMetrics(c.Registerer, c.Source.Name(), g.guard)
	return g
}

// Request asks for what a source knows about an entity.
type Request struct {
	Entity  Entity
	Trigger quota.Trigger
	// Work, Playbook and Client say who asks, for the audit log.
	Work, Playbook, Client string
	// Context are the other objects of the bundle that the request came with,
	// BundleID its id.
	Context  []stixconv.Object
	BundleID string
	// Patience bounds how long the request may wait for a rate limit; zero
	// means DefaultPatience, which is well below the time after which a broker
	// takes a message back.
	Patience time.Duration
}

// DefaultPatience is how long a request waits for a rate limit.
const DefaultPatience = 4 * time.Minute

func (r Request) patience() time.Duration { return cmp.Or(r.Patience, DefaultPatience) }

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
	unchanged := Result{Bundle: original(r)}
	levels, err := g.policy.CheckTLP(r.Entity)
	if err == nil {
		err = g.policy.CheckScope(r.Entity)
	}
	var plan []Lookup
	if err == nil {
		plan, err = g.source.Plan(r.Entity)
	}
	if err != nil {
		g.metrics.refused(err)
		return unchanged, err
	}
	result := Result{Parts: g.lookups(ctx, r, plan)}
	facts := make([]stixconv.Facts, 0, len(plan))
	for _, p := range result.Parts {
		if p.Entry == nil || p.Class != Found && p.Class != Partial {
			continue
		}
		f, skipped := g.source.Facts(p.Lookup, p.Entry.Body, p.Entry.StoredAt)
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
