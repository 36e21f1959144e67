package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the cache is closed")

// MinDisk is the least that Options.MaxDisk may be, in bytes.
const MinDisk = 16 << 20

// Options configure a Cache.
type Options struct {
	// Memory bounds the memory tier in bytes of heap; zero means 64 MiB.
	Memory int64
	// MaxDisk bounds the stored answers in bytes as they are stored, compressed;
	// zero means 1 GiB, and less than MinDisk is refused. Over it, what is gone
	// is removed first, then what was least recently used.
	MaxDisk int64
	// Key, if not empty, is the 32-byte key with which the file is encrypted.
	Key []byte
	// FlightTimeout bounds one load, however patient its callers are; zero
	// means five minutes.
	FlightTimeout time.Duration
	// Now is the clock for freshness; nil means time.Now.
	Now func() time.Time
	// Log hears of damage, of a disk that refuses, and of compactions; nil means
	// nobody does.
	Log *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	if o.MaxDisk == 0 {
		o.MaxDisk = 1 << 30
	}
	if o.MaxDisk < MinDisk {
		return o, fmt.Errorf("cache: the limit of %d bytes on disk is below the least, %d", o.MaxDisk, MinDisk)
	}
	if o.FlightTimeout == 0 {
		o.FlightTimeout = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Cache holds answers. Safe for concurrent use.
type Cache struct {
	opts    Options
	disk    *disk
	memory  *memory
	flights singleflight.Group

	// running counts flights; Close waits for them, because what they bring is paid for.
	running sync.WaitGroup
	closing context.Context
	abort   context.CancelFunc

	memoryHits, diskHits, misses, shared atomic.Uint64
}

// Open opens the cache's file, or creates it. One process at a time can.
func Open(path string, opts Options) (*Cache, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMemory(opts.Memory)
	if err != nil {
		return nil, err
	}
	d, err := openDisk(path, opts, m)
	if err != nil {
		m.store.Close()
		return nil, err
	}
	c := &Cache{opts: opts, disk: d, memory: m}
	c.closing, c.abort = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the loads under way and closes the file.
func (c *Cache) Close() error {
	c.abort()
	c.running.Wait()
	err := c.disk.close()
	c.memory.store.Close()
	return err
}

// Get looks an answer up. A disk that cannot be read is an error, not a miss:
// a miss may cost money.
func (c *Cache) Get(k Key) (*Entry, State, Origin, error) {
	now := c.opts.Now()
	// What memory has past its time is asked of the disk, which may have newer.
	if h := c.memory.get(k); h != nil && h.entry.State(now) == Fresh {
		if hour := hours(now); h.hour.Swap(hour) != hour {
			c.disk.touches.add(h.id, hour)
		}
		return h.entry, Fresh, Memory, nil
	}
	id := c.disk.codec.id(k)
	version := c.memory.version(id) // before the entry is read: see memory
	e, err := c.disk.get(id, k)
	if err != nil || e == nil {
		return nil, Gone, Disk, err
	}
	s := e.State(now)
	if s == Gone {
		return nil, Gone, Disk, nil
	}
	c.disk.touches.add(id, hours(now))
	c.memory.set(k, e, id, version)
	return e, s, Disk, nil
}

// Put stores an answer durably: when it returns nil, the answer survives a
// crash. An answer that is there is replaced.
func (c *Cache) Put(k Key, e *Entry) error {
	id := c.disk.codec.id(k)
	version, err := c.disk.put(id, k, e)
	if err == nil {
		c.memory.set(k, e, id, version)
	}
	return err
}

// Delete removes an answer durably, and at once for everybody.
func (c *Cache) Delete(k Key) error { return c.disk.remove(c.disk.codec.id(k)) }

// Compact rewrites the file without its waste, while the cache is used; it needs
// as much free disk as the answers take. The cache does it by itself when a
// quarter of the file is waste. After a purge it also makes sure that nothing of
// what was purged is left in the file. ErrBusy means that it is under way already.
func (c *Cache) Compact(ctx context.Context) error {
	if err := c.disk.compact(ctx); err != nil {
		return fmt.Errorf("cache: not compacted: %w", err)
	}
	return nil
}

// Healthy is nil while answers can be stored; else it says why not, and Get and
// Fetch go on serving those that are. It recovers by itself.
func (c *Cache) Healthy() error { return c.disk.health.err() }
