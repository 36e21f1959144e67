package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"golang.org/x/sync/singleflight"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the cache is closed")

// Options configure a Cache.
type Options struct {
	// Memory bounds the memory tier in bytes; zero means 64 MiB.
	Memory int64
	// FlightTimeout bounds one load, however patient its callers are; zero
	// means five minutes.
	FlightTimeout time.Duration
	// Now is the clock for freshness; nil means time.Now.
	Now func() time.Time
}

// Cache holds answers. Safe for concurrent use.
type Cache struct {
	opts    Options
	disk    *disk
	memory  *ristretto.Cache[string, *Entry]
	flights singleflight.Group

	// running counts flights; Close waits for them, because what they bring is paid for.
	running sync.WaitGroup
	closing context.Context
	abort   context.CancelFunc

	memoryHits, diskHits, misses, shared atomic.Uint64
}

// Open opens the cache's file, or creates it.
func Open(path string, opts Options) (*Cache, error) {
	if opts.Memory == 0 {
		opts.Memory = 64 << 20
	}
	if opts.FlightTimeout == 0 {
		opts.FlightTimeout = 5 * time.Minute
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	memory, err := ristretto.NewCache(&ristretto.Config[string, *Entry]{
		NumCounters: max(1000, opts.Memory/1024*10), // ten per expected entry of 1 KiB
		MaxCost:     opts.Memory,
		BufferItems: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("cache: memory tier: %w", err)
	}
	disk, err := openDisk(path, opts.Now)
	if err != nil {
		memory.Close()
		return nil, err
	}
	c := &Cache{opts: opts, disk: disk, memory: memory}
	c.closing, c.abort = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the loads under way and closes the file.
func (c *Cache) Close() error {
	c.abort()
	c.running.Wait()
	c.memory.Close()
	return c.disk.close()
}

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

// Get looks an answer up. A disk that cannot be read is an error, not a miss:
// a miss may cost money.
func (c *Cache) Get(k Key) (*Entry, State, Origin, error) {
	now := c.opts.Now()
	// What memory has past its time is asked of the disk, which may have newer.
	if e, ok := c.memory.Get(string(k)); ok && e.state(now) == Fresh {
		return e, Fresh, Memory, nil
	}
	e, err := c.disk.get(k)
	if err != nil || e == nil {
		return nil, Gone, Disk, err
	}
	s := e.state(now)
	if s == Gone {
		return nil, Gone, Disk, nil
	}
	c.remember(k, e)
	return e, s, Disk, nil
}

// remember is a hint; ristretto may drop it, and takes its time to show it.
func (c *Cache) remember(k Key, e *Entry) {
	const overhead = 200 // of the entry and of ristretto's own books
	c.memory.Set(string(k), e, int64(len(k)+len(e.Body)+overhead))
}

// Put stores an answer durably.
func (c *Cache) Put(k Key, e *Entry) error {
	if err := c.disk.put(k, e); err != nil {
		return err
	}
	c.remember(k, e)
	return nil
}

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
		if err == nil && origin != Loaded && e.StoredAt.Before(since) {
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

// Delete removes an answer durably.
func (c *Cache) Delete(k Key) error {
	c.memory.Del(string(k))
	return c.disk.put(k, nil)
}

// Stats are the cache's counts since it was opened.
type Stats struct {
	MemoryHits, DiskHits, Misses, Shared uint64
	// Swept entries were gone; Damaged ones failed their checksum.
	Swept, Damaged, WriteErrors uint64
	// SizeBytes is the file's size.
	SizeBytes int64
}

// Stats are cheap: nothing is walked.
func (c *Cache) Stats() Stats {
	s := Stats{
		MemoryHits: c.memoryHits.Load(), DiskHits: c.diskHits.Load(), Misses: c.misses.Load(), Shared: c.shared.Load(),
		Swept: c.disk.swept.Load(), Damaged: c.disk.damaged.Load(), WriteErrors: c.disk.writeFails.Load(),
	}
	s.SizeBytes = c.disk.fileSize()
	return s
}
