package dashboards

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// This file puts values in words. All times are UTC, and the page says so once.

// num groups thousands: "12,345".
func num(v any) string {
	var s string
	switch n := v.(type) {
	case int64:
		s = strconv.FormatInt(n, 10)
	case uint64:
		s = strconv.FormatUint(n, 10)
	case int:
		s = strconv.Itoa(n)
	default:
		return fmt.Sprint(v)
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// byteSize: "12.4 MB".
func byteSize(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; f < 1000 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// percent of a whole: "72 %"; a dash without a whole.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}

func money(units int64, price float64, currency string) string {
	return fmt.Sprintf("%s %.2f", currency, float64(units)*price)
}

// span is a duration in its two largest units: "7 d 2 h".
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + span(-d)
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	d = d.Round(time.Second)
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		s := fmt.Sprintf("%d %s", d/u.length, u.name)
		if i+1 < len(units) {
			if rest := d % u.length / units[i+1].length; rest > 0 {
				s += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return s
	}
	return "0 s"
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(max(0, now.Sub(t)).Truncate(time.Second)) + " ago"
}

func in(t, now time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + span(t.Sub(now))
}

// stamp is a moment in a table: "28 Nov 14:00:05".
func stamp(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") }

// date is a moment in a sentence: "Sat 28 Nov, 14:00".
func date(t time.Time) string { return t.UTC().Format("Mon 2 Jan, 15:04") }

// day is a moment on an axis: "28 Nov".
func day(t time.Time) string { return t.UTC().Format("2 Jan") }

// iso is a moment for machines.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func list(s []string) string { return strings.Join(s, ", ") }

// dict gives a template several values by name: dict "a" 1 "b" 2.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d values", len(pairs))
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// bar is a share of a whole as SVG attributes, in percent.
type bar struct{ X, Width string }

// newBar is the part from from to to of whole.
func newBar(from, to, whole int64) bar {
	if whole <= 0 {
		return bar{"0", "0"}
	}
	at := func(n int64) float64 { return 100 * min(1, max(0, float64(n)/float64(whole))) }
	a, b := at(from), at(to)
	return bar{decimal(a), decimal(max(0, b-a))}
}

// decimal is a number as SVG wants it, to a hundredth.
func decimal(f float64) string {
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}
