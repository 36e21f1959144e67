package quota

import (
	"iter"
	"maps"
	"slices"
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
	known  bool
	source *budget
	// buckets are the source's limits that count one kind of calls only.
	buckets   map[string]*budget
	clients   map[string]*budget
	playbooks map[string]*budget
	// spent and uncertain are totals since the ledger began.
	spent, uncertain int64
	// doubts are the reservations that ended uncertain, by number.
	doubts map[uint64]doubt
	pause  *pause
	// quiet is when a call was last under way, on the steady time line.
	quiet time.Time
}

// budget is a set of windows that must all have room.
type budget struct {
	owner   Owner
	windows []*window
	// pending are the units of open reservations: they count in every window.
	pending int64
	// hours are the units of the last week by hour, for forecasts.
	hours hours
}

// own says that it is the source's and no spender's: floors and margin apply to
// it, and an operator or the provider may correct it.
func (b *budget) own() bool { return b.owner.Kind == OfSource || b.owner.Kind == OfBucket }

// books are where the budget's series of minutes is: bucket of the file, and key.
func (b *budget) books(source string) (bucket, key []byte) {
	if b.owner.Kind == OfSource {
		return bucketMinutes, series(source)
	}
	return bucketSpenders, spender(source, b.owner.Kind, b.owner.Name)
}

func newAccount(name string, cfg Account, now instant) *account {
	a := &account{
		Account: cfg, buckets: map[string]*budget{}, quiet: now.steady,
		clients: map[string]*budget{}, playbooks: map[string]*budget{}, doubts: map[uint64]doubt{},
	}
	limits := map[string][]Limit{}
	for _, l := range cfg.Limits {
		limits[l.Bucket] = append(limits[l.Bucket], l)
	}
	a.source = newBudget(Owner{OfSource, name}, limits[""], now)
	for bucket, of := range limits {
		if bucket != "" {
			a.buckets[bucket] = newBudget(Owner{OfBucket, bucket}, of, now)
		}
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
	b := &budget{owner: o, hours: newHours()}
	for _, l := range limits {
		w := newWindow(l, now)
		w.of = b
		b.windows = append(b.windows, w)
	}
	return b
}

// budgets are those that a reservation takes units from.
func (a *account) budgets(r *reservation) []*budget {
	all := append(make([]*budget, 0, 4), a.source)
	if b := a.buckets[r.Bucket]; b != nil {
		all = append(all, b)
	}
	if b := a.clients[r.Client]; b != nil {
		all = append(all, b)
	}
	if b := a.playbooks[r.Playbook]; b != nil {
		all = append(all, b)
	}
	return all
}

// own are the windows of the source and then of its buckets.
func (a *account) own() iter.Seq[*window] {
	return func(yield func(*window) bool) {
		budgets := []*budget{a.source}
		for _, name := range slices.Sorted(maps.Keys(a.buckets)) {
			budgets = append(budgets, a.buckets[name])
		}
		for _, b := range budgets {
			for _, w := range b.windows {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// all are the source's budget and those of its buckets, clients and playbooks.
func (a *account) all() iter.Seq[*budget] {
	return func(yield func(*budget) bool) {
		if !yield(a.source) {
			return
		}
		for _, budgets := range []map[string]*budget{a.buckets, a.clients, a.playbooks} {
			for _, b := range budgets {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// window finds one of the source's windows, or of its buckets', by its name.
func (a *account) window(name string) *window {
	for w := range a.own() {
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
		if b.own() {
			b.hours.add(now.stamp, r.Units)
		}
	}
	switch o {
	case Spent:
		a.spent += r.Units
	case Uncertain:
		a.uncertain += r.Units
	}
}
