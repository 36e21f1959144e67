package cache

import (
	"context"
	"fmt"
	"time"
)

// Origin is where a result came from.
type Origin uint8

const (
	// Loaded: this caller's own load brought it.
	Loaded Origin = iota
	// Shared: another caller's load, joined in flight, brought it.
	Shared
	// Memory and Disk: it was there.
	Memory
	Disk
)

// String names the origin: "memory".
func (o Origin) String() string { return [...]string{"loaded", "shared", "memory", "disk"}[o] }

// Load brings an answer that is not there. It runs detached from any caller's
// cancellation. It must store what is worth keeping itself, by Put, before it
// returns it.
type Load func(context.Context) (*Entry, error)

// Fetch returns a fresh answer: from memory, from disk, from a load under way,
// or by load. A caller whose ctx ends gets ctx's error; the load goes on for
// the others, and for the money.
func (c *Cache) Fetch(ctx context.Context, k Key, load Load) (*Entry, Origin, error) {
	return c.FetchSince(ctx, k, time.Time{}, load)
}

// FetchSince is Fetch for a caller to whom what was stored before since is too
// old, however fresh.
func (c *Cache) FetchSince(ctx context.Context, k Key, since time.Time, load Load) (*Entry, Origin, error) {
	since = since.Truncate(time.Millisecond) // the grain of the disk
	e, state, origin, err := c.Get(k)
	if err != nil {
		return nil, origin, err
	}
	if state == Fresh && !e.StoredAt.Before(since) {
		c.hit(origin)
		return e, origin, nil
	}
	for {
		e, origin, err = c.fly(ctx, k, since, load)
		// One who joined the flight of a less demanding caller may get what is
		// too old.
		if err == nil && origin != Loaded && e != nil && e.StoredAt.Before(since) {
			continue
		}
		return e, origin, err
	}
}

func (c *Cache) hit(o Origin) {
	switch o {
	case Memory:
		c.memoryHits.Add(1)
	case Disk:
		c.diskHits.Add(1)
	case Shared:
		c.shared.Add(1)
	default:
		c.misses.Add(1)
	}
}

// landed is what a flight brings.
type landed struct {
	entry  *Entry
	origin Origin
}

func (c *Cache) fly(ctx context.Context, k Key, since time.Time, load Load) (*Entry, Origin, error) {
	if err := c.closing.Err(); err != nil {
		return nil, Loaded, ErrClosed
	}
	own := false // set by our own load only; read after it has returned
	ch := c.flights.DoChan(string(k), func() (v any, err error) {
		own = true
		c.running.Add(1)
		defer c.running.Done()
		// A panic in DoChan's goroutine cannot be recovered outside of it.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("cache: loading panicked: %v", p)
			}
		}()
		// A flight may have landed between our first look and this one; without
		// this second look its answer would be paid for again.
		if e, state, origin, err := c.Get(k); err != nil || state == Fresh && !e.StoredAt.Before(since) {
			return landed{e, origin}, err
		}
		fctx, cancel := context.WithTimeout(c.closing, c.opts.FlightTimeout)
		defer cancel()
		e, err := load(fctx)
		return landed{e, Loaded}, err
	})
	select {
	case r := <-ch:
		l, _ := r.Val.(landed)
		if l.origin == Loaded && !own {
			l.origin = Shared
		}
		if r.Err == nil {
			c.hit(l.origin)
		}
		return l.entry, l.origin, r.Err
	case <-ctx.Done():
		return nil, Shared, ctx.Err()
	}
}
