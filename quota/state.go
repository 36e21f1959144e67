package quota

import "time"

// account is one account's books in memory. The disk is the truth; this is
// what the decisions are made on, and it is rebuilt from disk after a failed
// commit.
type account struct {
	Account
	// pending are the units of open reservations: they count in every window.
	pending int64
	windows []*window
	// spent and uncertain are totals since the ledger began.
	spent, uncertain int64
}

// window is what counts against one limit now.
type window struct {
	limit Limit
	// start and end of a calendar window; only ever move forward.
	start, end time.Time
	used       int64
	// spans are the settled units of a rolling window, oldest first.
	spans []span
}

type span struct {
	at    time.Time
	units int64
}

func newWindow(l Limit, now time.Time) *window {
	w := &window{limit: l}
	w.start, w.end = l.bounds(now)
	return w
}

// advance brings the window to now: a calendar window past its end starts
// anew, a rolling one forgets what has left it.
func (w *window) advance(now time.Time) {
	if !w.limit.Rolling {
		if !now.Before(w.end) {
			w.start, w.end = w.limit.bounds(now)
			w.used = 0
		}
		return
	}
	w.start, w.end = w.limit.bounds(now)
	gone := 0
	for _, s := range w.spans {
		// A unit settled exactly one period ago may still be in the provider's window.
		if !s.at.Before(w.start) {
			break
		}
		w.used -= s.units
		gone++
	}
	w.spans = w.spans[gone:]
}

// add books settled units.
func (w *window) add(at time.Time, units int64) {
	w.used += units
	if !w.limit.Rolling {
		return
	}
	if n := len(w.spans); n > 0 && w.spans[n-1].at.Equal(at) {
		w.spans[n-1].units += units
		return
	}
	w.spans = append(w.spans, span{at, units})
}

// opens is when at least need units will have left the window.
func (w *window) opens(now time.Time, need int64) time.Time {
	if !w.limit.Rolling {
		return w.end
	}
	for _, s := range w.spans {
		if need -= s.units; need <= 0 {
			return s.at.Add(w.limit.Per.length() + 1)
		}
	}
	// Open reservations are in the way; they leave at the earliest one period from now.
	return now.Add(w.limit.Per.length())
}

// decide says whether the request may spend now. It changes nothing but the
// windows' own advance.
func (a *account) decide(r *Request, now time.Time) Decision {
	d := Decision{Allowed: true, Remaining: -1, Trigger: r.Trigger}
	if a.Floors[r.Trigger] >= 1 {
		d.Allowed = false
		return d
	}
	for _, w := range a.windows {
		w.advance(now)
		taken := w.used + a.pending
		room := a.room(w.limit, r.Trigger)
		if over := taken + r.Units - room; over > 0 {
			at := w.opens(now, over)
			if r.Units > room {
				at = time.Time{}
			}
			// Of several limits that refuse, the one that opens last decides.
			if d.Allowed || at.IsZero() || (!d.RetryAt.IsZero() && at.After(d.RetryAt)) {
				d.Allowed, d.Limit, d.RetryAt = false, w.limit, at
				d.Floor = taken+r.Units <= w.limit.Units
			}
			continue
		}
		if left := w.limit.Units - taken - r.Units; d.Remaining < 0 || left < d.Remaining {
			d.Remaining = left
		}
	}
	if !d.Allowed {
		d.Remaining = 0
	}
	return d
}

// settle moves units out of pending, into the books unless they are void.
func (a *account) settle(at time.Time, units int64, o Outcome) {
	a.pending -= units
	switch o {
	case Void:
		return
	case Spent:
		a.spent += units
	case Uncertain:
		a.uncertain += units
	}
	for _, w := range a.windows {
		w.advance(at)
		w.add(at, units)
	}
}

// usage is the account's state for people.
func (a *account) usage(name string, now time.Time) Usage {
	u := Usage{Source: name, Windows: []WindowUsage{}, Spent: a.spent, Uncertain: a.uncertain, Pending: a.pending}
	for _, w := range a.windows {
		w.advance(now)
		wu := WindowUsage{
			Window: w.limit.Per.String(), Limit: w.limit.Units, Used: w.used, Pending: a.pending,
			Remaining: max(0, w.limit.Units-w.used-a.pending), Rolling: w.limit.Rolling, ResetsAt: w.end.UTC(), StartsAt: w.start.UTC(),
		}
		if w.limit.Rolling {
			// A rolling window has no reset; it is empty again when its youngest unit leaves.
			wu.ResetsAt = now.UTC()
			if n := len(w.spans); n > 0 {
				wu.ResetsAt = w.spans[n-1].at.Add(w.limit.Per.length()).UTC()
			}
		}
		u.Windows = append(u.Windows, wu)
	}
	return u
}

// Usage is what one source has spent and may still spend.
type Usage struct {
	Source  string        `json:"source"`
	Windows []WindowUsage `json:"windows"`
	// Spent and Uncertain are units since the ledger began. Uncertain ones may
	// or may not have been billed; they count as spent.
	Spent     int64 `json:"spent_total"`
	Uncertain int64 `json:"uncertain_total"`
	// Pending units are reserved by calls under way.
	Pending int64 `json:"pending"`
}

// WindowUsage is one limit's window now. Used includes uncertain units.
type WindowUsage struct {
	Window    string    `json:"window"`
	Limit     int64     `json:"limit"`
	Used      int64     `json:"used"`
	Pending   int64     `json:"pending"`
	Remaining int64     `json:"remaining"`
	ResetsAt  time.Time `json:"resets_at"`
	StartsAt  time.Time `json:"starts_at"`
	Rolling   bool      `json:"rolling"`
}
