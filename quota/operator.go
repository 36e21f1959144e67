package quota

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Order says who gives a command and why; both go into the audit log.
type Order struct {
	By, Reason string
}

// ErrOrder is the reason why a command was refused, in one line; nothing changed.
var ErrOrder = errors.New("the command cannot be followed")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOrder, fmt.Sprintf(format, args...))
}

func (o Order) validate() error {
	if strings.TrimSpace(o.Reason) == "" {
		return refuse("a reason is needed")
	}
	return nil
}

// order is a command of an operator about one source.
func (l *Ledger) order(source string, o Order, f func(t *transaction, a *account) error) error {
	if err := o.validate(); err != nil {
		return err
	}
	return l.command(func(t *transaction) error {
		a := l.accounts[source]
		if a == nil {
			return refuse("no source %q", source)
		}
		return f(t, a)
	})
}

func (a *account) mustWindow(name string) (*window, error) {
	if w := a.window(name); w != nil {
		return w, nil
	}
	names := make([]string, 0, len(a.Limits))
	for w := range a.own() {
		names = append(names, w.limit.Window())
	}
	return nil, refuse("no window %q; there are: %s", name, strings.Join(names, ", "))
}

func units(n int64) error {
	if n < 0 || n > maxUnits {
		return refuse("%d is not between 0 and %d units", n, int64(maxUnits))
	}
	return nil
}

// Adjustment is what an order changes of a window; what is nil or absent stays.
type Adjustment struct {
	// Used is how much of it is used, whatever was counted. It may raise or lower
	// what remains.
	Used *int64
	// Limit replaces the limit until the window's next reset (of a rolling window:
	// for one period from now), and Floors what triggers must leave of it.
	Limit  *int64
	Floors map[Trigger]int64
}

func (c Adjustment) validate() error {
	all := slices.Collect(maps.Values(c.Floors))
	for _, n := range []*int64{c.Used, c.Limit} {
		if n != nil {
			all = append(all, *n)
		}
	}
	slices.Sort(all)
	switch {
	case len(all) == 0:
		return refuse("nothing to change: give a limit, what is used, or floors")
	case c.Limit != nil && *c.Limit == 0:
		return refuse("a limit is at least 1; to stop a source, pause it")
	case all[0] < 0:
		return units(all[0])
	}
	return units(all[len(all)-1])
}

// Adjust changes a source's window, all of it or nothing.
func (l *Ledger) Adjust(source, window string, c Adjustment, o Order) error {
	return l.order(source, o, func(t *transaction, a *account) error {
		w, err := a.mustWindow(window)
		if err == nil {
			err = c.validate()
		}
		if err == nil && c.Used != nil {
			err = t.correct(a, w, *c.Used, Entry{Kind: KindSetUsed, By: o.By, Reason: o.Reason})
		}
		if err != nil {
			return err
		}
		if c.Limit != nil {
			t.note(a, w, Entry{Kind: KindSetLimit, Limit: *c.Limit, Until: w.until(t.now), By: o.By, Reason: o.Reason})
		}
		for _, of := range slices.Sorted(maps.Keys(c.Floors)) {
			t.note(a, w, Entry{Kind: KindSetFloor, Trigger: of.String(), Units: c.Floors[of], Until: w.until(t.now), By: o.By, Reason: o.Reason})
		}
		return nil
	})
}

// SetUsed is an Adjustment of what is used.
func (l *Ledger) SetUsed(source, window string, used int64, o Order) error {
	return l.Adjust(source, window, Adjustment{Used: &used}, o)
}

// SetLimit is an Adjustment of the limit.
func (l *Ledger) SetLimit(source, window string, limit int64, o Order) error {
	return l.Adjust(source, window, Adjustment{Limit: &limit}, o)
}

// SetFloor is an Adjustment of one floor.
func (l *Ledger) SetFloor(source, window string, of Trigger, floor int64, o Order) error {
	return l.Adjust(source, window, Adjustment{Floors: map[Trigger]int64{of: floor}}, o)
}

// Pause stops a source's spending until a time, or until Resume when that is zero.
func (l *Ledger) Pause(source string, until time.Time, o Order) error {
	return l.order(source, o, func(t *transaction, a *account) error {
		if !until.IsZero() && !until.After(t.now.wall) {
			return refuse("%s is past", until.UTC().Format(time.RFC3339))
		}
		p := &pause{Until: until.Round(0), Reason: o.Reason, By: o.By}
		e := Entry{Kind: KindPause, Account: source, By: o.By, Reason: o.Reason}
		if !until.IsZero() {
			e.Until = &p.Until
		}
		t.log(e)
		a.pause = p
		t.more = append(t.more, func(tx *bolt.Tx) error { return putRecord(tx.Bucket(bucketPauses), []byte(source), p) })
		return nil
	})
}

// Resume ends a pause.
func (l *Ledger) Resume(source string, o Order) error {
	return l.order(source, o, func(t *transaction, a *account) error {
		if a.pause == nil || !a.pause.holds(t.now) {
			return refuse("%s is not paused", source)
		}
		t.log(Entry{Kind: KindResume, Account: source, By: o.By, Reason: o.Reason})
		a.pause = nil
		t.more = append(t.more, func(tx *bolt.Tx) error { return tx.Bucket(bucketPauses).Delete([]byte(source)) })
		return nil
	})
}

// Note writes into the audit log what an operator did beside the books: the
// value that it was about, and as the reason what was done and why.
func (l *Ledger) Note(source, subject string, o Order) error {
	return l.order(source, o, func(t *transaction, _ *account) error {
		t.log(Entry{Kind: KindNote, Account: source, Subject: l.subject(subject), By: o.By, Reason: o.Reason})
		return nil
	})
}

// Resolve says what became of a source's uncertain units: they were billed
// (Spent) or not (Void). id names one reservation; 0 means all of them. It
// returns how many units it resolved.
func (l *Ledger) Resolve(source string, id uint64, outcome Outcome, o Order) (resolved int64, err error) {
	err = l.order(source, o, func(t *transaction, a *account) error {
		if outcome != Spent && outcome != Void {
			return refuse("uncertain units end spent or void, not %s", outcome)
		}
		if _, ok := a.doubts[id]; id != 0 && !ok {
			return refuse("reservation %d of %s is not uncertain", id, source)
		}
		for _, n := range a.doubtful() {
			if id == 0 || n == id {
				resolved += a.doubts[n].Units
				t.resolve(a, n, outcome, Entry{By: o.By, Reason: o.Reason})
			}
		}
		return nil
	})
	return resolved, err
}

// doubtful are the uncertain reservations, oldest first.
func (a *account) doubtful() []uint64 {
	ids := make([]uint64, 0, len(a.doubts))
	for id := range a.doubts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// until is when what holds for this window only ends.
func (w *window) until(now instant) *time.Time {
	end := w.end
	if w.limit.Rolling {
		end = now.wall.Add(w.limit.Per.length())
	}
	end = end.UTC()
	return &end
}
