package dashboards

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// chart is a burn-down, ready to be drawn: coordinates are per cent of its box,
// x to the right, y down.
type chart struct {
	// Line is what was left, Area the same closed below, Pace the even spending
	// of the whole limit, Ahead the forecast. Each a list of points.
	Line, Area, Pace, Ahead string
	NowX                    string
	// FloorY is where the highest floor lies; empty without floors.
	FloorY, FloorName string
	// OutX marks the run-out; empty when there is none before the reset.
	OutX, OutDate string
	// OutLeft puts its label to the left, where there is room.
	OutLeft       bool
	Top, Half     string
	From, Mid, To time.Time
	Summary       string
	Rows          []Point
	Period        string
}

const (
	maxPoints = 200
	maxRows   = 12
)

// burnDown draws a calendar window; nil when there is nothing to draw.
func burnDown(w *Window, now time.Time) *chart {
	if w == nil || w.Rolling || w.Limit <= 0 || len(w.History) == 0 || !w.Reset.After(w.Start) {
		return nil
	}
	length := w.Reset.Sub(w.Start)
	x := func(t time.Time) float64 { return 100 * min(1, max(0, float64(t.Sub(w.Start))/float64(length))) }
	y := func(n float64) float64 { return 100 * min(1, max(0, 1-n/float64(w.Limit))) }
	at := func(t time.Time, n int64) string { return decimal(x(t)) + "," + decimal(y(float64(n))) }

	c := &chart{
		Pace: "0,0 100,100", NowX: decimal(x(now)), Top: num(w.Limit), Half: num(w.Limit / 2), Period: w.Period,
		From: w.Start, Mid: w.Start.Add(length / 2), To: w.Reset,
	}
	// The books know when units went, so the line is a stair: level until a point.
	points := []string{}
	last := int64(-1)
	for _, p := range thin(w.History, maxPoints) {
		if last >= 0 && p.Left != last {
			points = append(points, at(p.At, last))
		}
		points = append(points, at(p.At, p.Left))
		last = p.Left
	}
	points = append(points, at(now, w.Left))
	c.Line = strings.Join(points, " ")
	c.Area = fmt.Sprintf("%s,100 %s %s,100", decimal(x(w.History[0].At)), c.Line, c.NowX)
	c.Rows = append(thin(w.History, maxRows-1), Point{now, w.Left})
	if f := highest(w.Floors, w.Limit); f != nil {
		c.FloorY, c.FloorName = decimal(y(float64(f.Units))), f.Trigger
	}
	c.Summary = fmt.Sprintf("%s of %s units are left in the %s, which ends on %s.", num(w.Left), num(w.Limit), w.Period, date(w.Reset))
	c.ahead(w, now, at, x)
	return c
}

// ahead adds the forecast.
func (c *chart) ahead(w *Window, now time.Time, at func(time.Time, int64) string, x func(time.Time) float64) {
	f := w.Forecast
	if f == nil || w.Left <= 0 {
		return
	}
	if f.RunsOut.IsZero() || !f.RunsOut.Before(w.Reset) {
		rest := max(0, w.Left-int64(f.Rate*w.Reset.Sub(now).Hours()))
		c.Ahead = at(now, w.Left) + " " + at(w.Reset, rest)
		c.Summary += fmt.Sprintf(" At this rate about %s will be left then.", num(rest))
		return
	}
	c.Ahead = at(now, w.Left) + " " + at(f.RunsOut, 0)
	c.OutX, c.OutDate, c.OutLeft = decimal(x(f.RunsOut)), date(f.RunsOut), x(f.RunsOut) > 50
	c.Summary += fmt.Sprintf(" At this rate it runs out on %s.", c.OutDate)
}

// highest is the floor that holds back most; one of the whole window is no
// floor but a ban. Nil when there is none.
func highest(floors []Floor, limit int64) (h *Floor) {
	for i, f := range floors {
		if f.Units > 0 && f.Units < limit && (h == nil || f.Units > h.Units) {
			h = &floors[i]
		}
	}
	return h
}

// thin keeps at most n points, evenly, the first and the last among them.
func thin(points []Point, n int) []Point {
	if len(points) <= n {
		return slices.Clone(points)
	}
	kept := make([]Point, 0, n)
	for i := range n {
		kept = append(kept, points[i*(len(points)-1)/(n-1)])
	}
	return kept
}
