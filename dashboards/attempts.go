package dashboards

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxAttempts wrong tokens in attemptWindow close the sign-in to an address.
	maxAttempts   = 5
	attemptWindow = time.Minute
	// maxAddresses bounds the memory that guessing takes.
	maxAddresses = 4096
)

// attempts counts wrong tokens by address.
type attempts struct {
	now func() time.Time

	mu     sync.Mutex
	failed map[netip.Prefix][]time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, failed: map[netip.Prefix][]time.Time{}}
}

// wait is how long the address has to wait before its next try; 0 when it may
// try now. A try counts as failed until succeeded is called, so that many at
// the same time are no way around the bound.
func (a *attempts) wait(remote string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, from := a.now(), prefixOf(remote)
	recent := a.recentLocked(from, now)
	if len(recent) >= maxAttempts {
		return recent[0].Add(attemptWindow).Sub(now)
	}
	if len(a.failed) >= maxAddresses && len(recent) == 0 {
		a.forgetLocked(now)
		if len(a.failed) >= maxAddresses {
			return attemptWindow
		}
	}
	a.failed[from] = append(recent, now)
	return 0
}

// succeeded forgets what the address got wrong.
func (a *attempts) succeeded(remote string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failed, prefixOf(remote))
}

func (a *attempts) recentLocked(from netip.Prefix, now time.Time) []time.Time {
	all := a.failed[from]
	for len(all) > 0 && now.Sub(all[0]) >= attemptWindow {
		all = all[1:]
	}
	return all
}

func (a *attempts) forgetLocked(now time.Time) {
	for from := range a.failed {
		if len(a.recentLocked(from, now)) == 0 {
			delete(a.failed, from)
		}
	}
}

// prefixOf is the address, or for IPv6 the /64 that one machine commonly has.
func prefixOf(remote string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := ap.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
