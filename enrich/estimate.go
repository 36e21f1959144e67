package enrich

import "github.com/enrichgate/enrichgate/cache"

// Estimate is what a request would cost now.
type Estimate struct {
	// Lookups that it needs, and how many of them a fresh answer is kept for.
	Lookups, Cached int
	// Units that the others cost at most, if each is answered at the first attempt.
	Units int64
}

// Estimate prices an entity without asking anybody. It fails as Enrich does
// when the entity would not be looked up; a cache that cannot be read is also
// an error, because its answers would be paid for again.
func (g *Gateway) Estimate(e Entity, d Directives) (est Estimate, err error) {
	_, plan, err := g.plan(e)
	if err != nil {
		return est, err
	}
	since := d.since(g.now())
	for _, l := range plan {
		est.Lookups++
		entry, state, _, err := g.cache.Get(g.key(l))
		switch {
		case err != nil:
			return est, err
		case state == cache.Fresh && !entry.StoredAt.Before(since):
			est.Cached++
		default:
			est.Units += l.Units
			if f, can := g.source.(BatchFetcher); can && f.Batch(l).Again {
				est.Units += l.Units
			}
		}
	}
	return est, nil
}

// key is where the answer of a lookup is kept.
func (g *Gateway) key(l Lookup) cache.Key {
	return cache.NewKey(g.source.Name(), l.Endpoint, l.Value, l.Vary)
}
