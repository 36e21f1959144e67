package quota

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// None is how "no limit" is written; spending is ledgered all the same.
const None = "none"

// ParseLimits reads a list such as "200/minute,1000/day,10000/month", or
// "none". Windows of a second, minute or hour roll; a day, week or month is a
// calendar one in UTC. Where the provider does otherwise:
//
//	1000/rolling day              any 24 hours
//	60/calendar minute            from each full minute
//	1000/day@06:00                the day begins at six
//	500/week@sunday@06:00         the week begins on Sunday at six
//	10000/month@15 Europe/Berlin  the month begins on the 15th, in Berlin
//	search:100/day                of the calls of one bucket only
func ParseLimits(s string) ([]Limit, error) {
	if strings.EqualFold(strings.TrimSpace(s), None) {
		return nil, nil
	}
	var limits []Limit
	for part := range strings.SplitSeq(s, ",") {
		l, err := parseLimit(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		limits = append(limits, l)
	}
	return limits, ValidateLimits(limits)
}

// ParseBudget reads the limits of a client or a playbook, which count all calls
// and have no buckets.
func ParseBudget(s string) ([]Limit, error) {
	limits, err := ParseLimits(s)
	if err != nil {
		return nil, err
	}
	return limits, validateBudget(limits)
}

func parseLimit(part string) (l Limit, err error) {
	units, rest, ok := strings.Cut(part, "/")
	if !ok {
		return l, fmt.Errorf("%q is not a limit; write units/period such as 200/minute, or none", part)
	}
	fail := func(err error) (Limit, error) { return Limit{}, fmt.Errorf("%q: %w", part, err) }
	spec := LimitSpec{}
	if bucket, n, named := strings.Cut(units, ":"); named {
		spec.Bucket, units = strings.TrimSpace(bucket), n
		if !IsBucket(spec.Bucket) {
			return fail(fmt.Errorf("%q is no name of a bucket: lower-case letters, digits and _", spec.Bucket))
		}
	}
	if spec.Limit, err = strconv.ParseInt(strings.TrimSpace(units), 10, 64); err != nil {
		return fail(fmt.Errorf("%q is not a whole number", strings.TrimSpace(units)))
	}
	words := strings.Fields(rest)
	if len(words) > 0 && (words[0] == "rolling" || words[0] == "calendar") {
		spec.Rolling = new(words[0] == "rolling")
		words = words[1:]
	}
	if len(words) == 0 || len(words) > 2 {
		return fail(errors.New("write units/period, then a time zone if any, such as 10000/month@15 Europe/Berlin"))
	}
	if len(words) == 2 {
		spec.TimeZone = words[1]
	}
	per, resets, _ := strings.Cut(words[0], "@")
	spec.Per = per
	for reset := range strings.SplitSeq(resets, "@") {
		if err := spec.readReset(reset); err != nil {
			return fail(err)
		}
	}
	if l, err = spec.limit(); err != nil {
		return fail(err)
	}
	return l, nil
}

// readReset reads what stands behind an @: "15", "sunday" or "06:00".
func (s *LimitSpec) readReset(reset string) (err error) {
	hour, isHour := strings.CutSuffix(reset, ":00")
	switch {
	case reset == "":
	case isHour:
		s.ResetHour, err = strconv.Atoi(hour)
	case strings.EqualFold(s.Per, "month"):
		s.ResetDay, err = strconv.Atoi(reset)
		if err == nil && s.ResetDay == 0 {
			err = errors.New("there is no day 0")
		}
	case strings.EqualFold(s.Per, "week"):
		s.ResetWeekday = reset
	default:
		err = fmt.Errorf("%q is not a full hour", reset)
	}
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q is neither a day nor a full hour such as 06:00", reset)
	}
	return err
}

// LimitSpec is a Limit as it stands in a configuration file.
type LimitSpec struct {
	// Bucket is the kind of calls that count; empty is all.
	Bucket string `yaml:"bucket"`
	// Limit is how many units a window allows, at least 1.
	Limit int64 `yaml:"limit"`
	// Per is the period: second, minute, hour, day, week or month.
	Per string `yaml:"per"`
	// Rolling says whether the window rolls; unset means below a day only.
	Rolling *bool `yaml:"rolling"`
	// TimeZone is an IANA name; empty is UTC.
	TimeZone string `yaml:"timezone"`
	// ResetHour is 0–23, ResetDay 1–28 (month), ResetWeekday a day's name (week, Monday unless set).
	ResetHour    int    `yaml:"reset_hour"`
	ResetDay     int    `yaml:"reset_day"`
	ResetWeekday string `yaml:"reset_weekday"`
}

// NewLimits makes limits that hold at once, or says in one line what is wrong.
func NewLimits(specs []LimitSpec) ([]Limit, error) {
	limits := make([]Limit, 0, len(specs))
	for _, s := range specs {
		l, err := s.limit()
		if err != nil {
			return nil, fmt.Errorf("%d/%s: %w", s.Limit, s.Per, err)
		}
		limits = append(limits, l)
	}
	return limits, ValidateLimits(limits)
}

// limit leaves the checks of ValidateLimits to it.
func (s LimitSpec) limit() (l Limit, err error) {
	if s.Limit < 1 || s.Limit > maxUnits {
		return l, fmt.Errorf("a limit is between 1 and %d units", int64(maxUnits))
	}
	l = Limit{Bucket: s.Bucket, Units: s.Limit, ResetHour: s.ResetHour, ResetDay: s.ResetDay, ResetWeekday: time.Monday}
	if l.Per, err = ParsePeriod(strings.ToLower(strings.TrimSpace(s.Per))); err != nil {
		return l, err
	}
	l.Rolling = l.Per < Day
	if s.Rolling != nil {
		l.Rolling = *s.Rolling
	}
	if s.TimeZone != "" {
		if l.Zone, err = time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			return l, fmt.Errorf("%q is not a time zone; use an IANA name such as Europe/Berlin", s.TimeZone)
		}
	}
	if s.ResetWeekday != "" {
		if l.Per != Week {
			return l, errors.New("only a week has a reset weekday")
		}
		if l.ResetWeekday, err = parseWeekday(s.ResetWeekday); err != nil {
			return l, err
		}
	}
	return l, nil
}

func parseWeekday(s string) (time.Weekday, error) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%q is not a weekday", s)
}
