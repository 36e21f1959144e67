package quota

import (
	"flag"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"
)

var modelSteps = flag.Int("model-steps", 60, "steps of each random history of the ledger")

// model is the ledger in a few lines: every settled unit with the time at which
// it was, in order. It knows nothing of disks, batches or books.
type model struct {
	account Account
	open    map[uint64]modelUnits
	settled []modelUnits
	// said is what somebody said of a window, by its name.
	said   map[string]modelSaid
	paused time.Time
	quiet  time.Time
}

// modelUnits are the units of one reservation.
type modelUnits struct {
	id            uint64
	units         int64
	trigger       Trigger
	bucket        string
	client        string
	playbook      string
	stamp, steady time.Time
	doubt         bool
}

// modelSaid holds: used, when index units had been settled; limit and floor until the end.
type modelSaid struct {
	said          bool
	gone          bool // a rolling window was read from disk when it was too old
	index         int
	stamp, steady time.Time
	used          int64
	until         time.Time
	limit         int64
	floors        map[Trigger]int64
}

// used counts what counts in a window for those of owner; slack takes in what
// is that much too old.
func (m *model) used(l Limit, now instant, slack time.Duration, owner Owner) (n int64) {
	start, _ := l.bounds(now.wall)
	in := func(stamp, steady time.Time) bool {
		switch {
		case l.Rolling:
			return !steady.Before(now.steady.Add(-l.Per.length() - slack))
		case l.Per < Day:
			return !steady.Before(now.onSteady(start).Add(-slack))
		default:
			return !stamp.Before(start)
		}
	}
	from := 0
	if s := m.said[l.Window()]; s.said && !s.gone && owner.Kind == OfSource {
		counts := in(s.stamp, s.steady)
		if counts {
			n = s.used
		}
		if counts || l.Rolling {
			from = s.index // what it replaced is gone for good
		}
	}
	for _, u := range m.settled[from:] {
		if u.of(owner) && u.in(l) && in(u.stamp, u.steady) {
			n += u.units
		}
	}
	return n
}

func (u *modelUnits) of(o Owner) bool {
	return o.Kind == OfSource || o.Kind == OfClient && u.client == o.Name || o.Kind == OfPlaybook && u.playbook == o.Name
}

// in says that a limit counts the units.
func (u *modelUnits) in(l Limit) bool { return l.Bucket == "" || l.Bucket == u.bucket }

func (m *model) pending(o Owner, l Limit) (n int64) {
	for _, u := range m.open {
		if u.of(o) && u.in(l) {
			n += u.units
		}
	}
	return n
}

func (m *model) limit(l Limit, now instant) int64 {
	if s := m.said[l.Window()]; s.limit > 0 && now.wall.Before(s.until) {
		return s.limit
	}
	return l.Units
}

// room is what a trigger may use of a source's window.
func (m *model) room(l Limit, t Trigger, now instant) int64 {
	limit := m.limit(l, now)
	floor := int64(float64(limit) * m.account.Floors[t])
	if s := m.said[l.Window()]; now.wall.Before(s.until) {
		if f, ok := s.floors[t]; ok {
			floor = f
		}
	}
	return limit - int64(float64(limit)*m.account.Margin) - floor
}

func (m *model) allows(r Request, now instant) bool {
	if now.wall.Before(m.paused) {
		return false
	}
	source := Owner{Kind: OfSource}
	for _, l := range m.account.Limits {
		if l.Bucket != "" && l.Bucket != r.Bucket {
			continue
		}
		if m.used(l, now, 0, source)+m.pending(source, l)+r.Units > m.room(l, r.Trigger, now) {
			return false
		}
	}
	for _, o := range []Owner{{OfClient, r.Client}, {OfPlaybook, r.Playbook}} {
		for _, l := range append(m.account.Clients[o.Name], m.account.Playbooks[o.Name]...) {
			if m.used(l, now, 0, o)+m.pending(o, l)+r.Units > l.Units {
				return false
			}
		}
	}
	return true
}

// say changes what is said of a window; what holds until its end falls with it.
func (m *model) say(l Limit, now instant, f func(*modelSaid)) {
	s := m.said[l.Window()]
	_, end := l.bounds(now.wall)
	if l.Rolling {
		end = now.wall.Add(l.Per.length())
	}
	if !s.until.Equal(end) {
		s.until, s.limit, s.floors = end, 0, nil
	}
	s.floors = maps.Clone(s.floors)
	f(&s)
	m.said[l.Window()] = s
}

func (m *model) correct(l Limit, now instant, used int64) {
	s := m.said[l.Window()]
	s.said, s.gone, s.index, s.stamp, s.steady, s.used = true, false, len(m.settled), now.stamp, now.steady, used
	m.said[l.Window()] = s
}

// crash ends what is open in doubt, and forgets the steady time line: what was
// settled is as old as the end of its minute says.
func (m *model) crash(now instant, last time.Time) {
	aged := func(at time.Time) time.Time { return now.steady.Add(-max(0, now.wall.Sub(at))) }
	for i := range m.settled {
		at := m.settled[i].stamp.Truncate(time.Minute).Add(time.Minute - 1)
		if at.After(last) {
			at = last
		}
		m.settled[i].steady = aged(at)
	}
	for _, l := range m.account.Limits {
		s := m.said[l.Window()]
		s.steady = aged(s.stamp)
		start, _ := l.bounds(now.wall)
		s.gone = l.Rolling && s.stamp.Before(start)
		m.said[l.Window()] = s
	}
	for _, id := range slices.Sorted(maps.Keys(m.open)) {
		m.settle(id, Uncertain, now)
	}
	m.quiet = now.steady
}

func (m *model) settle(id uint64, o Outcome, now instant) {
	u := m.open[id]
	delete(m.open, id)
	m.quiet = now.steady
	if o != Void {
		u.stamp, u.steady, u.doubt = now.stamp, now.steady, o == Uncertain
		m.settled = append(m.settled, u)
	}
}

func (m *model) total(doubt bool) (n int64) {
	for _, u := range m.settled {
		if u.doubt == doubt {
			n += u.units
		}
	}
	return n
}

// reconcile raises what is used to the provider's count, after the doubts that
// the count has no room for were cleared.
func (m *model) reconcile(l Limit, now instant, theirs int64) {
	source := Owner{Kind: OfSource}
	start, _ := l.bounds(now.wall)
	var doubts int64
	for _, u := range m.settled {
		if u.doubt && u.in(l) && !u.stamp.Before(start) {
			doubts += u.units
		}
	}
	if m.pending(source, Limit{}) == 0 && now.steady.Sub(m.quiet) >= settling && theirs >= m.used(l, now, 0, source)-doubts {
		byID := func(a, b int) int { return int(m.settled[a].id) - int(m.settled[b].id) }
		order := make([]int, len(m.settled))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, byID)
		for _, i := range order {
			u := &m.settled[i]
			covered := m.said[l.Window()].said && i < m.said[l.Window()].index
			if u.doubt && u.in(l) && !u.stamp.Before(start) && !covered && m.used(l, now, 0, source)-u.units >= theirs {
				u.units, u.doubt = 0, false
			}
		}
	}
	if used := m.used(l, now, 0, source); theirs-m.pending(source, l) > used {
		m.correct(l, now, theirs-m.pending(source, l))
	}
}

// modelAccount draws limits of all kinds.
func modelAccount(t *rapid.T) Account {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"}
	z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return drawAccount(t, z, rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(1, 28).Draw(t, "day"))
}

// drawAccount draws the figures: what may change without a window becoming another.
func drawAccount(t *rapid.T, z *time.Location, hour, first int) Account {
	day := rapid.Int64Range(20, 60).Draw(t, "per day")
	return Account{
		Limits: []Limit{
			{Units: rapid.Int64Range(4, 10).Draw(t, "per minute"), Per: Minute, Rolling: true},
			{Units: rapid.Int64Range(10, 20).Draw(t, "per hour"), Per: Hour, Zone: z},
			{Units: day, Per: Day, Zone: z, ResetHour: hour},
			{Units: day, Per: Day, Rolling: true},
			{Units: rapid.Int64Range(60, 200).Draw(t, "per month"), Per: Month, Zone: z, ResetDay: first},
			{Bucket: "search", Units: rapid.Int64Range(5, 20).Draw(t, "searches"), Per: Day, Zone: z},
			{Bucket: "search", Units: rapid.Int64Range(3, 5).Draw(t, "searches an hour"), Per: Hour, Rolling: true},
		},
		Margin:    rapid.SampledFrom([]float64{0, 0.05, 0.1}).Draw(t, "margin"),
		Floors:    map[Trigger]float64{Playbook: 0.1, API: 0.25},
		Clients:   map[string][]Limit{"soar": {{Units: rapid.Int64Range(5, 20).Draw(t, "client"), Per: Day}}},
		Playbooks: map[string][]Limit{"pb-1": {{Units: rapid.Int64Range(5, 20).Draw(t, "playbook"), Per: Hour, Rolling: true}}},
	}
}
