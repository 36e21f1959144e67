package quota

import "time"

// window is what counts against one limit now.
//
// A calendar window of a day or more is a plain counter. All others keep the
// units by time on the steady time line, so that setting the system's clock
// neither empties nor blocks them.
type window struct {
	limit Limit
	// of is the budget that the window belongs to.
	of *budget
	// start and end by the wall clock; a rolling window ends now.
	start, end time.Time
	// used is what counts; by is who spent it, the rest came from outside.
	used int64
	by   [numTriggers]int64
	// note are the durable corrections of the window; corrected is the entry
	// that used is based on, 0 when all of it was counted here.
	note      note
	corrected uint64
	// reported is what the provider said last, whether it was worth a note or not.
	reported *Reported

	// spans are the units by time, oldest first; those since count.
	spans []span
	since time.Time
}

// span is what was settled between first and at; the youngest unit decides
// when it leaves.
type span struct {
	first, at time.Time
	units     int64
	by        [numTriggers]int64
}

// spansPerWindow bounds how many spans a window keeps, by how finely they are
// told apart. A unit leaves at most this part of the window late, never early.
const spansPerWindow = 4096

func newWindow(l Limit, now instant) *window {
	w := &window{limit: l}
	w.reset(now)
	return w
}

// spanned says that the window keeps its units by time.
func (w *window) spanned() bool { return w.limit.Rolling || w.limit.Per < Day }

// reset empties the window and places it at now.
func (w *window) reset(now instant) {
	w.start, w.end = w.limit.bounds(now.wall)
	w.since = now.onSteady(w.start)
	w.used, w.by, w.spans, w.corrected = 0, [numTriggers]int64{}, nil, 0
}

// advance brings the window to now; last is when the last unit was booked. It
// returns true when only the disk knows what counts now: the wall clock was set
// back into an earlier window, or has entered one in which units are booked.
func (w *window) advance(now instant, last time.Time) (recount bool) {
	if w.limit.Rolling {
		w.start, w.end = w.limit.bounds(now.wall)
		w.since = now.steady.Add(-w.limit.Per.length())
		w.forget(w.since)
		return false
	}
	back := now.wall.Before(w.start)
	if !back && now.wall.Before(w.end) {
		return false
	}
	since := w.since
	w.start, w.end = w.limit.bounds(now.wall)
	w.since = now.onSteady(w.start)
	if !w.spanned() {
		w.used, w.by, w.corrected = 0, [numTriggers]int64{}, 0
		return back || !last.Before(w.start)
	}
	if back && since.Before(w.since) {
		w.since = since // what counted goes on counting
	}
	// A window that the clock is set back to still finds its units.
	w.forget(w.since.Add(-w.limit.Per.length()))
	w.sum()
	return false
}

// forget drops the spans that ended before a point.
func (w *window) forget(before time.Time) {
	gone := 0
	for _, s := range w.spans {
		// A unit settled exactly one period ago may still be in the provider's window.
		if !s.at.Before(before) {
			break
		}
		w.used -= s.units
		for t, n := range s.by {
			w.by[t] -= n
		}
		gone++
	}
	w.spans = w.spans[gone:]
}

// sum counts again what counts since the window began.
func (w *window) sum() {
	w.used, w.by = 0, [numTriggers]int64{}
	for _, s := range w.spans {
		if !s.at.Before(w.since) {
			w.used += s.units
			for t, n := range s.by {
				w.by[t] += n
			}
		}
	}
}

// add books settled units.
func (w *window) add(steady time.Time, t Trigger, units int64) {
	var by [numTriggers]int64
	by[t] = units
	w.put(steady, by, units)
}

// put books units of which by are known by trigger.
func (w *window) put(at time.Time, by [numTriggers]int64, units int64) {
	w.used += units
	for t, n := range by {
		w.by[t] += n
	}
	if !w.spanned() {
		return
	}
	if n := len(w.spans); n > 0 && at.Sub(w.spans[n-1].first) < w.limit.Per.length()/spansPerWindow {
		last := &w.spans[n-1]
		last.at = later(last.at, at)
		last.units += units
		for t, n := range by {
			last.by[t] += n
		}
		return
	}
	w.spans = append(w.spans, span{first: at, at: at, units: units, by: by})
}

// remove takes units back from the span that they were settled in.
func (w *window) remove(at time.Time, t Trigger, units int64) {
	if at.Before(w.since) {
		return
	}
	for i := range w.spans {
		s := &w.spans[i]
		if s.at.Before(at) || s.units < units {
			continue
		}
		known := min(units, s.by[t]) // after a restart some are of nobody known
		s.units -= units
		s.by[t] -= known
		w.used -= units
		w.by[t] -= known
		return
	}
}

// correct sets what counts now to used, as an operator or a provider says it
// is. In a window that keeps its units by time they are as young as can be.
func (w *window) correct(now instant, used int64) {
	if w.spanned() {
		w.spans, w.used, w.by = nil, 0, [numTriggers]int64{}
		if used > 0 {
			w.put(now.steady, [numTriggers]int64{}, used)
		}
	}
	w.used, w.corrected = used, w.note.Seq
}

// own is what was spent through this ledger of what is used.
func (w *window) own() (units int64) {
	for _, n := range w.by {
		units += n
	}
	return min(units, w.used)
}

// opens is when at least need units will have left the window, by the wall clock.
func (w *window) opens(now instant, need int64) time.Time {
	if !w.limit.Rolling {
		return w.end
	}
	for _, s := range w.spans {
		if need -= s.units; need <= 0 {
			return now.onWall(s.at.Add(w.limit.Per.length() + 1))
		}
	}
	// Open reservations are in the way; they leave at the earliest one period from now.
	return now.wall.Add(w.limit.Per.length())
}

// peek is the window as it stands now, for readers: it changes nothing. It is
// stale where only the disk knows, until the writer's next turn.
func (w *window) peek(now instant, last time.Time) (p window, stale bool) {
	p = *w // shares the spans, which advance only cuts
	if stale = p.advance(now, last); stale {
		return *w, true
	}
	return p, false
}
