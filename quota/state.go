package quota

import (
	"iter"
	"time"
)

// account is one account's books in memory. The disk is the truth; this is
// what the decisions are made on, and it is rebuilt from disk after a failed
// commit.
type account struct {
	Account
	// configured is false for a source that only the file knows: it is kept
	// and shown, and may not spend.
	configured bool
	// known is true for a source that the file knows.
	known     bool
	source    *budget
	clients   map[string]*budget
	playbooks map[string]*budget
	// spent and uncertain are totals since the ledger began.
	spent, uncertain int64
	// doubts are the reservations that ended uncertain, by number.
	doubts map[uint64]doubt
	pause  *pause
	// quiet is when a call was last under way, on the steady time line.
	quiet time.Time
	// hours are the units of the last week by hour, for forecasts.
	hours hours
}

// budget is a set of windows that must all have room.
type budget struct {
	owner   Owner
	windows []*window
	// pending are the units of open reservations: they count in every window.
	pending int64
}

func newAccount(name string, cfg Account, now instant) *account {
	a := &account{
		Account: cfg, source: newBudget(Owner{OfSource, name}, cfg.Limits, now),
		quiet: now.steady, clients: map[string]*budget{}, playbooks: map[string]*budget{}, doubts: map[uint64]doubt{}, hours: newHours(),
	}
	for c, limits := range cfg.Clients {
		a.clients[c] = newBudget(Owner{OfClient, c}, limits, now)
	}
	for p, limits := range cfg.Playbooks {
		a.playbooks[p] = newBudget(Owner{OfPlaybook, p}, limits, now)
	}
	return a
}

func newBudget(o Owner, limits []Limit, now instant) *budget {
	b := &budget{owner: o}
	for _, l := range limits {
		b.windows = append(b.windows, newWindow(l, now))
	}
	return b
}

// budgets are those that a reservation takes units from.
func (a *account) budgets(r *reservation) []*budget {
	all := append(make([]*budget, 0, 3), a.source)
	if b := a.clients[r.Client]; b != nil {
		all = append(all, b)
	}
	if b := a.playbooks[r.Playbook]; b != nil {
		all = append(all, b)
	}
	return all
}

// all are the source's budget and those of its clients and playbooks.
func (a *account) all() iter.Seq[*budget] {
	return func(yield func(*budget) bool) {
		if !yield(a.source) {
			return
		}
		for _, budgets := range []map[string]*budget{a.clients, a.playbooks} {
			for _, b := range budgets {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// window finds one of the source's windows by its name.
func (a *account) window(name string) *window {
	for _, w := range a.source.windows {
		if w.limit.Window() == name {
			return w
		}
	}
	return nil
}

// hold sets units aside.
func (a *account) hold(r *reservation) {
	for _, b := range a.budgets(r) {
		b.pending += r.Units
	}
}

// settle moves units out of pending, into the books unless they are void.
func (a *account) settle(now instant, r *reservation, o Outcome) {
	a.quiet = now.steady
	for _, b := range a.budgets(r) {
		b.pending -= r.Units
		if o == Void {
			continue
		}
		for _, w := range b.windows {
			w.add(now.steady, r.Trigger, r.Units)
		}
	}
	if o != Void {
		a.hours.add(now.stamp, r.Units)
	}
	switch o {
	case Spent:
		a.spent += r.Units
	case Uncertain:
		a.uncertain += r.Units
	}
}
