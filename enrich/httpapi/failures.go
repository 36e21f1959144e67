package httpapi

import (
	"sync"
	"time"
)

const (
	// mostFailures are the wrong tokens that one address may present in failureSpan.
	mostFailures = 10
	failureSpan  = time.Minute
	// mostAddresses bounds the memory; beyond it all share one count.
	mostAddresses = 4096
)

// failures counts wrong tokens by address.
type failures struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[string]*tries
}

type tries struct {
	count int
	until time.Time // when the count starts anew
}

func newFailures(now func() time.Time) *failures {
	return &failures{now: now, seen: map[string]*tries{}}
}

// note counts one, and says whether it was the one too many.
func (f *failures) note(address string) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	t := f.seen[f.slotLocked(address, now)]
	if t == nil || !now.Before(t.until) {
		t = &tries{until: now.Add(failureSpan)}
		f.seen[f.slotLocked(address, now)] = t
	}
	t.count++
	return t.count == mostFailures
}

// wait is how many seconds the address has to wait before it is listened to.
func (f *failures) wait(address string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	t := f.seen[f.slotLocked(address, now)]
	if t == nil || t.count < mostFailures || !now.Before(t.until) {
		return 0
	}
	return 1 + int64(t.until.Sub(now)/time.Second)
}

// slotLocked is where an address is counted: by itself while there is room.
func (f *failures) slotLocked(address string, now time.Time) string {
	if _, ok := f.seen[address]; ok || len(f.seen) < mostAddresses {
		return address
	}
	for a, t := range f.seen {
		if !now.Before(t.until) {
			delete(f.seen, a)
		}
	}
	if len(f.seen) < mostAddresses {
		return address
	}
	return "" // everybody else
}
