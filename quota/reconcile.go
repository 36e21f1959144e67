package quota

import (
	"errors"
	"time"
)

// Report is what a provider says of a source's window.
type Report struct {
	// Window is the name of the window that it is about, see Limit.Window.
	Window string
	// Used, Remaining and Limit are the provider's figures; nil when it did not
	// say. Used, or Remaining, is needed.
	Used, Remaining, Limit *int64
	// ResetsAt is when the provider's window ends; zero when it did not say.
	ResetsAt time.Time
	// At is when the provider counted; zero means now.
	At time.Time
	// From says where the figures stood: "headers", "usage endpoint".
	From string
}

// used is how much the provider has counted, by the limit that it goes by.
func (r *Report) used(limit int64) (int64, error) {
	if r.Limit != nil {
		limit = *r.Limit
	}
	var n int64
	switch {
	case r.Used != nil:
		n = *r.Used
	case r.Remaining != nil:
		n = limit - *r.Remaining
	default:
		return 0, errors.New("quota: a report says neither what is used nor what remains")
	}
	if n < 0 || n > maxUnits || limit < 0 || limit > maxUnits {
		return 0, errors.New("quota: a report makes no sense")
	}
	return n, nil
}

// settling is how long a source must have been quiet before the absence of an
// uncertain unit from the provider's count proves anything: by then all is
// billed that ever will be.
const settling = 10 * time.Minute

// Reconcile compares a source's window with the provider's own count.
//
// It only ever lowers what remains: where the provider counts more than is
// spent and reserved here, the difference counts as used outside; where its
// limit is lower than ours, that one holds until the reset. A lower count or a
// higher limit changes nothing but the drift that is shown, with one exception:
// uncertain units that the provider's count leaves no room for were not billed
// and are given back, never below that count.
//
// A report on a window that has ended in the meantime is not used; nor is one
// without a reset time in the first twentieth of a window, for it may speak of
// the one before.
func (l *Ledger) Reconcile(source string, r Report) error {
	return l.command(func(t *transaction) error {
		a := l.accounts[source]
		if a == nil {
			return refuse("no source %q", source)
		}
		w, err := a.mustWindow(r.Window)
		if err != nil {
			return err
		}
		theirs, err := r.used(w.limit.Units)
		if err != nil || !r.speaksOf(w, t.now) {
			return err
		}
		return t.reconcile(a, w, &r, theirs)
	})
}

// at is when the provider counted.
func (r *Report) at(now instant) time.Time {
	if r.At.IsZero() {
		return now.wall
	}
	return r.At
}

// speaksOf says that a report is about the window of now.
func (r *Report) speaksOf(w *window, now instant) bool {
	if w.limit.Rolling {
		return true
	}
	length := w.end.Sub(w.start)
	if !r.ResetsAt.IsZero() {
		// Its reset may be a little off ours, as clocks are.
		d := r.ResetsAt.Sub(w.end)
		return d > -length/20 && d < length/20
	}
	return r.at(now).Sub(w.start) > length/20
}

func (t *transaction) reconcile(a *account, w *window, r *Report, theirs int64) error {
	t.clear(a, w, r, theirs)
	ours, pending := w.used, w.of.pending
	e := Entry{Kind: KindReconcile, Units: theirs, By: r.From, Drift: drift(a, w, theirs)}
	if r.Limit != nil && *r.Limit > 0 && *r.Limit < w.allows(t.now) {
		e.Limit, e.Until = *r.Limit, w.until(t.now)
	}
	w.reported = &Reported{Used: theirs, At: t.now.stamp, From: r.From, Drift: e.Drift}
	// What is under way may be in the provider's count already, or not yet.
	raised := max(ours, theirs-pending)
	if w.limit.Per < Hour {
		// Gone before anybody could read of it.
		if raised > ours {
			w.correct(t.now, raised)
		}
		return nil
	}
	if raised > ours {
		return t.correct(a, w, raised, e)
	}
	if e.Limit > 0 || w.drifted(e.Drift) {
		t.note(a, w, e)
	}
	return nil
}

// drift is the provider's count less what this ledger spent in the window.
// What is under way or uncertain explains a difference as far as it goes.
func drift(a *account, w *window, theirs int64) int64 {
	var ours int64
	for _, n := range w.by {
		ours += n
	}
	switch high, low := ours+w.of.pending, ours-a.doubtIn(w); {
	case theirs > high:
		return theirs - high
	case theirs < low:
		return theirs - low
	}
	return 0
}

// doubtIn is how many uncertain units a window counts.
func (a *account) doubtIn(w *window) (n int64) {
	for _, d := range a.doubts {
		if w.counts(&d) {
			n += d.Units
		}
	}
	return n
}

// counts says that a doubt is among what the window counts.
func (w *window) counts(d *doubt) bool {
	return !d.Settled.Before(w.start) && (w.limit.Bucket == "" || w.limit.Bucket == d.Bucket)
}

// drifted says that a drift is worth an entry: it changed by more than a
// hundredth of the limit, or appeared, or went.
func (w *window) drifted(d int64) bool {
	var last int64
	if w.note.Report != nil && !w.note.Report.At.Before(w.start) {
		last = w.note.Report.Drift
	}
	change := max(d-last, last-d)
	return change > w.limit.Units/100 || (d == 0) != (last == 0)
}

// clear gives back the uncertain units that the provider's count proves free:
// it holds all that is certainly spent, and has no room for them. Only a
// calendar window is whole enough to tell, and only after a quiet time: no call
// under way, none ended shortly before the count was taken.
func (t *transaction) clear(a *account, w *window, r *Report, theirs int64) {
	age := t.now.wall.Sub(r.at(t.now))
	if w.limit.Rolling || w.limit.Per < Hour || a.source.pending > 0 || t.now.steady.Sub(a.quiet)-age < settling {
		return
	}
	if theirs < w.used-a.doubtIn(w) {
		return // it counts fewer than we do, so that nothing follows
	}
	for _, id := range a.doubtful() {
		d := a.doubts[id]
		if !w.counts(&d) || w.corrected > d.Entry || w.used-d.Units < theirs {
			continue
		}
		t.resolve(a, id, Void, Entry{By: r.From, Reason: "the provider's count leaves no room for it"})
	}
}
