package source

import (
	"bytes"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/stixconv"
)

// memo remembers what mappings made of the answers that are asked for most. A
// mapping gives the same for the same bytes, and a kept answer is served many
// times: without this, running it would be the dearest part of a cache hit.
type memo struct {
	mu    sync.Mutex
	known map[memoKey]*mapped
	bytes int
}

type memoKey struct{ lookup, value string }

// mapped is what was made of one answer. Nobody changes it.
type mapped struct {
	body    []byte
	asOf    time.Time
	facts   stixconv.Facts
	skipped []error
}

// Bounds of a memo. At either it starts anew: what is asked for again comes back.
const (
	memoEntries = 1024
	memoBytes   = 8 << 20
)

// get gives what was made of exactly this answer.
func (m *memo) get(key memoKey, body []byte, asOf time.Time) *mapped {
	m.mu.Lock()
	known := m.known[key]
	m.mu.Unlock()
	if known == nil || !known.asOf.Equal(asOf) || !bytes.Equal(known.body, body) {
		return nil
	}
	return known
}

// put remembers one. The body is kept as it is: answers are never written to.
func (m *memo) put(key memoKey, made *mapped) {
	if len(made.body) > memoBytes/8 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.known[key]; old != nil {
		m.bytes -= len(old.body)
	}
	if m.known == nil || len(m.known) >= memoEntries || m.bytes+len(made.body) > memoBytes {
		m.known, m.bytes = make(map[memoKey]*mapped), 0
	}
	m.known[key] = made
	m.bytes += len(made.body)
}
