package quota

import (
	"path/filepath"
	"testing"
	"time"
)

func report(t *testing.T, l *Ledger, r Report) {
	t.Helper()
	if r.From == "" {
		r.From = "headers"
	}
	if err := l.Reconcile(src, r); err != nil {
		t.Fatal(err)
	}
}

// Another tool spends the same key, and the provider lowers its limit: what
// remains follows, and only ever downwards.
func TestReconcileOnlyLowersWhatRemains(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "1000/month")}
	l := openAt(t, path, clock, account)
	spend(t, l, 10, ask(Manual))
	for _, c := range []struct {
		what                     string
		r                        Report
		used, limit, left, drift int64
	}{
		{"as we count", Report{Used: new(int64(10))}, 10, 1000, 990, 0},
		{"25 more than we know of", Report{Used: new(int64(35))}, 35, 1000, 965, 25},
		{"fewer, which raises nothing", Report{Used: new(int64(5))}, 35, 1000, 965, -5},
		{"a lower limit", Report{Remaining: new(int64(460)), Limit: new(int64(500))}, 40, 500, 460, 30},
		{"a higher limit, which raises nothing", Report{Used: new(int64(40)), Limit: new(int64(9000))}, 40, 500, 460, 30},
		{"what remains, by our own limit", Report{Remaining: new(int64(950))}, 50, 500, 450, 40},
		{"of the month before", Report{Used: new(int64(499)), ResetsAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}, 50, 500, 450, 40},
		{"taken when this month had hardly begun", Report{Used: new(int64(499)), At: time.Date(2026, 11, 1, 0, 5, 0, 0, time.UTC)}, 50, 500, 450, 40},
	} {
		c.r.Window = "month"
		report(t, l, c.r)
		w := usage(l).Windows[0]
		if w.Used != c.used || w.Limit != c.limit || w.Remaining != c.left || w.Reported.Drift != c.drift {
			t.Errorf("%s: %+v %+v", c.what, w, w.Reported)
		}
	}
	entries := l.Stats().Entries
	report(t, l, Report{Window: "month", Used: new(int64(50))})
	if l.Stats().Entries != entries {
		t.Error("a report that changes nothing made an entry")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	if w := usage(l).Windows[0]; w.Used != 50 || w.Limit != 500 || w.Reported == nil || w.ByTrigger["manual"] != 10 || w.Outside != 40 {
		t.Errorf("after a restart: %+v", w)
	}
	clock.set(noon.AddDate(0, 1, 0))
	if w := usage(l).Windows[0]; w.Used != 0 || w.Limit != 1000 || w.Reported != nil {
		t.Errorf("the next month: %+v", w)
	}
}

// What is under way may be in the provider's count already.
func TestReconcileWithCallsUnderWay(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "1000/month")})
	id := mustReserve(t, l, ask(Manual))
	mustReserve(t, l, ask(Manual))
	report(t, l, Report{Window: "month", Used: new(int64(2))})
	if w := usage(l).Windows[0]; w.Used != 0 || w.Pending != 2 {
		t.Errorf("two under way, two counted: %+v", w)
	}
	if err := l.Settle(id, Spent, 200); err != nil {
		t.Fatal(err)
	}
	report(t, l, Report{Window: "month", Used: new(int64(7))})
	if w := usage(l).Windows[0]; w.Used != 6 || w.Pending != 1 || w.Reported.Drift != 5 {
		t.Errorf("five by others: %+v %+v", w, w.Reported)
	}
}

// Uncertain units are given back only where the provider's count proves that
// they were not billed.
func TestReconcileClearsDoubts(t *testing.T) {
	clock := newTestClock(noon)
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), clock, Account{Limits: limits(t, "1000/month")})
	spend(t, l, 10, ask(Manual))
	for range 4 {
		if err := l.Settle(mustReserve(t, l, ask(Manual)), Uncertain, 0); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, used, uncertain int64) {
		t.Helper()
		if u := usage(l); u.Windows[0].Used != used || u.Uncertain != uncertain {
			t.Errorf("%s: used %d, uncertain %d; want %d, %d", what, u.Windows[0].Used, u.Uncertain, used, uncertain)
		}
	}
	report(t, l, Report{Window: "month", Used: new(int64(11))})
	want("too early: it may yet be billed", 14, 4)
	clock.add(11 * time.Minute)
	report(t, l, Report{Window: "month", Used: new(int64(11)), At: clock.now().Add(-5 * time.Minute)})
	want("counted too early", 14, 4)
	report(t, l, Report{Window: "month", Used: new(int64(9))})
	want("it counts less than is certain, so nothing follows", 14, 4)
	id := mustReserve(t, l, ask(Manual))
	report(t, l, Report{Window: "month", Used: new(int64(11))})
	want("a call is under way", 14, 4)
	if err := l.Settle(id, Void, 0); err != nil {
		t.Fatal(err)
	}
	clock.add(11 * time.Minute)
	report(t, l, Report{Window: "month", Used: new(int64(11))})
	want("one of four was billed", 11, 1)
}

func TestReconcileSaysWhatIsWrong(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "1000/month")})
	for _, r := range []Report{{Window: "month"}, {Window: "day", Used: new(int64(1))}, {Window: "month", Used: new(int64(-1))}, {Window: "month", Remaining: new(int64(2000))}} {
		if err := l.Reconcile(src, r); err == nil {
			t.Errorf("accepted %+v", r)
		}
	}
	if err := l.Reconcile("nobody", Report{Window: "month", Used: new(int64(1))}); err == nil {
		t.Error("accepted a report on nobody")
	}
}
