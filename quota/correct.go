package quota

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// This file is what operators, providers and checkpoints change in the books.

// note logs an entry about a window and keeps what follows from it.
func (t *transaction) note(a *account, w *window, e Entry) {
	e.Account, e.Window = a.source.owner.Name, w.limit.Window()
	t.log(e)
	w.note = w.note.apply(&t.entries[len(t.entries)-1])
	t.keep(a, w)
}

// correct sets what counts in a window, from now on.
func (t *transaction) correct(a *account, w *window, used int64, e Entry) error {
	before, err := t.settledThisMinute(a, w)
	if err != nil {
		return err
	}
	e.Used, e.Before = &used, before
	t.note(a, w, e)
	w.correct(t.now, used)
	return nil
}

// settledThisMinute is what the minute of now holds of what the window counts,
// this batch included.
func (t *transaction) settledThisMinute(a *account, w *window) (units int64, err error) {
	bucket, s := w.of.books(a.source.owner.Name)
	key := minuteKey(s, t.now.stamp)
	err = t.ledger.db.View(func(tx *bolt.Tx) error {
		at := minuteOf(t.now.stamp)
		return eachMinute(tx.Bucket(bucket), s, at, at.Add(1), func(_ time.Time, m minute) error {
			units = m.total()
			return nil
		})
	})
	if d := t.minutes[string(bucket)+string(key)]; d != nil {
		units += d.total()
	}
	return units, err
}

// resolve ends the doubt about one reservation.
func (t *transaction) resolve(a *account, id uint64, outcome Outcome, e Entry) {
	d := a.doubts[id]
	e.Kind, e.Ref, e.Account, e.Units, e.Outcome = KindResolve, id, d.Account, d.Units, outcome.String()
	e.Endpoint, e.Bucket, e.Trigger, e.Client, e.Playbook = d.Endpoint, d.Bucket, d.Trigger.String(), d.Client, d.Playbook
	t.log(e)
	delete(a.doubts, id)
	a.uncertain -= d.Units
	var m minute
	m.Uncertain[d.Trigger] = -d.Units
	if outcome == Spent {
		a.spent += d.Units
		m.Spent[d.Trigger] = d.Units
	} else {
		t.release(a, &d)
	}
	t.book(&d.reservation, d.Settled, m)
	t.more = append(t.more, func(tx *bolt.Tx) error { return tx.Bucket(bucketDoubts).Delete(seqKey(id)) })
}

// release takes the units of a doubt that was not billed out of the windows
// that count them.
func (t *transaction) release(a *account, d *doubt) {
	for _, b := range a.budgets(&d.reservation) {
		for _, w := range b.windows {
			if w.note.release(d) {
				t.keep(a, w)
			}
			switch {
			case w.corrected > d.Entry:
				// The correction was made upon them, and stands.
			case w.spanned():
				w.remove(d.steady, d.Trigger, d.Units)
			case !d.Settled.Before(w.start):
				w.used -= d.Units
				w.by[d.Trigger] -= d.Units
			}
		}
		if b.own() {
			b.hours.add(d.Settled, -d.Units)
		}
	}
}

// keep writes a window's note.
func (t *transaction) keep(a *account, w *window) {
	key, n := noteKey(a.source.owner.Name, w.limit.Window()), w.note
	t.more = append(t.more, func(tx *bolt.Tx) error { return putRecord(tx.Bucket(bucketNotes), key, n) })
}
