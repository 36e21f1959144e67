package enrich

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/quota"
)

// What each step of a lookup leaves on disk, in the order in which a crash
// would find it: the units before the call, the answer before its settlement.
func TestOrderOfTheSteps(t *testing.T) {
	type books struct {
		calls, pending, spent int
		kept                  bool
	}
	want := map[Step]books{
		StepReserved: {calls: 0, pending: 1},
		StepAnswered: {calls: 1, pending: 1},
		StepStored:   {calls: 1, pending: 1, kept: true},
		StepSettled:  {calls: 1, spent: 1, kept: true},
	}
	var b *bench
	seen := 0
	b = newBench(t, "none", func(c *Config) {
		c.Trace = func(s Step) {
			seen++
			u := b.books()
			_, state, _, err := b.cache.Get(cache.NewKey(fakeName, "ip", "192.0.2.1", ""))
			got := books{b.source.calls(), int(u.Pending), int(u.Spent), state == cache.Fresh}
			if err != nil || got != want[s] {
				t.Errorf("%s: %+v, %v; want %+v", s, got, err, want[s])
			}
		}
	})
	b.enrich(t, request(t, "192.0.2.1", quota.Manual))
	if seen != len(want) {
		t.Errorf("%d steps, want %d", seen, len(want))
	}
}

// A call is given back only when not a byte of it can have left.
func TestWhatACallCosts(t *testing.T) {
	for _, c := range []struct {
		name                   string
		answer                 Answer
		spent, uncertain, void int
	}{
		{"answered", Answer{Class: Found, Status: 200, Sent: true}, 1, 0, 0},
		{"no record", Answer{Class: NotFound, Status: 404, Sent: true}, 1, 0, 0},
		{"refused", Answer{Class: AuthFailed, Status: 401, Sent: true}, 1, 0, 0},
		{"timed out after it left", Answer{Class: TimedOut, Sent: true, Err: errors.New("late")}, 0, 2, 0},
		{"torn off after it left", Answer{Class: NetworkError, Sent: true, Err: errors.New("reset")}, 0, 2, 0},
		{"never left", Answer{Class: NetworkError, Err: errors.New("no connection")}, 0, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "none", nil)
				b.source.answer = func(Lookup) Answer { return c.answer }
				b.enrich(t, request(t, "192.0.2.1", quota.Manual))
				u := b.books()
				void := 0
				if err := b.ledger.Entries(quota.Filter{}, func(e quota.Entry) error {
					if e.Kind == "void" {
						void++
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if int(u.Spent) != c.spent || int(u.Uncertain) != c.uncertain || void != c.void || u.Pending != 0 {
					t.Errorf("%d spent, %d uncertain, %d void, %d pending", u.Spent, u.Uncertain, void, u.Pending)
				}
			})
		})
	}
}

// Each attempt on the wire has a reservation of its own.
func TestEachAttemptIsPaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "none", func(c *Config) { c.Now = time.Now })
		b.source.answer = func(Lookup) Answer {
			return Answer{Class: RateLimited, Status: 429, Sent: true, Err: errors.New("too many")}
		}
		r := request(t, "192.0.2.1", quota.Manual)
		r.Patience = time.Hour
		b.enrich(t, r)
		if u := b.books(); int(u.Spent) != b.source.calls() || b.source.calls() != maxAttempts {
			t.Errorf("%d units for %d calls", u.Spent, b.source.calls())
		}
	})
}

// Nothing but an answer is kept.
func TestErrorsAreNotKept(t *testing.T) {
	for _, class := range Classes() {
		t.Run(class.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "none", nil)
				b.source.answer = func(Lookup) Answer {
					return Answer{Class: class, Status: 200, Sent: true, Body: []byte("x"), Err: errors.New("so it ended")}
				}
				b.enrich(t, request(t, "192.0.2.1", quota.Manual))
				_, state, _, err := b.cache.Get(cache.NewKey(fakeName, "ip", "192.0.2.1", ""))
				keep := class == Found || class == Partial || class == NotFound || class == InvalidInput
				if err != nil || (state == cache.Fresh) != keep {
					t.Errorf("%s, %v", state, err)
				}
			})
		})
	}
}
