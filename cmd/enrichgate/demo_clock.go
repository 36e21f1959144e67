package main

import (
	"fmt"
	"math"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// demoClock dates the demo's books: a month of 30 days passes in Month. Ledger,
// cache and page go by it; the code is that of the daemon, only its clock is
// not. It goes on while no demo runs.
type demoClock struct {
	// Began is when the clock showed Shown.
	Began time.Time `json:"began"`
	Shown time.Time `json:"shown"`
	// Month is how long 30 days take; 0 is the real clock.
	Month time.Duration `json:"month"`
}

const demoMonth = 30 * 24 * time.Hour

// newDemoClock begins with a month.
func newDemoClock(month time.Duration, now time.Time) demoClock {
	now = now.UTC()
	return demoClock{Began: now, Shown: time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), Month: month}
}

// at goes on at another pace.
func (c demoClock) at(month time.Duration, now time.Time) demoClock {
	return demoClock{Began: now.UTC(), Shown: c.of(now), Month: month}
}

// pace is how much faster than life it runs.
func (c demoClock) pace() float64 {
	if c.Month == 0 {
		return 1
	}
	return float64(demoMonth) / float64(c.Month)
}

func (c demoClock) now() time.Time { return c.of(time.Now()) }

// of is what the clock shows at a real time.
func (c demoClock) of(real time.Time) time.Time {
	if c.Month == 0 {
		return real
	}
	seconds, rest := math.Modf(real.Sub(c.Began).Seconds() * c.pace())
	return time.Unix(c.Shown.Unix()+int64(seconds), int64(c.Shown.Nanosecond())+int64(rest*1e9)).UTC()
}

// real is how long an hour, a day, a month of the books take.
func (c demoClock) real(shown time.Duration) time.Duration {
	return time.Duration(float64(shown) / c.pace())
}

// outlook says how long what is left will last, in real time.
func (c demoClock) outlook(usage quota.Usage) string {
	now := c.now()
	for _, w := range usage.Windows {
		reset := c.real(w.ResetsAt.Sub(now))
		switch {
		case w.Rolling:
		case w.Remaining == 0:
			return fmt.Sprintf("the %s is exhausted, its reset is in %s", w.Window, span(reset))
		case w.Forecast != nil:
			end := c.real(w.Forecast.At.Sub(now))
			return fmt.Sprintf("at this rate the %s ends in %s, %s before its reset", w.Window, span(end), span(reset-end))
		}
	}
	return ""
}
