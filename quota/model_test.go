package quota

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var modelSteps = flag.Int("model-steps", 60, "steps of each random history of the ledger")

// model is the ledger in a few lines: every unit with the time at which it was
// settled. It knows nothing of disks, batches or books.
type model struct {
	limits []Limit
	open   map[uint64]bool
	units  []time.Time // settled, spent or uncertain
	spent  int64
	doubt  int64
}

func (m *model) used(l Limit, now time.Time) (n int64) {
	start, _ := l.bounds(now)
	for _, at := range m.units {
		if !at.Before(start) {
			n++
		}
	}
	return n
}

func (m *model) allows(now time.Time) bool {
	for _, l := range m.limits {
		if m.used(l, now)+int64(len(m.open))+1 > l.Units {
			return false
		}
	}
	return true
}

// TestModel checks random histories of reserving, settling, crashing and a
// moving clock against the model.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		path := filepath.Join(dir, fmt.Sprintf("ledger%d.db", histories))
		wall := time.Date(2026, 11, 30, 23, 50, 0, 0, time.UTC)
		limits := []Limit{
			{Units: rapid.Int64Range(1, 6).Draw(t, "per minute"), Per: Minute, Rolling: true},
			{Units: rapid.Int64Range(6, 20).Draw(t, "per day"), Per: Day, ResetHour: rapid.IntRange(0, 23).Draw(t, "hour")},
			{Units: rapid.Int64Range(20, 40).Draw(t, "per month"), Per: Month},
		}
		opts := Options{Accounts: map[string]Account{src: {Limits: limits}}, Now: func() time.Time { return wall }}
		l, err := Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		l.db.NoSync = true // a crash of the process loses nothing that was written; power is not cut here
		m := &model{limits: limits, open: map[uint64]bool{}}
		now := func() time.Time {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.clock.now().stamp
		}
		// Restarting may only make a rolling window stricter, by the grain of a minute.
		strict := false
		for range *modelSteps {
			switch op := rapid.SampledFrom([]string{"reserve", "reserve", "reserve", "settle", "settle", "tick", "tick", "crash"}).Draw(t, "op"); op {
			case "reserve":
				d, err := l.Reserve(context.Background(), ask(Manual))
				if err != nil {
					t.Fatal(err)
				}
				if want := m.allows(now()); d.Allowed != want && (d.Allowed || !strict) {
					t.Fatalf("reserve at %s: allowed %v, the model says %v (%+v)", wall, d.Allowed, want, d)
				}
				if d.Allowed {
					m.open[d.ID] = true
				}
			case "settle":
				for id := range m.open {
					o := rapid.SampledFrom([]Outcome{Spent, Spent, Void, Uncertain}).Draw(t, "outcome")
					if err := l.Settle(id, o, 200); err != nil {
						t.Fatal(err)
					}
					delete(m.open, id)
					if o != Void {
						m.units = append(m.units, now())
					}
					switch o {
					case Spent:
						m.spent++
					case Uncertain:
						m.doubt++
					}
					break
				}
			case "tick":
				wall = wall.Add(time.Duration(rapid.Int64Range(1, int64(5*time.Hour)).Draw(t, "tick")))
			case "back":
				wall = wall.Add(-time.Duration(rapid.Int64Range(1, int64(26*time.Hour)).Draw(t, "back")))
			case "crash":
				// A process that dies leaves what is on disk, and nothing else.
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if l, err = Open(path, opts); err != nil {
					t.Fatal(err)
				}
				l.db.NoSync = true
				at := now()
				for range m.open {
					m.units = append(m.units, at)
					m.doubt++
				}
				clear(m.open)
				strict = true
			}
			u := l.Usage()[0]
			if u.Spent != m.spent || u.Uncertain != m.doubt || u.Pending != int64(len(m.open)) {
				t.Fatalf("books: %+v, the model has %d spent, %d uncertain, %d open", u, m.spent, m.doubt, len(m.open))
			}
			for i, w := range u.Windows {
				if w.Used+w.Pending > w.Limit && !(strict && limits[i].Rolling) {
					t.Fatalf("%s is over its limit: %+v", w.Window, w)
				}
				if used := m.used(limits[i], now()); w.Used < used || w.Used > used && !(strict && limits[i].Rolling) {
					t.Fatalf("%s: used %d, the model says %d", w.Window, w.Used, used)
				}
			}
		}
		if _, err := l.Verify(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
