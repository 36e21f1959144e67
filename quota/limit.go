package quota

import (
	"cmp"
	"fmt"
	"slices"
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
	// Bucket says which calls count: those of one kind that the provider counts
	// apart ("search"), or, empty, all of the source.
	Bucket string
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

// Window is the name of the limit's window in commands, metrics and the API:
// its period where that rolls or not as is usual (rolling below a day), else
// "rolling_day", "calendar_minute" and the like; that of a bucket is
// "search/day".
func (l Limit) Window() string {
	if l.Bucket != "" {
		return l.Bucket + "/" + l.period()
	}
	return l.period()
}

// bucketOf is the bucket of a window with this name.
func bucketOf(window string) string {
	if bucket, _, of := strings.Cut(window, "/"); of {
		return bucket
	}
	return ""
}

func (l Limit) period() string {
	switch {
	case l.Rolling == (l.Per < Day):
		return l.Per.String()
	case l.Rolling:
		return "rolling_" + l.Per.String()
	default:
		return "calendar_" + l.Per.String()
	}
}

// String is the limit as an operator writes it: "200/minute",
// "1000/rolling day", "10000/month@15 Europe/Berlin", "search:100/day".
func (l Limit) String() string {
	var b strings.Builder
	if l.Bucket != "" {
		b.WriteString(l.Bucket + ":")
	}
	b.WriteString(strconv.FormatInt(l.Units, 10) + "/" + strings.ReplaceAll(l.period(), "_", " "))
	switch {
	case l.Rolling:
		return b.String()
	case l.Per == Month && l.ResetDay > 1:
		fmt.Fprintf(&b, "@%d", l.ResetDay)
	case l.Per == Week && l.ResetWeekday != time.Monday:
		b.WriteString("@" + strings.ToLower(l.ResetWeekday.String()))
	}
	if l.ResetHour > 0 {
		fmt.Fprintf(&b, "@%02d:00", l.ResetHour)
	}
	if l.Zone != nil && l.Zone != time.UTC {
		b.WriteString(" " + l.Zone.String())
	}
	return b.String()
}

// maxUnits keeps sums of limits far from overflow.
const maxUnits = 1 << 50

// Validate says what is wrong with one limit.
func (l Limit) Validate() error {
	switch {
	case l.Bucket != "" && !IsBucket(l.Bucket):
		return fmt.Errorf("%q is no name of a bucket: lower-case letters, digits and _", l.Bucket)
	case l.Per < Second || l.Per > Month:
		return fmt.Errorf("limit of %d units: no such period", l.Units)
	case l.Units < 1 || l.Units > maxUnits:
		return fmt.Errorf("%s: a limit is between 1 and %d units", l, int64(maxUnits))
	case l.ResetHour < 0 || l.ResetHour > 23:
		return fmt.Errorf("%s: reset hour %d is not between 0 and 23", l, l.ResetHour)
	case l.ResetDay < 0 || l.ResetDay > 28:
		return fmt.Errorf("%s: reset day %d is not between 1 and 28 (not every month has a 29th)", l, l.ResetDay)
	case l.ResetWeekday < time.Sunday || l.ResetWeekday > time.Saturday:
		return fmt.Errorf("%s: no such weekday", l)
	case l.Rolling && (l.ResetHour > 0 || l.ResetDay > 0 || l.Zone != nil):
		return fmt.Errorf("%s: a rolling window has no reset and no time zone", l)
	case l.ResetHour > 0 && l.Per < Day:
		return fmt.Errorf("%s: a window of a %s has no reset hour", l, l.Per)
	case l.ResetDay > 1 && l.Per != Month:
		return fmt.Errorf("%s: only a month has a reset day", l)
	}
	return nil
}

// IsBucket says that a name can be a bucket's: a letter, then letters, digits
// and _, at most 40, all lower case.
func IsBucket(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 40
}

// ValidateLimits says what is wrong with limits that are to hold at once.
func ValidateLimits(limits []Limit) error {
	for _, l := range limits {
		if err := l.Validate(); err != nil {
			return err
		}
	}
	sorted := slices.SortedFunc(slices.Values(limits), func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.Per, b.Per), cmp.Compare(a.Window(), b.Window()))
	})
	for i, l := range sorted {
		for _, longer := range sorted[i+1:] {
			switch {
			case longer.Window() == l.Window():
				return fmt.Errorf("%q and %q limit the same period; keep one", l, longer)
			case longer.Per > l.Per && l.Units > longer.Units && (longer.Bucket == l.Bucket || longer.Bucket == ""):
				return fmt.Errorf("%q can never be used up: %q allows less; lower the first or raise the second", l, longer)
			}
		}
	}
	return nil
}
