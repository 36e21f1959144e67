package settings

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// ParseDuration reads an ISO 8601 duration (P30D, PT24H, P1DT2H, P2W, PT0.5S)
// or a Go duration (24h, 1h30m). A day is 24 hours, a week 7 days; P1M is 30
// days and P1Y 365 days, as the public connectors read them. Weeks may stand
// beside days. Negative durations are refused.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if len(s) > 64 {
		return 0, errors.New("not a duration; write PT24H or 24h")
	}
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("a duration cannot be negative")
	}
	if len(s) > 0 && (s[0] == 'P' || s[0] == 'p') {
		return parseISO(strings.ToUpper(s))
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New(durationHint(s))
	}
	return d, nil
}

// FormatDuration is a duration as ISO 8601 has it, in days, hours, minutes and
// seconds: P7D, PT20S, P1DT12H.
func FormatDuration(d time.Duration) string {
	var date, clock strings.Builder
	for _, u := range []struct {
		unit   time.Duration
		letter byte
		into   *strings.Builder
	}{{day, 'D', &date}, {time.Hour, 'H', &clock}, {time.Minute, 'M', &clock}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(u.into, "%d%c", n, u.letter)
		}
		d %= u.unit
	}
	if d > 0 {
		clock.WriteString(strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S")
	}
	switch {
	case date.Len()+clock.Len() == 0:
		return "PT0S"
	case clock.Len() == 0:
		return "P" + date.String()
	default:
		return "P" + date.String() + "T" + clock.String()
	}
}

// isoUnit is one designator with its worth; date units come before T, time
// units after it, each at most once and in this order.
type isoUnit struct {
	letter byte
	inTime bool
	worth  time.Duration
}

// parseISO reads an upper-case duration that begins with P.
func parseISO(s string) (time.Duration, error) {
	units := []isoUnit{
		{'Y', false, 365 * day}, {'M', false, 30 * day}, {'W', false, week}, {'D', false, day},
		{'H', true, time.Hour}, {'M', true, time.Minute}, {'S', true, time.Second},
	}
	bad := errors.New("not an ISO 8601 duration; write for example P30D, PT24H or P1DT2H")
	rest, inTime, fraction := s[1:], false, false
	total := new(big.Rat)
	for rest != "" {
		if rest[0] == 'T' {
			if inTime || len(rest) == 1 {
				return 0, bad
			}
			inTime, rest = true, rest[1:]
			continue
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != ',' })
		if n <= 0 || fraction { // a fraction is only allowed in the last place
			return 0, bad
		}
		number := strings.Replace(rest[:n], ",", ".", 1)
		fraction = strings.Contains(number, ".")
		value, ok := new(big.Rat).SetString(number)
		if !ok || number[0] == '.' || number[len(number)-1] == '.' {
			return 0, bad
		}
		i := 0
		for i < len(units) && (units[i].letter != rest[n] || units[i].inTime != inTime) {
			i++
		}
		if i == len(units) {
			return 0, bad
		}
		total.Add(total, value.Mul(value, new(big.Rat).SetInt64(int64(units[i].worth))))
		units, rest = units[i+1:], rest[n+1:]
	}
	if len(units) == 7 { // nothing after P
		return 0, bad
	}
	if total.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) > 0 {
		return 0, errors.New("longer than 292 years")
	}
	return time.Duration(new(big.Int).Quo(total.Num(), total.Denom()).Int64()), nil
}

// durationHint says what to write instead of s: "24 h" and "30 days" are read
// well enough to answer with the very duration.
func durationHint(s string) string {
	n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if n > 0 && n <= 6 {
		number := s[:n]
		word := strings.ToLower(strings.TrimSpace(s[n:]))
		for _, u := range []struct{ words, iso, unit string }{
			{"|s|sec|secs|second|seconds|", "PT%sS", "s"},
			{"|m|min|mins|minute|minutes|", "PT%sM", "m"},
			{"|h|hr|hrs|hour|hours|", "PT%sH", "h"},
		} {
			if strings.Contains(u.words, "|"+word+"|") {
				return fmt.Sprintf("not a duration; write "+u.iso+" or %s%s", number, number, u.unit)
			}
		}
		for _, u := range []struct{ words, iso string }{
			{"|d|day|days|", "P%sD"}, {"|w|week|weeks|", "P%sW"},
		} {
			if strings.Contains(u.words, "|"+word+"|") {
				return fmt.Sprintf("not a duration; write "+u.iso, number)
			}
		}
	}
	return "not a duration; write for example PT24H or 24h"
}
