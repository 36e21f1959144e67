package quota

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// ticking is a clock whose monotonic reading goes on while its wall is set, as
// the system's does. Only the ledger's own clock can tell the two apart.
func ticking(l *Ledger, c *testClock) (pass func(time.Duration), set func(time.Duration)) {
	return func(d time.Duration) { c.add(d); l.Usage() }, func(d time.Duration) {
		l.mu.Lock() // the writer must not look between the two
		defer l.mu.Unlock()
		c.add(d)
		l.clock.read = l.clock.read.Add(d) // no time has passed
	}
}

// A clock that is set a day ahead by mistake, and back: what was spent before,
// meanwhile and after all counts, and nothing stays closed for longer than the
// mistake.
func TestClockSetAheadAndBack(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "3/minute,10/calendar hour,20/day,25/rolling day,100/month")}
	l := openAt(t, path, clock, account)
	pass, set := ticking(l, clock)
	used := func(when string, want ...int64) {
		t.Helper()
		for i, w := range usage(l).Windows {
			if w.Used != want[i] {
				t.Errorf("%s: %s has %d used, want %d", when, w.Window, w.Used, want[i])
			}
		}
	}
	spend(t, l, 3, ask(Manual))
	used("before", 3, 3, 3, 3, 3)
	set(24 * time.Hour)
	if d := decide(t, l, ask(Manual)); d.Allowed || d.Limit.Per != Minute {
		t.Errorf("a minute is over by setting the clock: %+v", d)
	}
	pass(61 * time.Second)
	spend(t, l, 2, ask(Manual))
	used("ahead", 2, 5, 2, 5, 5) // the three are as young as this hour
	set(-24 * time.Hour)
	used("back", 2, 5, 5, 5, 5)
	pass(61 * time.Second)
	spend(t, l, 3, ask(Manual))
	used("after", 3, 8, 8, 8, 8)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	used("restarted", 5, 8, 8, 8, 8) // as young as they may be
	pass, _ = ticking(l, clock)
	pass(2 * time.Hour)
	spend(t, l, 3, ask(Manual))
	pass(time.Minute + 1)
	spend(t, l, 3, ask(Manual))
	used("two hours later", 3, 6, 14, 14, 14)
	clock.set(noon.Add(36 * time.Hour)) // tomorrow, midnight past by a day
	used("two days later", 0, 0, 0, 0, 14)
}

// Setting the clock back opens nothing: not a window that is full, and not the
// one before it for more than it had left.
func TestClockSetBackOpensNothing(t *testing.T) {
	clock := newTestClock(noon)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "5/calendar hour,8/day")})
	_, set := ticking(l, clock)
	clock.add(45 * time.Minute)
	spend(t, l, 5, ask(Manual))
	for _, back := range []time.Duration{-30 * time.Minute, -40 * time.Minute, -30 * time.Hour, -60 * 24 * time.Hour} {
		set(back)
		if d := decide(t, l, ask(Manual)); d.Allowed {
			t.Fatalf("opened by setting the clock back by %s", back)
		}
		set(-back)
	}
	clock.add(20 * time.Minute) // the next hour
	spend(t, l, 3, ask(Manual))
	set(-13 * time.Hour) // yesterday
	if d := decide(t, l, ask(Manual)); d.Allowed {
		t.Error("yesterday is open for today's units")
	}
	set(13 * time.Hour)
	if d := decide(t, l, ask(Manual)); d.Allowed || d.Limit.Per != Day {
		t.Errorf("%+v", d)
	}
}

// A call that straddles a reset takes room on both sides of it, whichever side
// the provider books it on; the limit holds in both.
func TestCallStraddlesAReset(t *testing.T) {
	clock := newTestClock(time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC))
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "3/day")})
	spend(t, l, 2, ask(Manual))
	id := mustReserve(t, l, ask(Manual))
	if d := decide(t, l, ask(Manual)); d.Allowed {
		t.Error("a fourth of three")
	}
	clock.add(2 * time.Second)
	spend(t, l, 2, ask(Manual))
	if d := decide(t, l, ask(Manual)); d.Allowed {
		t.Error("the one under way was forgotten at midnight")
	}
	if err := l.Settle(id, Spent, 200); err != nil {
		t.Fatal(err)
	}
	if d := decide(t, l, ask(Manual)); d.Allowed || usage(l).Windows[0].Used != 3 {
		t.Errorf("%+v", usage(l))
	}
}

// Waiting is not cut short or drawn out by setting the clock.
func TestWaitingOutlivesASetClock(t *testing.T) {
	clock := newTestClock(noon)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "1/minute")})
	pass, set := ticking(l, clock)
	spend(t, l, 1, ask(Manual))
	r := ask(Manual)
	r.MaxWait = 2 * time.Minute
	got := make(chan Decision, 1)
	go func() {
		d, err := l.Reserve(context.Background(), r)
		if err != nil {
			t.Error(err)
		}
		got <- d
	}()
	for l.Stats().Waiting == 0 {
		<-time.After(time.Millisecond)
	}
	look := func() { _ = l.command(func(*transaction) error { return nil }) }
	set(-3 * time.Hour)
	look()
	set(26 * time.Hour)
	look()
	select {
	case d := <-got:
		t.Fatalf("answered though no time has passed: %+v", d)
	default:
	}
	pass(61 * time.Second)
	look()
	if d := <-got; !d.Allowed {
		t.Errorf("after a minute: %+v", d)
	}
}
