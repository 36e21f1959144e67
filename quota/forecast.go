package quota

import "time"

// thin is how many units an estimate needs to be made of.
const thin = 20

// forecast says when a calendar window of a day or more will run out, from
// three estimates:
//
//   - the last six hours and the one under way, straight on, where they were
//     busier than any six of the week before; otherwise they are nothing new,
//     and it is the third
//   - the window so far, or since there are books, given the shape of the last
//     week where that is known
//   - the last seven days, hour by hour of the week
//
// It reads nothing but the last week's units by hour.
func (a *account) forecast(w *window, now instant) *Forecast {
	if w.limit.Rolling || w.limit.Per < Day {
		return nil
	}
	p := w.of.hours.profile(now.wall)
	left := float64(w.ceiling(a.Margin, now) - w.used - w.of.pending)
	var estimates []*time.Time
	estimate := func(next func(hour int64) float64) *time.Time {
		at := runOut(now.wall, w.end, left, next)
		estimates = append(estimates, at)
		return at
	}
	f := Forecast{}
	if p.recent >= thin {
		next := p.next
		if p.rate > 0 {
			next = func(int64) float64 { return p.rate }
		}
		f.Last6h = estimate(next)
	}
	rate := w.pace(func(units int64, from time.Time) float64 {
		if units < thin || now.wall.Sub(from) <= w.end.Sub(w.start)/20 {
			return 0
		}
		return float64(units) / integrate(from, now.wall, p.shape)
	})
	if rate > 0 {
		f.Window = estimate(func(hour int64) float64 { return rate * p.shape(hour) })
	}
	if p.whole() && p.total >= thin {
		f.Week = estimate(p.next)
	}
	return f.sum(estimates)
}

// pace is the rate of the window so far: that of all that is used, since its
// start. Where the books began only then, what they do not know of had the whole
// window and what they know of had less; the faster of both counts, because what
// was used elsewhere before may well be what is spent here now.
func (w *window) pace(rate func(units int64, from time.Time) float64) float64 {
	began := w.began()
	if began.Equal(w.start) {
		return rate(w.used, w.start)
	}
	own := w.own()
	return max(rate(own, began), rate(w.used-own, w.start))
}

// burn is how fast the window is used, in shares of the pace that uses its limit
// from start to reset. A hundredth of the window is too early to say.
func (w *window) burn(limit int64, now instant) *float64 {
	length := w.end.Sub(w.start)
	early := func(from time.Time) bool { return now.wall.Sub(from)*100 < length }
	elsewhere := w.used > w.own() && !early(w.start)
	if w.limit.Rolling || limit == 0 || early(w.began()) && !elsewhere {
		return nil
	}
	return new(w.pace(func(units int64, from time.Time) float64 {
		if early(from) {
			return 0
		}
		return float64(units) / float64(limit) * float64(length) / float64(now.wall.Sub(from))
	}))
}

// began is from when on there are books of the window: its start, unless the
// first unit ever came clearly later.
func (w *window) began() time.Time {
	first := w.of.hours.began
	if w.limit.Rolling || first.Sub(w.start) <= w.end.Sub(w.start)/100 {
		return w.start
	}
	return first
}

// sum finds the earliest and the latest of the estimates; nil when the window
// lasts by all of them.
func (f Forecast) sum(estimates []*time.Time) *Forecast {
	lasts := false
	for _, at := range estimates {
		switch {
		case at == nil:
			lasts = true
		case f.At.IsZero():
			f.At, f.Latest = *at, at
		case at.Before(f.At):
			f.At = *at
		case at.After(*f.Latest):
			f.Latest = at
		}
	}
	if f.At.IsZero() {
		return nil
	}
	if lasts {
		f.Latest = nil
	}
	return &f
}

// runOut is when what is left is spent, hour by hour; nil when not before end.
func runOut(now, end time.Time, left float64, next func(hour int64) float64) *time.Time {
	for at := now; at.Before(end); {
		hour := hourOf(at)
		until := time.Unix((hour+1)*3600, 0)
		rate := next(hour)
		if spent := rate * until.Sub(at).Hours(); spent < left {
			left, at = left-spent, until
			continue
		}
		if rate > 0 && left > 0 {
			at = at.Add(time.Duration(left / rate * float64(time.Hour)))
		}
		if !at.Before(end) {
			return nil
		}
		at = at.UTC().Truncate(time.Second)
		return &at
	}
	return nil
}

// integrate is what hours of a rate come to between two times; never nothing.
func integrate(from, to time.Time, rate func(hour int64) float64) (sum float64) {
	for at := from; at.Before(to); {
		hour := hourOf(at)
		until := time.Unix((hour+1)*3600, 0)
		if until.After(to) {
			until = to
		}
		sum += rate(hour) * until.Sub(at).Hours()
		at = until
	}
	if sum <= 0 {
		return to.Sub(from).Hours()
	}
	return sum
}
