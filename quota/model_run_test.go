package quota

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// run is a ledger and its model side by side.
type run struct {
	*rapid.T
	path string
	opts Options
	wall *testClock
	l    *Ledger
	m    *model
}

// TestModel checks random histories of everything that changes the books, of
// crashes and of a clock that is set back and forth, against the model.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		r := &run{T: t, path: filepath.Join(dir, fmt.Sprintf("ledger%d.db", histories)), wall: newTestClock(time.Date(2026, 11, 30, 23, 50, 0, 0, time.UTC))}
		account := modelAccount(t)
		r.opts = Options{Accounts: map[string]Account{src: account}, Now: r.wall.now}
		r.m = &model{account: account, open: map[uint64]modelUnits{}, said: map[string]modelSaid{}, quiet: r.wall.now()}
		r.start()
		ops := map[string]func(){
			"reserve": r.reserve, "reserve more": r.reserve, "reserve again": r.reserve, "settle": r.settle, "settle more": r.settle,
			"tick": r.tick, "tick more": r.tick, "jump": r.jump, "crash": r.crash, "set used": r.setUsed, "reconcile": r.reconcile,
			"resolve": r.resolve, "set limit": r.setLimit, "set floor": r.setFloor, "pause": r.pause, "configure": r.configure,
		}
		names := slices.Sorted(maps.Keys(ops))
		for range *modelSteps {
			r.wall.add(time.Nanosecond)
			ops[rapid.SampledFrom(names).Draw(t, "op")]()
			r.check()
		}
		r.must(r.verified())
		r.must(r.l.Close())
	})
}

func (r *run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *run) verified() error {
	_, err := r.l.Verify()
	return err
}

func (r *run) start() {
	l, err := Open(r.path, r.opts)
	r.must(err)
	l.mu.Lock()
	l.db.NoSync = true // a crash of the process loses nothing that was written; power is not cut here
	l.mu.Unlock()
	r.l = l
}

// now is the ledger's clock, after its writer has advanced the windows to it.
func (r *run) now() instant {
	r.must(r.l.command(func(*transaction) error { return nil }))
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.l.clock.now()
}

func (r *run) reserve() {
	q := Request{
		Account: src, Endpoint: "ip", Subject: "198.51.100.7", Units: rapid.Int64Range(0, 4).Draw(r.T, "units"),
		Trigger:  rapid.SampledFrom([]Trigger{Manual, Manual, API, Playbook}).Draw(r.T, "trigger"),
		Client:   rapid.SampledFrom([]string{"", "soar", "other"}).Draw(r.T, "client"),
		Playbook: rapid.SampledFrom([]string{"", "pb-1", "pb-2"}).Draw(r.T, "playbook"),
		Bucket:   rapid.SampledFrom([]string{"", "search", "search", "scan"}).Draw(r.T, "bucket"),
	}
	d, err := r.l.Reserve(context.Background(), q)
	r.must(err)
	// Where the ledger is allowed to be stricter it may refuse, and never more than that.
	if want := r.m.allows(q, r.now()); d.Allowed && !want || !d.Allowed && want && !r.spans(d.Limit) {
		r.Fatalf("reserve %d at %s: allowed %v, the model says %v (%+v)", q.Units, r.wall.now(), d.Allowed, want, d)
	}
	if d.Allowed {
		r.m.open[d.ID] = modelUnits{id: d.ID, units: q.Units, trigger: q.Trigger, bucket: q.Bucket, client: q.Client, playbook: q.Playbook}
	}
}

// spans says that a window keeps its units by time, and may let them go late.
func (r *run) spans(l Limit) bool { return l.Units > 0 && (l.Rolling || l.Per < Day) }

func (r *run) settle() {
	if len(r.m.open) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(r.m.open))).Draw(r.T, "which")
	o := rapid.SampledFrom([]Outcome{Spent, Spent, Void, Uncertain}).Draw(r.T, "outcome")
	r.must(r.l.Settle(id, o, 200))
	r.m.settle(id, o, r.now())
}

func (r *run) tick() {
	most := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 5 * time.Hour, 40 * time.Hour}).Draw(r.T, "up to")
	r.wall.add(time.Duration(rapid.Int64Range(1, int64(most)).Draw(r.T, "tick")))
}

// jump sets the clock, back or forth.
func (r *run) jump() {
	r.wall.add(time.Duration(rapid.Int64Range(-26, 26).Draw(r.T, "hours")) * time.Hour)
}

// crash leaves what is on disk, and nothing else.
func (r *run) crash() {
	r.must(r.l.Close())
	last := r.l.head.Time
	r.start()
	r.m.crash(r.now(), last)
}

// configure changes figures while the ledger is at work, and nothing else.
func (r *run) configure() {
	day, month := r.m.account.Limits[2], r.m.account.Limits[4]
	next := drawAccount(r.T, day.Zone, day.ResetHour, month.ResetDay)
	if rapid.Bool().Draw(r.T, "as it was") {
		next = r.m.account
	}
	r.must(r.l.Configure(map[string]Account{src: next}))
	r.must(r.l.SetClients(src, next.Clients))
	r.m.account, r.opts.Accounts = next, map[string]Account{src: next}
}

var order = Order{By: "test", Reason: "because"}

func (r *run) window(kinds ...int) Limit {
	return r.m.account.Limits[rapid.SampledFrom(kinds).Draw(r.T, "window")]
}

func (r *run) setUsed() {
	l, n := r.window(0, 2, 3, 4, 5, 6), rapid.Int64Range(0, 30).Draw(r.T, "used")
	r.must(r.l.SetUsed(src, l.Window(), n, order))
	r.m.correct(l, r.now(), n)
}

func (r *run) reconcile() {
	l := r.window(2, 4, 5)
	_, end := l.bounds(r.now().wall)
	theirs := rapid.Int64Range(0, 30).Draw(r.T, "theirs")
	r.must(r.l.Reconcile(src, Report{Window: l.Window(), Used: &theirs, ResetsAt: end, From: "test"}))
	r.m.reconcile(l, r.now(), theirs)
}

func (r *run) resolve() {
	o := rapid.SampledFrom([]Outcome{Spent, Void}).Draw(r.T, "outcome")
	for i := range r.m.settled {
		u := &r.m.settled[i]
		if !u.doubt {
			continue
		}
		n, err := r.l.Resolve(src, u.id, o, order)
		r.must(err)
		if n != u.units {
			r.Fatalf("resolved %d units of %d", n, u.units)
		}
		u.doubt = false
		if o == Void {
			u.units = 0
		}
		return
	}
}

func (r *run) setLimit() {
	l, n := r.window(0, 2, 3, 4, 5, 6), rapid.Int64Range(1, 80).Draw(r.T, "limit")
	r.must(r.l.SetLimit(src, l.Window(), n, order))
	r.m.say(l, r.now(), func(s *modelSaid) { s.limit = n })
}

func (r *run) setFloor() {
	l, n := r.window(0, 2, 3, 4, 5, 6), rapid.Int64Range(0, 10).Draw(r.T, "floor")
	r.must(r.l.SetFloor(src, l.Window(), Playbook, n, order))
	r.m.say(l, r.now(), func(s *modelSaid) {
		if s.floors == nil {
			s.floors = map[Trigger]int64{}
		}
		s.floors[Playbook] = n
	})
}

func (r *run) pause() {
	until := r.now().wall.Add(time.Duration(rapid.Int64Range(1, 60).Draw(r.T, "minutes")) * time.Minute)
	r.must(r.l.Pause(src, until, order))
	r.m.paused = until
	if rapid.Bool().Draw(r.T, "resumed") {
		r.must(r.l.Resume(src, order))
		r.m.paused = time.Time{}
	}
}

// check compares all that is visible.
func (r *run) check() {
	now := r.now()
	u := r.l.Usage()[0]
	if u.Spent != r.m.total(false) || u.Uncertain != r.m.total(true) || u.Pending != r.m.pending(Owner{Kind: OfSource}, Limit{}) {
		r.Fatalf("books: %+v, the model has %d spent, %d uncertain, %d open", u, r.m.total(false), r.m.total(true), r.m.pending(Owner{Kind: OfSource}, Limit{}))
	}
	for i, w := range u.Windows {
		r.compare(w, r.m.account.Limits[i], now, Owner{Kind: OfSource})
	}
	r.compare(u.Clients[0].Windows[0], r.m.account.Clients["soar"][0], now, Owner{OfClient, "soar"})
	r.compare(u.Playbooks[0].Windows[0], r.m.account.Playbooks["pb-1"][0], now, Owner{OfPlaybook, "pb-1"})
}

func (r *run) compare(w WindowUsage, l Limit, now instant, o Owner) {
	least := r.m.used(l, now, 0, o)
	most := least
	switch {
	case !l.Rolling && l.Per < Day:
		most = w.Used // it may go on counting what it has counted
	case l.Rolling:
		most = r.m.used(l, now, l.Per.length()/spansPerWindow, o)
	}
	if w.Used < least || w.Used > most {
		r.Fatalf("%s of %s at %+v: used %d, the model says %d to %d (%+v)", w.Window, o, now, w.Used, least, most, w)
	}
}
