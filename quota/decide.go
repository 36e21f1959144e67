package quota

import "time"

// allows is what the window allows now: what an operator set for it, else what
// is configured, and never more than what the provider says.
func (w *window) allows(now instant) int64 {
	units := w.limit.Units
	if w.note.holds(now) {
		if w.note.Limit > 0 {
			units = w.note.Limit
		}
		if w.note.Reported > 0 {
			units = min(units, w.note.Reported)
		}
	}
	return units
}

// share is a part of units, rounded down: a floor of 10 % of 5 units holds
// nothing back.
func share(units int64, part float64) int64 { return int64(float64(units) * part) }

// ceiling is what may be used of the window, less the safety margin.
func (w *window) ceiling(margin float64, now instant) int64 {
	units := w.allows(now)
	return units - share(units, margin)
}

// floor is what the trigger must leave of the window.
func (w *window) floor(a *account, t Trigger, now instant) int64 {
	if w.note.holds(now) {
		if units, set := w.note.Floors[t.String()]; set {
			return units
		}
	}
	return share(w.allows(now), a.Floors[t])
}

// decide says whether the request may spend now; the windows have been
// advanced to it. It changes nothing.
func (a *account) decide(r *Request, now instant) Decision {
	d := Decision{Allowed: true, Remaining: -1, Trigger: r.Trigger}
	if p := a.pause; p != nil && p.holds(now) {
		d.Allowed, d.Paused, d.PauseReason, d.RetryAt, d.Remaining = false, true, p.Reason, p.Until, 0
		return d
	}
	if !a.configured || a.Floors[r.Trigger] >= 1 && !a.floorSet(r.Trigger, now) {
		d.Allowed = false
		return d
	}
	for _, b := range a.budgets(&reservation{Bucket: r.Bucket, Client: r.Client, Playbook: r.Playbook}) {
		for _, w := range b.windows {
			a.judge(b, w, r, now, &d)
		}
	}
	if !d.Allowed {
		d.Remaining = 0
	}
	return d
}

// floorSet says that an operator gave the trigger something in this window.
func (a *account) floorSet(t Trigger, now instant) bool {
	for w := range a.own() {
		if _, set := w.note.Floors[t.String()]; set && w.note.holds(now) {
			return true
		}
	}
	return false
}

// judge asks one window. Of several that refuse, the one that opens last decides.
func (a *account) judge(b *budget, w *window, r *Request, now instant, d *Decision) {
	limit := w.limit
	ceiling, room := limit.Units, limit.Units
	if b.own() {
		limit.Units = w.allows(now)
		ceiling = w.ceiling(a.Margin, now)
		room = ceiling - w.floor(a, r.Trigger, now)
	}
	taken := w.used + b.pending
	over := taken + r.Units - room
	if over <= 0 {
		if left := ceiling - taken - r.Units; b.own() && (d.Remaining < 0 || left < d.Remaining) {
			d.Remaining = left
		}
		return
	}
	at := w.opens(now, over)
	if r.Units > room {
		at = time.Time{}
	}
	if d.Allowed || at.IsZero() || (!d.RetryAt.IsZero() && at.After(d.RetryAt)) {
		d.Allowed, d.Limit, d.Owner, d.RetryAt = false, limit, b.owner, at
		d.Floor, d.KeptFor = taken+r.Units <= ceiling, nil
		for _, t := range Triggers() {
			if d.Floor && b.own() && ceiling-w.floor(a, t, now) > room {
				d.KeptFor = append(d.KeptFor, t)
			}
		}
	}
}
