package quota

import "time"

// This file is arithmetic only: no clock, no store.

// length is how long a rolling window of the period is.
func (p Period) length() time.Duration {
	switch p {
	case Second:
		return time.Second
	case Minute:
		return time.Minute
	case Hour:
		return time.Hour
	case Day:
		return 24 * time.Hour
	case Week:
		return 7 * 24 * time.Hour
	default:
		// The longest month, so that a rolling month is never shorter than the provider's.
		return 31 * 24 * time.Hour
	}
}

// bounds is the window of a limit that holds now: [start, end). A rolling
// window ends now; a calendar window ends at its reset.
func (l Limit) bounds(now time.Time) (start, end time.Time) {
	if l.Rolling {
		return now.Add(-l.Per.length()), now
	}
	zone := l.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	y, m, d := local.Date()
	switch l.Per {
	case Second, Minute, Hour:
		// On the zone's own wall clock, but stepped in absolute time: an hour
		// that a DST change repeats is two windows, one that it skips is none.
		_, offset := local.Zone()
		length := int64(l.Per.length() / time.Second)
		s := floorDiv(now.Unix()+int64(offset), length)*length - int64(offset)
		start = time.Unix(s, 0)
		return start, start.Add(l.Per.length())
	case Day:
		return l.around(now, func(n int) time.Time { return l.reset(y, m, d+n, zone) })
	case Week:
		back := (int(local.Weekday()) - int(l.ResetWeekday) + 7) % 7
		return l.around(now, func(n int) time.Time { return l.reset(y, m, d-back+7*n, zone) })
	default:
		day := max(l.ResetDay, 1)
		return l.around(now, func(n int) time.Time { return l.reset(y, m+time.Month(n), day, zone) })
	}
}

// reset is the moment at which the zone's clock shows the day and the reset
// hour. Where a change of the clock skips that hour (some zones change at
// midnight), it is the first moment after it, and not, as time.Date may choose,
// one before it: the window would end within its own day.
func (l Limit) reset(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, l.ResetHour, 0, 0, 0, zone)
	const grain = 15 * time.Minute // every zone's changes fall on these
	for want := time.Date(y, m, d, l.ResetHour, 0, 0, 0, time.UTC); shown(t).Before(want); {
		t = t.Add(grain)
	}
	return t
}

// shown is what the clock of t's zone shows, as if it were UTC.
func shown(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// around finds the neighbouring resets that hold now between them; reset(0) is
// the one of now's own day, week or month, which may still lie ahead.
func (l Limit) around(now time.Time, reset func(n int) time.Time) (start, end time.Time) {
	n := 0
	if now.Before(reset(0)) {
		n = -1
	}
	return reset(n), reset(n + 1)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
