package quota

import "time"

// week is how far back forecasts look, in hours.
const week = 7 * 24

// hours are a source's units of the last week by hour since 1970: all that
// forecasts are made of.
type hours struct {
	units map[int64]int64
	// began is the minute of the first unit ever: nothing is known of before.
	began time.Time
}

func newHours() hours { return hours{units: map[int64]int64{}} }

func hourOf(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func (h *hours) add(at time.Time, units int64) {
	hour := hourOf(at)
	if h.began.IsZero() {
		h.began = minuteOf(at)
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
	// recent is what the last hours and the one under way brought. rate is what
	// that comes to in an hour if it is more than any such stretch of the week
	// before brought; 0 if it is nothing new.
	recent float64
	rate   float64
}

const (
	// recent is how many hours the shortest estimate looks back, beside the one
	// under way.
	recent = 6
	// briefest is the shortest time, in hours, that makes a rate.
	briefest = 1.0 / 6
	// unusually is by how much the last hours must be busier than all before.
	unusually = 1.25
)

func (h *hours) profile(now time.Time) profile {
	p := profile{hour: hourOf(now)}
	p.known = max(0, min(week, p.hour-hourOf(h.began)))
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
	running := float64(h.units[p.hour])
	passed := now.Sub(time.Unix(p.hour*3600, 0)).Hours()
	p.recent = stretch(p.hour) + running
	took := max(briefest, min(recent+passed, now.Sub(h.began).Hours()))
	if p.known < 24 { // nobody knows yet what is usual
		p.rate = p.recent / took
		return p
	}
	var most, mostInHour float64
	for back := int64(1); back <= p.known-2*recent; back++ {
		most = max(most, stretch(p.hour-recent-back+1))
	}
	for _, units := range p.by {
		mostInHour = max(mostInHour, units)
	}
	if p.recent/took > unusually*most/recent {
		p.rate = p.recent / took
	}
	// More already than any whole hour brought: what runs away is not to be
	// hidden by the quiet hours before it.
	if running >= thin && running > unusually*mostInHour {
		p.rate = max(p.rate, running/max(briefest, passed))
	}
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
