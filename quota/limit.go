package quota

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is the length of a limit's window.
type Period uint8

// The periods, shortest first.
const (
	Second Period = iota + 1
	Minute
	Hour
	Day
	Week
	Month
)

var periodNames = [...]string{Second: "second", Minute: "minute", Hour: "hour", Day: "day", Week: "week", Month: "month"}

// String is the period's name as in settings, metrics and the API: "minute".
func (p Period) String() string {
	if int(p) < len(periodNames) && p > 0 {
		return periodNames[p]
	}
	return fmt.Sprintf("Period(%d)", uint8(p))
}

// ParsePeriod reads a period's name.
func ParsePeriod(s string) (Period, error) {
	for p := Second; p <= Month; p++ {
		if s == periodNames[p] {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is not a period; use second, minute, hour, day, week or month", s)
}

// Limit says that at most Units may be spent in each window of one Per.
type Limit struct {
	// Units is the ceiling, at least 1.
	Units int64
	Per   Period
	// Rolling windows end now and have no reset: any stretch of one Per holds
	// at most Units, however the provider aligns its own windows. They are the
	// default below a day; a rolling week is seven days, a rolling month 31.
	Rolling bool
	// Zone is where a calendar window's hours, days and months are counted; nil is UTC.
	Zone *time.Location
	// ResetHour (0–23) is when a calendar day, week or month begins.
	ResetHour int
	// ResetDay is the day on which a calendar month (1–28; 0 means 1) begins.
	ResetDay int
	// ResetWeekday is the day on which a calendar week begins; the zero Limit
	// from ParseLimits begins on Monday.
	ResetWeekday time.Weekday
}

// String is the limit as an operator writes it: "200/minute".
func (l Limit) String() string { return strconv.FormatInt(l.Units, 10) + "/" + l.Per.String() }

// None is how "no limit" is written; spending is ledgered all the same.
const None = "none"

// ParseLimits reads a list such as "200/minute,1000/day,10000/month", or "none".
// Windows of a second, minute or hour roll; a day, week or month is a calendar one in UTC.
func ParseLimits(s string) ([]Limit, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, None) {
		return nil, nil
	}
	var limits []Limit
	seen := map[Period]string{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		units, per, ok := strings.Cut(part, "/")
		if !ok {
			return nil, fmt.Errorf("%q is not a limit; write units/period such as 200/minute, or none", part)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(units), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %q is not a whole number", part, strings.TrimSpace(units))
		}
		if n < 1 || n > maxUnits {
			return nil, fmt.Errorf("%q: a limit is between 1 and %d units", part, int64(maxUnits))
		}
		p, err := ParsePeriod(strings.ToLower(strings.TrimSpace(per)))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		if other, dup := seen[p]; dup {
			return nil, fmt.Errorf("%q and %q limit the same period; keep one", other, part)
		}
		seen[p] = part
		limits = append(limits, Limit{Units: n, Per: p, Rolling: p < Day, ResetWeekday: time.Monday})
	}
	return limits, nil
}

// maxUnits keeps sums of limits far from overflow.
const maxUnits = 1 << 50

// Validate says what is wrong with a limit that was not made by ParseLimits.
func (l Limit) Validate() error {
	switch {
	case l.Units < 1 || l.Units > maxUnits:
		return fmt.Errorf("limit %s: units must be between 1 and %d", l, int64(maxUnits))
	case l.Per < Second || l.Per > Month:
		return fmt.Errorf("limit of %d units: no such period", l.Units)
	case l.ResetHour < 0 || l.ResetHour > 23:
		return fmt.Errorf("limit %s: reset hour %d is not between 0 and 23", l, l.ResetHour)
	case l.ResetDay < 0 || l.ResetDay > 28:
		return fmt.Errorf("limit %s: reset day %d is not between 1 and 28 (not every month has a 29th)", l, l.ResetDay)
	}
	return nil
}
