package cache

import "time"

// Entry is one stored answer. Its fields are never changed after Put: it is
// shared between callers.
type Entry struct {
	// Kind is the caller's own class of the answer; the cache only keeps it.
	Kind uint8
	// Status is the provider's HTTP status.
	Status int
	// Body is the provider's bytes, at most 64 MiB; ContentType what it called
	// them, at most 1 KiB.
	Body        []byte
	ContentType string
	// StoredAt is when the provider gave it, FreshUntil and StaleUntil when it
	// ages. A StaleUntil that is not after FreshUntil means that it is never
	// served stale: so an answer that names its own end is kept, and no longer.
	StoredAt, FreshUntil, StaleUntil time.Time
}

// State is an entry's age against its TTL.
type State uint8

const (
	// Gone: not there, or too old for anything.
	Gone State = iota
	// Fresh: as good as a new call.
	Fresh
	// Stale: better than nothing, and marked so.
	Stale
)

// String names the state: "fresh".
func (s State) String() string { return [...]string{"gone", "fresh", "stale"}[s] }

// State is the entry's state at a time.
func (e *Entry) State(now time.Time) State {
	switch {
	case now.Before(e.FreshUntil):
		return Fresh
	case now.Before(e.StaleUntil):
		return Stale
	default:
		return Gone
	}
}

// goneAt is when the entry may be swept.
func (e *Entry) goneAt() time.Time {
	if e.StaleUntil.After(e.FreshUntil) {
		return e.StaleUntil
	}
	return e.FreshUntil
}
