package quota

import "time"

// clock is the ledger's time: the wall clock, except that it never runs
// backwards. While the wall clock is behind (it was set back, or a restart
// found a later entry on disk), it goes on from where it was at the pace of
// the monotonic clock, so that rolling windows still empty.
type clock struct {
	wall func() time.Time
	last time.Time // what was said last
	read time.Time // the wall clock when it was said
}

func newClock(wall func() time.Time, notBefore time.Time) *clock {
	w := wall()
	return &clock{wall: wall, last: later(w, notBefore), read: w}
}

// now is not safe for concurrent use; the ledger calls it under its lock.
func (c *clock) now() time.Time {
	w := c.wall()
	passed := max(0, w.Sub(c.read)) // monotonic where the clock has it
	c.read = w
	if w.After(c.last) {
		c.last = w.Round(0)
	} else {
		c.last = c.last.Add(passed)
	}
	return c.last
}
