package enrich

import (
	"context"
	"slices"
	"sync"

	"github.com/enrichgate/enrichgate/cache"
)

// crowd knows who waits for which answer. One request leads a flight and the
// others wait with it; the units are asked for in the name of the most
// privileged of them, so that an analyst who joins a playbook's flight does not
// wait behind the playbook's floor.
type crowd struct {
	mu      sync.Mutex
	waiting map[cache.Key]*group
}

// group is everyone who waits for one key.
type group struct {
	members []*Request
	// risen is closed and replaced when somebody more privileged joins.
	risen chan struct{}
}

func newCrowd() *crowd { return &crowd{waiting: map[cache.Key]*group{}} }

// join adds a request until leave is called.
func (c *crowd) join(k cache.Key, r *Request) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.waiting[k]
	if g == nil {
		g = &group{risen: make(chan struct{})}
		c.waiting[k] = g
	}
	above := len(g.members) > 0 && r.Trigger < g.foremost().Trigger
	g.members = append(g.members, r)
	if above {
		close(g.risen)
		g.risen = make(chan struct{})
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		g.members = slices.DeleteFunc(g.members, func(m *Request) bool { return m == r })
		if len(g.members) == 0 && c.waiting[k] == g {
			delete(c.waiting, k)
		}
	}
}

// foremost is the most privileged, the earliest of several.
func (g *group) foremost() *Request {
	return slices.MinFunc(g.members, func(a, b *Request) int { return int(a.Trigger) - int(b.Trigger) })
}

// speaker is in whose name the units for a key are asked for now; ctx ends when
// that changes, or with parent. Whoever leads the flight speaks when nobody is
// left: the call is on its way for the cache.
func (c *crowd) speaker(parent context.Context, k cache.Key, leader Request) (r Request, ctx context.Context, cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel = context.WithCancel(parent)
	g := c.waiting[k]
	if g == nil {
		return leader, ctx, cancel
	}
	risen := g.risen
	go func() {
		select {
		case <-risen:
			cancel()
		case <-ctx.Done():
		}
	}()
	return *g.foremost(), ctx, cancel
}
