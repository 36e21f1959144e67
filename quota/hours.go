package quota

import "time"

// week is how far back forecasts look, in hours.
const week = 7 * 24

// hours are a source's units of the last week by hour since 1970: all that
// forecasts are made of.
type hours struct {
	units map[int64]int64
	// began is the hour of the first unit ever.
	began int64
}

func newHours() hours { return hours{units: map[int64]int64{}} }

func hourOf(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func (h *hours) add(at time.Time, units int64) {
	hour := hourOf(at)
	if h.began == 0 {
		h.began = hour
	}
	if _, known := h.units[hour]; !known {
		for old := range h.units {
			if old < hour-week {
				delete(h.units, old)
			}
		}
	}
	h.units[hour] = max(0, h.units[hour]+units)
}

// profile is the last week at an hour.
type profile struct {
	hour int64 // that is under way
	// by is what each hour of the week brought last, by hour modulo a week.
	by [week]float64
	// known is for how many hours there are books, at most a week's.
	known int64
	total float64
	// recent is what the last hours brought; unusual that they brought more
	// than any stretch of that length in the week before.
	recent  float64
	unusual bool
}

// recent is how many hours the shortest estimate looks back.
const recent = 6

func (h *hours) profile(now time.Time) profile {
	p := profile{hour: hourOf(now)}
	p.known = max(0, min(week, p.hour-h.began))
	for back := int64(1); back <= week; back++ {
		hour := p.hour - back
		p.by[floorMod(hour, week)] = float64(h.units[hour])
		p.total += float64(h.units[hour])
	}
	stretch := func(end int64) (sum float64) {
		for back := int64(1); back <= recent; back++ {
			sum += p.by[floorMod(end-back, week)]
		}
		return sum
	}
	p.recent = stretch(p.hour)
	var most float64
	for back := int64(1); back <= p.known-2*recent; back++ {
		most = max(most, stretch(p.hour-recent-back+1))
	}
	// Without a day of books nobody knows what is usual.
	p.unusual = p.known < 24 || p.recent > 1.25*most
	return p
}

// whole says that each hour of the week is known.
func (p *profile) whole() bool { return p.known == week }

// mean is the units of an hour.
func (p *profile) mean() float64 { return p.total / float64(max(1, p.known)) }

// next is what an hour brings if it is like that of the last week; while less
// than a week is known, like all hours so far.
func (p *profile) next(hour int64) float64 {
	if p.whole() {
		return p.by[floorMod(hour, week)]
	}
	return p.mean()
}

// shape is how busy an hour of the week is, 1 on the average.
func (p *profile) shape(hour int64) float64 {
	if m := p.mean(); p.whole() && m > 0 {
		return p.by[floorMod(hour, week)] / m
	}
	return 1
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
