package quota

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func of(t *testing.T, s string) Account { return Account{Limits: limits(t, s)} }

// What was spent and what is reserved counts under the new limits, also after a
// restart.
func TestConfigureKeepsTheBooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "1000/month", nil)
	spend(t, l, 3, ask(Manual))
	open := mustReserve(t, l, ask(Manual))
	for _, quota := range []string{"5/month", "5/day,100/month", "5/week"} {
		if err := l.Configure(map[string]Account{src: of(t, quota)}); err != nil {
			t.Fatal(quota, err)
		}
		u := l.Usage()[0]
		if w := u.Windows[0]; w.Used != 3 || w.Pending != 1 || w.Limit != 5 {
			t.Errorf("%s: %d used, %d pending of %d", quota, w.Used, w.Pending, w.Limit)
		}
	}
	last := mustReserve(t, l, ask(Manual))
	if d, err := l.Reserve(context.Background(), ask(Manual)); err != nil || d.Allowed {
		t.Errorf("a sixth of five: %+v, %v", d, err)
	}
	for _, id := range []uint64{open, last} {
		if err := l.Settle(id, Spent, 200); err != nil {
			t.Error(err)
		}
	}
	if n, err := l.Verify(); err != nil {
		t.Error(n, err)
	}
}

// Whoever waits for a limit is served at once when it is raised.
func TestConfigureServesThoseWhoWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "1/hour", nil)
	mustReserve(t, l, ask(Manual))
	granted := make(chan Decision)
	go func() {
		r := ask(Manual)
		r.MaxWait = 2 * time.Hour
		d, err := l.Reserve(context.Background(), r)
		if err != nil {
			t.Error(err)
		}
		granted <- d
	}()
	for l.Stats().Waiting == 0 {
		if err := l.command(func(*transaction) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Configure(map[string]Account{src: of(t, "2/hour")}); err != nil {
		t.Fatal(err)
	}
	if d := <-granted; !d.Allowed {
		t.Errorf("%+v", d)
	}
}

// What cannot be had changes nothing.
func TestConfigureRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "10/month", nil)
	bad := of(t, "10/month")
	bad.Margin = 2
	for want, accounts := range map[string]map[string]Account{
		"margin":    {src: bad},
		"no source": {src: of(t, "20/month"), "another": of(t, "1/day")},
	} {
		if err := l.Configure(accounts); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if w := l.Usage()[0].Windows[0]; w.Limit != 10 {
		t.Errorf("the limit is %d", w.Limit)
	}
}

// What an operator or the provider said of a window holds on when something
// else changes, in short windows too.
func TestConfigureKeepsWhatWasSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	clock := newTestClock(noon)
	l := openAt(t, path, clock, of(t, "200/minute,1000/month"))
	spend(t, l, 5, ask(Manual))
	if err := l.SetUsed(src, "minute", 195, Order{By: "test", Reason: "the provider says so"}); err != nil {
		t.Fatal(err)
	}
	next := of(t, "210/minute,1000/month")
	next.Floors = map[Trigger]float64{Playbook: 0.1}
	if err := l.Configure(map[string]Account{src: next}); err != nil {
		t.Fatal(err)
	}
	if w := usage(l).Windows[0]; w.Used != 195 || w.Limit != 210 || w.Floors["playbook"] != 21 {
		t.Errorf("%+v", w)
	}
	spend(t, l, 1, ask(Manual))
	clock.add(3 * time.Minute)
	if w := usage(l).Windows; w[0].Used != 0 || w[1].Used != 6 {
		t.Errorf("%+v", w)
	}
}
