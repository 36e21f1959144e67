package quota

import (
	"sync"
	"testing"
	"time"
)

// testClock is a wall clock that tests set. What it shows is also taken for
// the time that has passed, because there is no monotonic reading in it.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newTestClock(at time.Time) *testClock { return &testClock{at: at} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *testClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func limits(tb testing.TB, s string) []Limit {
	tb.Helper()
	l, err := ParseLimits(s)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// openAt opens a ledger on a clock; it is verified and closed after the test.
func openAt(tb testing.TB, path string, c *testClock, a Account) *Ledger {
	tb.Helper()
	return openWith(tb, path, Options{Accounts: map[string]Account{src: a}, Now: c.now})
}

// openWith does not wait for the disk: the machine goes on.
func openWith(tb testing.TB, path string, o Options) *Ledger {
	tb.Helper()
	l, err := Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	l.mu.Lock()
	l.db.NoSync = true
	l.mu.Unlock()
	tb.Cleanup(func() { balance(tb, l) })
	return l
}

// spend reserves and settles calls of one unit.
func spend(tb testing.TB, l *Ledger, n int, r Request) {
	tb.Helper()
	for range n {
		if err := l.Settle(mustReserve(tb, l, r), Spent, 200); err != nil {
			tb.Fatal(err)
		}
	}
}
