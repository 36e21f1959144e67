package cache

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// reason is why an entry was removed.
type reason uint8

const (
	byStore  reason = iota // replaced; not an eviction
	byTTL                  // past its stale limit
	bySize                 // least recently used, the limit of the disk reached
	byPurge                // by Purge or Delete
	byDamage               // it could not be read
	reasons
)

// tally counts one source's entries and bytes, and what was removed since Open.
type tally struct {
	name           string
	entries, bytes int64
	removed        [reasons]uint64
}

func (t *tally) add(entries, bytes int64) {
	t.entries += entries
	t.bytes += bytes
}

// books are the totals. On disk they change in the transaction of what they
// count; here, when it is durable.
type books struct {
	mu      sync.Mutex
	sources map[uint16]*tally
	numbers map[string]uint16
	live    atomic.Int64
}

// load reads the totals of a file.
func (b *books) load(tx *bolt.Tx) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.sources
	b.sources, b.numbers = map[uint16]*tally{}, map[string]uint16{}
	live := int64(0)
	err := tx.Bucket(bucketSources).ForEach(func(k, v []byte) error {
		if len(k) != 2 || len(v) < 16 {
			return nil
		}
		n := binary.BigEndian.Uint16(k)
		t := &tally{name: string(v[16:]), entries: int64(binary.BigEndian.Uint64(v)), bytes: int64(binary.BigEndian.Uint64(v[8:]))}
		b.sources[n], b.numbers[t.name] = t, n
		live += t.bytes
		return nil
	})
	for _, number := range slices.Sorted(maps.Keys(before)) { // what was counted since Open stays counted
		old := before[number]
		n, ok := b.numbers[old.name]
		if !ok {
			n = uint16(len(b.sources))
			b.numbers[old.name], b.sources[n] = n, &tally{name: old.name}
		}
		b.sources[n].removed = old.removed
	}
	b.live.Store(live)
	return err
}

// number is a source's number; a new name gets the next.
func (b *books) number(source string) uint16 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.numbers == nil {
		b.sources, b.numbers = map[uint16]*tally{}, map[string]uint16{}
	}
	n, ok := b.numbers[source]
	if !ok {
		n = uint16(len(b.sources)) // numbers are never given up
		b.numbers[source], b.sources[n] = n, &tally{name: source}
	}
	return n
}

func (t *txn) delta(source uint16) *tally {
	d := t.deltas[source]
	if d == nil {
		d = &tally{}
		t.deltas[source] = d
	}
	return d
}

// finish writes the totals of the sources that the transaction changed.
func (t *txn) finish() error {
	b := t.books
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(t.deltas)) {
		now := b.after(n, t.deltas[n])
		v := binary.BigEndian.AppendUint64(make([]byte, 0, 16+len(now.name)), uint64(now.entries))
		v = append(binary.BigEndian.AppendUint64(v, uint64(now.bytes)), now.name...)
		if err := t.tx.Bucket(bucketSources).Put(binary.BigEndian.AppendUint16(nil, n), v); err != nil {
			return err
		}
	}
	return nil
}

// after is a source's total with a change to it; damage may have hidden entries
// from the books, which never go below zero.
func (b *books) after(source uint16, d *tally) tally {
	t := tally{}
	if now := b.sources[source]; now != nil {
		t = *now
	}
	t.entries, t.bytes = max(0, t.entries+d.entries), max(0, t.bytes+d.bytes)
	for i := range d.removed {
		t.removed[i] += d.removed[i]
	}
	return t
}

// settle takes over what a durable transaction has changed.
func (b *books) settle(t *txn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	live := b.live.Load()
	for n, d := range t.deltas {
		now := b.after(n, d)
		if was := b.sources[n]; was != nil {
			live -= was.bytes
		}
		live += now.bytes
		b.sources[n] = &now
	}
	b.live.Store(live)
}

// all gives a copy of every source's totals.
func (b *books) all() []tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []tally
	for _, n := range slices.Sorted(maps.Keys(b.sources)) {
		list = append(list, *b.sources[n])
	}
	return list
}

// purged counts entries that went with their file.
func (b *books) purged(gone []tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range gone {
		if n, ok := b.numbers[t.name]; ok {
			b.sources[n].removed[byPurge] += uint64(t.entries)
		}
	}
}
