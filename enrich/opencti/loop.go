package opencti

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

const (
	// DefaultLoopLimit and DefaultLoopWindow: an entity that the platform sends
	// more often by itself is written to by a circle of connectors, each set off
	// by what the other wrote.
	DefaultLoopLimit  = 10
	DefaultLoopWindow = 10 * time.Minute
	// loopEntities bounds how many entities are watched.
	loopEntities = 10_000
)

// loopGuard counts how often an entity is sent to us automatically.
type loopGuard struct {
	limit  int
	window time.Duration
	now    func() time.Time

	mu sync.Mutex
	// recent and older are two generations of counts: what is not seen for a
	// whole window is forgotten, at the latest when loopEntities are watched.
	recent, older map[string]loopCount
	turned        time.Time
}

type loopCount struct {
	began time.Time
	n     int
}

func newLoopGuard(limit int, window time.Duration) *loopGuard {
	return &loopGuard{
		limit: cmp.Or(limit, DefaultLoopLimit), window: cmp.Or(window, DefaultLoopWindow), now: time.Now,
		recent: map[string]loopCount{},
	}
}

// isLoop counts the message and says that it is one too many. The first one too
// many of a window is logged.
func (c *Connector) isLoop(m message) bool {
	g := c.loops
	if m.trigger() != quota.Auto {
		return false
	}
	n := g.count(m.Event.EntityID)
	if n > 1 {
		c.metrics.sentAgain.Inc()
	}
	if g.limit < 0 {
		return false
	}
	if n == g.limit+1 {
		c.log.Warn("an entity is sent again and again, probably by connectors that set each other off; it is left alone for a while",
			"entity", m.Event.EntityID, "times", n, "within", g.window.String())
	}
	return n > g.limit
}

// count returns how often the entity came within its window, this time included.
func (g *loopGuard) count(entity string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if len(g.recent) >= loopEntities || now.Sub(g.turned) > g.window {
		g.recent, g.older, g.turned = map[string]loopCount{}, g.recent, now
	}
	c, known := g.recent[entity]
	if !known {
		c, known = g.older[entity]
	}
	if !known || now.Sub(c.began) > g.window {
		c = loopCount{began: now}
	}
	c.n++
	g.recent[entity] = c
	return c.n
}

// answerLoop ends the work without looking anything up, or writing anything
// that would set off the next round.
func (c *Connector) answerLoop(ctx context.Context, t *task) error {
	if err := t.Received(ctx); err != nil {
		return err
	}
	text := fmt.Sprintf("not looked up again: OpenCTI sent it more than %d times within %s by itself", c.loops.limit, c.loops.window)
	return t.Processed(ctx, text, false)
}
