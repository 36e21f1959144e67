package quota

import "time"

// instant is one reading of the ledger's clock. Three questions need three
// answers when the system's clock is set.
type instant struct {
	// wall is the system's clock: which day it is, when a calendar window opens.
	wall time.Time
	// stamp never runs backwards, not even across restarts: units are booked
	// under it. While the wall clock is behind it stands still, so that a jump
	// forward by mistake heals as soon as the wall clock has caught up.
	stamp time.Time
	// steady goes on at the pace of the monotonic clock whatever is done to the
	// wall clock: rolling windows and patience are measured on it.
	steady time.Time
}

// behind says that the wall clock was set back: units may be booked in its future.
func (n instant) behind() bool { return n.wall.Before(n.stamp) }

// onWall is a point of the steady time line as the wall clock will show it.
func (n instant) onWall(steady time.Time) time.Time { return n.wall.Add(steady.Sub(n.steady)) }

// onSteady places something that was booked under a stamp on the steady time
// line: as old as the wall clock says, and never in the future.
func (n instant) onSteady(stamp time.Time) time.Time {
	return n.steady.Add(-max(0, n.wall.Sub(stamp)))
}

// clock makes instants of the system's clock.
type clock struct {
	wall func() time.Time
	last instant
	read time.Time // the wall clock at last, with its monotonic reading
}

func newClock(wall func() time.Time, notBefore time.Time) *clock {
	w := wall()
	plain := w.Round(0)
	return &clock{wall: wall, read: w, last: instant{wall: plain, stamp: later(plain, notBefore), steady: plain}}
}

// now is not safe for concurrent use; the ledger calls it under its lock.
func (c *clock) now() instant {
	w := c.wall()
	passed := max(0, w.Sub(c.read)) // monotonic where the clock has it
	c.read = w
	plain := w.Round(0)
	c.last = instant{wall: plain, stamp: later(plain, c.last.stamp), steady: c.last.steady.Add(passed)}
	return c.last
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
