package cache

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// memory is the tier in front of the disk, and only a hint: ristretto may drop
// what it is given, shows it late, and may show what was deleted a moment ago.
// So each item carries the version that its entry had on disk, and is believed
// only while that is the current one.
type memory struct {
	store *ristretto.Cache[string, *held]
	// versions count the changes on disk; entries share them by their id, and a
	// neighbour's change costs a look at the disk.
	versions [1 << 16]atomic.Uint32
	// forgetful makes it drop everything, for tests.
	forgetful bool
}

// held is an entry in memory.
type held struct {
	entry   *Entry
	id      entryID
	version uint32
	// hour of the last use that the disk was told of.
	hour atomic.Uint32
}

func newMemory(size int64) (*memory, error) {
	store, err := ristretto.NewCache(&ristretto.Config[string, *held]{
		NumCounters:        max(1000, size/1024*10), // ten per expected entry of 1 KiB
		MaxCost:            size,
		BufferItems:        64,
		IgnoreInternalCost: true, // cost counts it
	})
	if err != nil {
		return nil, fmt.Errorf("cache: memory tier: %w", err)
	}
	return &memory{store: store}, nil
}

func (m *memory) get(k Key) *held {
	h, ok := m.store.Get(string(k))
	if !ok || h.version != m.version(h.id) {
		return nil
	}
	return h
}

// set offers an entry, as of a version that was read before the entry was.
func (m *memory) set(k Key, e *Entry, id entryID, version uint32) {
	if m.forgetful {
		return
	}
	m.store.Set(string(k), &held{entry: e, id: id, version: version}, cost(k, e))
}

// cost is what an entry takes of the heap, and a quarter of that again for what
// the collector has not freed yet; see BenchmarkMemoryHeap.
func cost(k Key, e *Entry) int64 {
	const books = 400 // the structs, the maps and the policy of ristretto
	return (int64(len(k)+cap(e.Body)) + books) * 5 / 4
}

func (m *memory) version(id entryID) uint32 { return m.slot(id).Load() }

// changed makes every copy of the entry in memory unbelievable. It returns the
// version of what is on disk now.
func (m *memory) changed(id entryID) uint32 { return m.slot(id).Add(1) }

// changedAll does the same for all entries.
func (m *memory) changedAll() {
	for i := range m.versions {
		m.versions[i].Add(1)
	}
	m.store.Clear()
}

func (m *memory) slot(id entryID) *atomic.Uint32 {
	return &m.versions[binary.BigEndian.Uint16(id[:])]
}
