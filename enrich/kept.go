package enrich

import (
	"fmt"

	"github.com/enrichgate/enrichgate/cache"
)

// Kept is what the cache has of one lookup. Entry is nil when it has nothing.
type Kept struct {
	Lookup Lookup
	Entry  *cache.Entry
	State  cache.State
}

// Kept looks at the answers that are kept of an entity, one for each lookup
// that it needs, and counts nothing. It fails as Enrich does when the entity
// would not be looked up.
func (g *Gateway) Kept(e Entity) ([]Kept, error) {
	plan, err := g.source.Plan(e)
	if err != nil {
		return nil, err
	}
	all := make([]Kept, len(plan))
	for i, l := range plan {
		entry, state, _, err := g.cache.Get(g.key(l))
		if err != nil {
			return nil, err
		}
		all[i] = Kept{Lookup: l, Entry: entry, State: state}
	}
	return all, nil
}

// Forget removes the answers that are kept of an entity, durably, and says of
// how many lookups. The next request pays for them again.
func (g *Gateway) Forget(e Entity) (int, error) {
	all, err := g.Kept(e)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, k := range all {
		if k.Entry == nil {
			continue
		}
		if err := g.cache.Delete(g.key(k.Lookup)); err != nil {
			return n, fmt.Errorf("removing %s: %w", k.Lookup.Endpoint, err)
		}
		n++
	}
	return n, nil
}
