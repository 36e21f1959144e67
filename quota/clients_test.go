package quota

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func budgets(t *testing.T, of map[string]string) map[string][]Limit {
	t.Helper()
	all := map[string][]Limit{}
	for name, s := range of {
		limits, err := ParseLimits(s)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = limits
	}
	return all
}

func askAs(client string) Request {
	r := ask(Proxy)
	r.Client = client
	return r
}

// A budget that is set later counts what was spent and reserved before it.
func TestClientBudgetsChangeAtWork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path, "1000/month", nil)
	for range 3 {
		if err := l.Settle(mustReserve(t, l, askAs("soar")), Spent, 200); err != nil {
			t.Fatal(err)
		}
	}
	open := mustReserve(t, l, askAs("soar"))
	for _, step := range []struct {
		budget string
		more   int
	}{{"4/month", 0}, {"6/month,6/minute", 2}, {"6/month", 0}, {"7/day", 1}} {
		if err := l.SetClients(src, budgets(t, map[string]string{"soar": step.budget, "other": "1/day"})); err != nil {
			t.Fatal(err)
		}
		got := 0
		for {
			d, err := l.Reserve(context.Background(), askAs("soar"))
			if err != nil {
				t.Fatal(err)
			}
			if !d.Allowed {
				if d.Owner != (Owner{OfClient, "soar"}) {
					t.Errorf("%s: refused by %s", step.budget, d.Owner)
				}
				break
			}
			got++
			if err := l.Settle(d.ID, Spent, 200); err != nil {
				t.Fatal(err)
			}
		}
		if got != step.more {
			t.Errorf("%s: %d more, want %d", step.budget, got, step.more)
		}
	}
	if err := l.Settle(open, Void, 0); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, l, askAs("soar")) // the void one's unit
	if err := l.SetClients(src, nil); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, l, askAs("soar")) // bound by the source alone
	if err := l.SetClients("elsewhere", nil); !errors.Is(err, ErrOrder) {
		t.Error(err)
	}
	if err := l.SetClients(src, map[string][]Limit{"x": {{Units: 0, Per: Day}}}); !errors.Is(err, ErrOrder) {
		t.Error(err)
	}
}

// However the budget changes while many spend, it is never exceeded.
func TestClientBudgetsChangeUnderLoad(t *testing.T) {
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"), "10000/month", nil)
	set := func(s string) {
		if err := l.SetClients(src, budgets(t, map[string]string{"soar": s})); err != nil {
			t.Error(err)
		}
	}
	set("50/month")
	var all sync.WaitGroup
	var spent atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 20 {
				d, err := l.Reserve(context.Background(), askAs("soar"))
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					spent.Add(1)
					if err := l.Settle(d.ID, Spent, 200); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for _, s := range []string{"50/day", "50/month", "50/day,50/month", "50/month"} {
		set(s)
	}
	all.Wait()
	if spent.Load() != 50 {
		t.Errorf("%d of a budget of 50", spent.Load())
	}
}
