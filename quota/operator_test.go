package quota

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func decide(t *testing.T, l *Ledger, r Request) Decision {
	t.Helper()
	d, err := l.Reserve(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What an operator orders holds at once, across a restart, and is on the record.
func TestOrdersSurviveARestart(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "100/day,1000/month"), Floors: DefaultFloors()}
	l := openAt(t, path, clock, account)
	spend(t, l, 10, ask(Manual))
	err := errors.Join(
		l.SetUsed(src, "day", 40, order), l.SetLimit(src, "day", 60, order), l.SetFloor(src, "day", Playbook, 15, order),
		l.SetFloor(src, "day", Auto, 55, order), l.SetFloor(src, "month", Auto, 900, order),
		l.Pause(src, noon.Add(time.Hour), Order{By: "alice", Reason: "the key leaked"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		u := usage(l)
		day := u.Windows[0]
		if day.Used != 40 || day.Outside != 30 || day.Limit != 60 || day.Configured != 100 || day.Remaining != 20 ||
			day.Floors["playbook"] != 15 || day.ByTrigger["manual"] != 10 || u.Windows[1].Used != 10 {
			t.Errorf("%s: %+v", when, u)
		}
		d := decide(t, l, ask(Manual))
		if !d.Paused || u.Paused == nil || u.Paused.By != "alice" || d.Reason() != "the source is paused (the key leaked); it opens at 2026-11-20T13:00:00Z" {
			t.Errorf("%s: %+v, %q", when, u.Paused, d.Reason())
		}
	}
	check("at once")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	check("after a restart")
	if err := l.Resume(src, order); err != nil {
		t.Fatal(err)
	}
	spend(t, l, 5, ask(Playbook))
	if d := decide(t, l, ask(Playbook)); !strings.HasPrefix(d.Reason(), "the rest of the quota of 60/day is kept for manual, api, proxy enrichment") {
		t.Errorf("a playbook below its floor: %+v", d)
	}
	clock.set(noon.Add(13 * time.Hour)) // the next day
	if day := usage(l).Windows[0]; day.Used != 0 || day.Limit != 100 || day.Floors["playbook"] != 10 || day.Floors["auto"] != 100 {
		t.Errorf("the next day: %+v", day)
	}
	kinds := map[string]int{}
	err = l.Entries(Filter{}, func(e Entry) error {
		if e.Reason == "because" && e.By == "test" || e.By == "alice" {
			kinds[e.Kind]++
		}
		return nil
	})
	if err != nil || kinds[KindSetUsed] != 1 || kinds[KindSetLimit] != 1 || kinds[KindSetFloor] != 3 || kinds[KindPause] != 1 || kinds[KindResume] != 1 {
		t.Errorf("%v, %v", kinds, err)
	}
}

// An operator may give automatic enrichment, which has no budget, some of this window.
func TestFloorGivesABudget(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "100/day"), Floors: DefaultFloors()})
	if d := decide(t, l, ask(Auto)); d.Allowed || d.Reason() != "auto enrichment has no budget" {
		t.Errorf("%+v", d)
	}
	if err := l.SetFloor(src, "day", Auto, 98, order); err != nil {
		t.Fatal(err)
	}
	spend(t, l, 2, ask(Auto))
	if d := decide(t, l, ask(Auto)); d.Allowed || !d.Floor {
		t.Errorf("%+v", d)
	}
}

func TestSetUsedRaisesAndLowers(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "5/minute,10/day")})
	spend(t, l, 5, ask(Manual))
	if d := decide(t, l, ask(Manual)); d.Allowed || d.Limit.Per != Minute {
		t.Errorf("%+v", d)
	}
	if err := errors.Join(l.SetUsed(src, "minute", 0, order), l.SetUsed(src, "day", 9, order)); err != nil {
		t.Fatal(err)
	}
	spend(t, l, 1, ask(Manual))
	if d := decide(t, l, ask(Manual)); d.Allowed || d.Limit.Per != Day || d.Reason() != "the quota of 10/day is exhausted; it opens at 2026-11-21T00:00:00Z" {
		t.Errorf("%+v %s", d, d.Reason())
	}
}

func TestBadOrdersAreRefused(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{Limits: limits(t, "5/minute,10/day")})
	before := l.Stats().Entries
	_, noDoubt := l.Resolve(src, 7, Void, order)
	_, noOutcome := l.Resolve(src, 0, Uncertain, order)
	for want, err := range map[string]error{
		"a reason is needed":                        l.SetUsed(src, "day", 1, Order{By: "alice", Reason: "  "}),
		`no source "nobody"`:                        l.SetUsed("nobody", "day", 1, order),
		`no window "month"; there are: minute, day`: l.SetUsed(src, "month", 1, order),
		"-1 is not between 0":                       l.SetUsed(src, "day", -1, order),
		"a limit is at least 1":                     l.SetLimit(src, "day", 0, order),
		"is past":                                   l.Pause(src, noon, order),
		"is not paused":                             l.Resume(src, order),
		"reservation 7 of":                          noDoubt,
		"uncertain units end spent or void":         noOutcome,
	} {
		if !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if after := l.Stats().Entries; after != before {
		t.Errorf("%d entries about nothing", after-before)
	}
}

// Uncertain units end by an operator's word: billed, or not.
func TestResolve(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "3/minute,100/day"), Clients: map[string][]Limit{"soar": limits(t, "10/day")}}
	l := openAt(t, path, clock, account)
	r := ask(API)
	r.Client = "soar"
	var ids []uint64
	for range 3 {
		id := mustReserve(t, l, r)
		ids = append(ids, id)
		if err := l.Settle(id, Uncertain, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Resolve(src, ids[0], Spent, order); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := l.Resolve(src, 0, Void, order); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	check := func(when string) {
		t.Helper()
		u := usage(l)
		if u.Spent != 1 || u.Uncertain != 0 || u.Windows[0].Used != 1 || u.Windows[1].Used != 1 || u.Clients[0].Windows[0].Used != 1 {
			t.Errorf("%s: %+v", when, u)
		}
	}
	check("at once")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, path, clock, account)
	check("after a restart")
	if _, err := l.Resolve(src, ids[0], Void, order); !errors.Is(err, ErrOrder) {
		t.Errorf("resolved twice: %v", err)
	}
}

// A refusal says whose limit it is.
func TestBudgets(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon), Account{
		Limits: limits(t, "100/day"), Margin: 0.05, Floors: DefaultFloors(),
		Clients:   map[string][]Limit{"soar": limits(t, "2/day")},
		Playbooks: map[string][]Limit{"pb-1": limits(t, "3/rolling day")},
	})
	soar, playbook := ask(API), ask(Playbook)
	soar.Client, playbook.Playbook = "soar", "pb-1"
	spend(t, l, 2, soar)
	spend(t, l, 3, playbook)
	d := decide(t, l, soar)
	if d.Owner != (Owner{OfClient, "soar"}) || d.Reason() != "the budget of 2/day for client soar is exhausted; it opens at 2026-11-21T00:00:00Z" {
		t.Errorf("%+v: %s", d, d.Reason())
	}
	d = decide(t, l, playbook)
	if d.Owner != (Owner{OfPlaybook, "pb-1"}) || !strings.HasPrefix(d.Reason(), "the budget of 3/rolling day for playbook pb-1 is exhausted; it opens at 2026-11-21T12:00:00") {
		t.Errorf("%+v: %s", d, d.Reason())
	}
	other := ask(API)
	other.Client = "other"
	spend(t, l, 70, other) // of 100: 5 margin, 20 kept, 5 spent
	if d := decide(t, l, other); !d.Floor || d.Owner.Kind != OfSource || len(d.KeptFor) != 2 {
		t.Errorf("%+v: %s", d, d.Reason())
	}
	spend(t, l, 20, ask(Manual))
	if d := decide(t, l, ask(Manual)); d.Allowed || d.Floor {
		t.Errorf("into the margin: %+v", d)
	}
	spenders, err := l.Spenders(src, noon.Add(-time.Hour), noon.Add(time.Hour))
	if err != nil || len(spenders) != 3 || spenders[0].Name != "other" || spenders[0].Units != 70 || spenders[1].Kind != "playbook" || spenders[2].Units != 2 {
		t.Errorf("%+v %v", spenders, err)
	}
	expensive := ask(Manual)
	expensive.Units = 96
	if d := decide(t, l, expensive); d.Reason() != "one call costs more than the quota of 100/day allows" {
		t.Errorf("%s", d.Reason())
	}
}

// Units that were used before the ledger came count once.
func TestInitialUsage(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "ledger.db"), newTestClock(noon)
	account := Account{Limits: limits(t, "100/day,1000/month"), Initial: map[Period]int64{Month: 400}}
	for range 3 {
		l := openAt(t, path, clock, account)
		if u := usage(l); u.Windows[0].Used != 0 || u.Windows[1].Used != 400 || u.Windows[1].Outside != 400 || u.Spent != 0 {
			t.Errorf("%+v", u)
		}
		balance(t, l)
	}
	clock.set(noon.AddDate(0, 1, 0))
	if u := usage(openAt(t, path, clock, account)); u.Windows[1].Used != 0 {
		t.Errorf("the next month: %+v", u)
	}
}
