package quota

import (
	"maps"
	"slices"
	"time"
)

// Usage is what one source has spent and may still spend. Its JSON form is
// part of the HTTP API: fields are added, never renamed.
type Usage struct {
	Source  string        `json:"source"`
	Windows []WindowUsage `json:"windows"`
	// Spent and Uncertain are units since the ledger began. Uncertain ones may
	// or may not have been billed; they count as spent.
	Spent     int64 `json:"spent_total"`
	Uncertain int64 `json:"uncertain_total"`
	// Pending units are reserved by calls under way.
	Pending int64 `json:"pending"`
	// Paused is set while an operator has paused the source.
	Paused *Pause `json:"paused,omitempty"`
	// Clients and Playbooks are the budgets of their own, by name or id.
	Clients   []BudgetUsage `json:"clients,omitempty"`
	Playbooks []BudgetUsage `json:"playbooks,omitempty"`
}

// BudgetUsage is the budget of one client or playbook.
type BudgetUsage struct {
	Name    string        `json:"name"`
	Windows []WindowUsage `json:"windows"`
}

// WindowUsage is one limit's window now.
type WindowUsage struct {
	// Window is the limit's name, see Limit.Window.
	Window string `json:"window"`
	// Limit is what holds in this window; an operator or the provider may have
	// changed it from Configured. Ceiling is the limit less the safety margin.
	Limit      int64 `json:"limit"`
	Configured int64 `json:"configured"`
	Ceiling    int64 `json:"ceiling"`
	// Used includes uncertain units; Pending units are reserved by calls under way.
	Used      int64 `json:"used"`
	Pending   int64 `json:"pending"`
	Remaining int64 `json:"remaining"`
	// ResetsAt is the reset of a calendar window; of a rolling one, when its
	// youngest unit leaves it.
	ResetsAt time.Time `json:"resets_at"`
	StartsAt time.Time `json:"starts_at"`
	// Since is from when on there are books: StartsAt, unless the source's first
	// unit ever came clearly later. What was used before is in Outside, if at all.
	Since   time.Time `json:"since"`
	Rolling bool      `json:"rolling"`
	// Floors are the units that each trigger must leave.
	Floors map[string]int64 `json:"floors,omitempty"`
	// ByTrigger is who spent Used; Outside the part that was not spent through
	// this ledger: initial usage, an operator's or the provider's correction.
	ByTrigger map[string]int64 `json:"by_trigger,omitempty"`
	Outside   int64            `json:"outside"`
	// Reported is the provider's own count as it was last told.
	Reported *Reported `json:"reported,omitempty"`
	// Burn is how fast it is used: 1 is the pace that uses the limit from start to
	// reset; nil while it is too early to say, and for rolling windows.
	Burn *float64 `json:"burn,omitempty"`
	// Forecast says when the window will run out; nil when it will not, or when
	// too little is known.
	Forecast *Forecast `json:"forecast,omitempty"`
}

// Pause says that a source may not spend.
type Pause struct {
	// Until is when it ends by itself; nil when only Resume ends it.
	Until  *time.Time `json:"until,omitempty"`
	Reason string     `json:"reason"`
	By     string     `json:"by"`
}

// Reported is what a provider said of a window.
type Reported struct {
	Used int64     `json:"used"`
	At   time.Time `json:"at"`
	From string    `json:"from"`
	// Drift is the provider's count less ours: above zero others use the key,
	// below zero the provider counts fewer.
	Drift int64 `json:"drift"`
}

// Forecast is when a calendar window of a day or more will run out: the
// earliest of the estimates that there is data for, and their spread.
type Forecast struct {
	// At is the earliest estimate, Latest the last of them; nil when that one
	// lasts until the reset.
	At     time.Time  `json:"at"`
	Latest *time.Time `json:"latest,omitempty"`
	// Last6h, Window and Week are the estimates: from the last six hours and the
	// one under way, from the window so far (or since there are books), and from
	// the last seven days by hour of the week. Nil
	// when there is too little data, or when it lasts until the reset.
	Last6h *time.Time `json:"last_6h,omitempty"`
	Window *time.Time `json:"window,omitempty"`
	Week   *time.Time `json:"week,omitempty"`
}

// usage is the account's state for people.
func (a *account) usage(name string, now instant, last time.Time) Usage {
	u := Usage{Source: name, Windows: []WindowUsage{}, Spent: a.spent, Uncertain: a.uncertain, Pending: a.source.pending}
	for w := range a.own() {
		p, _ := w.peek(now, last)
		wu := p.usage(w.of, now)
		wu.Limit, wu.Ceiling = p.allows(now), p.ceiling(a.Margin, now)
		wu.Remaining = max(0, wu.Ceiling-wu.Used-wu.Pending)
		wu.Floors = make(map[string]int64, numTriggers)
		for _, t := range Triggers() {
			wu.Floors[t.String()] = p.floor(a, t, now)
		}
		for _, r := range []*Reported{p.note.Report, p.reported} {
			if r != nil && !r.At.Before(p.start) {
				wu.Reported = r
			}
		}
		wu.Burn, wu.Forecast = p.burn(wu.Limit, now), a.forecast(&p, now)
		u.Windows = append(u.Windows, wu)
	}
	if p := a.pause; p != nil && p.holds(now) {
		u.Paused = &Pause{Reason: p.Reason, By: p.By}
		if !p.Until.IsZero() {
			u.Paused.Until = new(p.Until.UTC())
		}
	}
	u.Clients, u.Playbooks = budgetUsage(a.clients, now, last), budgetUsage(a.playbooks, now, last)
	return u
}

// stale says that only the writer can say what counts now.
func (a *account) stale(now instant, last time.Time) bool {
	for b := range a.all() {
		for _, w := range b.windows {
			if _, stale := w.peek(now, last); stale {
				return true
			}
		}
	}
	return false
}

func budgetUsage(budgets map[string]*budget, now instant, last time.Time) (all []BudgetUsage) {
	for _, name := range slices.Sorted(maps.Keys(budgets)) {
		b := BudgetUsage{Name: name, Windows: []WindowUsage{}}
		for _, w := range budgets[name].windows {
			p, _ := w.peek(now, last)
			b.Windows = append(b.Windows, p.usage(budgets[name], now))
		}
		all = append(all, b)
	}
	return all
}

// usage is what a window says of itself, without what is particular to a source's.
func (w *window) usage(b *budget, now instant) WindowUsage {
	u := WindowUsage{
		Window: w.limit.Window(), Limit: w.limit.Units, Configured: w.limit.Units, Ceiling: w.limit.Units,
		Used: w.used, Pending: b.pending, Remaining: max(0, w.limit.Units-w.used-b.pending),
		ResetsAt: w.end.UTC(), StartsAt: w.start.UTC(), Rolling: w.limit.Rolling,
		ByTrigger: make(map[string]int64, numTriggers), Outside: w.used, Since: w.began().UTC(),
	}
	if u.Since.After(now.wall) { // the clock was set back
		u.Since = u.StartsAt
	}
	for t, n := range w.by {
		u.ByTrigger[Trigger(t).String()] = n
		u.Outside -= n
	}
	if w.limit.Rolling {
		// A rolling window has no reset; it is empty again when its youngest unit leaves.
		u.ResetsAt = now.wall.UTC()
		if n := len(w.spans); n > 0 {
			u.ResetsAt = now.onWall(w.spans[n-1].at.Add(w.limit.Per.length())).UTC()
		}
	}
	return u
}
