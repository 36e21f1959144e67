package dashboards

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// verdict answers the operator's first question in one sentence: will it last?
type verdict struct {
	Level Level
	// Before, Strong and After are the sentence; Strong is what the eye looks for.
	Before, Strong, After string
}

// soon is how close a run-out has to be to be shown as bad.
const soon = 24 * time.Hour

// judge is the verdict on a window.
func judge(w Window, now time.Time) verdict {
	f := w.Forecast
	switch {
	case w.Left <= 0 && w.Pending > 0 && w.Used < w.Limit:
		return verdict{Warn, "The rest of the " + w.Period + " ", "is in use", " by calls under way."}
	case w.Left <= 0:
		return verdict{Bad, "The " + w.Period + " is ", "used up", fmt.Sprintf("; it opens again on %s, %s.", date(w.Reset), in(w.Reset, now))}
	case f == nil:
		return verdict{Good, "Too little was spent lately to tell when the " + w.Period + " runs out; ", num(w.Left) + " of " + num(w.Limit), " units are left."}
	}
	v := verdict{Before: "At this rate the " + w.Period + " "}
	if f.Basis != "" {
		v.Before = "At the rate of " + f.Basis + " the " + w.Period + " "
	}
	switch {
	case f.RunsOut.IsZero() || !f.RunsOut.Before(w.Reset):
		atReset := max(0, w.Left-int64(math.Ceil(f.Rate*w.Reset.Sub(now).Hours())))
		v.Strong, v.After = "lasts", fmt.Sprintf(": about %s units will be left at its reset on %s.", num(atReset), date(w.Reset))
		return v
	}
	v.Level = Warn
	if f.RunsOut.Sub(now) < soon {
		v.Level = Bad
	}
	v.Before += "runs out on "
	v.Strong = date(f.RunsOut)
	v.After = fmt.Sprintf(", %s before its reset", span(w.Reset.Sub(f.RunsOut)))
	switch {
	case f.Latest.IsZero():
		v.After += "; by other estimates it lasts"
	case f.Latest.Sub(f.RunsOut) > time.Hour:
		v.After += "; at the latest " + date(f.Latest)
	}
	v.After += "."
	return v
}

// decisive is the window that a source is judged by: of those that are worst
// off, a calendar one if there is, and the longest. Nil without limits.
func decisive(windows []Window, now time.Time) *Window {
	order := []string{"second", "minute", "hour", "day", "week", "month"}
	rank := func(w Window) [3]int {
		calendar := 1
		if w.Rolling {
			calendar = 0
		}
		level := judge(w, now).Level
		if w.Rolling && level != Bad {
			level = Good // it mends by itself
		}
		return [3]int{int(level), calendar, slices.Index(order, strings.TrimPrefix(strings.TrimPrefix(w.Period, "rolling_"), "calendar_"))}
	}
	var best *Window
	for i := range windows {
		x := rank(windows[i])
		if best == nil {
			best = &windows[i]
		} else if y := rank(*best); slices.Compare(x[:], y[:]) > 0 {
			best = &windows[i]
		}
	}
	return best
}
